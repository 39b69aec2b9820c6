"""The buttons that start and stop work, its progress, and the last message."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Sequence
from html import escape
from typing import Any

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from ...progress import Progress
from ...system.amounts import duration
from ..icons import set_icon
from ..qt_helpers import say, with_key
from .time_left import TimeLeft

_NAME_LENGTH = 22
"""Characters of the input's name on the button; the tool tip has it whole."""

_FRAME = 22
"""Pixels of a button beside its words and icon."""
_STEADY = "QPushButton:enabled { border: 1px solid transparent; }"
"""In napari's style only a button that cannot be pressed has a border: it would be larger and move the others."""
_PREVIEW_TIP = (
    "Fill the gap around the section in view, on the part of the image in view only. A method that has to train first "
    "is preceded by linear interpolation, at once."
)
_CANCEL_TIP = "Stop. What was finished before stays."
_SAVE_TIP = "Write the chosen run as TIFF, NIfTI or OME-Zarr, with its spacing, unit and history."


class _TwoLines(QLabel):
    """Words with room for two lines, so that what stands above does not move while work tells how far it is."""

    def __init__(self) -> None:
        super().__init__()
        self._measure = QLabel("x\nx", self)  # as high as two lines are in the style and font of the window
        for label in (self, self._measure):
            label.setWordWrap(True)
            label.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom)
        self._measure.hide()
        self._whole = ""

    def show_start(self, text: str) -> None:
        """Show as much of a text as two lines hold; the tool tip has all of it."""
        self._whole = text
        self.setToolTip(f"<qt>{escape(text)}</qt>")
        self._fit()

    def show_all(self, text: str) -> None:
        """Show a text, however many lines it needs."""
        self._whole = ""
        self.setToolTip("")
        self.setText(text)

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        if not self._whole:
            return
        words = self._whole.split(" ")
        most = bisect_right(range(1, len(words) + 1), False, key=lambda count: not self._holds(_start(words, count)))
        self.setText(_start(words, max(most, 1)))

    def _holds(self, text: str) -> bool:
        flags = _number(Qt.TextFlag.TextWordWrap)
        lines = self.fontMetrics().boundingRect(0, 0, max(self.width(), 1), 10_000, flags, text)
        return bool(lines.height() < 2.5 * self.fontMetrics().lineSpacing())

    def heightForWidth(self, width: int) -> int:  # noqa: N802
        return max(super().heightForWidth(width), self._room())

    def sizeHint(self) -> QSize:  # noqa: N802
        return super().sizeHint().expandedTo(QSize(0, self._room()))

    def _room(self) -> int:
        self._measure.ensurePolished()
        return self._measure.heightForWidth(self.maximumWidth())


def _number(flag: Any) -> int:
    """Return a flag as the number that metrics of fonts want; Qt 5 has nothing else."""
    return int(getattr(flag, "value", flag))


def _start(words: Sequence[str], count: int) -> str:
    """Return the first words, with a sign that there are more."""
    return " ".join(words[:count]) + ("" if count == len(words) else " …")


