"""One file of a batch, from its input to its result: what a worker runs."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import socket
import sys
import threading
import time
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import __version__, io
from ..errors import DepthInterpError, InputError, OutputError, explain
from ..evaluation.evaluate import BASELINE, evaluate
from ..evaluation.holdout import Protocol
from ..io.files import check_readable, is_short_write
from ..progress import Cancelled, Progress, Report, part
from ..run.execute import execute
from ..run.identity import digest, digests_of, hash_of
from ..run.outputs import choose_target
from ..run.request import Request, resolve, resolve_method
from ..run.result import Result
from ..run.settings import Settings
from ..stack import Dataset
from ..system.cluster import check_version
from .record import FileRecord, State
from .workspace import FolderGone, Guard, read_record, record_path, work_folder, write_record

_FULL = {errno.ENOSPC, errno.EDQUOT}
_ROOM = 2**20
"""Free bytes under which a disk counts as full."""
_ONE_AT_A_TIME = threading.Lock()
"""Two files at once in one process would share random numbers and thread limits."""


@dataclass(frozen=True)
class Task:
    """What a worker has to know about one file.

    Attributes
    ----------
    name : str
        Path below the input folder, with ``/``.
    source, output : Path
    uncertainty : Path or None
        Where the uncertainty goes, if it is wanted.
    target : Path
        The output folder; ``run`` is the batch that is at work there.
    fingerprint : str
        Of all that decides about the result but the input.
    others : tuple of Path
        Files that are read with the source.
    """

    name: str
    source: Path
    output: Path
    uncertainty: Path | None
    settings: Settings
    target: Path
    run: str
    fingerprint: str
    keep_every: int | None = None
    data_range: tuple[float, float] | None = None
    resume: bool = False
    overwrite: bool = False
    version: str = __version__
    others: tuple[Path, ...] = ()


def fingerprint(settings: Settings, *extras: object) -> str:
    """Return the SHA-256 of all settings that change a result; of files among the parameters, of their content.

    Device and number of threads are left out: another node may go on with a batch.
    """
    _, config = resolve_method(settings.method, settings.preset, settings.parameters)
    about = settings.model_dump(mode="json", exclude={"device", "threads", "preset", "parameters"})
    about["config"] = config.model_dump(mode="json")
    about["files"] = digests_of(config)
    if settings.enhance is not None:
        _, first = resolve_method(settings.enhance, settings.preset, settings.enhance_parameters)
        about["enhance"] = [settings.enhance, first.model_dump(mode="json"), digests_of(first)]
    return hash_of([about, *extras])


def run_file(task: Task, report: Report) -> FileRecord:
    """Make one result, unless it is there.

    Parameters
    ----------
    task : Task
    report : callable

    Returns
    -------
    FileRecord
        ``done``, ``skipped`` or ``failed``; ``waiting`` if the batch stops before the file is begun.

    Raises
    ------
    Cancelled
        If the file in work is to be discarded.
    """
    row = FileRecord(task.name, State.RUNNING, worker=f"{socket.gethostname()}:{os.getpid()}", version=__version__)
    guard = Guard(task.target, task.run)

    def watched(progress: Progress) -> None:
        guard.check()
        report(progress)

    try:
        check_version(task.version, "batch")
        if not guard.may_start():
            return replace(row, state=State.WAITING)
        while not _ONE_AT_A_TIME.acquire(timeout=0.5):
            guard.check_now()
        try:
            return _run(task, row, guard, watched)
        finally:
            _ONE_AT_A_TIME.release()
    except Cancelled:
        raise
    except Exception as error:
        try:
            guard.check_now()
        except FolderGone as gone:
            return _failed(row, gone, task.target)
        return _failed(row, error, task.target)


def _failed(row: FileRecord, error: Exception, target: Path) -> FileRecord:
    cause = error if isinstance(error, OSError) else error.__cause__
    full = isinstance(cause, OSError) and _is_full(cause, target)
    gone = isinstance(error, FolderGone)
    trace = "" if isinstance(error, DepthInterpError) else "".join(traceback.format_exception(error))
    if type(error).__name__ == "OutOfMemoryError" and "torch" in sys.modules:
        sys.modules["torch"].cuda.empty_cache()  # the next file may fit
    return replace(row, state=State.FAILED, reason=explain(error), fatal=full or gone, trace=trace)


def _is_full(error: OSError, target: Path) -> bool:
    """Return whether there is no room for the next file either; a limit on the size of a file is no such reason."""
    if error.errno in _FULL:
        return True
    try:
        return is_short_write(error) and shutil.disk_usage(target).free < _ROOM
    except OSError:
        return False


def _run(task: Task, row: FileRecord, guard: Guard, report: Report) -> FileRecord:
    started = time.perf_counter()
    report(Progress(0.0, "reading"))
    _check_source(task.source)
    before = _stamps(task)
    row = replace(row, input_sha256=_input_digest(task, guard), settings_sha256=task.fingerprint)
    known = read_record(task.target, task.name)
    again = known is not None and known.run == task.run  # another worker had it, and died before it could tell
    if known is not None and (task.resume or again) and _is_complete(task, row, known, guard):
        return known if again else replace(known, state=State.SKIPPED, reason="complete already")
    if not task.overwrite and not (known is not None and (task.resume or again)):
        _refuse_foreign(task)
    dataset = io.open_stack(task.source, axis=task.settings.axis)
    request = resolve(dataset, task.settings)
    io.check_format(task.output, request.dataset, request.grid, float_output=request.float_output)
    guard.check_now()
    with work_folder(task.target) as folder:
        try:
            row = _compute(_Files.of(task, folder), task, dataset, request, row, report)
            if _stamps(task) != before:
                raise InputError(f"'{task.source}' was changed while it was being read; wait until it is complete")
            return _publish(_Files.of(task, folder), task, row, guard, started)
        except OutputError as error:  # named as the result that was to be
            raise OutputError(str(error).replace(str(folder), str(task.output.parent))) from error.__cause__


@dataclass(frozen=True)
class _Files:
    """A result and its uncertainty, still without their names."""

    folder: Path
    result: Path
    uncertainty: Path | None

    @classmethod
    def of(cls, task: Task, folder: Path) -> _Files:
        return cls(folder, folder / task.output.name, task.uncertainty and folder / task.uncertainty.name)


def _compute(
    files: _Files, task: Task, dataset: Dataset, request: Request, row: FileRecord, report: Report
) -> FileRecord:
    """Score the method if that is wanted, then run it on all sections and write the result."""
    scores: dict[str, Any] | None = None
    share = 0.0
    if task.keep_every is not None:
        share = 0.5
        settings = task.settings
        contender = settings.method if settings.enhance is None else f"{settings.method}:enhance={settings.enhance}"
        found = evaluate(
            dataset, list(dict.fromkeys([BASELINE, contender])),
            Protocol("keep_every", every=task.keep_every), settings,
            data_range=task.data_range, report=part(report, 0.0, share, "scoring"),
        )  # fmt: skip
        scores = found.as_record(contender)
        volume, mean = scores["volume"], scores["mean"]
        row = replace(
            row, psnr=volume["psnr"], rmse=volume["rmse"], ssim=mean["ssim"], gain_over_linear_db=scores["gain_db"]
        )
    target = choose_target(request, files.result, files.uncertainty)
    if target is not None and scores is not None:
        target = replace(target, history={"scores": scores})
    result = execute(request, part(report, share, 1.0), target)
    if target is None:
        _save(result if scores is None else result.with_scores(scores), files)
    grid = result.dataset.grid
    return replace(
        row, state=State.DONE, method=request.spec.name, device=request.runtime.device, warnings=result.warnings,
        sections=len(request.depths), spacing=grid.spacing, unit=grid.unit, expected_gain_db=result.expected_gain_db,
    )  # fmt: skip


def _save(result: Result, files: _Files) -> None:
    result.save(files.result)
    if files.uncertainty is not None:
        result.save_uncertainty(files.uncertainty)


def _publish(files: _Files, task: Task, row: FileRecord, guard: Guard, started: float) -> FileRecord:
    """Record what was written, then give it its name."""
    row = replace(row, output=str(task.output), output_sha256=digest(files.result, guard.check))
    made = [(files.result, task.output)]
    if files.uncertainty is not None and task.uncertainty is not None:
        row = replace(row, uncertainty_sha256=digest(files.uncertainty, guard.check))
        made.append((files.uncertainty, task.uncertainty))
    guard.check_now()  # a batch that was given up must not write over what its successor has made
    _make_folders(task)
    for _, path in made:
        io.check_output(path, overwrite=True)
    row = replace(row, seconds=round(time.perf_counter() - started, 3))
    write_record(task.target, row, task.run)
    for temporary, path in made:
        if path.is_dir() and not path.is_symlink():  # an old image in a folder steps aside, and goes with the rest
            path.replace(files.folder / f"old-{path.name}")
        temporary.replace(path)
    return row


def _is_complete(task: Task, row: FileRecord, known: FileRecord, guard: Guard) -> bool:
    """Return whether the recorded result was made of this input with these settings, and is there, unchanged."""
    if (known.input_sha256, known.settings_sha256) != (row.input_sha256, row.settings_sha256):
        return False
    outputs = [(task.output, known.output_sha256)]
    if task.uncertainty is not None:
        outputs.append((task.uncertainty, known.uncertainty_sha256))
    return all(path.exists() and digest(path, guard.check) == expected for path, expected in outputs)


def _refuse_foreign(task: Task) -> None:
    for path in (task.output, task.uncertainty):
        if path is not None and (path.exists() or path.is_symlink()):
            known = record_path(task.target, task.name).exists()
            advice = "--resume to go on, or --overwrite to replace it" if known else "--overwrite to replace it"
            raise OutputError(f"'{path}' exists already; move it away, or add {advice}")


def _make_folders(task: Task) -> None:
    """Make the folders of the result, but not the output folder; refuse to follow a link out of it."""
    root, folder = task.target.resolve(), task.target
    for word in task.output.relative_to(task.target).parent.parts:
        folder = folder / word
        folder.mkdir(exist_ok=True)
        if not folder.resolve().is_relative_to(root):
            raise OutputError(f"'{folder}' is a link out of the output folder; remove it")


def _check_source(path: Path) -> None:
    """Refuse what is no file, before it is read: a pipe would be waited for."""
    if path.exists() and not path.is_dir() and not path.is_file():
        raise InputError(f"'{path}' is no ordinary file; leave it out")
    if not path.is_dir():
        check_readable(path)


def _input_digest(task: Task, guard: Guard) -> str:
    """Return the SHA-256 of the source; of a source of several files, that of theirs."""
    found = digest(task.source, guard.check)
    if not task.others:
        return found
    return hashlib.sha256("".join([found, *(digest(each, guard.check) for each in task.others)]).encode()).hexdigest()


def _stamps(task: Task) -> list[tuple[int, int]]:
    return [(found.st_size, found.st_mtime_ns) for found in (path.stat() for path in (task.source, *task.others))]
