"""Whether moving a section really brings it closer to its neighbours: where structures change, chains see motion."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .moving import moved_section
from .pairs import Image, Prepared

_BETTER = 0.87
"""What is left at most of how unlike a section and its neighbours are, where it was displaced."""
_BLUR = 2.0
"""Pixels: noise is smoothed away, which no moving makes alike."""
_MARGIN = 12
"""Pixels at each edge that do not count: they come from outside."""


def helps(
    image: Callable[[int], Prepared],
    shifts: NDArray[np.float64],
    angles: NDArray[np.float64],
    sections: NDArray[np.intp],
) -> NDArray[np.bool_]:
    """Return for each of some sections whether its move makes it more like its neighbours, as they are moved.

    Parameters
    ----------
    image : callable section -> Prepared
    shifts, angles : (Z, 2), (Z,) arrays
        How all sections are to be moved.
    sections : (N,) int array
        Those in question, increasing.
    """

    @lru_cache(maxsize=4)
    def moved(k: int) -> Image:
        return _moved(image(k), shifts[k], angles[k])

    found = []
    for k in sections.tolist():
        stays = _moved(image(k), np.zeros(2), 0.0)
        beside = [moved(j) for j in (k - 1, k + 1) if 0 <= j < len(shifts)]
        before, after = (np.mean([_unlike(each, other) for other in beside]) for each in (stays, moved(k)))
        found.append(after <= _BETTER * before)
    return np.array(found, bool)


def _moved(image: Prepared, shift: NDArray[np.float64], angle: float) -> Image:
    import cv2

    copy, factor = image.copies[-1], image.factors[-1]
    brought = moved_section(copy, (float(shift[0]) / factor, float(shift[1]) / factor), float(angle))
    return np.asarray(cv2.GaussianBlur(brought, (0, 0), _BLUR), np.float32)


def _unlike(first: Image, second: Image) -> float:
    """Return 1 less the correlation of two images, edges left out."""
    margins = [min(_MARGIN, size // 4) for size in first.shape]
    a, b = (each[tuple(slice(m, -m) for m in margins)] for each in (first, second))
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return 1.0 - float((a * b).sum()) / size if size > 0 else 1.0
