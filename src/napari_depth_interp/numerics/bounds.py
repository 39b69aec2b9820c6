"""The range of grey values that a result is kept within."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Bounds:
    """The smallest and the largest grey value.

    Attributes
    ----------
    low, high : float
        In the units of the input.
    of_all : bool
        All voxels of the stack were looked at; otherwise some of them, and those that a result is made from count, too.
    """

    low: float = -math.inf
    high: float = math.inf
    of_all: bool = True

    @classmethod
    def of(cls, images: NDArray[Any], *, of_all: bool = True) -> Bounds:
        """Return the range of some images."""
        return cls(float(images.min()), float(images.max()), of_all)

    def clip(self, values: NDArray[Any], seen: NDArray[Any]) -> None:
        """Bring values that were made from the images ``seen`` into the range, in place."""
        low, high = self.low, self.high
        if not self.of_all:
            low, high = min(low, float(seen.min())), max(high, float(seen.max()))
        np.clip(values, low, high, out=values)

    def as_json(self) -> dict[str, Any]:
        """Return the range as JSON holds it."""
        return {"low": self.low, "high": self.high, "of_all": self.of_all}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Bounds:
        """Return a range that was written by :meth:`as_json`."""
        return cls(float(values["low"]), float(values["high"]), bool(values["of_all"]))
