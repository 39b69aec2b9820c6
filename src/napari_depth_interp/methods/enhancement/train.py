"""Training on a folder and keeping the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...method import Runtime
from ...models import folder as model_folder
from ...nn.checkpoint import Checkpoint
from ...nn.contract import TrainingData
from ...nn.data import fingerprint_of, record_of
from ...nn.runtime import torch_on
from ...progress import Report, part
from ...stack.scaling import Scaling
from .config import EnhanceConfig
from .fit import fit
from .networks import EnhancingNetwork
from .pairs import Pair, self_supervised, supervised
from .patches import Patches

_BETWEEN_CHECKPOINTS = 500


@dataclass(frozen=True)
class Kind:
    """A kind of network.

    Attributes
    ----------
    method : str
        The method that it belongs to.
    build : callable
        Makes the network from what describes it.
    built_from : tuple of str
        Names of the parameters that describe it.
    """

    method: str
    build: Callable[[Mapping[str, Any]], EnhancingNetwork]
    built_from: tuple[str, ...]

    def describe(self, config: EnhanceConfig) -> dict[str, Any]:
        """Return what describes the network of a config."""
        return {name: getattr(config, name) for name in self.built_from}


def train_on(
    data: TrainingData,
    kind: Kind,
    config: EnhanceConfig,
    runtime: Runtime,
    folder: Path,
    *,
    resume: bool,
    report: Report,
) -> None:
    """Train a network on pairs, or on noisy stacks where there are no clean ones, and write a model folder."""
    described = kind.describe(config)
    with torch_on(runtime) as device:
        network = kind.build(described).to(device)
        learned, held_back, hide = _training_pairs(data, config, runtime.seed, device)
        network.begin_at(float(np.mean([float(pair.wanted.mean()) for pair in learned])))
        every = max(1, min(_BETWEEN_CHECKPOINTS, config.training_steps // 10))
        parts = {"method": kind.method, "config": config.model_dump(mode="json"), "seed": runtime.seed}
        checkpoint = Checkpoint(folder, fingerprint_of(data, parts), every)
        if not resume:
            checkpoint.remove()
        trained = fit(
            network, Patches(learned, config, runtime.seed, hide=hide), config, runtime.seed,
            part(report, 0.0, 1.0, "training"), checkpoint=checkpoint, held_back=held_back,
        )  # fmt: skip
    record = record_of(data, config.model_dump(mode="json"), trained.history)
    model_folder.save(folder, model_folder.Model(kind.method, described, trained.network.state_dict(), record))
    checkpoint.remove()


def _training_pairs(
    data: TrainingData, config: EnhanceConfig, seed: int, device: torch.device
) -> tuple[list[Pair], list[Pair], int | None]:
    """Return the pairs to learn from, those held back, and how far around each blind pixel is hidden."""
    if data.targets:
        return *supervised(data, config.held_back, seed, device), None
    stacks = [torch.from_numpy(Scaling.of(each.voxels).apply(each.voxels)).to(device) for each in data.stacks]
    pairs, hide = self_supervised(stacks, config)
    return pairs, [], hide