class _Shrinking(QPushButton):
    """A button that leaves out the end of its words where there is no room, so that a dock can be narrow."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        first = self.fontMetrics().horizontalAdvance(self.text().split()[0])
        return QSize(first + self.iconSize().width() + _FRAME, super().minimumSizeHint().height())

    def initStyleOption(self, option: Any) -> None:  # noqa: N802
        super().initStyleOption(option)
        room, flag = max(self.width() - _FRAME - option.iconSize.width(), 0), _number(Qt.TextFlag.TextShowMnemonic)
        option.text = self.fontMetrics().elidedText(option.text, Qt.TextElideMode.ElideRight, room, flag)


class RunBar(QWidget):
    """The last message and the progress, and below them Preview, Run (which becomes Cancel) and Save.

    Parameters
    ----------
    tip : str
        What Run does.
    preview : bool
        Whether there is a preview to ask for.
    saves : bool
        Whether there is a result to save.
    preview_tip, save_tip : str
        What Preview and Save do.
    invitation : str
        What stands on the button that runs, before the name of the input; without one its first word alone.
    """

    preview_clicked = Signal()
    run_clicked = Signal()
    cancel_clicked = Signal()
    save_clicked = Signal()

    def __init__(
        self,
        tip: str,
        *,
        preview: bool = True,
        saves: bool = False,
        preview_tip: str = _PREVIEW_TIP,
        save_tip: str = _SAVE_TIP,
        invitation: str = "&Run on",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setStyleSheet(_STEADY)
        self._tip, self._inviting = tip, invitation
        self._input = ""
        self._running = False
        self._cancelling = False
        self._ready = False
        self._said, self._reason, self._failed = "", "", False
        self._time = TimeLeft(time.monotonic())
        self._preview = QPushButton("Pr&eview")
        self._preview.setObjectName("preview")
        set_icon(self._preview, "visibility")
        self._preview.setToolTip(with_key(preview_tip, "preview"))
        self._preview.setVisible(preview)
        self._run = _Shrinking("&Run")
        self._run.setObjectName("run")
        self._save = QPushButton("&Save result…")
        self._save.setObjectName("save result")
        self._save.setToolTip(with_key(save_tip, "ask_save_result"))
        self._save.setVisible(saves)
        self._save.setEnabled(False)
        self._progress = QProgressBar()
        self._progress.setObjectName("progress")
        self._progress.setRange(0, 1000)
        self._progress.setTextVisible(False)
        self._progress.setFixedHeight(8)
        policy = self._progress.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # so that nothing moves when work begins
        self._progress.setSizePolicy(policy)
        self._progress.hide()
        self._message = _TwoLines()
        self._message.setObjectName("message")
        self._buttons = QHBoxLayout()
        self._buttons.addWidget(self._preview)
        self._buttons.addWidget(self._run, 1)
        self._buttons.addWidget(self._save)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self._message)
        layout.addWidget(self._progress)
        layout.addLayout(self._buttons)
        self._preview.clicked.connect(self.preview_clicked)
        self._save.clicked.connect(self.save_clicked)
        self._run.clicked.connect(self._clicked)
        self.set_ready(False)

    def set_input(self, name: str) -> None:
        """Say on the button what will be run on."""
        self._input = name
        self._update()

    def set_ready(self, ready: bool, reason: str = "", *, in_message: bool = False) -> None:
        """Enable the buttons, or say why not: in the tool tip, and ``in_message`` if no other box says it."""
        self._ready = ready
        said = reason if in_message else ""
        if not self._running and (said or (self._said and self._message.text() == self._said)):
            self.say(said, problem=True)
        self._said, self._reason = said, reason
        self._update()

    def forget_problem(self, *_: object) -> None:
        """Take away the last error: what it was about has been changed."""
        if self._failed and not self._running:
            self.say("")

    def set_saveable(self, some: bool) -> None:
        """Enable Save: there is a result."""
        self._save.setEnabled(some)

    def start(self, what: str) -> None:
        """Show that work has begun: Run becomes Cancel."""
        self._running, self._time = True, TimeLeft(time.monotonic())
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
        """Show the fraction done, the time so far and the time left."""
        if not self._running:
            return  # a late report of a run that has ended
        self._progress.setValue(round(progress.fraction * 1000))
        elapsed, left = self._time.note(progress.fraction, time.monotonic())
        words = [progress.message or "running"]
        if elapsed > 1:
            words.append(f"{duration(elapsed)} so far")
        if left is not None:
            words.append(f"about {duration(left)} left")
        self.say(", ".join(words))

    def say(self, text: str, *, problem: bool = False) -> None:
        """Show a message over the buttons."""
        self._failed = False
        self._message.show_all(text)
        say(self._message, text, problem=problem)

    def say_start(self, text: str) -> None:
        """Show as much of a message as two lines hold, and all of it in the tool tip."""
        self.say("")
        self._message.show_start(text)

    def say_failed(self, text: str) -> None:
        """Show why work did not begin or end, until something is changed."""
        self.say(text, problem=True)
        self._failed = True

    def _clicked(self) -> None:
        if self._running:
            self.cancelling()
            self.cancel_clicked.emit()
        else:
            self.run_clicked.emit()

    def _update(self) -> None:
        set_icon(self._run, "playback-stop" if self._running else "right_arrow")
        self._run.setText("Cancelling…" if self._cancelling else "Cancel" if self._running else self._invitation())
        self._run.setEnabled((self._running or self._ready) and not self._cancelling)
        self._preview.setEnabled(self._ready and not self._running)
        self._run.setToolTip(with_key(_CANCEL_TIP, "cancel") if self._running else self._what_runs())

    def _what_runs(self) -> str:
        return self._reason or with_key(self._tip, "run")

    def _invitation(self) -> str:
        if not self._input:
            return self._inviting.split()[0]
        long = len(self._input) > _NAME_LENGTH
        name = self._input[: _NAME_LENGTH - 1] + "…" if long else self._input
        return f"{self._inviting} {name.replace('&', '&&')}"
