"""Runs on several processes: their options, and what is printed of their plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import RequestError
from .output import print_json

if TYPE_CHECKING:
    from ..run.outputs import Spread, Target
    from ..run.request import Request
    from ..run.settings import Settings

Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Divide the run among N processes of this machine. Default: this one. OME-Zarr results only."
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Divide the run among the workers of a Dask scheduler: tcp://HOST:8786."),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on with a run that was killed, and keep what is done if this one is. OME-Zarr results only.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Say into which blocks and files the run would be divided, and do not run."),
]


def spread_of(workers: int | None, scheduler: str | None, source: Path, settings: Settings) -> Spread | None:
    """Return among which processes a run is to be divided, if it is.

    Raises
    ------
    RequestError
        If the options exclude each other.
    """
    from ..run.outputs import Spread
    from ..system.cluster import Processes

    if workers is not None and workers < 1:
        raise RequestError(f"the number of workers must be 1 or more, got {workers}")
    processes = Processes(workers or 0, scheduler)
    return Spread(processes, source, settings) if processes else None


def print_plan(request: Request, target: Target | None, *, as_json: bool) -> None:
    """Print what ``run --dry-run`` found out."""
    from ..run.blockwise import is_blockwise
    from ..run.forecast import forecast

    if target is None or not is_blockwise(target):
        raise RequestError("only results in OME-Zarr are made block by block; name the result .ome.zarr")
    found = forecast(request, target)
    if as_json:
        print_json(found.as_json())
        return
    for line in found.describe():
        typer.echo(line)


def estimated(request: Request, target: Target | None) -> Any:
    """Return what a run will take, by however many processes."""
    from ..run.estimate import estimate_run
    from ..run.forecast import estimate_spread

    return estimate_run(request) if target is None else estimate_spread(request, target)
