"""Training on a folder and keeping the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...method import Runtime
from ...nn.contract import TrainingData
from ...nn.training_run import training_run
from ...progress import Report
from ...stack.scaling import Scaling
from .config import EnhanceConfig
from .fit import fit
from .networks import EnhancingNetwork
from .pairs import Pair, self_supervised, supervised
from .patches import Patches


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
    since : mapping of name -> value
        Further ones, with what is true of models that were trained before they were there.
    """

    method: str
    build: Callable[[Mapping[str, Any]], EnhancingNetwork]
    built_from: tuple[str, ...]
    since: Mapping[str, Any]

    def describe(self, config: EnhanceConfig) -> dict[str, Any]:
        """Return what describes the network of a config."""
        return {name: getattr(config, name) for name in (*self.built_from, *self.since)}

    def network(self, described: Mapping[str, Any]) -> EnhancingNetwork:
        """Return the network that a config or a model describes."""
        return self.build({**self.since, **described})


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
    with training_run(kind.method, data, config, runtime, folder, resume=resume, report=report) as run:
        network = kind.network(described).to(run.device)
        learned, held_back, hide = _training_pairs(data, config, run.seed, run.device)
        network.begin_at(float(np.mean([float(pair.wanted.mean()) for pair in learned])))
        network.measure([pair.seen for pair in learned])
        checkpoint = run.checkpoint(config.training_steps)
        trained = fit(
            network, Patches(learned, config, run.seed, hide=hide), config, run.seed, run.report,
            checkpoint=checkpoint, held_back=held_back, accelerator=run.accelerator,
        )  # fmt: skip
        run.save(described, trained, checkpoint)


def _training_pairs(
    data: TrainingData, config: EnhanceConfig, seed: int, device: torch.device
) -> tuple[list[Pair], list[Pair], int | None]:
    """Return the pairs to learn from, those held back, and how far around each blind pixel is hidden."""
    if data.targets:
        return *supervised(data, config.validation_share, seed, device), None
    stacks = [torch.from_numpy(Scaling.of(each.voxels).apply(each.voxels)).to(device) for each in data.stacks]
    pairs, hide = self_supervised(stacks, config)
    return pairs, [], hide
