"""A network of sines: Sitzmann et al., Implicit Neural Representations with Periodic Activation Functions, 2020."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .fields import PointField

if TYPE_CHECKING:
    from . import InrConfig

_HIDDEN = 30.0
"""Factor inside the sines of later layers; their weights begin that much smaller, so that only slopes are larger."""


class Siren(PointField):
    """``sin(omega (W x + b))`` layer by layer, then a sum.

    At the start the inputs of every later sine are about normal with a variance of nearly 1, and what the sines give
    has a variance between 0.40 and 0.5, however many layers there are (section 3.2).

    Parameters
    ----------
    shape : (Y, X)
    mean : float
        Of the images: where the field begins.
    config : InrConfig
    """

    def __init__(self, shape: tuple[int, int], mean: float, config: InrConfig) -> None:
        super().__init__(shape, config.rays)
        self._omega = config.omega
        sizes = [3, *[config.width] * config.layers]
        self.layers = nn.ModuleList([nn.Linear(before, after) for before, after in pairwise(sizes)])
        self.last = nn.Linear(sizes[-1], 1)
        for number, layer in enumerate([*self.layers, self.last]):
            assert isinstance(layer, nn.Linear)
            bound = 1 / layer.in_features if number == 0 else math.sqrt(6 / layer.in_features) / _HIDDEN
            for each in (layer.weight, layer.bias):
                nn.init.uniform_(each, -bound, bound)
        nn.init.constant_(self.last.bias, mean)

    def activations(self, coordinates: Tensor) -> list[Tensor]:
        """Return what the sines of each layer give (..., width)."""
        found, values = [], coordinates
        for number, layer in enumerate(self.layers):
            values = torch.sin((_HIDDEN if number else self._omega) * layer(values))
            found.append(values)
        return found

    def forward(self, coordinates: Tensor) -> Tensor:
        """Return values (...) at coordinates (..., 3) from -1 to 1."""
        values: Tensor = self.last(self.activations(coordinates)[-1])[..., 0]
        return values
