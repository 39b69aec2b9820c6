"""What the dock widgets share: one job at a time, started, watched and stopped."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import napari
from napari.utils.notifications import notification_manager, show_warning
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QSize, Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QScrollArea, QTabWidget, QVBoxLayout, QWidget

from ...errors import DepthInterpError
from ...progress import Report
from .. import drawing, icons, plots, shortcuts
from ..wheel import WheelGuard
from . import Job, make_job
from .messages import for_crash, for_window
from .run_bar import RunBar

_SETTLED = 1000
"""Milliseconds until a dock that was opened has drawn itself."""


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
    viewer: napari.Viewer
    bar: RunBar
    tabs: QTabWidget
    draws: ClassVar[bool] = True
    """Whether there are plots."""
    drops: QWidget | None = None
    """The box that takes what is dropped anywhere on the dock."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        drawing.keep_from_crashing()
        self.job: Job[Any] | None = None
        self._wheel = WheelGuard(self)
        self.setAcceptDrops(True)
        shortcuts.listen(self)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return the size that the dock begins with."""
        return QSize(self.wide, 700)

    def lay_out(self, boxes: Sequence[QWidget], pages: Mapping[str, QWidget]) -> None:
        """Put the boxes into the tab "Set up", the pages into tabs of their own, and the bar below."""
        controls = QWidget()
        column = QVBoxLayout(controls)
        column.setContentsMargins(0, 4, 4, 0)
        column.setSpacing(4)
        for box in boxes:
            column.addWidget(box)
        column.addStretch(1)
        self.tabs = QTabWidget()
        for title, page in {"Set up": controls, **pages}.items():
            self.tabs.addTab(_Scrolled(page), title)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(self.bar)
        self._wheel.watch(self)

    def show_page(self, page: QWidget) -> None:
        """Bring a page to the front."""
        for i in range(self.tabs.count()):
            if self.tabs.widget(i).isAncestorOf(page):
                self.tabs.setCurrentIndex(i)

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
            self.bar.say_failed(for_window(error))
            show_warning(for_window(error))
            return
        self.bar.say_failed(for_crash(error, self.advice))
        notification_manager.receive_error(type(error), error, error.__traceback__)

    def _cancelled(self, *_: Any) -> None:
        self.bar.say("cancelled; nothing was changed")

    def _finished(self, *_: Any) -> None:
        self.job = None
        self.bar.stop()

    def dragEnterEvent(self, event: Any) -> None:  # noqa: N802
        """Take over the dock what one of its boxes takes."""
        if self.drops is not None:
            self.drops.dragEnterEvent(event)

    def dropEvent(self, event: Any) -> None:  # noqa: N802
        """Hand on what was dropped."""
        if self.drops is not None:
            self.drops.dropEvent(event)

    def changeEvent(self, event: Any) -> None:  # noqa: N802
        """Join the other docks when napari has made one; stop when it has closed it and keeps it in memory."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            icons.follow_theme(self, self.viewer.theme)
        if event.type() != QEvent.Type.ParentChange:
            return
        if self.parent() is None:
            self.cancel()
            shortcuts.forget(self)
            self.leave()
            for plot in self.findChildren(plots.Plot):
                plot.leave()
        else:
            QTimer.singleShot(0, self._join_docks)
            if self.draws and "pyqtgraph" not in sys.modules:
                QTimer.singleShot(_SETTLED, _prepare_plots)  # not of this widget, which may be closed by then

    def _join_docks(self) -> None:
        """Lie over our other dock at this side, with tabs: one above the other would leave room for neither."""
        if not isalive(self):  # type: ignore[no-untyped-call,unused-ignore]  # closed before the window came to it
            return
        mine, window = self.parent(), self.window()
        if not isinstance(mine, QDockWidget) or not isinstance(window, QMainWindow) or mine.isFloating():
            return
        side = window.dockWidgetArea(mine)
        others = [
            dock
            for each in window.findChildren(JobWidget)
            if each is not self and isinstance(dock := each.parent(), QDockWidget)
            if window.dockWidgetArea(dock) == side and not dock.isFloating() and dock.isVisible()
        ]
        if others and mine not in window.tabifiedDockWidgets(others[0]):
            window.tabifyDockWidget(others[0], mine)
            mine.show()
            QTimer.singleShot(50, mine.raise_)  # once the window has laid out its tabs


def _prepare_plots() -> None:
    """Import what draws while nobody waits for it, so that the first plot is there at once."""
    job: Job[None] = Job(_import_plots)
    job.start()


def _import_plots(_report: Report) -> None:
    plots.prepare()


class _Scrolled(QScrollArea):
    """A page that may be higher than the dock.

    Qt leaves a bar for the width, with nowhere to go, where the one for the height took its place a moment before.
    """

    def __init__(self, page: QWidget) -> None:
        super().__init__()
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(page)
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        """Offer to scroll sideways where the page is wider than its place, and nowhere else."""
        super().resizeEvent(event)
        self._offer()

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802
        """See to the same when what the page holds has changed."""
        found = super().eventFilter(watched, event)
        if event.type() == QEvent.Type.LayoutRequest:
            self._offer()
        return found

    def _offer(self) -> None:
        page = self.widget()
        fits = page is None or page.minimumSizeHint().width() <= self.viewport().width()
        policy = Qt.ScrollBarPolicy.ScrollBarAlwaysOff if fits else Qt.ScrollBarPolicy.ScrollBarAsNeeded
        if policy != self.horizontalScrollBarPolicy():
            self.setHorizontalScrollBarPolicy(policy)
