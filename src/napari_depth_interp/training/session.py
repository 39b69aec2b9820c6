"""A training from its order to a model: the one way for command line and widget.

What was asked for is kept beside the checkpoint, so that a training can go on after the program was closed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import OutputError, RequestError, WeightsError
from ..io.files import replacing
from ..method import Method, MethodConfig, MethodSpec, Runtime
from ..methods import registry
from ..models import folder as model_folder
from ..models import library
from ..nn.contract import Trainable, TrainingData
from ..nn.processes import is_main_process
from ..progress import Progress, Report
from ..run.request import resolve_method
from ..run.settings import Settings
from ..system.devices import default_threads, resolve_device


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
