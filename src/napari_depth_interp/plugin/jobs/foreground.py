"""Work that somebody waits for: off the GUI thread, behind a small window that says what is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from qtpy.QtCore import QEventLoop, Qt, QThread
from qtpy.QtWidgets import QApplication, QProgressDialog

from ...errors import InputError
from ...progress import Progress
from ...system.amounts import duration
from . import Job

T = TypeVar("T")

_PATIENCE = 1000
"""Milliseconds after which the window appears."""


def in_foreground(function: Callable[[], T], words: str) -> T:
    """Return what a function returns; while it runs, the program stays alive and the user can cancel.

    Parameters
    ----------
    function : callable
    words : str
        What is done.

    Raises
    ------
    InputError
        If the user has cancelled. What the function raises is raised, too.
    """
    app = QApplication.instance()
    if app is None or QThread.currentThread() is not app.thread():
        return function()
    waiting = _Waiting(words)
    waiting.run(Job(lambda _report: function()))
    if waiting.failed:
        raise waiting.failed[0]
    if not waiting.found:
        raise InputError(f"{words} was cancelled")
    found: T = waiting.found[0]
    return found


class _Waiting(QProgressDialog):
    """Says what is waited for, and for how long already."""

    def __init__(self, words: str) -> None:
        super().__init__(words, "Cancel", 0, 0, QApplication.activeWindow())
        self._words, self._begun, self._loop = words, time.monotonic(), QEventLoop()
        self.found: list[Any] = []
        self.failed: list[Exception] = []
        self.setWindowTitle("Depth interpolation")
        self.setWindowModality(Qt.WindowModality.ApplicationModal)
        self.setMinimumDuration(_PATIENCE)
        self.setAutoClose(False)

    def run(self, job: Job[Any]) -> None:
        """Start a job and come back when it has ended."""
        # Methods of Qt objects only: they are called in the GUI thread.
        job.progressed.connect(self._tell)
        job.returned.connect(self._take)
        job.errored.connect(self._fail)
        job.finished.connect(self._end)
        self.canceled.connect(job.quit)
        job.start()
        self._loop.exec()
        self.close()
        self.deleteLater()

    def _tell(self, progress: Progress) -> None:
        what = f"{self._words}: {progress.message}" if progress.message else self._words
        self.setLabelText(f"{what}, {duration(time.monotonic() - self._begun)} so far")

    def _take(self, found: Any) -> None:
        self.found.append(found)

    def _fail(self, error: Exception) -> None:
        self.failed.append(error)

    def _end(self, *_: Any) -> None:
        self._loop.quit()
