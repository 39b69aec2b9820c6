"""Tables of features at several resolutions: Mueller et al., Instant Neural Graphics Primitives, SIGGRAPH 2022."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from .fields import PointField, relu_layers

if TYPE_CHECKING:
    from . import InrConfig

_COARSEST = 4
"""Cells of the coarsest level along each axis."""
_FEATURES = 2
"""Features per entry of a table."""
_HIDDEN = (64, 64)
"""Hidden layers of the network behind the tables, as in the paper."""
_PRIMES = (1, 2_654_435_761, 805_459_861)
"""Factors of the spatial hash (eq. 4)."""


class HashGrid(PointField):
    """Features of the corners of the cell around a point, mixed trilinearly at every level, then a small network.

    A level whose corners fit into its table has one entry for each; finer ones share entries by a hash.

    Parameters
    ----------
    shape : (Y, X)
    mean : float
        Of the images: where the field begins.
    config : InrConfig
    """

    corners: Tensor
    primes: Tensor

    def __init__(self, shape: tuple[int, int], mean: float, config: InrConfig) -> None:
        super().__init__(shape, config.rays)
        self.cells = level_cells(config.levels, config.finest)
        entries = 2**config.table
        self.tables = nn.ParameterList(
            [torch.empty(min(entries, (cells + 1) ** 3), _FEATURES).uniform_(-1e-4, 1e-4) for cells in self.cells]
        )
        self.register_buffer("corners", torch.tensor(list(product((0, 1), repeat=3))))
        self.register_buffer("primes", torch.tensor(_PRIMES))
        self.layers = relu_layers([_FEATURES * len(self.cells), *_HIDDEN], mean)

    def forward(self, coordinates: Tensor) -> Tensor:
        """Return values (...) at coordinates (..., 3) from -1 to 1."""
        values: Tensor = self.layers(self.features(coordinates))[..., 0]
        return values

    def features(self, coordinates: Tensor) -> Tensor:
        """Return the features (..., 2 * levels) at coordinates (..., 3) from -1 to 1."""
        return torch.cat([self.level(number, coordinates) for number in range(len(self.cells))], -1)

    def level(self, number: int, coordinates: Tensor) -> Tensor:
        """Return the features (..., 2) of one level."""
        cells = self.cells[number]
        places = ((coordinates + 1) / 2).clamp(0, 1) * cells
        first = places.floor().clamp_max(cells - 1)
        share = (places - first)[..., None, :]
        weights = torch.where(self.corners == 1, share, 1 - share).prod(-1)
        entries = self.tables[number][self.entries(number, first.long()[..., None, :] + self.corners)]
        mixed: Tensor = (weights[..., None] * entries).sum(-2)
        return mixed

    def entries(self, number: int, corners: Tensor) -> Tensor:
        """Return which entries of a level's table belong to corners (..., 3)."""
        size, along = len(self.tables[number]), self.cells[number] + 1
        if along**3 <= size:
            return (corners[..., 0] * along + corners[..., 1]) * along + corners[..., 2]
        z, y, x = (corners * self.primes).unbind(-1)
        return torch.remainder(z ^ y ^ x, size)


def level_cells(levels: int, finest: int) -> list[int]:
    """Return the cells of each level along an axis: evenly spaced in their logarithm (eq. 2 and 3)."""
    spaced = np.geomspace(_COARSEST, finest, levels) if levels > 1 else np.array([finest])
    return [int(cells + 1e-6) for cells in spaced]
