"""Stripes: rows or columns that are brighter or darker than in both neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .views import Image

Profile = NDArray[np.float64]

_WIDEST = 31
"""Brighter or darker bands wider than half of so many rows are no stripes."""

_CHANGE = 1.5
"""How many times the mean square of what both neighbours differ by is taken off: so much may agree by chance."""
_BLOCK = 16
"""Pixels of a row, by which it is divided into two parts that take turns."""
_LIKENESS = 0.6
"""Correlation of what both differences show, at least: rows of changing structures are alike by chance only."""


def stripe_height(first: Image, second: Image, least_mean: float = 0.0) -> float:
    """Return the height of the stripes in the differences of a section from its two neighbours, in voxel values.

    It is what both differences have in common, which what only one of them has is not; less what both neighbours have
    against each other, because structures that change so much may agree by chance.

    Parameters
    ----------
    first, second : (Y, X) array
    least_mean : float
        What means over rows have to show: they see gains where most of a row is dark, which medians do not, but also
        brightness that was not quite undone.
    """
    heights = [0.0]
    for axis in (0, 1):
        width = first.shape[1 - axis]
        if width < 2:
            continue
        columns = np.arange(width) // min(_BLOCK, width // 2) % 2 == 0
        for middle, least in ((np.median, 0.0), (np.mean, least_mean)):
            seen = [
                [stands_above(middle(np.compress(part, each, 1 - axis), axis=1 - axis)) for part in (columns, ~columns)]
                for each in (first, second)
            ]
            height = _common(*seen)
            heights.append(height if height >= least else 0.0)
    return max(heights)


def stripe_noise(noise: Image) -> float:
    """Return the height of the stripes that noise alone makes in medians over rows or columns."""
    return float(np.sqrt(np.pi / 2) * noise.std() / np.sqrt(min(noise.shape)))


def _common(first: Sequence[Profile], second: Sequence[Profile]) -> float:
    """Return the root of the mean product less the mean square difference; 0 where the two are not alike.

    Each has two profiles, of every other block of columns: stripes go through both, structures seldom do.
    """
    pairs = list(zip(first, reversed(second), strict=True))
    product = float(np.mean([np.mean(one * other) for one, other in pairs]))
    size = float(np.mean([np.sqrt(np.mean(one**2) * np.mean(other**2)) for one, other in pairs]))
    change = float(np.mean((sum(first) / 2 - sum(second) / 2) ** 2))
    return float(np.sqrt(max(0.0, product - _CHANGE * change))) if product > _LIKENESS * size else 0.0


def profile_of(difference: Image, axis: int) -> NDArray[np.float64]:
    """Return how high each row (axis 0) or column (1) of a difference stands above those beside it.

    A median over rows takes smooth change and single steps out, as the edge of a torn part.
    """
    return stands_above(np.median(difference, axis=1 - axis).astype(np.float64))


def stands_above(profile: Profile) -> Profile:
    """Return how high each value of a profile stands above the median of those beside it."""
    from scipy.ndimage import median_filter

    width = min(_WIDEST, len(profile) // 2 * 2 - 1)
    if width < 3:
        return np.zeros(len(profile))
    return np.asarray(profile - median_filter(profile, width, mode="reflect"))
