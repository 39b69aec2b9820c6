"""``depth-interp batch``: one method on every file of a folder."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import RequestError
from ..run.settings import Settings
from ..system.amounts import elapsed
from .options import Debug, Json, Overwrite, takes_settings
from .output import CommandExit, print_json, warn
from .signals import reporting

if TYPE_CHECKING:
    from types import FrameType

    from ..batch import FileRecord, Plan, Stop, Summary


@takes_settings(file=True)
def batch(
    source: Annotated[
        Path, typer.Argument(metavar="IN_DIR", help="Folder of stacks: TIFF, NIfTI, OME-Zarr.", readable=False)
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT_DIR", help="Folder for the results; it mirrors IN_DIR.", readable=False)
    ],
    recursive: Annotated[
        bool, typer.Option("--recursive", help="Also take the files in the subfolders of IN_DIR.")
    ] = False,
    pattern: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Take only files that match, such as '*_raw.tif'; '!GLOB' leaves files out. Repeatable.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on: skip results that are complete, make the others.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Process N files at once, each in a process of its own. Default: one after the other."
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Use the workers of a running Dask scheduler: tcp://HOST:8786."),
    ] = None,
    keep_every: Annotated[
        int | None,
        typer.Option(metavar="K", help="Also score the method on each file: keep every K-th section, hide the others."),
    ] = None,
    data_range: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="LO HI",
            help="Full range of intensities for the scores. Default: percentiles 0.1 to 99.9 of each file.",
        ),
    ] = None,
    on_cancel: Annotated[
        str, typer.Option(metavar="discard|finish", help="What Ctrl-C does with the files that are being processed.")
    ] = "discard",
    *,
    settings: Settings,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Also write the expected absolute error, as NAME_uncertainty.")
    ] = False,
    overwrite: Overwrite = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Make dense stacks of all files in a folder."""
    from ..batch import Plan, Processes

    if on_cancel not in ("discard", "finish"):
        raise RequestError(f"--on-cancel takes discard or finish, got '{on_cancel}'")
    if workers is not None and workers < 1:
        raise RequestError(f"the number of workers must be 1 or more, got {workers}")
    plan = Plan(
        source,
        target,
        settings,
        recursive,
        tuple(pattern or ()),
        keep_every,
        data_range,
        uncertainty,
        resume,
        overwrite,
    )
    summary = _run(plan, Processes(workers or 0, scheduler), finish=on_cancel == "finish", verbose=not json)
    _tell(plan, summary, json=json)


def _run(plan: Plan, processes: Any, *, finish: bool, verbose: bool) -> Summary:
    from ..batch import Stop, run_batch

    stop = Stop()
    with _interruptible(stop, finish), reporting("batch") as report:
        return run_batch(plan, processes, stop=stop, report=report, on_change=_print_record if verbose else None)


def _print_record(row: FileRecord, _fraction: float) -> None:
    """Print one line per file when it has ended."""
    match row.state:
        case "done":
            scored = "" if row.psnr is None else f", PSNR {row.psnr:.2f} dB on hidden sections"
            typer.echo(f"{row.file}: done, {row.sections} sections, {elapsed(row.seconds or 0.0)}{scored}")
        case "skipped" | "failed":
            typer.echo(f"{row.file}: {row.state}, {row.reason}")


def _tell(plan: Plan, summary: Summary, *, json: bool) -> None:
    """Print how the batch ended; leave with 1 if files failed, 130 if it was stopped."""
    from ..batch.runner import summary_json

    warn(summary.notes)
    failed = summary.count("failed")
    error, status = None, 0
    if summary.stopped:
        error = f"interrupted; the files in work were finished, {summary.count('waiting')} wait; add --resume to go on"
        status = 130
    elif failed:
        error = f"{failed} of {len(summary.rows)} files failed; the reasons are in '{summary.table}'"
        status = 1
    if json:
        print_json(summary_json(plan, summary) | ({"error": error} if error else {}))
    else:
        typer.echo(f"{summary.describe()}; the table is {summary.table}, the log {summary.log}")
    if error:
        print(f"depth-interp: {error}", file=sys.stderr)
        raise CommandExit(status)


@contextmanager
def _interruptible(stop: Stop, finish: bool) -> Iterator[None]:
    """Let the first Ctrl-C finish the files in work, if that is wanted; the next one drops them."""
    before = signal.getsignal(signal.SIGINT)
    if not finish or not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return

    def heard(number: int, frame: FrameType | None) -> None:
        if stop.mode is not None:
            before(number, frame)
        stop.finish()
        warn(["the files in work are being finished; Ctrl-C again drops them"])

    signal.signal(signal.SIGINT, heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
