"""``depth-interp train``: a model from a folder of dense stacks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import DepthInterpError, InputError, RequestError
from ..method import Method, Runtime, Trainable, TrainingData
from ..stack import Stack
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
            help="Folder of dense TIFF or NIfTI stacks; for srcnn and cae of noisy ones, or with the folders noisy and "
            "clean in it, which hold images of the same names.",
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
    from ..training.pairs import read_images

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
    stacks = (read_images if spec.enhances else _read)(data, settings.axis, settings.channel)
    with terminal_report(f"train {method}") as report:
        learner.train(stacks, out, resume=resume, report=report)
    done = {"method": method, "model": str(out), "stacks": len(stacks.stacks), "device": runtime.device}
    if json:
        print_json(done | {"config": config.model_dump(mode="json"), "seed": runtime.seed})
    else:
        typer.echo(f"Trained on {len(stacks.stacks)} stacks ({runtime.device}); use it with -p model={out}")


def _read(folder: Path, axis: Literal["auto", "x", "y", "z"], channel: str | None) -> TrainingData:
    """Return all stacks of a folder, each channel and time point by itself."""
    from .. import io

    if not folder.is_dir():
        raise InputError(f"'{folder}' is not a folder; give one with dense TIFF or NIfTI stacks")
    stacks: list[Stack] = []
    files: list[Path] = []
    for path in sorted(each for each in folder.iterdir() if io.format_of(each) is not None):
        try:
            dataset = io.read(path, axis=axis)
            if channel is not None and dataset.voxels.shape[1] > 1:
                dataset = dataset.select_channel(channel)
            found = [stack for _, _, stack in dataset.stacks()]
        except DepthInterpError as error:
            raise InputError(f"'{path.name}' cannot be trained on: {error}; repair or remove it") from error
        stacks += found
        files += [path] * len(found)
    if not stacks:
        raise InputError(f"'{folder}' holds no TIFF or NIfTI stack to train on")
    return TrainingData(tuple(stacks), tuple(files))
