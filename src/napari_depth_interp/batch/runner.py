"""Runs a plan: lock, log, table, engine, summary."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import DepthInterpError, OutputError, explain
from ..progress import Cancelled, Progress, Report, silent
from ..system.amounts import elapsed
from ..system.cluster import Processes
from ..system.logs import attached, log_file
from ..system.optional import need
from .plan import Found, Input, Plan, check_settings, find_inputs, outputs_of
from .record import FileRecord, State, write_summary
from .serial import run_serially
from .task import Task, fingerprint
from .workspace import SUMMARY, Workspace, opened

_log = logging.getLogger(__name__)
_SUMMARY_EVERY = 2.0
"""Seconds between two summaries of a batch that is at work."""

OnChange = Callable[[FileRecord, float], None]
"""Gets a file's row whenever it changes, and the fraction of the file that is done."""


class Stop:
    """How a user stops a batch; may be called from any thread."""

    def __init__(self) -> None:
        self.mode: str | None = None

    def finish(self) -> None:
        """Finish the files in work, and begin no other."""
        self.mode = self.mode or "finish"

    def discard(self) -> None:
        """Drop the files in work; nothing of them remains."""
        self.mode = "discard"


@dataclass(frozen=True)
class Summary:
    """How a batch ended.

    Attributes
    ----------
    rows : tuple of FileRecord
        One per file, in the order of their paths.
    table, log : Path
        ``summary.csv`` and the log of this run.
    stopped : bool
        The user stopped it; some files wait.
    notes : tuple of str
        What was left out of the batch.
    """

    rows: tuple[FileRecord, ...]
    table: Path
    log: Path
    stopped: bool = False
    notes: tuple[str, ...] = ()

    def count(self, state: str) -> int:
        """Return how many files are in a state."""
        return sum(row.state == state for row in self.rows)

    def describe(self) -> str:
        """Return the numbers in words: ``3 done, 1 failed``."""
        return describe(self.rows)


def describe(rows: Sequence[FileRecord]) -> str:
    """Return how many files are in which state, in words."""
    counts = Counter(row.state for row in rows)
    return ", ".join(f"{counts[state]} {state}" for state in _ORDER if counts[state]) or "no file"


_ORDER = (State.DONE, State.SKIPPED, State.FAILED, State.RUNNING, State.WAITING)


def run_batch(
    plan: Plan,
    processes: Processes | None = None,
    *,
    stop: Stop | None = None,
    report: Report = silent,
    on_change: OnChange | None = None,
) -> Summary:
    """Run one method on every file of a folder. A file that fails ends nothing.

    Parameters
    ----------
    plan : Plan
    processes : Processes, optional
        The processes that do the work. Default: this one.
    stop : Stop, optional
        Stops the batch from another thread.
    report : callable
        Gets the progress of all files together; drops everything by raising ``Cancelled``.
    on_change : callable, optional
        Gets every change of a record.

    Returns
    -------
    Summary
        Also of files that failed.

    Raises
    ------
    DepthInterpError
        If nothing can be done at all: no file, settings that fit none, another batch at work in the output folder, a
        full disk. What was done until then stays, and can be resumed.
    Cancelled
        If ``report`` raised it, or ``stop`` says that everything is to be dropped.
    """
    processes = processes or Processes()
    if processes.workers or processes.scheduler:
        need("distributed", "cluster", "a batch with workers")
    check_settings(plan, here=processes.scheduler is None)
    found = find_inputs(plan)
    with opened(plan.target) as workspace:
        if not (plan.resume or plan.overwrite):
            _refuse_existing(plan, workspace, found)
        handler, path = _open_log(plan.target)
        with attached(handler):
            return _Batch(plan, processes, workspace, found, path, stop or Stop(), report, on_change).run()


def _refuse_existing(plan: Plan, workspace: Workspace, found: Found) -> None:
    if workspace.results_are_there:
        raise OutputError(
            f"'{plan.target}' holds results of an earlier batch; add --resume to go on with it, --overwrite to make "
            "all results anew, or choose another folder"
        )
    there = [each.name for each in found.files if outputs_of(plan, each.name)[0].exists()]
    if there:
        raise OutputError(
            f"'{plan.target / there[0]}' exists already{f', and {len(there) - 1} more' if len(there) > 1 else ''}; "
            "add --overwrite to replace such files, or choose another output folder"
        )


