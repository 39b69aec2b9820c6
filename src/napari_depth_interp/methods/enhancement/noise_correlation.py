"""How large the grains of the noise are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_WINDOW = 5
"""Pixels of the median that is taken for the image without noise."""
_GRAINY, _COARSE = 0.2, 0.15
"""Sign correlations of neighbouring and of next but one pixels above which the noise has grains of pixels."""
_SECTIONS, _PIXELS = 4, 1024
"""Sections, and rows and columns of them, that are looked at."""


def grain_radius(images: NDArray[Any]) -> int:
    """Return how far the noise of images (Z, Y, X) is correlated, in pixels: 0, 2 (speckle) or 3.

    The noise is what a median leaves; only its signs are compared, so that edges count no more than grains.
    """
    from scipy.ndimage import median_filter

    few = images[:: -(-len(images) // _SECTIONS), :_PIXELS, :_PIXELS].astype(np.float32)
    noise = np.sign(few - median_filter(few, size=(1, _WINDOW, _WINDOW)))
    near, far = (max(_correlation(noise, axis, lag) for axis in (1, 2)) for lag in (1, 2))
    if near < _GRAINY:
        return 0
    return 3 if far > _COARSE else 2


def _correlation(signs: NDArray[np.float32], axis: int, lag: int) -> float:
    """Return the mean product of signs that are ``lag`` pixels apart; zeros do not count."""
    length = signs.shape[axis]
    if length <= lag:
        return 0.0
    product = np.take(signs, range(length - lag), axis) * np.take(signs, range(lag, length), axis)
    counted = product[product != 0]
    return float(counted.mean()) if len(counted) else 0.0
