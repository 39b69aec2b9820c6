"""Training an enhancing network: Adam on the mean squared error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ...nn.checkpoint import Checkpoint
from ...nn.loop import Plan, Trained, Validation, ValidationResult, train
from ...nn.runtime import half_precision
from ...progress import Report
from .config import EnhanceConfig
from .networks import EnhancingNetwork
from .pairs import Pair
from .patches import Patches

if TYPE_CHECKING:
    from accelerate import Accelerator

Network = TypeVar("Network", bound=EnhancingNetwork)

_LOOKS = 10
"""How often validation looks at the network."""
_LOOKED_AT, _IMAGES = 1024, 8
"""Rows and columns of a validation image that are looked at, and images, at most."""


def fit(
    network: Network,
    patches: Patches,
    config: EnhanceConfig,
    seed: int,
    report: Report,
    *,
    training_steps: int | None = None,
    checkpoint: Checkpoint | None = None,
    held_back: Sequence[Pair] = (),
    accelerator: Accelerator | None = None,
) -> Trained[Network]:
    """Train a network.

    Parameters
    ----------
    network : EnhancingNetwork
    patches : Patches
    config : EnhanceConfig
    seed : int
    report : callable
    training_steps : int, optional
        Default: those of the config.
    checkpoint : Checkpoint, optional
    held_back : sequence of Pair
        Whole images on which the best weights are chosen (PSNR, range 1).
    accelerator : Accelerator, optional
        Where several processes train together.
    """
    steps = training_steps or config.training_steps
    network = network.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    validation = Validation(lambda each: checked(each, held_back), max(1, steps // _LOOKS)) if held_back else None

    def loss(moving: nn.Module, rng: np.random.Generator) -> Tensor:
        batch = patches.draw(rng)
        with half_precision(batch.seen.device):
            made = moving(batch.seen)
        error = (made - batch.wanted).square()
        residual: Tensor = error if batch.count is None else error[batch.count]
        return residual.mean()

    plan = Plan(steps, seed=seed)
    return train(
        network, [optimiser], loss, plan, report=report, checkpoint=checkpoint, validation=validation,
        accelerator=accelerator,
    )  # fmt: skip


def checked(network: nn.Module, pairs: Sequence[Pair]) -> ValidationResult:
    """Return the mean PSNR over whole images, with a data range of 1, beside that of the noisy ones.

    The picture is the first image: noisy, as the network makes it, and clean.
    """
    scores, noisy, picture = [], [], None
    for pair in pairs[:: -(-len(pairs) // _IMAGES)]:
        seen, wanted = (each[:_LOOKED_AT, :_LOOKED_AT] for each in (pair.seen, pair.wanted))
        made = network(seen[None, None].float())[0, 0]
        scores.append(_decibels(made - wanted))
        noisy.append(_decibels(seen - wanted))
        if picture is None:
            picture = torch.stack([each.float() for each in (seen, made, wanted)]).cpu().numpy()
    found = {"psnr": float(np.mean(scores)), "psnr_noisy": float(np.mean(noisy))}
    return ValidationResult(found, picture, ("noisy", "made now", "clean"))


def _decibels(error: Tensor) -> float:
    return -10 * float(torch.log10(error.float().square().mean().clamp_min(1e-12)))