def _open_log(target: Path) -> tuple[logging.Handler, Path]:
    name = f"batch-{datetime.now():%Y%m%d-%H%M%S}"
    number = 1
    while True:
        path = target / f"{name}{f'-{number}' if number > 1 else ''}.log"
        try:
            return log_file(path, "x"), path
        except FileExistsError:
            number += 1


class _Batch:
    """A batch at work; the listener of its engine."""

    def __init__(
        self, plan: Plan, processes: Processes, workspace: Workspace, found: Found, log: Path, stop: Stop,
        report: Report, on_change: OnChange | None,
    ) -> None:  # fmt: skip
        self._plan, self._processes, self._workspace, self._found, self._path = plan, processes, workspace, found, log
        self._stop, self._report, self._on_change = stop, report, on_change
        self._rows = [FileRecord(each.name) for each in found.files]
        self._tally = Tally([each.size for each in found.files])
        self._announced: str | None = None
        self._fatal: FileRecord | None = None
        self._begun = not (processes.workers or processes.scheduler)
        self._written = time.monotonic()

    # What the engine tells

    @property
    def stopping(self) -> bool:
        return self._stop.mode is not None

    def poll(self) -> None:
        """Pass on what the user wants."""
        try:
            self._report(self._tally.progress() if self._begun else Progress(0.0, "waiting for workers"))
        except Cancelled:
            self._stop.discard()
            raise
        finally:
            self._tell()
        if self._stop.mode == "discard":
            raise Cancelled

    def progressed(self, number: int, progress: Progress, worker: str = "") -> None:
        self._begun = True
        row = self._rows[number]
        if row.state != State.RUNNING or (worker and row.worker != worker):
            again = row.state == State.RUNNING
            self._rows[number] = row = replace(row, state=State.RUNNING, worker=worker)
            _log.info("%s: %s%s", row.label, "begun again, its worker died" if again else "begun", _on(worker))
        fraction = self._tally.progressed(number, progress.fraction)
        if self._on_change is not None:
            self._on_change(row, fraction)
        self.poll()

    def ended(self, number: int, row: FileRecord) -> None:
        self._rows[number] = row
        self._tally.ended(number, row.state)
        _log_end(row)
        if self._on_change is not None:
            self._on_change(row, 1.0)
        if row.fatal and self._fatal is None:
            self._fatal = row
            self._stop.discard()
        if time.monotonic() - self._written >= _SUMMARY_EVERY and self._fatal is None:
            self._write()
        self._tell()

    # Running

    def run(self) -> Summary:
        plan = self._plan
        _log.info("version %s: %d files of '%s' to '%s'", __version__, len(self._rows), plan.source, plan.target)
        _log.info("settings: %s", plan.settings.model_dump_json(exclude_defaults=True))
        for note in self._found.notes:
            _log.warning("%s", note)
        try:
            self._write()
            self._compute(self._tasks())
        except Cancelled:
            if self._fatal is None:
                self._finish()
                raise
        except BaseException as error:
            self._stop.discard()
            self._finish(explain(error) if isinstance(error, Exception) else "interrupted")
            raise
        return self._finish()

    def _compute(self, tasks: Sequence[Task]) -> None:
        if self._processes.workers or self._processes.scheduler:
            from .cluster import run_on_cluster

            run_on_cluster(tasks, self._processes, self)
        else:
            run_serially(tasks, self)

    def _tasks(self) -> list[Task]:
        plan = self._plan
        mark = fingerprint(plan.settings, plan.keep_every, plan.data_range, plan.uncertainty)
        return [self._task(each, mark) for each in self._found.files]

    def _task(self, each: Input, mark: str) -> Task:
        plan, target = self._plan, self._plan.target.absolute()
        output, uncertainty = outputs_of(replace(plan, target=target), each.name)
        return Task(
            each.name, each.path.absolute(), output, uncertainty, plan.settings, target, self._workspace.run, mark,
            plan.keep_every, plan.data_range, plan.resume, plan.overwrite,
            others=tuple(other.absolute() for other in each.others),
        )  # fmt: skip

    def _finish(self, problem: str | None = None) -> Summary:
        """Write what is known; raise where the reason of a failure concerns all files."""
        running = [i for i, row in enumerate(self._rows) if row.state == State.RUNNING]
        for i in running:
            self._rows[i] = FileRecord(self._rows[i].file)
            if self._on_change is not None:
                self._on_change(self._rows[i], 0.0)
        try:
            self._tell()
            self._write()
        except DepthInterpError as error:
            problem = problem or (self._fatal.reason if self._fatal else str(error))
        problem = problem or (self._fatal.reason if self._fatal else None)
        waiting = any(row.state == State.WAITING for row in self._rows)
        words = problem or ("stopped" if self.stopping and waiting else "ended")
        _log.log(logging.ERROR if problem else logging.INFO, "%s: %s", words, describe(self._rows))
        if problem is not None and (self._fatal is not None or not self.stopping):
            raise OutputError(f"{problem}; the batch has ended: {describe(self._rows)}; add --resume to go on")
        return Summary(
            tuple(self._rows), self._plan.target / SUMMARY, self._path, self.stopping and waiting, self._found.notes
        )

    def _write(self) -> None:
        write_summary(self._plan.target / SUMMARY, self._rows)
        self._written = time.monotonic()

    def _tell(self) -> None:
        if self._announced != self._stop.mode:
            self._announced = self._stop.mode
            try:
                self._workspace.announce(self._announced)
            except DepthInterpError:  # the folder is gone, or the disk full: the workers find out themselves
                _log.warning("the workers could not be told to stop")


