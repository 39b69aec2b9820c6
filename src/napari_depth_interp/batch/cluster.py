"""Workers by Dask: processes on this machine, or those of a running scheduler.

Dask gives out the files, notices workers that die, and gives their files to others.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from ..errors import DepthInterpError, explain
from ..progress import Cancelled, Progress
from ..system.devices import default_threads
from .gpu import with_own_gpu
from .record import FileRecord, State
from .serial import Listener, Processes
from .task import Task, run_file

if TYPE_CHECKING:
    from distributed import Client, Future

_log = logging.getLogger(__name__)

DEATHS = 2
"""A file counts as failed when more workers of this machine than these have died on it."""
_CONNECT = 20
"""Seconds to wait for a scheduler."""
_GRACE = 5
"""Seconds that workers get to drop what they are at."""
_TELL = 1.0
"""Seconds between two words from a worker about one file."""


def run_on_cluster(tasks: Sequence[Task], processes: Processes, listener: Listener) -> None:
    """Run the tasks on Dask workers, one file per task.

    Raises
    ------
    DepthInterpError
        If the scheduler cannot be reached, or is lost.
    """
    with _quiet(), _client(processes, _threads(tasks, processes)) as client:
        _Work(tasks, client, listener, processes).run()


def _threads(tasks: Sequence[Task], processes: Processes) -> int:
    given = tasks[0].settings.threads if tasks else None
    return given or max(1, default_threads() // max(1, processes.workers))


class _Work:
    """One batch on one cluster: what it has heard, and what is still out."""

    def __init__(self, tasks: Sequence[Task], client: Client, listener: Listener, processes: Processes) -> None:
        self._tasks, self._client, self._listener, self._processes = tasks, client, listener, processes
        self._messages: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._out: dict[Any, int] = {}
        self._lost = False

    def run(self) -> None:
        if not self._tasks:
            return
        topic = f"depth-interp-{self._tasks[0].run}"
        self._client.subscribe_topic(topic, lambda event: self._messages.put(("event", event[1])))
        futures = [self._submit(number, task, topic) for number, task in enumerate(self._tasks)]
        self._out = {future.key: number for number, future in enumerate(futures)}
        for future in futures:
            future.add_done_callback(lambda future: self._messages.put(("ended", future)))
        try:
            self._listen()
        finally:
            self._drop(futures, topic)

    def _submit(self, number: int, task: Task, topic: str) -> Future[FileRecord]:
        if self._processes.workers:
            threads = _threads(self._tasks, self._processes)
            task = replace(task, settings=task.settings.model_copy(update={"threads": threads}))
        key = f"depth-interp-{task.run}-{number}"
        return self._client.submit(run_on_worker, task, number, topic, key=key, pure=False, priority=-number)

    def _listen(self) -> None:
        given_up: float | None = None
        while self._out and (given_up is None or time.monotonic() < given_up):
            try:
                kind, message = self._messages.get(timeout=0.2)
            except Empty:
                kind, message = "", None
            try:
                if kind == "event":
                    self._progressed(message)
                elif kind == "ended":
                    self._ended(message)
                self._listener.poll()
            except Cancelled:
                given_up = given_up or time.monotonic() + _GRACE
            if self._lost:
                raise DepthInterpError("the connection to the scheduler was lost; start it again, then add --resume")
        if given_up is not None:
            raise Cancelled

    def _progressed(self, event: Mapping[str, Any]) -> None:
        if event["number"] in self._out.values():  # what comes after the end is of a worker that was given up
            progress = Progress(event["fraction"], event["message"])
            self._listener.progressed(event["number"], progress, event["worker"])

    def _ended(self, future: Future[FileRecord]) -> None:
        number = self._out.pop(future.key, None)
        if number is None:
            return
        name = self._tasks[number].name
        if future.status == "finished":
            row: FileRecord = future.result()
        elif future.status == "error":
            row = FileRecord(name, State.FAILED, reason=_reason(future.exception()))
        else:
            row, self._lost = FileRecord(name, State.WAITING), True
        self._listener.ended(number, row)

    def _drop(self, futures: Sequence[Future[FileRecord]], topic: str) -> None:
        with suppress(Exception):  # the scheduler may be gone
            self._client.unsubscribe_topic(topic)
            if self._out:
                self._client.cancel([future for future in futures if future.key in self._out], force=True)


def _reason(error: BaseException | None) -> str:
    if type(error).__name__ == "KilledWorker":
        return (
            "every worker that was given this file died (out of memory, or a crash of a library); "
            "give the workers more memory, use fewer of them, or a smaller factor"
        )
    return explain(error) if error is not None else "the worker gave no answer"


def run_on_worker(task: Task, number: int, topic: str) -> FileRecord:
    """Make one result on a Dask worker; called there."""
    from distributed import get_worker

    worker = get_worker()
    last = 0.0

    def tell(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _TELL:
            last = now
            what = {"number": number, "fraction": float(progress.fraction), "message": _plain(progress.message)}
            worker.log_event(topic, what | {"worker": str(worker.address)})

    try:
        tell(Progress(0.0))
        settings = with_own_gpu(task.settings)
        if settings.threads is None:
            share = max(1, default_threads() // max(1, worker.state.nthreads))
            settings = settings.model_copy(update={"threads": share})
        return run_file(replace(task, settings=settings), tell)
    except Cancelled:
        return FileRecord(task.name, State.WAITING)
    except DepthInterpError as error:
        return FileRecord(task.name, State.FAILED, reason=explain(error))


def _plain(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


@contextmanager
def _client(processes: Processes, threads: int) -> Iterator[Client]:
    from distributed import Client

    if processes.scheduler is None:
        with _local(processes.workers, threads) as cluster, Client(cluster, set_as_default=False) as client:
            client.register_plugin(_ignore_interrupts(), name="depth-interp-interrupts")
            yield client
        return
    try:
        client = Client(processes.scheduler, timeout=_CONNECT, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        reason = (str(error).splitlines() or ["no answer"])[0]
        raise DepthInterpError(
            f"the scheduler '{processes.scheduler}' cannot be reached: {reason}; give its address, such as tcp://node7:8786"
        ) from error
    with client:
        if not client.scheduler_info(n_workers=-1)["workers"]:
            _log.warning("the scheduler has no workers yet; the batch waits for them")
        yield client


@contextmanager
def _local(workers: int, threads: int) -> Iterator[Any]:
    """Start worker processes on this machine; memory is left to the system, which kills whom it must."""
    import tempfile

    import dask
    from distributed import LocalCluster

    numbers = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
    settings = {
        "distributed.scheduler.allowed-failures": DEATHS,
        "distributed.scheduler.worker-saturation": 1.0,  # no file waits behind another one's worker
        "distributed.nanny.pre-spawn-environ": numbers,
        "distributed.worker.profile.enabled": False,
    }
    with (
        dask.config.set(settings),
        tempfile.TemporaryDirectory(prefix="depth-interp-dask-", ignore_cleanup_errors=True) as folder,
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, memory_limit=0, dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # any free port: the usual one may be taken
            host="127.0.0.1", silence_logs=logging.CRITICAL, local_directory=folder,
        ) as cluster,
    ):  # fmt: skip
        yield cluster


def _ignore_interrupts() -> Any:
    """Return a plugin that leaves Ctrl-C, which a terminal sends to every process, to the batch itself."""
    from distributed import WorkerPlugin

    class IgnoreInterrupts(WorkerPlugin):
        def setup(self, worker: Any) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return IgnoreInterrupts()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's own log off the terminal: what matters is told in words of our own."""
    import distributed  # noqa: F401 - sets the levels of its logs when it is imported

    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] == "distributed"]
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
