"""Where to compute, whether to score, and the buttons that start and stop a run."""

from __future__ import annotations

import time
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from ...devices import available_devices, resolve_device
from ...errors import DepthInterpError, RequestError
from ...method import MethodSpec
from ...progress import Progress, Report
from ...settings import Settings, describe
from ..jobs import Job, import_torch
from .task import Scoring


class ComputeBox(QGroupBox):
    """Edits the device, and how the run is scored."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Run", parent)
        self._search: Job[list[str]] | None = None
        self._found = False
        self._search_note = "looking for a GPU …"
        self._device = QComboBox()
        self._device.addItems(["auto", "cpu"])
        self._device.setToolTip(f"<qt>{describe('device')}</qt>")
        self._device_note = QLabel()
        self._device_note.setWordWrap(True)
        self._score = QCheckBox("Score: keep every")
        self._score.setToolTip(
            "<qt>Hide sections of this stack, fill them from the kept ones and compare with the truth. "
            "The result itself always uses all sections.</qt>"
        )
        self._every = QSpinBox()
        self._every.setRange(2, 100)
        self._every.setSuffix("-th section")
        self._range = QLineEdit()
        self._range.setPlaceholderText("automatic: percentiles 0.1 to 99.9")
        self._range.setToolTip("<qt>Full range of intensities for PSNR and SSIM, such as -1000 1000 for CT.</qt>")
        form = QFormLayout(self)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("device", self._device)
        form.addRow(self._device_note)
        row = QHBoxLayout()
        row.addWidget(self._score)
        row.addWidget(self._every, 1)
        form.addRow(row)
        self._range_label = QLabel("data range")
        form.addRow(self._range_label, self._range)
        self._score.toggled.connect(self._changed)
        for signal in (self._device.currentTextChanged, self._every.valueChanged, self._range.textChanged):
            signal.connect(self._changed)
        self._changed()

    def values(self) -> dict[str, Any]:
        """Return the settings that this box edits."""
        return {"device": self._device.currentText()}

    def set_values(self, settings: Settings) -> None:
        """Show these settings."""
        if self._device.findText(settings.device) < 0:
            self._device.addItem(settings.device)
        self._device.setCurrentText(settings.device)

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
        if not self._score.isChecked():
            return None
        return Scoring(self._every.value(), self._data_range())

    def _data_range(self) -> tuple[float, float] | None:
        words = self._range.text().replace(",", " ").split()
        if not words:
            return None
        try:
            low, high = map(float, words)
        except ValueError:
            raise RequestError(
                f"the data range must be two numbers, low and high, got '{self._range.text()}'"
            ) from None
        return low, high

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
            self._device_note.setText(f"<span style='color: #e0803a'>{error}</span>")
            return
        note = warning or ""
        if spec.devices == ("cpu",):
            note = note or "this method computes on the CPU"
        elif device == "cpu":
            note = note or "<span style='color: #e0803a'>no GPU is used: this method is slow on the CPU</span>"
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
        self._search_note = f"<span style='color: #e0803a'>torch cannot be loaded: {error}</span>"
        self.changed.emit()

    def _add_devices(self, devices: list[str]) -> None:
        self._found = True
        for device in reversed(devices):
            if self._device.findText(device) < 0:
                self._device.addItem(device)
        self.changed.emit()

    def _changed(self, *_: Any) -> None:
        for widget in (self._range, self._range_label):
            widget.setVisible(self._score.isChecked())
        self._every.setEnabled(self._score.isChecked())
        self.changed.emit()


class RunBar(QWidget):
    """Preview, Run (which becomes Cancel), progress with the time left, and the last message."""

    preview_clicked = Signal()
    run_clicked = Signal()
    cancel_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._running = False
        self._cancelling = False
        self._ready = False
        self._said = ""
        self._started = 0.0
        self._preview = QPushButton("Preview")
        self._preview.setToolTip(
            "<qt>Fill the gap around the section in view, on the part of the image in view only.</qt>"
        )
        self._run = QPushButton("Run")
        self._run.setToolTip("Make the dense stack. The window stays usable meanwhile.")
        self._progress = QProgressBar()
        self._progress.setRange(0, 1000)
        self._progress.setTextVisible(False)
        self._progress.hide()
        self._message = QLabel()
        self._message.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.addWidget(self._preview)
        buttons.addWidget(self._run, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self._progress)
        layout.addWidget(self._message)
        self._preview.clicked.connect(self.preview_clicked)
        self._run.clicked.connect(self._clicked)

    def set_ready(self, ready: bool, reason: str = "", *, aloud: bool = False) -> None:
        """Enable the buttons, or say why not: in the tool tip, and ``aloud`` if no other box says it."""
        self._ready = ready
        said = reason if aloud else ""
        if not self._running and (said or (self._said and self._message.text() == self._said)):
            self.say(said, problem=True)
        self._said = said
        self._run.setToolTip(reason or "Make the dense stack. The window stays usable meanwhile.")
        self._update()

    def start(self, what: str) -> None:
        """Show that work has begun: Run becomes Cancel."""
        self._running, self._started = True, time.monotonic()
        self._progress.setValue(0)
        self._progress.show()
        self.say(what)
        self._update()

    def stop(self) -> None:
        """Show that work has ended: the progress bar closes and Run is ready again."""
        self._running = self._cancelling = False
        self._progress.hide()
        self._update()

    def cancelling(self) -> None:
        """Show that Cancel was understood."""
        self._cancelling = True
        self._update()

    def show_progress(self, progress: Progress) -> None:
        """Show the fraction done and the time left."""
        if not self._running:
            return  # a late report of a run that has ended
        self._progress.setValue(round(progress.fraction * 1000))
        elapsed = time.monotonic() - self._started
        left = elapsed * (1 / progress.fraction - 1) if progress.fraction > 0.02 else None
        words = [progress.message] if progress.message else []
        if left is not None and elapsed > 1:
            words.append(f"{_duration(left)} left")
        self.say(", ".join(words) or "running")

    def say(self, text: str, *, problem: bool = False) -> None:
        """Show a message under the buttons."""
        self._message.setText(text)
        self._message.setStyleSheet("color: #e0803a;" if problem else "")

    def _clicked(self) -> None:
        if self._running:
            self.cancelling()
            self.cancel_clicked.emit()
        else:
            self.run_clicked.emit()

    def _update(self) -> None:
        self._run.setText("Cancelling…" if self._cancelling else "Cancel" if self._running else "Run")
        self._run.setEnabled((self._running or self._ready) and not self._cancelling)
        self._preview.setEnabled(self._ready and not self._running)


def _find_devices(_report: Report) -> list[str]:
    import_torch()
    return available_devices()


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
