"""Dividing large sections into windows: rows and columns that a method sees at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from math import ceil, isqrt

import numpy as np
from numpy.typing import NDArray

from .series import Series, Window

_PIXELS, _VOXELS = 2**24, 2**26
"""Most pixels of a section, and voxels of the image around a gap, that a method sees at once."""
_HALO = 512
"""Pixels that a method sees around a window: objects that lie within it are filled as if they were seen whole."""
_LEAST = 128
"""Smallest side of what is kept of a window, however deep a gap is."""
_TRIED = 2048
"""Side of the window, the fullest one, that says how well methods do and how tall objects are."""


@dataclass(frozen=True)
class Part:
    """What a method sees (``seen``), what is kept of it (``kept``), and where that lies in what is seen."""

    seen: Window
    kept: Window
    inside: Window


def parts_of(shape: tuple[int, int], images: int = 0) -> Iterator[Part]:
    """Divide sections, so that memory does not grow with their size.

    Parameters
    ----------
    shape : (rows, columns)
    images : int
        Sections of the image that a method looks at for a gap.
    """
    limit = min(_PIXELS, _VOXELS // max(images, 1))
    if shape[0] * shape[1] <= limit:
        whole = slice(0, shape[0]), slice(0, shape[1])
        yield Part(whole, whole, whole)
        return
    side = max(isqrt(limit) - 2 * _HALO, _LEAST)
    for kept in product(*(_spans(size, side) for size in shape)):
        seen = tuple(
            slice(max(0, each.start - _HALO), min(size, each.stop + _HALO))
            for each, size in zip(kept, shape, strict=True)
        )
        inside = tuple(slice(k.start - s.start, k.stop - s.start) for k, s in zip(kept, seen, strict=True))
        yield Part((seen[0], seen[1]), (kept[0], kept[1]), (inside[0], inside[1]))


def _spans(size: int, side: int) -> list[slice]:
    edges = np.linspace(0, size, ceil(size / side) + 1).round().astype(int).tolist()
    return [slice(start, stop) for start, stop in pairwise(edges)]


def fullest(series: Series, images: int = 0) -> Series:
    """Return a series of large sections within the window where most labels are; a smaller one as it is.

    The window is smaller where many sections of the image, ``images``, are looked at for a gap.
    """
    (rows, columns), side = series.shape, min(_TRIED, max(isqrt(_VOXELS // max(images, 1)), _LEAST))
    if rows * columns <= side**2:
        return series
    grid = list(product(*(_spans(size, side) for size in (rows, columns))))
    counts = np.zeros(len(grid), np.int64)
    for number in np.unique(np.linspace(0, len(series) - 1, 5).round().astype(int)).tolist():
        section: NDArray[np.bool_] = series.section(number) != 0
        counts += [np.count_nonzero(section[window]) for window in grid]
    best = grid[int(np.argmax(counts))]
    return series.within((best[0], best[1]))
