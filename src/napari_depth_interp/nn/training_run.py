"""One training of a method on data: where it runs, what it resumes from, and the model that it leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..method import MethodConfig, Runtime
from ..models import folder as model_folder
from ..progress import Report, part
from .checkpoint import Checkpoint
from .contract import TrainingData
from .data import fingerprint_of, record_of
from .loop import Network, Trained
from .processes import accelerator
from .runtime import torch_on

if TYPE_CHECKING:
    from accelerate import Accelerator

_BETWEEN_CHECKPOINTS = 500


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """A training that goes on, as :func:`training_run` gives it.

    Attributes
    ----------
    method : str
    data : TrainingData
    config : MethodConfig
    seed : int
    folder : Path
        Of the model.
    device : torch.device
    accelerator : Accelerator or None
        Where several processes train together.
    report : callable
    """

    method: str
    data: TrainingData
    config: MethodConfig
    seed: int
    folder: Path
    device: torch.device
    accelerator: Accelerator | None
    report: Report
    resume: bool

    @property
    def processes(self) -> int:
        """How many processes train together."""
        return 1 if self.accelerator is None else self.accelerator.num_processes

    def checkpoint(self, steps: int) -> Checkpoint:
        """Return what a training of so many steps is saved to now and then; empty unless it resumes."""
        depends_on = {"method": self.method, "config": self._parameters(), "seed": self.seed}
        every = max(1, min(_BETWEEN_CHECKPOINTS, steps // 10))
        checkpoint = Checkpoint(self.folder, fingerprint_of(self.data, depends_on), every)
        if not self.resume:
            checkpoint.remove()
        return checkpoint

    def save(self, about: Mapping[str, Any], trained: Trained[Network], checkpoint: Checkpoint) -> None:
        """Write the model, with ``about`` to build its network from; of several processes the first one does."""
        if self.accelerator is not None and not self.accelerator.is_main_process:
            return
        record = record_of(self.data, self._parameters(), trained.history)
        model_folder.save(self.folder, model_folder.Model(self.method, about, trained.network.state_dict(), record))
        checkpoint.remove()

    def _parameters(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json")


@contextmanager
def training_run(
    method: str,
    data: TrainingData,
    config: MethodConfig,
    runtime: Runtime,
    folder: Path,
    *,
    resume: bool,
    report: Report,
) -> Iterator[TrainingRun]:
    """Hold torch to a run while a model is trained.

    Parameters
    ----------
    method : str
        Its name, which the model bears.
    data : TrainingData
    config : MethodConfig
    runtime : Runtime
    folder : Path
        Of the model, and of the checkpoint while there is none.
    resume : bool
        Go on from the checkpoint in the folder.
    report : callable

    Yields
    ------
    TrainingRun
    """
    several = accelerator(runtime)
    with torch_on(runtime) as own:
        device = own if several is None else several.device
        inner = part(report, 0.0, 1.0, "training")
        yield TrainingRun(method, data, config, runtime.seed, folder, device, several, inner, resume)
