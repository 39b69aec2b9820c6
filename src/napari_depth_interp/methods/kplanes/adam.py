"""Gradient steps on planes and decoder: from random planes as published, or from what least squares found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ...nn.batches import Batches, at_once
from ...system.transfer import sent
from .als import Observed
from .field import Decoder, Planes, add_up

_PIXELS = 2**17
"""Pixels of one section that a step looks at: whole rows, at a random height."""
_SECTIONS = 4
"""Sections per step."""


@dataclass(frozen=True)
class Steps:
    """How many gradient steps, how large, with which penalties, and at how many random pixels (0: whole rows)."""

    training_steps: int
    learning_rate: float
    tv: float
    smoothness: float
    tv_published: bool = False
    batch: int = 0


def random_planes(shape: tuple[int, int, int], features: int, device: torch.device) -> Planes:
    """Return planes of features between 0.1 and 0.5, as the official K-Planes begins."""
    depth, height, width = shape
    sizes = ((height, width), (depth, height), (depth, width))
    xy, yz, zx = (torch.empty(*size, features, device=device).uniform_(0.1, 0.5) for size in sizes)
    return Planes(xy, yz, zx)


def polish(
    planes: Planes,
    decoder: Decoder,
    observed: Sequence[Observed],
    steps: Steps,
    rng: np.random.Generator,
    each_step: Callable[[float], None],
) -> None:
    """Change the planes, and the decoder if it is a network, by gradient steps; ``each_step`` may raise."""
    leaves = [nn.Parameter(plane) for plane in planes.tensors()]
    network = list(decoder.parameters()) if isinstance(decoder, nn.Module) else []
    optimiser = torch.optim.Adam([*leaves, *network], lr=steps.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps.training_steps)
    moving = Planes(*leaves)
    sizes = np.array([one.images.numel() for one in observed], float)
    batches = Batches()

    def attempt() -> None:
        one = observed[int(rng.choice(len(observed), p=sizes / sizes.sum()))]
        if steps.batch:
            loss = _misfit_at_pixels(moving, decoder, one, rng, at_once(steps.batch))
        else:
            loss = _misfit(moving, decoder, one, rng)
        loss = loss + _penalty(moving, steps)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]

    for step in range(steps.training_steps):
        batches.fit(attempt)
        optimiser.step()
        schedule.step()
        each_step((step + 1) / steps.training_steps)
    planes.xy, planes.yz, planes.zx = (leaf.detach() for leaf in leaves)


def _misfit(planes: Planes, decoder: Decoder, one: Observed, rng: np.random.Generator) -> Tensor:
    """Return the mean squared error on some rows of some sections."""
    count, height, width = one.images.shape
    rows = min(height, max(1, at_once(_PIXELS) // width))
    top = int(rng.integers(height - rows + 1))
    part = slice(top, top + rows)
    [chosen] = sent(one.images.device, rng.choice(count, min(_SECTIONS, count), replace=False))
    image = one.at.images(planes)[part]
    yz, zx = one.at.rows(planes)[chosen][:, part], one.at.columns(planes)[chosen]
    if decoder is add_up:
        found = torch.stack([((image * zx[k, None]) @ yz[k, :, :, None])[..., 0] for k in range(len(chosen))])
    else:
        found = torch.stack([decoder(image * zx[k, None] * yz[k, :, None]) for k in range(len(chosen))])
    return (found - one.images[chosen][:, part]).square().mean()


def _misfit_at_pixels(planes: Planes, decoder: Decoder, one: Observed, rng: np.random.Generator, count: int) -> Tensor:
    """Return the mean squared error at random pixels of random sections, as Ohashi 2025 draws them."""
    k, y, x = sent(one.images.device, *(rng.integers(size, size=count) for size in one.images.shape))
    features = one.at.images(planes)[y, x] * one.at.rows(planes)[k, y] * one.at.columns(planes)[k, x]
    return (decoder(features) - one.images[k, y, x]).square().mean()


def total_variation(planes: Planes) -> Tensor:
    """Return Ohashi 2025, eq. 19: on each plane squared lengths over the features, summed and divided by the cells."""
    total = planes.xy.new_zeros(())
    for plane in planes.tensors():
        squares = [plane.diff(dim=dim).square().sum() for dim in (0, 1)]
        total = total + (squares[0] + squares[1]) / (plane.shape[0] * plane.shape[1])
    return total


def _penalty(planes: Planes, steps: Steps) -> Tensor:
    """Return total variation, as published or per pair of neighbours, and second differences, with their weights."""
    total = planes.xy.new_zeros(())
    if steps.tv and steps.tv_published:
        total = total + steps.tv * total_variation(planes)
    elif steps.tv:
        for plane in planes.tensors():
            for dim in (0, 1):
                if plane.shape[dim] > 1:
                    total = total + steps.tv * plane.diff(dim=dim).square().sum(-1).mean()
    if steps.smoothness:
        for plane in (planes.yz, planes.zx):
            if len(plane) > 2:
                total = total + steps.smoothness * plane.diff(n=2, dim=0).square().sum(-1).mean()
    return total
