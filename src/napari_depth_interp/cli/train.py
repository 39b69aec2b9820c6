"""``depth-interp train``: a model from a folder of dense stacks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import RequestError
from ..nn.contract import Announces
from ..run.settings import Settings
from ..system.amounts import elapsed
from .options import Debug, Json, Overwrite, takes_settings
from .output import print_json, warn
from .signals import reporting

OF_A_RUN = {
    "method", "enhance", "enhance_parameters", "factor", "spacing", "isotropic", "acquisition", "depths", "dtype",
    "nan", "crop", "times", "exclude", "align", "memory", "shard", "thickness", "profile",
}  # fmt: skip
"""Settings that a training does not take: the method has a place of its own, the others are of results."""


@takes_settings(leave_out=OF_A_RUN)
def train(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="A method that can be trained, such as msdsr.")],
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA_DIR",
            help="Folder of dense stacks (TIFF, NIfTI, DICOM or what else run reads), or a CSV list of them with the "
            "columns hr, lr and class (the last two may be missing). For srcnn and cae: a folder of noisy images, or "
            "one that holds the folders noisy and clean with images of the same names.",
            readable=False,
        ),
    ],
    out: Annotated[Path | None, typer.Option(metavar="MODEL_DIR", help="Folder for the model.")] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Instead of --out: name under which the model is kept among your models, for -p model=NAME."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted training with the same data where it stopped.")
    ] = False,
    licence: Annotated[str, typer.Option(help="Licence that the model may be used under, such as CC-BY-4.0.")] = "",
    *,
    settings: Settings,
    overwrite: Overwrite = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Train a method on a folder of dense stacks; use the model with -p model=MODEL_DIR or -p model=NAME."""
    from ..models.names import folder_of
    from ..nn.processes import is_main_process
    from ..training import session
    from ..training.reading import read_data

    if (out is None) == (name is None):
        raise RequestError("give one place for the model: --out MODEL_DIR, or --name NAME")
    settings = settings.model_copy(update={"method": method})
    folder = out if out is not None else folder_of(name or "")
    order = session.Order(settings=settings, folder=str(data.absolute()), licence=licence)
    training = session.prepare(order, folder, overwrite=overwrite)
    warn(training.notes)
    stacks = read_data(training.spec, data, settings)
    if isinstance(training.learner, Announces):
        warn(training.learner.announcements(), "note")
    with reporting(f"train {method}") as report:
        done = session.train(training, stacks, report, resume=resume)
    if not is_main_process():
        return
    use = name or str(out)
    runtime = training.runtime
    if json:
        about = {"method": method, "model": use, "folder": str(folder), "stacks": len(stacks.stacks)}
        about |= {"steps": done.steps, "seconds": done.seconds, "device": runtime.device, "seed": runtime.seed}
        print_json(about | {"config": training.config.model_dump(mode="json")})
    else:
        what = f"Trained on {len(stacks.stacks)} stacks in {elapsed(done.seconds)} ({runtime.device})"
        typer.echo(f"{what}; use it with -p 'model={use}'")
