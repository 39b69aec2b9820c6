"""The middle of a stack: enough to choose by."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...stack import Stack
from ...stack.thinning import spread_over

NARROW = 8
"""Planes narrower than this many pixels show no structure."""
_BLOCKS = 4
"""Blocks of a large stack on which scale and axial blur are chosen."""


def middles(blocks: Sequence[Stack], most: int) -> list[Stack]:
    """Return the middle of the images of some blocks that together have at most so many voxels, or few more."""
    chosen = spread_over(np.arange(len(blocks)), _BLOCKS).tolist()
    return [_middle(blocks[number], most // len(chosen)) for number in chosen]


def _middle(stack: Stack, most: int) -> Stack:
    """Return the middle of the images of a stack of more voxels: enough to choose by."""
    count, height, width = stack.voxels.shape
    share = min(1.0, math.sqrt(most / (count * height * width)))
    rows, columns = (max(NARROW, round(size * share)) for size in (height, width))
    top, left = max(0, (height - rows) // 2), max(0, (width - columns) // 2)
    return stack.crop(slice(None), slice(top, top + rows), slice(left, left + columns))
