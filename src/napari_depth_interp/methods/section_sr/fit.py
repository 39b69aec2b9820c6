"""Training the network on the stack's own XY images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ...nn.runtime import half_precision
from ...progress import Report
from ...training import loop
from ...training.loop import train
from .network import RowNet, interpolate
from .patches import Batch, Patches

WIDEST, NARROWEST = 2.5, 0.4
"""Gaps drawn in training, as multiples of the physical gap; the doubled gap is needed to choose the scale."""
_MATRIX_RATE, _OTHER_RATE = 1e-2, 6e-3
_SMALLEST_GAP = 1.3


@dataclass(frozen=True)
class Plan:
    """How long and on what: steps, patches per step, the physical gap in pixels, the loss."""

    iterations: int
    batch: int
    gap: float
    squared: bool


def fit(network: RowNet, patches: Patches, plan: Plan, seed: int, report: Report) -> RowNet:
    """Train for a number of steps and return the running average of the weights."""
    network = network.to(memory_format=torch.channels_last)
    matrices = [p for name, p in network.named_parameters() if name.endswith((".first", ".second"))]
    others = [p for name, p in network.named_parameters() if not name.endswith((".first", ".second"))]
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(matrices, lr=_MATRIX_RATE, weight_decay=0.1),
        torch.optim.AdamW(others, lr=_OTHER_RATE, betas=(0.9, 0.99), weight_decay=1e-4, fused=True),
    ]

    def loss(moving: nn.Module, rng: np.random.Generator) -> Tensor:
        gap = plan.gap * math.exp(rng.uniform(math.log(NARROWEST), math.log(WIDEST)))
        return _loss(moving, patches.draw(max(_SMALLEST_GAP, gap), rng), squared=plan.squared, exact=network.exact)

    return train(network, optimisers, loss, loop.Plan(plan.iterations, seed=seed), report=report).network


def _loss(network: nn.Module, batch: Batch, *, squared: bool, exact: bool) -> Tensor:
    with half_precision(batch.rows.device):
        bases = network(batch.rows.contiguous(memory_format=torch.channels_last), batch.gap)
    difference = interpolate(batch.rows, bases, batch.shares, exact=exact) - batch.hidden
    return 10 * difference.square().mean() if squared else difference.abs().mean()
