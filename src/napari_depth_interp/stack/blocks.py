"""Blocks of a stack that is too large to be learned from as a whole: drawn where there is something to see."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .dataset import Stack

Region = tuple[slice, slice, slice]
"""Sections, rows and columns."""

SIZE = (32, 256, 256)
"""Sections, rows and columns of a block: enough to leave sections out, and to hide rows far apart."""
MOST, FEWEST = 16, 2
"""Blocks that are drawn at most, and at least."""
_LOOKED_AT = 64
"""Places that are looked at, to draw some of them."""
_MEAN = 4
"""Pixels over which an image is averaged before its contrast is taken: noise is none."""
_EVERYWHERE = 0.05
"""Share of the mean contrast that a place without any is given, so that background is known, too."""


def regions_of(stack: Stack, voxels: int, seed: int) -> list[Region]:
    """Draw some blocks of a stack, of about so many voxels together; they do not overlap.

    They begin at whole multiples of their size, as the chunks of files do. A place is the more likely, the more
    contrast its middle section has.

    Parameters
    ----------
    stack : Stack
        Its voxels may still be in their file: of each place that is looked at, one section is read.
    voxels : int
    seed : int

    Returns
    -------
    list of (sections, rows, columns)
        In the order of the file, all of one size.
    """
    size = block_size(stack.voxels.shape, voxels)
    counts = [whole // part for whole, part in zip(stack.voxels.shape, size, strict=True)]
    wanted = min(math.prod(counts), max(FEWEST, min(MOST, voxels // math.prod(size))))
    rng = np.random.default_rng((seed, *stack.voxels.shape))
    places = np.sort(rng.choice(math.prod(counts), min(math.prod(counts), max(_LOOKED_AT, wanted)), replace=False))
    corners = np.stack(np.unravel_index(places, counts), axis=1) * size
    regions = [_region(corner, size) for corner in corners]
    contrasts = np.array([_contrast(stack, each) for each in regions])
    likely = contrasts + _EVERYWHERE * max(float(contrasts.mean()), 1e-12)
    chosen = np.sort(rng.choice(len(regions), wanted, replace=False, p=likely / likely.sum()))
    return [regions[number] for number in chosen]


def block_size(shape: tuple[int, ...], voxels: int) -> tuple[int, int, int]:
    """Return the size of blocks of a stack of this shape: smaller in the plane where few voxels are wanted."""
    z, y, x = (min(part, whole) for part, whole in zip(SIZE, shape, strict=True))
    while FEWEST * z * y * x > voxels and min(y, x) > 64:
        y, x = y // 2, x // 2
    return z, y, x


def _region(corner: NDArray[np.intp], size: tuple[int, int, int]) -> Region:
    z, y, x = (slice(int(start), int(start) + part) for start, part in zip(corner, size, strict=True))
    return z, y, x


def _contrast(stack: Stack, region: Region) -> float:
    """Return the standard deviation of means of pixels in the middle section of a block; voxels may be NaN."""
    sections, rows, columns = region
    image = np.asarray(stack.voxels[(sections.start + sections.stop) // 2, rows, columns], np.float64)
    high, wide = (side // _MEAN for side in image.shape)
    if not high or not wide:
        return float(np.nan_to_num(np.nanstd(image)))
    means = image[: high * _MEAN, : wide * _MEAN].reshape(high, _MEAN, wide, _MEAN).mean(axis=(1, 3))
    known = means[np.isfinite(means)]
    return float(known.std()) if known.size else 0.0
