"""A batch on Dask workers: processes on this machine, or those of a running scheduler.

Dask gives out the files, notices workers that die, and gives their files to others.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import DepthInterpError, explain
from ..progress import Cancelled, Progress
from ..run.gpu import with_own_gpu
from ..system.cluster import Ended, Event, Processes, Tasks, client_of, quiet, share_of_threads, telling
from ..system.devices import default_threads
from .record import FileRecord, State
from .serial import Listener
from .task import Task, run_file

if TYPE_CHECKING:
    from distributed import Client

_GRACE = 5
"""Seconds that workers get to drop what they are at."""


def run_on_cluster(tasks: Sequence[Task], processes: Processes, listener: Listener) -> None:
    """Run the tasks on Dask workers, one file per task.

    Raises
    ------
    DepthInterpError
        If the scheduler cannot be reached, or is lost.
    """
    with quiet(), client_of(processes, _threads(tasks, processes), "batch") as client:
        _Work(tasks, client, listener, processes).run()


def _threads(tasks: Sequence[Task], processes: Processes) -> int:
    given = tasks[0].settings.threads if tasks else None
    return given or max(1, default_threads() // max(1, processes.workers))


class _Work:
    """One batch on one cluster: what it has heard, and what is still out."""

    def __init__(self, tasks: Sequence[Task], client: Client, listener: Listener, processes: Processes) -> None:
        self._tasks, self._client, self._listener, self._processes = tasks, client, listener, processes

    def run(self) -> None:
        if not self._tasks:
            return
        out = Tasks(self._client, f"depth-interp-{self._tasks[0].run}")
        try:
            for number, task in enumerate(self._tasks):
                out.submit(number, run_on_worker, self._with_threads(task), number, out.topic, priority=-number)
            self._listen(out)
        finally:
            out.drop()

    def _with_threads(self, task: Task) -> Task:
        if not self._processes.workers:
            return task
        threads = _threads(self._tasks, self._processes)
        return replace(task, settings=task.settings.model_copy(update={"threads": threads}))

    def _listen(self, out: Tasks) -> None:
        given_up: float | None = None
        while len(out) and (given_up is None or time.monotonic() < given_up):
            heard = out.heard(0.2)
            try:
                if isinstance(heard, Event):
                    self._listener.progressed(heard.number, heard.progress, heard.worker)
                elif isinstance(heard, Ended):
                    self._listener.ended(heard.number, self._row(heard))
                self._listener.poll()
            except Cancelled:
                given_up = given_up or time.monotonic() + _GRACE
            if isinstance(heard, Ended) and heard.lost:
                raise DepthInterpError("the connection to the scheduler was lost; start it again, then add --resume")
        if given_up is not None:
            raise Cancelled

    def _row(self, ended: Ended) -> FileRecord:
        name = self._tasks[ended.number].name
        if isinstance(ended.result, FileRecord):
            return ended.result
        if ended.lost:
            return FileRecord(name, State.WAITING)
        return FileRecord(name, State.FAILED, reason=ended.reason("file"))


def run_on_worker(task: Task, number: int, topic: str) -> FileRecord:
    """Make one result on a Dask worker; called there."""
    from distributed import get_worker

    worker = get_worker()
    tell = telling(worker, topic, number)
    try:
        tell(Progress(0.0))
        settings = with_own_gpu(task.settings)
        if settings.threads is None:
            settings = settings.model_copy(update={"threads": share_of_threads(worker)})
        return run_file(replace(task, settings=settings), tell)
    except Cancelled:
        return FileRecord(task.name, State.WAITING)
    except DepthInterpError as error:
        return FileRecord(task.name, State.FAILED, reason=explain(error))
