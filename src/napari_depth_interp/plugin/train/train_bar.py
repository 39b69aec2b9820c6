"""Train, Pause and Stop; how far it is, how long it takes, how much memory; the last message."""

from __future__ import annotations

import sys
import time

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QWidget

from ...progress import Progress, TrainingPoint
from ...system.amounts import duration, size_in_words
from ..jobs.run_bar import RunBar
from .task import Pace


class TrainBar(RunBar):
    """The buttons of a training.

    Parameters
    ----------
    tip : str
        What Train does.
    """

    pause_clicked = Signal(bool)
    stop_clicked = Signal()

    def __init__(self, tip: str, parent: QWidget | None = None) -> None:
        self._pause, self._stop = QPushButton("Pause"), QPushButton("Stop")
        self._pause.setObjectName("pause")
        self._stop.setObjectName("stop")
        super().__init__(tip, preview=False, parent=parent)
        self._pause.setCheckable(True)
        self._pause.setToolTip("<qt>Wait after this step; nothing is lost. Press again to go on.</qt>")
        self._stop.setToolTip("<qt>End the training now and keep the best weights so far as the model.</qt>")
        self._buttons.addWidget(self._pause)
        self._buttons.addWidget(self._stop)
        self._pause.toggled.connect(self._paused)
        self._stop.clicked.connect(self._stopped)
        self._pace = Pace()
        self._device = "cpu"
        self._stopping = False
        self._update()

    def begin(self, device: str) -> None:
        """Forget the last training's pace; ``device`` is where the memory is counted."""
        self._pace, self._device = Pace(), device

    def show_progress(self, progress: Progress) -> None:
        """Show the step, the time left and the memory."""
        if not self._running:
            return  # a late report of a training that has ended
        self._progress.setValue(round(progress.fraction * 1000))
        point = progress.training
        if point is None:
            self.say(progress.message or "starting")
            return
        if not self._pause.isChecked():
            self._pace.note(point.step, time.monotonic())
        words = ["paused"] if self._pause.isChecked() else ["stopping"] if self._stopping else []
        words.append(f"step {point.step} of {point.steps}, loss {point.loss:.4g}")
        self.say(", ".join([*words, *self._time_left(point), f"memory {memory(self._device)}"]))

    def stop(self) -> None:
        """Show that the training has ended."""
        self._stopping = False
        self._pause.blockSignals(True)
        self._pause.setChecked(False)
        self._pause.blockSignals(False)
        self._pause.setText("Pause")
        super().stop()

    def _time_left(self, point: TrainingPoint) -> list[str]:
        left = self._pace.left(point.steps)
        return [] if left is None or self._pause.isChecked() else [f"{duration(left)} left"]

    def _paused(self, paused: bool) -> None:
        (self._pace.pause if paused else self._pace.go_on)(time.monotonic())
        self._pause.setText("Go on" if paused else "Pause")
        self.pause_clicked.emit(paused)

    def _stopped(self) -> None:
        self._stopping = True
        self._update()
        self.stop_clicked.emit()

    def _clicked(self) -> None:
        self.run_clicked.emit()

    def _update(self) -> None:
        self._run.setText("T&rain")
        self._run.setEnabled(self._ready and not self._running)
        self._run.setToolTip(self._what_runs())
        self._pause.setEnabled(self._running and not self._stopping)
        self._stop.setEnabled(self._running and not self._stopping)


def memory(device: str) -> str:
    """Return in words how much memory this program holds, and how much of the GPU's."""
    import psutil

    words = size_in_words(psutil.Process().memory_info().rss)
    torch = sys.modules.get("torch")
    if device.startswith("cuda") and torch is not None:
        words += f", GPU {size_in_words(torch.cuda.max_memory_allocated(device))}"
    return words
