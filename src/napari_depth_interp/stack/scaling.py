"""Bringing intensities to about 0 to 1 and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SAMPLED = 1_000_000
"""At most about so many voxels are looked at: percentiles of more take seconds and change nothing."""
_ALIGNED = 8
"""Largest common divisor of the step between those voxels and the pixels of a section: a step of whole rows would look
at a single column of them all."""


@dataclass(frozen=True)
class Scaling:
    """``offset`` becomes 0 and ``offset + scale`` becomes 1; values beyond are kept, not clipped."""

    offset: float
    scale: float

    @classmethod
    def of(cls, voxels: NDArray[Any]) -> Scaling:
        """Take the percentiles 0.1 and 99.9; the minimum and the maximum where these are equal."""
        low, high = np.percentile(voxels.reshape(-1)[:: _step(voxels.shape)], (0.1, 99.9))
        if low == high:
            low, high = float(voxels.min()), float(voxels.max())
        return cls(float(low), float(high - low) or 1.0)

    def apply(self, voxels: NDArray[Any]) -> NDArray[np.float32]:
        """Return the voxels at about 0 to 1."""
        scaled = np.empty(voxels.shape, np.float32)
        for each, made in zip(voxels, scaled, strict=True) if voxels.ndim > 2 else [(voxels, scaled)]:
            made[...] = (each.astype(np.float64) - self.offset) / self.scale  # 64 bits for one section at a time
        return scaled

    def as_json(self) -> dict[str, float]:
        """Return the numbers as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Scaling:
        """Return a scaling that was written by :meth:`as_json`."""
        return cls(float(values["offset"]), float(values["scale"]))

    def undo(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values of about 0 to 1 in the units of the input."""
        return values * self.scale + self.offset


def _step(shape: tuple[int, ...]) -> int:
    """Return the distance of the voxels that are looked at in an array of this shape."""
    step = max(1, math.prod(shape) // _SAMPLED)
    while math.gcd(step, math.prod(shape[1:])) > _ALIGNED:
        step += 1
    return step
