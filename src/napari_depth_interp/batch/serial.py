"""The plainest engine: this process, one file after the other. Also what every engine tells the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..progress import Progress
from .record import FileRecord
from .task import Task, run_file


class Listener(Protocol):
    """Who hears from an engine. Files are told by their number."""

    @property
    def stopping(self) -> bool:
        """Whether no other file is to be begun."""

    def poll(self) -> None:
        """Look whether the user wants to stop; raises ``Cancelled`` if everything is to be dropped."""

    def progressed(self, number: int, progress: Progress, worker: str = "") -> None:
        """Hear where a file in work is; the first call says that it was begun."""

    def ended(self, number: int, row: FileRecord) -> None:
        """Hear how a file ended."""


def run_serially(tasks: Sequence[Task], listener: Listener) -> None:
    """Run the tasks in this process."""
    for number, task in enumerate(tasks):
        listener.poll()
        if listener.stopping:
            return
        listener.progressed(number, Progress(0.0))
        listener.ended(number, run_file(task, lambda progress, number=number: listener.progressed(number, progress)))  # type: ignore[misc]
