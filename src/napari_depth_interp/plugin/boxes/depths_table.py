"""The depth of each section, to be typed over where sections are uneven."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from ...stack import Dataset


class DepthsTable(QWidget):
    """Shows depths; ``edited`` brings them all, in the order of the file, and ``problem`` why one is none.

    ``forget_clicked``: those of the file are wanted back.
    """

    edited = Signal(object)
    problem = Signal(str)
    forget_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: list[float] = []  # with all digits
        self._unit = "no unit"
        self._table: QTableWidget | None = None

    def build(self) -> None:
        """Make the table, once somebody wants to see it."""
        if self._table is not None:
            return
        self._table = QTableWidget(0, 1)
        self._table.setHorizontalHeaderLabels(["depth"])
        self._table.horizontalHeader().setStretchLastSection(True)
        self._table.setTabKeyNavigation(False)
        self._table.setMinimumHeight(120)
        self._table.setMaximumHeight(200)
        self._table.setToolTip("Depth of each section. Type over a number where the sections are uneven.")
        self._table.setAccessibleName("Section depths")
        self._table.itemChanged.connect(self._depth_edited)
        even = QPushButton("Back to the file's depths")
        even.setToolTip("Forget the depths and the z spacing that were typed here.")
        even.clicked.connect(lambda *_: self.forget_clicked.emit())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._table)
        layout.addWidget(even)
        self._show()

    def fill(self, dataset: Dataset) -> None:
        """Show the depths of a dataset."""
        self._shown = [] if dataset.grid.positions is None else dataset.grid.positions.tolist()
        self._reversed = dataset.source is not None and dataset.source.reversed_sections
        self._unit = dataset.grid.unit or "no unit"
        if self._table is not None:
            self._show()

    def _show(self) -> None:
        assert self._table is not None
        self._table.blockSignals(True)
        self._table.setRowCount(len(self._shown))
        self._table.setHorizontalHeaderLabels([f"depth ({self._unit})"])
        self._table.setVerticalHeaderLabels([str(i) for i in range(len(self._shown))])
        for i, depth in enumerate(self._shown):
            self._table.setItem(i, 0, QTableWidgetItem(f"{depth:.6g}"))
        self._table.blockSignals(False)

    def _depth_edited(self, item: QTableWidgetItem) -> None:
        try:
            self._shown[item.row()] = float(item.text())
        except ValueError:
            self.problem.emit(f"a depth must be a number, got '{item.text()}'")
            return
        depths = np.array(self._shown)
        if self._reversed:
            depths = depths[-1] + depths[0] - depths[::-1]  # settings count the sections as the file does
        self.edited.emit(depths.tolist())
