"""Where to compute, in how much memory, and whether to score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from ...errors import DepthInterpError
from ...method import MethodSpec
from ...progress import Report
from ...run.settings import Settings, describe
from ...system.cluster import Processes
from ...system.devices import available_devices, resolve_device
from ..folding import Fold
from ..jobs import Job, import_torch
from ..qt_helpers import growing_form, in_problem_colour
from .data_range import DataRangeEdit


@dataclass(frozen=True)
class Scoring:
    """How a run is scored: one section in ``keep_every`` stays visible; the range may be given."""

    keep_every: int
    data_range: tuple[float, float] | None = None


class ComputeBox(QWidget):
    """Edits the device, the limit of the memory, among which processes a run is divided, and how it is scored.

    Parameters
    ----------
    scoring : bool
        Whether there is a run, which can be scored and has a limit of the memory; otherwise a training.
    spread : bool
        Whether one run can be divided among processes.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None, *, scoring: bool = True, spread: bool = False) -> None:
        super().__init__(parent)
        self._can_score = scoring
        self._search: Job[list[str]] | None = None
        self._found = False
        self._search_note = "looking for a GPU …"
        self._device = QComboBox()
        self._device.addItems(["auto", "cpu"])
        self._device.setToolTip(f"<qt>{describe('device')}</qt>")
        self._memory = QLineEdit(self)
        self._memory.setObjectName("memory")
        self._memory.setPlaceholderText("what is free, or a size such as 8GB")
        self._memory.setToolTip(f"<qt>{describe('memory')}</qt>")
        self._device_note = QLabel()
        self._device_note.setObjectName("device note")
        self._device_note.setWordWrap(True)
        self._score = QCheckBox("Score: keep 1 section in")
        self._score.setObjectName("score")
        self._score.setToolTip(
            "<qt>Hide sections of this stack, fill them from the kept ones and compare with the truth. "
            "The result itself always uses all sections. Methods that make all axes finer are scored in Compare "
            "methods, on means of 4 x 4 x 4 voxels.</qt>"
        )
        self._every = QSpinBox()
        self._every.setRange(2, 100)
        self._every.setToolTip("2: every second section is kept, the others are hidden and compared.")
        self._every.setAccessibleName("Score: keep 1 section in")
        self._range = DataRangeEdit()
        row = QHBoxLayout()
        row.addWidget(self._score)
        row.addWidget(self._every, 1)
        folded = QWidget()
        form = growing_form(folded)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Device", self._device)
        form.addRow(self._device_note)
        if scoring:
            form.addRow("Memory", self._memory)
        self._workers, self._scheduler = QSpinBox(self), QLineEdit(self)
        for name, field in (("Workers", self._workers), ("Scheduler", self._scheduler), ("Memory", self._memory)):
            field.setAccessibleName(name)
            field.setVisible(scoring if name == "Memory" else spread)
        if spread:
            self._add_processes(form)
        self._range_label = QLabel("Data range")
        form.addRow(self._range_label, self._range)
        self._range_label.setBuddy(self._range)
        self._fold = Fold("Device, memory, range" if scoring else "Device", folded)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self._fold)
        self._score.toggled.connect(self._changed)
        texts = self._device.currentTextChanged, self._range.textChanged, self._memory.textChanged
        for signal in (*texts, self._every.valueChanged):
            signal.connect(self._changed)
        self._changed()

    def _add_processes(self, form: QFormLayout) -> None:
        self._workers.setObjectName("workers")
        self._workers.setRange(0, 999)
        self._workers.setSpecialValueText("this process")
        self._workers.setToolTip(
            "<qt>Divide the run among so many processes of this machine. The image has to be a file, and the result is "
            "streamed to OME-Zarr. A run that was killed goes on where it was when you press Run again.</qt>"
        )
        self._scheduler.setObjectName("scheduler")
        self._scheduler.setPlaceholderText("none, or an address such as tcp://node7:8786")
        self._scheduler.setToolTip("<qt>Use the workers of a running Dask scheduler, which see the same files.</qt>")
        form.addRow("Workers", self._workers)
        form.addRow("Scheduler", self._scheduler)
        self._workers.valueChanged.connect(self._changed)
        self._scheduler.textChanged.connect(self._changed)

    def processes(self) -> Processes:
        """Return among which processes a run is divided.

        Raises
        ------
        RequestError
            If workers and a scheduler are given.
        """
        return Processes(self._workers.value(), self._scheduler.text().strip() or None)

    def values(self) -> dict[str, Any]:
        """Return the settings that this box edits."""
        device = {"device": self._device.currentText()}
        return device | ({"memory": self._memory.text().strip() or None} if self._can_score else {})

    def set_values(self, settings: Settings) -> None:
        """Show these settings."""
        if self._device.findText(settings.device) < 0:
            self._device.addItem(settings.device)
        self._device.setCurrentText(settings.device)
        self._memory.setText(settings.memory or "")
        self._show_fields()

    def set_scoring(self, keep_every: int) -> None:
        """Score the next runs with one section in ``keep_every`` kept."""
        self._every.setValue(keep_every)
        self._score.setChecked(True)

    def scoring(self) -> Scoring | None:
        """Return how to score, or None.

        Raises
        ------
        RequestError
            If the data range is no pair of numbers.
        """
        if not self._score.isChecked() or not self._score.isEnabled():
            return None
        return Scoring(self._every.value(), self._range.value())

    def show_method(self, spec: MethodSpec) -> None:
        """Offer scoring and devices as a method can use them."""
        self._score.setEnabled(spec.enlarges == 1 and not spec.enhances)
        self._show_fields()
        self.show_device(spec)

    def show_device(self, spec: MethodSpec) -> None:
        """Say what the chosen device means for a method, and list this machine's devices if it could use them."""
        chosen = self._device.currentText()
        if chosen != "cpu" and (spec.devices != ("cpu",) or chosen != "auto") and not self._found:
            self._search_devices()
            self._device_note.setText(self._search_note)
            return
        try:
            device, warning = resolve_device(chosen, spec.devices)
        except DepthInterpError as error:
            self._device_note.setText(in_problem_colour(str(error)))
            return
        note = warning or ""
        if spec.devices == ("cpu",):
            note = note or "this method computes on the CPU"
        elif device == "cpu":
            note = note or "no GPU is used: this method is slow on the CPU"
        else:
            note = note or f"computes on {device}"
        self._device_note.setText(note)

    def _search_devices(self) -> None:
        """Ask torch in a thread: importing it takes seconds."""
        if self._search is not None:
            return
        self._search = Job(_find_devices)
        self._search.returned.connect(self._add_devices)
        self._search.errored.connect(self._no_devices)
        self._search.start()

    def _no_devices(self, error: Exception) -> None:
        self._search_note = in_problem_colour(f"torch cannot be loaded: {error}")
        self.changed.emit()

    def _add_devices(self, devices: list[str]) -> None:
        self._found = True
        for device in reversed(devices):
            if self._device.findText(device) < 0:
                self._device.addItem(device)
        self.changed.emit()

    def _changed(self, *_: Any) -> None:
        self._show_fields()
        self.changed.emit()

    def _show_fields(self) -> None:
        scored = self._can_score and self._score.isChecked() and self._score.isEnabled()
        for widget in (self._range, self._range_label):
            widget.setVisible(scored)
        self._score.setVisible(self._can_score)
        self._every.setVisible(self._can_score)
        self._every.setEnabled(scored)
        device = self._device.currentText()
        words = [device] if device != "auto" else []
        words += [self._memory.text().strip()] if self._memory.text().strip() else []
        words += [f"{self._workers.value()} workers"] if self._workers.value() else []
        words += [self._scheduler.text().strip()] if self._scheduler.text().strip() else []
        words += [f"range {self._range.text().strip()}"] if scored and self._range.text().strip() else []
        self._fold.say(", ".join(words))


def _find_devices(_report: Report) -> list[str]:
    import_torch()
    return available_devices()
