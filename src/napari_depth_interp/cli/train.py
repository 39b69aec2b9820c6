"""``depth-interp train``: a model from a folder of dense stacks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ..errors import RequestError
from ..method import Announces, Method, Runtime, Trainable
from .options import (
    Axis,
    Channel,
    Debug,
    Device,
    Json,
    Overwrite,
    Parameters,
    Preset,
    Seed,
    Threads,
    collect_settings,
)
from .output import print_json, warn


def train(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="A method that can be trained, such as msdsr.")],
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA_DIR",
            help="Folder of dense TIFF or NIfTI stacks, or a CSV list of them with the columns hr, lr and class (the "
            "last two may be missing).",
            readable=False,
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="MODEL_DIR", help="Folder for the model.")],
    preset: Preset = None,
    parameters: Parameters = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted training with the same data stopped.")
    ] = False,
    axis: Axis = None,
    channel: Channel = None,
    device: Device = None,
    threads: Threads = None,
    seed: Seed = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Train a method on a folder of dense stacks; use the model with -p model=MODEL_DIR."""
    from ..devices import default_threads, resolve_device
    from ..progress import terminal_report
    from ..request import resolve_method
    from ..training.models import check_folder
    from .training_data import read_training_data

    settings = collect_settings(
        None, parameters, None, method=method, preset=preset, axis=axis, channel=channel, device=device,
        threads=threads, seed=seed,
    )  # fmt: skip
    check_folder(out, overwrite=overwrite)
    spec, config = resolve_method(settings.method, settings.preset, settings.parameters)
    chosen, note = resolve_device(settings.device, spec.devices)
    warn([note] if note else [])
    runtime = Runtime(chosen, settings.threads or default_threads(), settings.seed)
    learner: Method = spec.create(config, runtime)
    if not isinstance(learner, Trainable):
        raise RequestError(f"{method} is not trained on other data; it needs no model")
    stacks = read_training_data(data, settings.axis, settings.channel)
    if isinstance(learner, Announces):
        warn(learner.announcements(), "note")
    with terminal_report(f"train {method}") as report:
        learner.train(stacks, out, resume=resume, report=report)
    if not _leads():
        return
    done = {"method": method, "model": str(out), "stacks": len(stacks.stacks), "device": runtime.device}
    if json:
        print_json(done | {"config": config.model_dump(mode="json"), "seed": runtime.seed})
    else:
        typer.echo(f"Trained on {len(stacks.stacks)} stacks ({runtime.device}); use it with -p model={out}")


def _leads() -> bool:
    """Return whether this is the first of the processes that train together (``torchrun``, ``accelerate launch``)."""
    return os.environ.get("RANK", "0") == "0"
