"""How dense the result should be, and what that makes."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QGroupBox, QHBoxLayout, QLabel, QLineEdit, QSpinBox, QVBoxLayout, QWidget

from ...errors import DepthInterpError
from ...method import MethodSpec
from ...run.settings import Settings, describe
from ...run.targets import target_depths
from ...stack import Acquisition, Dataset
from ...system.amounts import size_in_words
from ..jobs.messages import for_window
from ..qt_helpers import add_choice, say

_KINDS = {"factor": "Factor", "spacing": "Spacing", "isotropic": "Isotropic"}


class TargetBox(QGroupBox):
    """Edits factor, spacing or isotropic."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Target", parent)
        self._enlarges = 1
        self._kind = QComboBox()
        for kind, label in _KINDS.items():
            add_choice(self._kind, label, kind, describe(kind))
        self._kind.setToolTip("<qt>How the density of the result is given.</qt>")
        self._factor = QSpinBox()
        self._factor.setRange(2, 1000)
        self._factor.setValue(4)
        self._factor.setToolTip(f"<qt>{describe('factor')}</qt>")
        self._spacing = QLineEdit()
        self._spacing.setPlaceholderText("for example 0.5um")
        self._spacing.setToolTip(f"<qt>{describe('spacing')}</qt>")
        for widget, name in ((self._kind, "Target"), (self._factor, "Factor"), (self._spacing, "Spacing")):
            widget.setAccessibleName(name)
        self._summary = QLabel()
        self._summary.setObjectName("summary")
        self._summary.setWordWrap(True)
        self._summary.hide()
        row = QHBoxLayout()
        for widget in (self._kind, self._factor, self._spacing):
            row.addWidget(widget, 1)
        layout = QVBoxLayout(self)
        layout.addLayout(row)
        layout.addWidget(self._summary)
        self._kind.currentIndexChanged.connect(self._changed)
        self._factor.valueChanged.connect(self._changed)
        self._spacing.textChanged.connect(self._changed)
        self._changed()

    def values(self) -> dict[str, Any]:
        """Return the settings that this box edits."""
        kind = self._kind.currentData() if self._enlarges == 1 else None
        return {
            "factor": self._factor.value() if kind == "factor" else None,
            "spacing": self._spacing.text().strip() if kind == "spacing" else None,
            "isotropic": kind == "isotropic",
        }

    def show_method(self, spec: MethodSpec) -> None:
        """Offer what a method can make: of one that makes all axes finer there is nothing to choose."""
        if spec.enlarges != self._enlarges:
            self._enlarges = spec.enlarges
            self._show_fields()

    def set_values(self, settings: Settings) -> None:
        """Show these settings."""
        kind = "isotropic" if settings.isotropic else "spacing" if settings.spacing else "factor"
        self._kind.setCurrentIndex(list(_KINDS).index(kind))
        n = Acquisition.parse(settings.acquisition or "slice").n
        if settings.factor or n > 1:
            self._factor.setValue(settings.factor or n)  # the factor of a projection is n until you say otherwise
        self._spacing.setText(settings.spacing or "")

    def show_summary(self, dataset: Dataset, settings: Settings) -> int:
        """Say how many sections and how much memory the target makes; return the bytes.

        Raises
        ------
        DepthInterpError
            If the target does not fit the stack.
        """
        try:
            depths, notes = target_depths(dataset, settings)
        except DepthInterpError as error:
            self.show_problem(for_window(error))
            raise
        itemsize = 4 if settings.dtype == "float32" else dataset.voxels.dtype.itemsize
        times, channels, sections, rows, columns = dataset.voxels.shape
        k = self._enlarges
        size = len(depths) * times * channels * rows * columns * k**2 * itemsize
        step = float(np.median(np.diff(depths)))
        pixels = f" of {rows * k} x {columns * k} pixels" if k > 1 or settings.crop else ""
        unit = f" {dataset.grid.unit}" if dataset.grid.unit else ""
        distance = f"{step:.4g}{unit} apart"
        words = f"{sections} → {len(depths)} sections{pixels}, {distance}, {size_in_words(size)}"
        lines = [html.escape(words, quote=False), *(f"<i>{html.escape(note, quote=False)}</i>" for note in notes)]
        say(self._summary, "<br>".join(lines), rich=True)
        self._summary.show()
        return int(size)

    def show_problem(self, text: str) -> None:
        """Say why there is no target."""
        say(self._summary, text, problem=True)
        self._summary.show()

    def clear(self) -> None:
        """Say nothing: there is no stack yet."""
        self._summary.setText("")
        self._summary.hide()

    def _changed(self, *_: Any) -> None:
        self._show_fields()
        self.changed.emit()

    def _show_fields(self) -> None:
        kind, free = self._kind.currentData(), self._enlarges == 1
        self._kind.setVisible(free)
        self._factor.setVisible(free and kind == "factor")
        self._spacing.setVisible(free and kind == "spacing")
