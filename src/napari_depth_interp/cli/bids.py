"""``depth-interp bids``: the command line of a BIDS App."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import RequestError
from ..run.settings import Settings
from .options import Debug, Json, Overwrite, split, takes_settings
from .output import CommandExit, print_json, warn
from .signals import reporting


@takes_settings(file=True)
def bids(
    dataset: Annotated[
        Path, typer.Argument(metavar="BIDS_DIR", help="A BIDS dataset: the folder that holds sub-*.", readable=False)
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUTPUT_DIR", help="Folder of the derivatives, made if missing.", readable=False)
    ],
    level: Annotated[str, typer.Argument(metavar="participant", help="Level of analysis; there is one.")],
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[LABEL]...", help="Further labels after --participant-label.")
    ] = None,
    participants: Annotated[
        list[str] | None,
        typer.Option(
            "--participant-label", "--participant_label", metavar="LABEL",
            help="Only these participants, with or without sub-; several: 01 02, or 01,02. Default: all.",
        ),
    ] = None,
    suffix: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only images with these suffixes: T2w,FLAIR. Default: all.")
    ] = None,
    datatype: Annotated[str, typer.Option(metavar="NAME", help="Folder of the images within a participant.")] = "anat",
    *,
    settings: Settings,
    overwrite: Overwrite = False,
    debug: Debug = False,
    json: Json = False,
) -> None:  # fmt: skip
    """Fill in the sections of a BIDS dataset; without another target as close together as the pixels."""
    from ..batch import bids as app

    if level != "participant":
        raise RequestError(f"the level of analysis '{level}' is not known; write participant")
    if more and not participants:
        raise RequestError(f"'{more[0]}' is not understood; labels stand after --participant-label")
    labels = [label for each in [*(participants or []), *(more or [])] for label in split(each)]
    images = app.find_images(dataset, labels, split(suffix), datatype)
    with reporting(settings.method) as report:
        outcomes = app.run_participants(images, dataset, target, settings, report, overwrite=overwrite)
    failed = [each for each in outcomes if each.problem is not None]
    warn(f"{each.image.path.name}: {each.problem}" for each in failed)
    if json:
        found = [
            {"image": str(each.image.path), "derivative": each.derivative and str(each.derivative),
             "problem": each.problem} for each in outcomes
        ]  # fmt: skip
        print_json({"images": found})
    else:
        typer.echo(f"{len(outcomes) - len(failed)} of {len(outcomes)} images done; the derivatives are in {target}")
    if failed:
        raise CommandExit(1)
