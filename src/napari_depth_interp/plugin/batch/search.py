"""Looks through a folder off the GUI thread: it may be far away, and hold many files."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import QObject, QTimer, Signal

from ...batch import Plan
from ...batch.plan import Found
from ..jobs import Job
from .task import list_task

_PAUSE = 400
"""Milliseconds without a change after which the folder is looked through."""


class FolderSearch(QObject):
    """``due`` asks for a plan some time after the last ``soon``; ``found`` and ``failed`` bring what was listed."""

    due = Signal()
    found = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._job: Job[Found] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE)
        self._timer.timeout.connect(self._due)

    @property
    def busy(self) -> bool:
        """Whether a folder is being looked through, or will be."""
        return self._job is not None or self._timer.isActive()

    def soon(self) -> None:
        """Look when nothing has changed for a moment."""
        self._timer.start()

    def leave(self) -> None:
        """Look no more."""
        self._timer.stop()

    def list_files(self, plan: Plan) -> None:
        """List the files of a plan."""
        self._job = Job(partial(list_task, plan))
        self._job.returned.connect(self._found)
        self._job.errored.connect(self._failed)
        self._job.start()

    def _due(self) -> None:
        if self._job is not None:  # of a choice that has changed since
            self._timer.start()
            return
        self.due.emit()

    def _found(self, found: Found) -> None:
        self._job = None
        self.found.emit(found)

    def _failed(self, error: Exception) -> None:
        self._job = None
        self.failed.emit(error)
