"""Training an enhancing network: Adam on the mean squared error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ...nn.checkpoint import Checkpoint
from ...nn.loop import OptimizerStep, Plan, Step, Trained, Validation, ValidationResult, train_alternating
from ...nn.runtime import half_precision
from ...progress import Report
from .config import EnhanceConfig
from .networks import EnhancingNetwork
from .pairs import Pair
from .patches import VARIANTS, Patches, turned

if TYPE_CHECKING:
    from accelerate import Accelerator

Network = TypeVar("Network", bound=EnhancingNetwork)

_LOOKS = 10
"""How often the network is validated."""
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
    images = validation_images(held_back, config)
    validation = Validation(lambda each: checked(each, images), max(1, steps // _LOOKS)) if images else None

    def loss(networks: Sequence[nn.Module], step: Step) -> Tensor:
        batch = patches.draw(step.rng)
        with nullcontext() if config.precision == "float32" else half_precision(batch.seen.device):
            made = networks[0](batch.seen)
        error = (made - batch.wanted).square()
        return error.mean() if batch.count is None else _mean_where(batch.count, error)

    part = OptimizerStep(0, [optimiser], loss, (lambda _: 1.0) if config.schedule == "constant" else None)
    plan = Plan(steps, average=config.weight_average, clip=config.clip or math.inf, seed=seed)
    return train_alternating(
        network, (), [part], plan, report=report, checkpoint=checkpoint, validation=validation,
        accelerator=accelerator,
    )  # fmt: skip


def _mean_where(mask: Tensor, values: Tensor) -> Tensor:
    """Return the mean of the values where the mask is set; a GPU would have to wait for how many these are."""
    if values.device.type == "cpu":
        return values[mask].mean()
    return torch.where(mask, values, 0).sum() / mask.sum()


def validation_images(held_back: Sequence[Pair], config: EnhanceConfig) -> list[Pair]:
    """Return the images of validation: a few of those held back, each in five variants if wanted."""
    few = held_back[:: -(-len(held_back) // _IMAGES)] if held_back else []
    variants = range(VARIANTS if config.validation_variants else 1)
    return [Pair(turned(each.seen, i), turned(each.wanted, i)) for each in few for i in variants]


def checked(network: nn.Module, pairs: Sequence[Pair]) -> ValidationResult:
    """Return the mean PSNR over whole images, with a data range of 1, beside that of the noisy ones.

    The picture is the first image: noisy, as the network makes it, and clean.
    """
    scores, noisy, picture = [], [], None
    for pair in pairs:
        seen, wanted = (each[:_LOOKED_AT, :_LOOKED_AT] for each in (pair.seen, pair.wanted))
        made = network(seen[None, None].float())[0, 0]
        scores.append(_decibels(made - wanted))
        noisy.append(_decibels(seen - wanted))
        if picture is None:
            picture = torch.stack([each.float() for each in (seen, made, wanted)]).cpu().numpy()
    found = {"psnr": float(np.mean(scores)), "psnr_noisy": float(np.mean(noisy))}
    return ValidationResult(found, picture, ("noisy", "made now", "clean"), "the first held-back image")


def _decibels(error: Tensor) -> float:
    return -10 * float(torch.log10(error.float().square().mean().clamp_min(1e-12)))
