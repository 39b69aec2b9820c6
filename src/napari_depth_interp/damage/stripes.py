"""Stripes: rows or columns that are brighter or darker than in both neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .views import Image

_WIDEST = 31
"""Brighter or darker bands wider than half of so many rows are no stripes."""

_LIKENESS = 0.5
"""Correlation of what both differences show, at least: rows of changing structures are alike by chance only."""


def stripe_height(first: Image, second: Image) -> float:
    """Return the height of the stripes in the differences of a section from its two neighbours, in voxel values.

    It is what both differences have in common: what only one of them has cancels out.
    """
    return max(_common(profile_of(first, axis), profile_of(second, axis)) for axis in (0, 1))


def stripe_noise(noise: Image) -> float:
    """Return the height of the stripes that noise alone makes in medians over rows or columns."""
    return float(np.sqrt(np.pi / 2) * noise.std() / np.sqrt(min(noise.shape)))


def _common(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the root of the mean product; 0 where the two are not alike."""
    product = float(np.mean(first * second))
    size = float(np.sqrt(np.mean(first**2) * np.mean(second**2)))
    return float(np.sqrt(product)) if product > _LIKENESS * size else 0.0


def profile_of(difference: Image, axis: int) -> NDArray[np.float64]:
    """Return how high each row (axis 0) or column (1) of a difference stands above those beside it.

    A median over rows takes smooth change and single steps out, as the edge of a torn part.
    """
    from scipy.ndimage import median_filter

    profile = np.median(difference, axis=1 - axis).astype(np.float64)
    width = min(_WIDEST, len(profile) // 2 * 2 - 1)
    if width < 3:
        return np.zeros(len(profile))
    return np.asarray(profile - median_filter(profile, width, mode="reflect"))
