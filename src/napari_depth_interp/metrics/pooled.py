"""Scores of many sections as one volume: errors and objects are summed before the ratio is taken."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .comparison import Comparison
from .intensity import psnr_of
from .structure import bias_of, dice_of


@dataclass
class _Sums:
    voxels: int = 0
    squared_error: float = 0.0
    absolute_error: float = 0.0
    relative_error: float = 0.0
    overlap: int = 0
    true_objects: int = 0
    found_objects: int = 0

    def add(self, pair: Comparison, where: NDArray[np.bool_]) -> None:
        squares = pair.squared_error[where]
        squared = float(squares.sum())
        reference, test = (mask[where] for mask in pair.masks)
        self.voxels += int(where.sum())
        self.squared_error += squared
        self.absolute_error += float(np.sqrt(squares).sum())
        self.relative_error += squared / pair.peak**2  # channels may have different ranges
        self.overlap += int((reference & test).sum())
        self.true_objects += int(reference.sum())
        self.found_objects += int(test.sum())

    def scores(self, suffix: str) -> dict[str, float | None]:
        if not self.voxels:
            return {f"{name}{suffix}": None for name in ("psnr", "rmse", "mse", "mae", "dice", "volume_bias")}
        squared = self.squared_error / self.voxels
        return {
            f"psnr{suffix}": psnr_of(self.relative_error / self.voxels, 1.0),
            f"rmse{suffix}": math.sqrt(squared),
            f"mse{suffix}": squared,
            f"mae{suffix}": self.absolute_error / self.voxels,
            f"dice{suffix}": dice_of(self.overlap, self.true_objects + self.found_objects),
            f"volume_bias{suffix}": bias_of(self.found_objects, self.true_objects),
        }


@dataclass
class Pooled:
    """Running sums over sections, for all voxels and for the foreground."""

    _all: _Sums = field(default_factory=_Sums)
    _foreground: _Sums = field(default_factory=_Sums)

    def add(self, pair: Comparison) -> None:
        """Take in one section."""
        self._all.add(pair, pair.valid)
        self._foreground.add(pair, pair.valid & pair.foreground)

    def scores(self) -> dict[str, float | None]:
        """Return psnr, rmse, mse, mae, dice and volume_bias of all sections, and on the foreground (``_fg``)."""
        return self._all.scores("") | self._foreground.scores("_fg")
