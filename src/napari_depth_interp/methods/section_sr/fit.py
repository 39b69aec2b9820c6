"""Training the network on the stack's own XY images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...nn import loop
from ...nn.loop import train
from ...nn.muon import Muon
from ...nn.runtime import half_precision
from ...progress import Report
from .network import RowNet, interpolate
from .patches import Batch, Patches

SPAN = (0.4, 2.5)
"""Bounds of the gaps drawn in training, as multiples of the physical one; the doubled one is needed for the scale."""
_MATRIX_RATE, _OTHER_RATE = 1e-2, 6e-3
_SMALLEST_GAP = 1.3
_DETAILS = (3, 5)
"""Columns: contrast is what is finer than these."""
_AROUND = (9, 5)
"""Columns over which contrast is averaged, and how far apart these places are."""
_LEAST = 1e-6


@dataclass(frozen=True)
class Plan:
    """How long and on what: steps, patches per step, the physical gap in pixels, the loss, share of the rates, gaps.

    ``sharpness`` is the weight of the difference in local contrast.
    """

    training_steps: int
    batch: int
    gap: float
    squared: bool
    rate: float = 1.0
    span: tuple[float, float] = SPAN
    sharpness: float = 0.0


def fit(network: RowNet, patches: Patches, plan: Plan, seed: int, report: Report) -> RowNet:
    """Train for a number of steps and return the running average of the weights."""
    network = network.to(memory_format=torch.channels_last)

    low, high = map(math.log, plan.span)

    def loss(moving: nn.Module, rng: np.random.Generator) -> Tensor:
        gap = plan.gap * math.exp(rng.uniform(low, high))
        batch = patches.draw(max(_SMALLEST_GAP, gap), rng)
        return loss_of(moving, batch, squared=plan.squared, exact=network.exact, sharpness=plan.sharpness)

    whole = loop.Plan(plan.training_steps, seed=seed)
    return train(network, optimisers_of(network, plan.rate), loss, whole, report=report).network


def optimisers_of(network: RowNet, rate: float = 1.0) -> list[torch.optim.Optimizer]:
    """Return the optimisers of a network, with a share of their full rates."""
    matrices = [p for name, p in network.named_parameters() if name.endswith((".first", ".second"))]
    others = [p for name, p in network.named_parameters() if not name.endswith((".first", ".second"))]
    return [
        Muon(matrices, lr=rate * _MATRIX_RATE),
        torch.optim.AdamW(others, lr=rate * _OTHER_RATE, betas=(0.9, 0.99), weight_decay=1e-4, fused=True),
    ]


def loss_of(network: nn.Module, batch: Batch, *, squared: bool, exact: bool = True, sharpness: float = 0.0) -> Tensor:
    """Return the error of the hidden rows, squared or absolute, and how much their contrast is off, so many times."""
    with half_precision(batch.rows.device):
        bases = network(batch.rows.contiguous(memory_format=torch.channels_last), batch.gap)
    made = interpolate(batch.rows, bases, batch.shares, exact=exact)
    difference = made - batch.hidden
    error = 10 * difference.square().mean() if squared else difference.abs().mean()
    return error + sharpness * contrast_error(made, batch.hidden) if sharpness else error


def contrast_error(made: Tensor, truth: Tensor) -> Tensor:
    """Return by how much local contrasts along rows (..., X) differ on average, wherever in a neighbourhood they are.

    An error alone is smallest where what is not known is smooth; contrast has to be there, not in the right place.
    """
    errors = [(_contrast(made, width) - _contrast(truth, width)).abs().mean() for width in _DETAILS]
    return torch.stack(errors).mean()


def _contrast(rows: Tensor, width: int) -> Tensor:
    """Return the rms, around every few columns, of what differs from the mean of ``width`` columns."""
    lines = rows.reshape(-1, 1, rows.shape[-1])
    mean = functional.avg_pool1d(lines, width, 1, width // 2, count_include_pad=False)
    size, step = _AROUND
    around = functional.avg_pool1d((lines - mean).square(), size, step, size // 2, count_include_pad=False)
    return (around + _LEAST).sqrt()


def noise_share(images: Tensor, gap: float) -> float:
    """Return how much of what linear interpolation between rows misses is noise, 0 to about 1.

    The noise is estimated from a mask that straight edges do not pass (Immerkaer, CVIU 1996).
    """
    height = images.shape[1]
    step = max(1, min(round(gap / 2), (height - 1) // 2))
    if height < 3 or images.shape[2] < 3:
        return 0.0
    residual = (images[:, : -2 * step] + images[:, 2 * step :]) / 2 - images[:, step:-step]
    rows = images[:, :-2] - 2 * images[:, 1:-1] + images[:, 2:]
    mask = rows[:, :, :-2] - 2 * rows[:, :, 1:-1] + rows[:, :, 2:]
    few = mask.abs().flatten()[:: max(1, mask.numel() // 1_000_000)]
    noise = 1.4826 * float(few.median()) / 6
    return noise * math.sqrt(1.5) / max(float(residual.std()), 1e-9)
