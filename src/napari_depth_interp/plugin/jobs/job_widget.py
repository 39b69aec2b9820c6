"""What the dock widgets share: one job at a time, started, watched and stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from napari.utils.notifications import notification_manager, show_warning
from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QScrollArea, QTabWidget, QVBoxLayout, QWidget

from ...errors import DepthInterpError
from ...progress import Report
from . import Job, make_job
from .messages import for_crash, for_window
from .run_bar import RunBar


class JobWidget(QWidget):
    """A dock widget that runs one job at a time and shows it in its ``bar``.

    A subclass makes ``bar``, gives the advice after a crash, and says in ``leave`` what ends with the dock.
    """

    advice: ClassVar[str]
    """What the user can do if a job ends in an error that nobody foresaw."""
    foreseen: ClassVar[tuple[type[Exception], ...]] = (DepthInterpError,)
    """Errors whose message says all."""
    wide: ClassVar[int] = 430
    """Pixels; the larger part of a 1280 x 800 window is for the canvas."""
    bar: RunBar

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.job: Job[Any] | None = None

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return the size that the dock begins with."""
        return QSize(self.wide, 700)

    def lay_out(self, boxes: Sequence[QWidget], pages: Mapping[str, QWidget], start: Callable[[], None]) -> None:
        """Put the boxes into the tab "Set up", the pages into tabs of their own, the bar below; Ctrl+Return starts."""
        controls = QWidget()
        column = QVBoxLayout(controls)
        column.setContentsMargins(0, 4, 4, 0)
        for box in boxes:
            column.addWidget(box)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidget(controls)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        self.tabs = QTabWidget()
        self.tabs.addTab(scroll, "Set up")
        for title, page in pages.items():
            self.tabs.addTab(page, title)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(self.bar)
        shortcut = QShortcut(QKeySequence("Ctrl+Return"), self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(start)

    def leave(self) -> None:
        """Let go of the viewer: the dock has been closed."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Ask the job to stop; it does at its next report."""
        if self.job is not None:
            self.job.quit()

    def start_job(self, function: Callable[[Report], Any], what: str, returned: Callable[[Any], None]) -> None:
        """Run ``function(report)`` off the GUI thread and hand what it gives to ``returned``."""
        job: Job[Any] = make_job(function, f"depth interpolation: {what}")
        # Methods of Qt objects only: Qt takes them off the signals when the widget is gone.
        job.progressed.connect(self.bar.show_progress)
        job.returned.connect(returned)
        job.errored.connect(self._failed)
        job.cancelled.connect(self._cancelled)
        job.finished.connect(self._finished)
        self.job = job
        self.bar.start(what)
        job.start()

    def _failed(self, error: Exception) -> None:
        if isinstance(error, self.foreseen):
            self.bar.say(for_window(error), problem=True)
            show_warning(for_window(error))
            return
        self.bar.say(for_crash(error, self.advice), problem=True)
        notification_manager.receive_error(type(error), error, error.__traceback__)

    def _cancelled(self, *_: Any) -> None:
        self.bar.say("cancelled; nothing was changed")

    def _finished(self, *_: Any) -> None:
        self.job = None
        self.bar.stop()

    def changeEvent(self, event: Any) -> None:  # noqa: N802
        """Stop when napari has closed the dock: it takes the widget out and may keep it in memory."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.cancel()
            self.leave()
