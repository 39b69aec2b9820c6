"""``depth-interp prepare``: learn what a run learns before it makes the first section, and keep it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..run.settings import Settings
from ..system.amounts import size_in_words
from .options import Debug, Input, Json, Overwrite, takes_settings
from .output import print_json, warn
from .signals import reporting

if TYPE_CHECKING:
    from ..run.prepared import Prepared


@takes_settings(file=True)
def prepare(
    source: Input,
    output: Annotated[
        Path,
        typer.Argument(metavar="PREPARED", help="File to write, such as stack.safetensors.", readable=False),
    ],
    *,
    settings: Settings,
    overwrite: Overwrite = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Learn from a stack what run would, and keep it in a small file: the first half of run."""
    from .. import io
    from ..run.prepared import prepare, with_any_target
    from ..run.prepared_file import save
    from ..run.request import resolve

    io.check_output(output, overwrite=overwrite)
    request = resolve(io.open_stack(source, axis=settings.axis), with_any_target(settings))
    with reporting(request.spec.name) as report:
        made = prepare(request, report)
    save(output, made, overwrite=overwrite)
    warn([*request.notes, *made.warnings])
    if json:
        size = output.stat().st_size
        print_json({"input": str(source), "output": str(output), "method": made.method, "bytes": size})
        return
    typer.echo(f"{output}: {made.method}, {size_in_words(output.stat().st_size)}")


def with_prepared(path: Path | None, settings: Settings) -> tuple[Prepared | None, Settings]:
    """Return what a file holds, if one is given, and the settings with its method and parameters."""
    if path is None:
        return None, settings
    from ..run.prepared import settings_with
    from ..run.prepared_file import load

    found = load(path)
    return found, settings_with(settings, found)
