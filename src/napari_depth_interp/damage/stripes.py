"""Stripes: rows or columns that are brighter or darker than in both neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .views import Image

_WIDEST = 31
"""Brighter or darker bands wider than half of so many rows are no stripes."""


def stripe_height(first: Image, second: Image) -> float:
    """Return the height of the stripes in the differences of a section from its two neighbours, in voxel values."""
    return max(_height(stripe_profile(first, second, axis)) for axis in (0, 1))


def _height(profile: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(profile**2)))


def stripe_profile(first: Image, second: Image, axis: int) -> NDArray[np.float64]:
    """Return how high each row (axis 0) or column (1) stands above those beside it, in both differences alike.

    A median over rows takes smooth change and single steps out, as the edge of a torn part.
    """
    one, other = (np.median(each, axis=1 - axis).astype(np.float64) for each in (first, second))
    common = np.where(one * other > 0, np.sign(one) * np.minimum(np.abs(one), np.abs(other)), 0.0)
    return _above_others(common)


def profile_of(difference: Image, axis: int) -> NDArray[np.float64]:
    """Return how high each row (axis 0) or column (1) of a difference stands above those beside it."""
    return _above_others(np.median(difference, axis=1 - axis).astype(np.float64))


def _above_others(profile: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.ndimage import median_filter

    width = min(_WIDEST, len(profile) // 2 * 2 - 1)
    if width < 3:
        return np.zeros(len(profile))
    return np.asarray(profile - median_filter(profile, width, mode="reflect"))
