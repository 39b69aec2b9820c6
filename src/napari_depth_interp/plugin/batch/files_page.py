"""The tab with the files: the table, and what can be done with its rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
from napari.utils.notifications import show_warning
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ...batch import Plan, Row, State
from ...batch.plan import outputs_of
from ...errors import DepthInterpError
from ..look import unique_name
from ..stack_box import PLUGIN
from ..words import for_window
from .files_table import FilesTable


class FilesPage(QWidget):
    """Shows the files of a plan; ``copy_wanted`` is emitted when the command is to be copied."""

    copy_wanted = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.plan: Plan | None = None
        self.table = FilesTable()
        self.table.wanted.connect(self.open)
        open_button, copy = QPushButton("Open"), QPushButton("Copy as command")
        open_button.setToolTip("Open the chosen file and its result.")
        copy.setToolTip("<qt>Copy the command line that does the same.</qt>")
        open_button.clicked.connect(self._open_chosen)
        copy.clicked.connect(lambda *_: self.copy_wanted.emit())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.table, 1)
        row = QHBoxLayout()
        row.addWidget(open_button)
        row.addStretch(1)
        row.addWidget(copy)
        layout.addLayout(row)

    def open(self, row: Row) -> None:
        """Open a file and, if it is there, its result, which comes into view."""
        if self.plan is None:
            return
        paths = [(self.plan.source / row.file, "")]
        if row.state in (State.DONE, State.SKIPPED):
            paths.append((outputs_of(self.plan, row.file)[0], " result"))
        for path, what in paths:
            try:
                layers = self._viewer.open(str(path), plugin=PLUGIN)
            except (DepthInterpError, OSError) as error:
                show_warning(for_window(error))
                continue
            for layer in layers:
                if what:
                    layer.name = unique_name(self._viewer, f"{Path(row.file).name}{what}")
                self._viewer.layers.selection.active = layer

    def _open_chosen(self, *_: Any) -> None:
        row = self.table.chosen()
        if row is not None:
            self.open(row)
