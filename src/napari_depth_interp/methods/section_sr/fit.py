"""Training the network on the stack's own XY images."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ...nn.runtime import half_precision
from .network import RowNet, interpolate
from .patches import Batch, Patches

WIDEST, NARROWEST = 2.5, 0.4
"""Gaps drawn in training, as multiples of the physical gap; the doubled gap is needed to choose the scale."""
_MATRIX_RATE, _OTHER_RATE = 1e-2, 6e-3
_WARM_UP = 50
_FINAL_RATE = 0.02
_AVERAGED = 0.99
_SMALLEST_GAP = 1.3


@dataclass(frozen=True)
class Plan:
    """How long and on what: steps, patches per step, the physical gap in pixels, the loss."""

    iterations: int
    batch: int
    gap: float
    squared: bool


def train(
    network: RowNet, patches: Patches, plan: Plan, rng: np.random.Generator, each_step: Callable[[float], None]
) -> RowNet:
    """Train for a number of steps and return the exponential average of the weights.

    ``each_step`` gets the share done and may raise.
    """
    network = network.to(memory_format=torch.channels_last)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(_AVERAGED))  # type: ignore[no-untyped-call]
    matrices = [p for name, p in network.named_parameters() if name.endswith((".first", ".second"))]
    others = [p for name, p in network.named_parameters() if not name.endswith((".first", ".second"))]
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(matrices, lr=_MATRIX_RATE, weight_decay=0.1),
        torch.optim.AdamW(others, lr=_OTHER_RATE, betas=(0.9, 0.99), weight_decay=1e-4, fused=True),
    ]
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(each, lambda step: _rate(step, plan.iterations)) for each in optimisers
    ]
    for step in range(plan.iterations):
        gap = plan.gap * math.exp(rng.uniform(math.log(NARROWEST), math.log(WIDEST)))
        loss = _loss(network, patches.draw(max(_SMALLEST_GAP, gap)), plan.squared)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimiser, schedule in zip(optimisers, schedules, strict=True):
            optimiser.step()
            schedule.step()
            optimiser.zero_grad(set_to_none=True)
        average.update_parameters(network)
        each_step((step + 1) / plan.iterations)
    trained = average.module
    assert isinstance(trained, RowNet)
    return trained.eval()


def _rate(step: int, steps: int) -> float:
    """Warm-up, then half a cosine."""
    warm = min(1.0, (step + 1) / min(_WARM_UP, steps))
    return warm * (_FINAL_RATE + (1 - _FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps))))


def _loss(network: RowNet, batch: Batch, squared: bool) -> Tensor:
    with half_precision(batch.rows.device):
        bases = network(batch.rows.contiguous(memory_format=torch.channels_last), batch.gap)
    difference = interpolate(batch.rows, bases, batch.shares) - batch.hidden
    return 10 * difference.square().mean() if squared else difference.abs().mean()
