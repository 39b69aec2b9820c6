"""How a section collects what lies above and below its centre: its slice profile."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError

ProfileKind = Literal["box", "gaussian"]

FWHM = 2 * math.sqrt(2 * math.log(2))
"""Full width at half maximum of a Gaussian of standard deviation 1."""
_REACH = 2.5
"""Standard deviations at which a Gaussian profile is cut off."""
_FINE = 0.5
"""Distance of the samples of a profile, in voxels."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How a section collects what lies above and below its centre.

    Attributes
    ----------
    kind : {"box", "gaussian"}
    thickness : float
        Width of the box, or full width at half maximum of the Gaussian, in the unit of the depths.
    """

    kind: ProfileKind
    thickness: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.thickness) and self.thickness > 0):
            raise RequestError(f"the thickness of a section must be a positive number, got {self.thickness:g}")

    def __str__(self) -> str:
        return f"{self.thickness:.12g} thick ({self.kind})"

    def samples(self, voxel: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return distances from the centre and their weights, which sum to 1, for voxels of this size."""
        width = self.thickness if self.kind == "box" else 2 * _REACH * self.sigma
        count = max(1, math.ceil(width / (_FINE * voxel)))
        at = ((np.arange(count) + 0.5) / count - 0.5) * width
        weights = np.ones(count) if self.kind == "box" else np.exp(-0.5 * (at / self.sigma) ** 2)
        return at, weights / weights.sum()

    def kernel(self, voxel: float) -> NDArray[np.float64]:
        """Return the weights of voxels of this size, read between linearly: an odd number, the centre in the middle."""
        at, weights = self.samples(voxel)
        reach = math.ceil(self.reach / voxel)
        nearness = 1 - np.abs(np.arange(-reach, reach + 1)[:, None] - at / voxel)
        return np.asarray(nearness.clip(0, 1) @ weights)

    @property
    def sigma(self) -> float:
        """Standard deviation of the profile."""
        return self.thickness / (math.sqrt(12) if self.kind == "box" else FWHM)

    @property
    def reach(self) -> float:
        """Distance from the centre beyond which nothing is seen."""
        return self.thickness / 2 if self.kind == "box" else _REACH * self.thickness / FWHM
