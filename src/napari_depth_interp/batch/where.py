"""On which processes a batch runs."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import RequestError


@dataclass(frozen=True)
class Where:
    """The processes that do the work.

    Attributes
    ----------
    workers : int
        Worker processes on this machine; 0: this process, one file after the other.
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
