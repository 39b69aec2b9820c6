"""A training from its order to a model: the one way for command line and widget.

What was asked for is kept beside the checkpoint, so that a training can go on after the program was closed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .. import io
from ..errors import DepthInterpError, InputError, OutputError, RequestError, WeightsError
from ..io.dicom import advice, folder_holds_dicom
from ..io.files import replacing
from ..method import Method, MethodConfig, MethodSpec, Runtime
from ..methods import registry
from ..models import folder as model_folder
from ..models import library
from ..nn.contract import Trainable, TrainingData
from ..nn.data import signed
from ..nn.processes import is_main_process
from ..progress import Progress, Report
from ..run.request import prepare_dataset, resolve_method
from ..run.settings import Settings
from ..stack import Dataset, Stack
from ..stack.lazy import signature
from ..system.devices import default_threads, resolve_device
from .lists import read_list
from .pairs import CLEAN, NOISY, read_images


class Order(BaseModel):
    """What a training was asked for, as it is kept while it is not finished."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: Settings
    folder: str | None = Field(None, description="Folder with the stacks; None: open layers.")
    layers: tuple[str, ...] = Field((), description="Names of the layers.")
    licence: str = Field("", description="Licence of the model.")

    def save(self, folder: Path) -> None:
        """Write it beside the checkpoint."""
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / library.ORDER, overwrite=True) as temporary:
            temporary.write_text(self.model_dump_json(indent=2), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Order:
        """Read it.

        Raises
        ------
        WeightsError
            If it is missing or damaged.
        """
        path = folder / library.ORDER
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise WeightsError(
                f"'{path}' is missing, so it is not known what was trained; use depth-interp train --resume"
            ) from error
        except (ValidationError, ValueError) as error:
            raise WeightsError(f"'{path}' is damaged; use depth-interp train --resume, or remove the model") from error


@dataclass(frozen=True, eq=False)
class Training:
    """A training that can begin: an order, checked.

    Attributes
    ----------
    order : Order
    spec : MethodSpec
    config : MethodConfig
    runtime : Runtime
    learner : Method
        Trainable.
    folder : Path
        Of the model.
    notes : tuple of str
        What the user should know about how the order was understood.
    """

    order: Order
    spec: MethodSpec
    config: MethodConfig
    runtime: Runtime
    learner: Method
    folder: Path
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """A finished training: the model's folder, its steps, those that were planned, and the seconds it took."""

    folder: Path
    steps: int
    planned: int
    seconds: float


def trainable_methods() -> list[MethodSpec]:
    """Return the methods that can be trained."""
    return [spec for spec in registry.specs() if spec.makes_model]


def prepare(order: Order, folder: Path, *, overwrite: bool = False) -> Training:
    """Check an order before anything is read.

    Raises
    ------
    RequestError, DeviceError, OutputError
        For a method that is not trained, a parameter or a device that does not fit, a folder that holds a model.
    """
    settings = order.settings
    model_folder.check_folder(folder, overwrite=overwrite)
    spec, config = resolve_method(settings.method, settings.preset, settings.parameters)
    chosen, note = resolve_device(settings.device, spec.devices)
    runtime = Runtime(chosen, settings.threads or default_threads(), settings.seed)
    learner = spec.create(config, runtime)
    if not isinstance(learner, Trainable):
        names = ", ".join(each.name for each in trainable_methods())
        raise RequestError(f"{spec.name} is not trained on other data; it needs no model. Those that are: {names}")
    return Training(order, spec, config, runtime, learner, folder, (note,) if note else ())


def train(training: Training, data: TrainingData, report: Report, *, resume: bool = False) -> Outcome:
    """Train; write the model, or leave what resumes the training exactly if ``report`` raises.

    Parameters
    ----------
    training : Training
    data : TrainingData
    report : callable
        Gets a :class:`Progress` after each step. It may wait (a pause), raise ``Stopped`` (the best weights become the
        model) or ``Cancelled`` (the checkpoint stays).
    resume : bool
        Go on from the checkpoint in the folder.

    Raises
    ------
    OutputError
        If another process trains in this folder.
    WeightsError
        If the checkpoint is of another training.
    """
    started, seen = time.monotonic(), [0, 0]

    def watching(progress: Progress) -> None:
        if progress.training is not None:
            seen[:] = progress.training.step, progress.training.steps
        report(progress)

    assert isinstance(training.learner, Trainable)
    if not is_main_process():  # one of several processes that train together: another one writes
        training.learner.train(data, training.folder, resume=resume, report=watching)
        return Outcome(training.folder, seen[0], seen[1], time.monotonic() - started)
    with locked(training.folder):
        with _ordered(training):
            training.learner.train(data, training.folder, resume=resume, report=watching)
        steps = int(model_folder.about(training.folder).record.get("steps", seen[0]))
        planned = max(seen[1], steps)
        _complete(training, planned)
    return Outcome(training.folder, steps, planned, time.monotonic() - started)


@contextmanager
def _ordered(training: Training) -> Iterator[None]:
    """Keep the order while a training is going on, and after it where there is something to resume."""
    training.order.save(training.folder)
    try:
        yield
    except BaseException:
        if not (training.folder / library.CHECKPOINT).exists():
            (training.folder / library.ORDER).unlink(missing_ok=True)
        raise


def _complete(training: Training, planned: int) -> None:
    """Write into the record what the method does not know of, and forget the order."""
    licence = {"licence": training.order.licence} if training.order.licence else {}
    model_folder.add_to_record(
        training.folder,
        planned_steps=planned,
        trained=datetime.now(UTC).isoformat(timespec="seconds"),
        device=training.runtime.device,
        seed=training.runtime.seed,
        **licence,
    )
    (training.folder / library.ORDER).unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a model's folder, so that no other process trains in it; let go of it even if this process is killed."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"'{folder}' cannot be made: {error.strerror or error}; choose another folder") from error
    lock = FileLock(folder / library.LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise OutputError(f"'{folder}' is being trained by another process; wait, or choose another name") from error
    try:
        yield
    finally:
        lock.release()
        (folder / library.LOCK).unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()  # nothing was learned


# Data


def read_data(spec: MethodSpec, folder: Path, settings: Settings) -> TrainingData:
    """Return what a method learns from: a folder (for one that enhances, of noisy and clean ones), or a CSV list.

    Raises
    ------
    InputError
        If there is nothing, or something cannot be used.
    """
    if folder.is_file() and folder.suffix.lower() == ".csv":
        return read_list(folder, lambda path: _stacks_of(io.read(path, axis=settings.axis), settings))
    if spec.enhances:
        return read_images(folder, settings.axis, settings.channel)
    return read_folder(folder, settings)


def read_folder(folder: Path, settings: Settings) -> TrainingData:
    """Return all stacks of a folder, each channel and time point by itself.

    Raises
    ------
    InputError
        If there are none, or one cannot be used.
    """
    if not folder.is_dir():
        raise InputError(f"'{folder}' is not a folder; give one with dense stacks")
    stacks: list[Stack] = []
    files: list[Path] = []
    for path in stack_files(folder):
        try:
            found = _stacks_of(io.read(path, axis=settings.axis), settings)
        except DepthInterpError as error:
            raise InputError(f"'{path.name}' cannot be trained on: {error}; repair or remove it") from error
        stacks += found
        files += [path] * len(found)
    if not stacks:
        if folder_holds_dicom(folder):
            raise InputError(advice(folder))
        raise InputError(f"'{folder}' holds no stack to train on; its files have to be TIFF, NIfTI or OME-Zarr")
    return signed(TrainingData(tuple(stacks), tuple(files)))


def data_files(spec: MethodSpec, path: Path) -> list[Path]:
    """Return the files that a training would read, without reading them: of pairs the noisy ones, of a list itself.

    Raises
    ------
    InputError
        If there are none.
    """
    if path.is_file() and path.suffix.lower() == ".csv":
        return [path]
    if not path.is_dir():
        raise InputError(f"'{path}' is neither a folder nor a CSV list")
    pairs = spec.enhances and ((path / NOISY).is_dir() or (path / CLEAN).is_dir())
    folder = path / NOISY if pairs else path
    found = stack_files(folder)
    if not found:
        raise InputError(f"'{folder}' holds no stack")
    return found


def stack_files(folder: Path) -> list[Path]:
    """Return the files of a folder that a training on it would read."""
    try:
        return sorted(each for each in folder.iterdir() if io.format_of(each) is not None)
    except OSError as error:
        raise InputError(f"'{folder}' cannot be read: {error.strerror or error}") from error


def from_layers(spec: MethodSpec, named: Mapping[str, Dataset], settings: Settings) -> TrainingData:
    """Return the stacks of open layers; their voxels tell them from other data.

    A method that enhances takes each section alone, so their distance need not be known.

    Raises
    ------
    InputError
        If there are none, or one cannot be used.
    """
    stacks: list[Stack] = []
    names: list[Path] = []
    signatures: list[str] = []
    for name, dataset in named.items():
        try:
            known = dataset.counted() if spec.enhances and settings.z_spacing is None else dataset
            found = _stacks_of(known, settings.model_copy(update={"channel": None}))
        except DepthInterpError as error:
            raise InputError(f"'{name}' cannot be trained on: {error}") from error
        stacks += found
        names += [Path(name.replace("/", "_"))] * len(found)
        signatures += [signature(each.voxels) for each in found]
    if not stacks:
        raise InputError("no layer to train on is chosen; tick one or more")
    return TrainingData(tuple(stacks), tuple(names), tuple(signatures))


def _stacks_of(dataset: Dataset, settings: Settings) -> Sequence[Stack]:
    """Return a dataset's stacks; the z spacing of the settings is for those that have none."""
    known = dataset.grid.depths is not None
    one = dataset.voxels.shape[1] == 1
    spacing = None if known else settings.z_spacing
    channel = None if one else settings.channel
    prepared = prepare_dataset(dataset, Settings(z_spacing=spacing, channel=channel))
    stacks = [stack.in_memory() for _, _, stack in prepared.stacks()]
    if any(each.voxels.dtype.kind == "f" and not np.isfinite(each.voxels).all() for each in stacks):
        raise InputError("it holds voxels that are infinite or not a number")
    return stacks


# Unfinished trainings


def unfinished(folder: Path) -> Training:
    """Return an interrupted training, ready to go on; its data have to be read again.

    Raises
    ------
    WeightsError
        If it is not known what was trained.
    """
    return prepare(Order.load(folder), folder, overwrite=True)


def history_of(folder: Path) -> dict[str, Any]:
    """Return what an interrupted training has shown so far, ``losses`` and ``validation``: empty if nothing."""
    from safetensors import safe_open

    path = folder / library.CHECKPOINT
    try:
        with safe_open(path, "np") as file:
            found = json.loads((file.metadata() or {})["history"])
    except Exception:  # no checkpoint yet, or a damaged one, which resuming will name
        return {"losses": [], "validation": []}
    return {"losses": list(found.get("losses", ())), "validation": list(found.get("validation", ()))}
