"""Stripes: rows or columns that are brighter or darker than in both neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .views import Image

_WIDEST = 31
"""Brighter or darker bands wider than half of so many rows are no stripes."""


def stripe_height(section: Image, first: Image, second: Image) -> float:
    """Return the height of the stripes that a section has and its two neighbours have not, in voxel values."""
    return max(_height(stripe_profile(section, first, second, axis)) for axis in (0, 1))


def _height(profile: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(profile**2)))


def stripe_profile(section: Image, first: Image, second: Image, axis: int) -> NDArray[np.float64]:
    """Return the height of each row (axis 0) or column (1) above those beside it, as both neighbours see it.

    A median over rows takes smooth change and single steps out, as the edge of a torn part.
    """
    from scipy.ndimage import median_filter

    one, other = (np.median(section - each, axis=1 - axis).astype(np.float64) for each in (first, second))
    common = np.where(one * other > 0, np.sign(one) * np.minimum(np.abs(one), np.abs(other)), 0.0)
    width = min(_WIDEST, len(common) // 2 * 2 - 1)
    return np.asarray(common - median_filter(common, width, mode="reflect")) if width > 2 else np.zeros(len(common))
