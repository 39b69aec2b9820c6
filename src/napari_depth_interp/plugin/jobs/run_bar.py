"""The buttons that start and stop work, its progress, and the last message."""

from __future__ import annotations

import time

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from ...progress import Progress
from ...system.amounts import duration
from ..qt_helpers import say


class RunBar(QWidget):
    """Preview, Run (which becomes Cancel), progress with the time left, and the last message.

    Parameters
    ----------
    tip : str
        What Run does.
    preview : bool
        Whether there is a preview to ask for.
    """

    preview_clicked = Signal()
    run_clicked = Signal()
    cancel_clicked = Signal()

    def __init__(self, tip: str, *, preview: bool = True, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tip = tip
        self._running = False
        self._cancelling = False
        self._ready = False
        self._said = ""
        self._started = 0.0
        self._preview = QPushButton("Preview")
        self._preview.setObjectName("preview")
        self._preview.setToolTip(
            "<qt>Fill the gap around the section in view, on the part of the image in view only.</qt>"
        )
        self._run = QPushButton("Run")
        self._run.setObjectName("run")
        self._run.setToolTip(tip)
        self._preview.setVisible(preview)
        self._progress = QProgressBar()
        self._progress.setObjectName("progress")
        self._progress.setRange(0, 1000)
        self._progress.setTextVisible(False)
        self._progress.hide()
        self._message = QLabel()
        self._message.setObjectName("message")
        self._message.setWordWrap(True)
        self._buttons = QHBoxLayout()
        self._buttons.addWidget(self._preview)
        self._buttons.addWidget(self._run, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._buttons)
        layout.addWidget(self._progress)
        layout.addWidget(self._message)
        self._preview.clicked.connect(self.preview_clicked)
        self._run.clicked.connect(self._clicked)

    def set_ready(self, ready: bool, reason: str = "", *, in_message: bool = False) -> None:
        """Enable the buttons, or say why not: in the tool tip, and ``in_message`` if no other box says it."""
        self._ready = ready
        said = reason if in_message else ""
        if not self._running and (said or (self._said and self._message.text() == self._said)):
            self.say(said, problem=True)
        self._said = said
        self._run.setToolTip(reason or self._tip)
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
            words.append(f"{duration(left)} left")
        self.say(", ".join(words) or "running")

    def say(self, text: str, *, problem: bool = False) -> None:
        """Show a message under the buttons."""
        say(self._message, text, problem=problem)

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
