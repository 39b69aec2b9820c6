"""How many files at once, what Cancel does, and settings that no box edits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QGroupBox, QLabel, QSpinBox, QWidget

from ...run.settings import Settings
from ...system.devices import default_threads
from ..qt_helpers import growing_form


class OptionsBox(QGroupBox):
    """Edits what concerns the batch as a whole."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Batch", parent)
        self._workers = QSpinBox()
        self._workers.setRange(1, max(2, 2 * default_threads()))
        self._workers.setToolTip(
            "<qt>How many files are in work at the same time, each in a process of its own with its share of the "
            "cores; 1: in napari itself.</qt>"
        )
        self._cancel = QComboBox()
        self._cancel.addItem("Drop the file in work", False)
        self._cancel.addItem("Finish the file in work", True)
        self._cancel.setToolTip("What happens with files that are in work when you click Cancel.")
        self._uncertainty = QCheckBox("Also write the uncertainty")
        self._uncertainty.setToolTip(
            "<qt>The expected absolute error of every voxel, as <i>NAME_uncertainty</i> beside the result; of methods "
            "that give one.</qt>"
        )
        self._info = QLabel()
        self._info.setObjectName("summary")
        self._info.setWordWrap(True)
        form = growing_form(self)
        form.addRow("Files at once", self._workers)
        form.addRow("Cancel", self._cancel)
        form.addRow(self._uncertainty)
        form.addRow(self._info)
        self._workers.valueChanged.connect(lambda *_: self.changed.emit())
        self._uncertainty.toggled.connect(lambda *_: self.changed.emit())

    def workers(self) -> int:
        """Return the number of processes; 0 for none beside this one."""
        count = self._workers.value()
        return count if count > 1 else 0

    def finishes(self) -> bool:
        """Return whether Cancel lets the files in work end."""
        return bool(self._cancel.currentData())

    def uncertainty(self) -> bool:
        """Return whether the uncertainty is written, too."""
        return self._uncertainty.isChecked()

    def show_unedited(self, values: Mapping[str, Any]) -> None:
        """Say which settings that no box edits are not the usual ones."""
        usual = Settings()
        said = [f"{name}: {value}" for name, value in values.items() if value != getattr(usual, name)]
        self._info.setText(f"Also set: {', '.join(said)}." if said else "")
        self._info.setVisible(bool(said))
