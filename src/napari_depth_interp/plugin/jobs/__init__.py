"""Work off the GUI thread: the one place, so that a process could replace the thread."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar, cast

from qtpy.compat import isalive
from qtpy.QtCore import Signal
from superqt.utils import WorkerBase
from superqt.utils._qthreading import WorkerBaseSignals

from ...progress import Cancelled, Progress, Report
from ...system.waiting import telling

T = TypeVar("T")

REPORT_INTERVAL = 0.1
"""Seconds between two reports to the GUI thread; more would only make it redraw."""


_NEARLY = 0.999
"""What waits is not done."""


class JobSignals(WorkerBaseSignals):
    """Qt signals, so that slots run in the GUI thread."""

    progressed = Signal(object)
    cancelled = Signal()


class Job(WorkerBase[T]):
    """Runs ``function(report)`` in a thread.

    Signals: ``progressed(Progress)``, then exactly one of ``returned(result)``,
    ``errored(exception)`` and ``cancelled()``, then ``finished()``. ``quit()`` cancels: the
    function stops at its next report, or where it waits for voxels. napari quits all jobs when its window closes.
    """

    def __init__(self, function: Callable[[Report], T]) -> None:
        super().__init__(SignalsClass=JobSignals)
        self._function = function
        self._last_report, self._fraction = 0.0, 0.0

    def run(self) -> None:
        """Run the function; called by Qt in the thread.

        Not the base class's ``run``: that one sends no signal at all if ``quit`` comes between
        two of its steps, and replaces ``warnings.showwarning`` for all threads meanwhile.
        """
        try:
            self._run_and_emit()
        except RuntimeError:
            if isalive(self.signals):  # type: ignore[no-untyped-call,unused-ignore]
                raise
            # napari has ended meanwhile and taken the signals with it: nobody is left to be told.

    def _run_and_emit(self) -> None:
        self._running = True
        self.started.emit()
        send = self._send()
        self._running = False
        send()
        self.finished.emit()
        self._finished.emit(self)

    def _send(self) -> Callable[[], None]:
        """Run the function and return the one signal that tells how it ended."""
        try:
            with telling(self._tell):
                result = self._function(self._report)
        except Cancelled:
            return cast(Callable[[], None], self.cancelled.emit)
        except BaseException as error:  # an exception that leaves a Qt thread ends the whole program
            return partial(self.errored.emit, cast(Exception, error))
        return self.cancelled.emit if self.abort_requested else partial(self.returned.emit, result)

    def _report(self, progress: Progress) -> None:
        if self.abort_requested:
            raise Cancelled
        now, self._fraction = time.monotonic(), progress.fraction
        if now - self._last_report >= REPORT_INTERVAL or progress.fraction >= 1:
            self._last_report = now
            self.progressed.emit(progress)

    def _tell(self, words: str) -> None:
        """Tell what is waited for, beside the fraction that was done before; stop waiting if the user has cancelled."""
        if self.abort_requested:
            raise Cancelled
        if words:
            self._report(Progress(min(self._fraction, _NEARLY), words))


def make_job(function: Callable[[Report], T], description: str) -> Job[T]:
    """Return a job that napari knows of: it asks before its window closes during the job, and then cancels it."""
    from napari.qt.threading import create_worker

    once = _Once(function, description)
    job: Job[T] = create_worker(once, _worker_class=Job, _start_thread=False, _ignore_errors=True)
    return job


class _Once(Generic[T]):
    """A function that is forgotten when it is called, and whose ``str`` can be shown to the user.

    napari keeps every job until its window closes; the voxels that belong to the function need not stay.
    """

    def __init__(self, function: Callable[[Report], T], description: str) -> None:
        self._functions, self._description = [function], description

    def __call__(self, report: Report) -> T:
        return self._functions.pop()(report)

    def __str__(self) -> str:
        return self._description


def import_torch() -> None:
    """Import torch without stopping the window for more than a moment.

    Python holds its lock while the system loads an extension's libraries, half a second for
    torch. Called through ctypes the system loads them with the lock released; the import then finds them.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # waiting threads leave the window its core
    spec = importlib.util.find_spec("torch")
    if sys.platform == "linux" and spec is not None and spec.submodule_search_locations:
        libraries = Path(spec.submodule_search_locations[0]) / "lib"
        load = ctypes.CDLL(None).dlopen
        load.argtypes, load.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
        for name in ("libtorch_global_deps.so", "libtorch_python.so"):
            load(str(libraries / name).encode(), ctypes.RTLD_GLOBAL | os.RTLD_NOW)
    importlib.import_module("torch")
