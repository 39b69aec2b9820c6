"""Work that somebody waits for: off the GUI thread, behind a small window that says what is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

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
    job: Job[T] = Job(lambda _report: function())
    begun = time.monotonic()
    loop, found, failed = QEventLoop(), list[T](), list[Exception]()
    dialog = QProgressDialog(words, "Cancel", 0, 0, QApplication.activeWindow())
    dialog.setWindowTitle("Depth interpolation")
    dialog.setWindowModality(Qt.WindowModality.ApplicationModal)
    dialog.setMinimumDuration(_PATIENCE)
    dialog.setAutoClose(False)
    dialog.canceled.connect(job.quit)

    def tell(progress: Progress) -> None:
        so_far = duration(time.monotonic() - begun)
        dialog.setLabelText(
            ", ".join([f"{words}: {progress.message}" if progress.message else words, f"{so_far} so far"])
        )

    job.progressed.connect(tell)
    job.returned.connect(found.append)
    job.errored.connect(failed.append)
    job.finished.connect(lambda *_: loop.quit())
    job.start()
    loop.exec()
    dialog.close()
    dialog.deleteLater()
    if failed:
        raise failed[0]
    if not found:
        raise InputError(f"{words} was cancelled")
    return found[0]
