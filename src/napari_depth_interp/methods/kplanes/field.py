"""Three planes of features, and values at any grid of positions without a gather per voxel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...nn.chunks import Chunks, chunk_bytes
from ...system.transfer import sent

_CHUNK = 2**22
"""Features that are multiplied at once: 16 MB each."""


@dataclass(frozen=True, eq=False)
class Lerp:
    """Linear interpolation along one axis: position k lies ``share[k]`` of the way from cell ``first[k]`` on."""

    first: Tensor
    share: Tensor
    cells: int
    identity: bool

    @classmethod
    def of(cls, positions: NDArray[np.float64], knots: NDArray[np.float64], device: torch.device) -> Lerp:
        """Locate positions between ascending knots; beyond them the end is held."""
        [made] = cls.all_of([(positions, knots)], device)
        return made

    @classmethod
    def all_of(
        cls, axes: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], device: torch.device
    ) -> list[Lerp]:
        """Locate positions between knots along several axes; one copy to the device for all of them."""
        places = [_located(*each) for each in axes]
        there = sent(device, *(table for first, share, _ in places for table in (first, share)))
        pairs = zip(axes, places, there[::2], there[1::2], strict=True)
        return [cls(first, share, len(knots), same) for (_, knots), (_, _, same), first, share in pairs]

    def __call__(self, cells: Tensor, dim: int) -> Tensor:
        """Return the values at the positions, along one axis of ``cells``."""
        if self.identity:
            return cells
        second = (self.first + 1).clamp_max(self.cells - 1)
        share = self._along(cells, dim)
        return (1 - share) * cells.index_select(dim, self.first) + share * cells.index_select(dim, second)

    def back(self, values: Tensor, dim: int) -> Tensor:
        """Return the transpose of interpolation: what each cell gets from values at the positions."""
        if self.identity:
            return values
        second = (self.first + 1).clamp_max(self.cells - 1)
        share = self._along(values, dim)
        shape = [self.cells if axis == dim % values.ndim else size for axis, size in enumerate(values.shape)]
        cells = values.new_zeros(shape)
        cells.index_add_(dim, self.first, (1 - share) * values)
        return cells.index_add_(dim, second, share * values)

    def _along(self, values: Tensor, dim: int) -> Tensor:
        shape = [1] * values.ndim
        shape[dim] = -1
        return self.share.view(shape)


def _located(
    positions: NDArray[np.float64], knots: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float32], bool]:
    """Return the cell before each position, the share of the way to the next, and whether positions are the knots."""
    inside = np.clip(positions, knots[0], knots[-1])
    first = np.clip(np.searchsorted(knots, inside, side="right") - 1, 0, max(0, len(knots) - 2))
    width = knots[np.minimum(first + 1, len(knots) - 1)] - knots[first]
    share = np.where(width > 0, (inside - knots[first]) / np.where(width > 0, width, 1.0), 0.0)
    same = len(positions) == len(knots) and np.allclose(positions, knots, rtol=0, atol=1e-9)
    return first.astype(np.int64), share.astype(np.float32), bool(same)


@dataclass(eq=False)
class Planes:
    """``xy`` (Y', X', M), ``yz`` (Z', Y', M), ``zx`` (Z', X', M): features on the cells of three planes."""

    xy: Tensor
    yz: Tensor
    zx: Tensor

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the three planes."""
        return self.xy, self.yz, self.zx


@dataclass(frozen=True, eq=False)
class Sampling:
    """Positions along z, y and x at which the planes are looked at."""

    z: Lerp
    y: Lerp
    x: Lerp

    def images(self, planes: Planes) -> Tensor:
        """Return the XY plane at the positions (Y, X, M)."""
        return self.x(self.y(planes.xy, 0), 1)

    def rows(self, planes: Planes) -> Tensor:
        """Return the YZ plane at the positions (K, Y, M)."""
        return self.y(self.z(planes.yz, 0), 1)

    def columns(self, planes: Planes) -> Tensor:
        """Return the ZX plane at the positions (K, X, M)."""
        return self.x(self.z(planes.zx, 0), 1)


Decoder = Callable[[Tensor], Tensor]
"""Features (..., M) to grey values (...)."""


def add_up(features: Tensor) -> Tensor:
    """Return the sum of the features: the decoder that keeps the field linear in each plane."""
    return features.sum(-1)


class Mlp(nn.Module):
    """A shallow network on the features; ``over_sum`` adds the sum of the features, so that it starts from that."""

    def __init__(self, features: int, hidden: int, *, over_sum: bool) -> None:
        super().__init__()
        last = nn.Linear(hidden, 1)
        self.layers = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), last)
        self.over_sum = over_sum
        if over_sum:
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Return grey values (...) of features (..., M)."""
        values: Tensor = self.layers(features)[..., 0]
        return values + features.sum(-1) if self.over_sum else values


@torch.no_grad()
def render(planes: Planes, sampling: Sampling, decoder: Decoder) -> Tensor:
    """Return the field (K, Y, X) at the positions, a few rows at a time."""
    image, rows, columns = sampling.images(planes), sampling.rows(planes), sampling.columns(planes)
    height, width, features = image.shape
    chunks = Chunks(chunk_bytes(image.device, 4 * _CHUNK) // (4 * width * features))
    values = image.new_empty(len(rows), height, width)
    for k in range(len(rows)):

        def some_rows(some: slice, k: int = k) -> Tensor:
            part = image[some] * columns[k][None]
            return (part @ rows[k, some, :, None])[..., 0] if decoder is add_up else decoder(part * rows[k, some, None])

        for some, found in chunks.of(height, some_rows):
            values[k, some] = found
    return values