class Tally:
    """How far all files together are, by their bytes; what is skipped does not count as work."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = [size + 1 for size in sizes]
        self._fractions = [0.0] * len(sizes)
        self._total, self._done = float(sum(self._sizes)), 0.0
        self._ended = self._failed = 0

    def progressed(self, number: int, fraction: float) -> float:
        """Take note of a file in work; return its fraction, within 0..1."""
        fraction = max(0.0, min(1.0, fraction))
        self._done += self._sizes[number] * (fraction - self._fractions[number])
        self._fractions[number] = fraction
        return fraction

    def ended(self, number: int, state: State) -> None:
        """Take note of a file that has ended; one that still waits has not."""
        if state == State.WAITING:
            self.progressed(number, 0.0)
            return
        self._ended += 1
        self._failed += state == State.FAILED
        self.progressed(number, 0.0 if state == State.SKIPPED else 1.0)
        if state == State.SKIPPED:
            self._total -= self._sizes[number]

    def progress(self) -> Progress:
        """Return the fraction done and how many files that is."""
        words = f"{self._ended} of {len(self._sizes)} files" + (f", {self._failed} failed" if self._failed else "")
        return Progress(min(1.0, self._done / self._total) if self._total >= 1 else 1.0, words)


def _on(worker: str) -> str:
    return f" on {worker}" if worker else ""


def _log_end(row: FileRecord) -> None:
    match row.state:
        case State.DONE:
            _log.info("%s: done in %s%s", row.label, elapsed(row.seconds or 0.0), _on(row.worker))
        case State.SKIPPED:
            _log.info("%s: skipped, %s", row.label, row.reason)
        case State.FAILED:
            _log.error("%s: failed: %s%s", row.label, row.reason, f"\n{row.trace}" if row.trace else "")
        case _:
            _log.info("%s: not begun", row.label)
    for warning in row.warnings if row.state == State.DONE else ():
        _log.warning("%s: %s", row.label, warning)


def summary_json(plan: Plan, summary: Summary) -> dict[str, Any]:
    """Return what ``depth-interp batch --json`` prints."""
    return {
        "input": str(plan.source), "output": str(plan.target), "summary": str(summary.table), "log": str(summary.log),
        **{state.value: summary.count(state) for state in _ORDER if state != State.RUNNING},
        "files": [row.as_json() for row in summary.rows],
    }  # fmt: skip
