"""Workers by Dask: processes on this machine, or those of a running scheduler. What runs on them is not known here."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import DepthInterpError, RequestError, explain
from ..progress import Progress, Report
from .devices import default_threads

if TYPE_CHECKING:
    from distributed import Client, Future

_log = logging.getLogger(__name__)

DEATHS = 2
"""A task counts as failed when more workers of this machine than these have died on it."""
KILLED = (
    "every worker that was given this {what} died (out of memory, or a crash of a library); "
    "give the workers more memory, use fewer of them, or a smaller factor"
)
_CONNECT = 20
"""Seconds to wait for a scheduler."""
_TELL = 1.0
"""Seconds between two words from a worker about one task."""


@dataclass(frozen=True)
class Processes:
    """The processes that do the work.

    Attributes
    ----------
    workers : int
        Worker processes on this machine; 0: this process, one thing after the other.
    scheduler : str or None
        Address of a running Dask scheduler, such as ``tcp://node7:8786``, instead.
    """

    workers: int = 0
    scheduler: str | None = None

    def __post_init__(self) -> None:
        if self.workers and self.scheduler:
            raise RequestError("--workers and --scheduler exclude each other; a scheduler brings its own workers")
        if self.workers < 0:
            raise RequestError(f"the number of workers must be 1 or more, got {self.workers}")

    def __bool__(self) -> bool:
        """Whether there are any beside this process."""
        return bool(self.workers or self.scheduler)


def check_version(version: str, what: str) -> None:
    """Raise a :class:`DepthInterpError` on a worker whose software is not that of the process that sent the work."""
    if version != __version__:
        raise DepthInterpError(
            f"this worker has napari-depth-interp {__version__}, the {what} {version}; install the same version"
        )


def share_of_threads(worker: Any) -> int:
    """Return the CPU threads that one task of a worker may use."""
    return max(1, default_threads() // max(1, int(worker.state.nthreads)))


def telling(worker: Any, topic: str, number: int) -> Report:
    """Return what tells, now and then, the process that sent a task how far it is; called on a worker."""
    last = 0.0

    def tell(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _TELL:
            last = now
            message = progress.message.encode("utf-8", "backslashreplace").decode()
            what = {"number": number, "fraction": float(progress.fraction), "message": message}
            worker.log_event(topic, what | {"worker": str(worker.address)})

    return tell


def tell_result(worker: Any, topic: str, number: int, result: Mapping[str, Any]) -> None:
    """Send a small result before the task ends: to fetch it afterwards would take another way there and back."""
    worker.log_event(topic, {"number": number, "result": dict(result)})


@dataclass(frozen=True)
class Event:
    """How far a worker is with a task."""

    number: int
    progress: Progress
    worker: str


@dataclass(frozen=True)
class Ended:
    """A task that has ended, and what it gave: a result, an error, or neither where the scheduler was lost."""

    number: int
    result: Any = None
    error: BaseException | None = None
    lost: bool = False

    def reason(self, what: str) -> str:
        """Return in words why it failed; ``what`` is what the task was about."""
        if self.error is None:
            return "the worker gave no answer"
        return KILLED.format(what=what) if type(self.error).__name__ == "KilledWorker" else explain(self.error)


class Tasks:
    """Tasks that are out on workers, known by their numbers, and what is heard of them.

    Parameters
    ----------
    client : Client
    topic : str
        A name that nobody else uses; workers tell under it (:func:`telling`).
    """

    def __init__(self, client: Client, topic: str) -> None:
        self._client, self.topic = client, topic
        self._messages: SimpleQueue[Any] = SimpleQueue()
        self._out: dict[Any, tuple[int, Future[Any]]] = {}
        self._numbers: set[int] = set()
        self._results: dict[int, Any] = {}
        client.subscribe_topic(topic, lambda event: self._messages.put(event[1]))

    def __len__(self) -> int:
        return len(self._out)

    def submit(self, number: int, function: Callable[..., Any], *arguments: Any, priority: int = 0) -> None:
        """Send a task; those of a high priority are done first."""
        key = f"{self.topic}-{number}"
        future = self._client.submit(function, *arguments, key=key, pure=False, priority=priority)
        self._out[future.key] = number, future
        self._numbers.add(number)
        future.add_done_callback(self._messages.put)

    def heard(self, timeout: float) -> Event | Ended | None:
        """Return what a worker tells, or how a task has ended; None if nothing is heard for so many seconds."""
        try:
            message = self._messages.get(timeout=timeout)
        except Empty:
            return None
        return self._event(message) if isinstance(message, Mapping) else self._ended(message)

    def _event(self, told: Mapping[str, Any]) -> Event | None:
        if told["number"] not in self._numbers:
            return None  # of a worker that was given up
        if "result" in told:
            self._results[told["number"]] = told["result"]
            return None
        return Event(told["number"], Progress(told["fraction"], told["message"]), told["worker"])

    def _ended(self, future: Future[Any]) -> Ended | None:
        number, _ = self._out.pop(future.key, (None, None))
        if number is None:
            return None
        self._numbers.discard(number)
        told = self._results.pop(number, None)
        if future.status == "finished":
            return Ended(number, future.result() if told is None else told)
        if future.status == "error":
            return Ended(number, error=future.exception())
        return Ended(number, lost=True)

    def drop(self) -> None:
        """Give up what is still out; the scheduler may be gone."""
        with suppress(Exception):
            self._client.unsubscribe_topic(self.topic)
            if self._out:
                self._client.cancel([future for _, future in self._out.values()], force=True)


def count_threads(client: Client) -> int:
    """Return how many tasks the workers of a scheduler can do at once."""
    return sum(int(each["nthreads"]) for each in client.scheduler_info(n_workers=-1)["workers"].values())


@contextmanager
def client_of(processes: Processes, threads: int, what: str) -> Iterator[Client]:
    """Give a client of the workers that are meant: new ones on this machine, or those of a scheduler.

    Parameters
    ----------
    processes : Processes
    threads : int
        CPU threads of a new worker.
    what : str
        What waits for workers, for the log.

    Raises
    ------
    DepthInterpError
        If the scheduler cannot be reached.
    """
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
            _log.warning("the scheduler has no workers yet; the %s waits for them", what)
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
def quiet() -> Iterator[None]:
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


def count_workers(processes: Processes) -> int:
    """Return how many tasks these processes can do at once; a scheduler is asked.

    Raises
    ------
    DepthInterpError
        If it cannot be reached.
    """
    if processes.scheduler is None:
        return max(1, processes.workers)
    with quiet(), client_of(processes, 1, "run") as client:
        return max(1, count_threads(client))
