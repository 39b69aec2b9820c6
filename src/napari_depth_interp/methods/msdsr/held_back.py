"""Stacks to learn from, and parts of them that the training never sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...nn.contract import TrainingData
from ...nn.data import hold_back
from ...stack import Stack

_THINNEST = 8
"""Rows or columns that a part of a volume needs to be of use."""


def divided(data: TrainingData, share: float, seed: int) -> tuple[list[Stack], list[Stack]]:
    """Return the stacks to learn from, and those held back.

    Where the share makes no whole file, each stack gives a slab across its longer side, so that no voxel is both
    learned from and checked: from the middle, where the specimen is, which leaves two stacks to learn from; of small
    images from the end.
    """
    learned, held = hold_back(data, share, seed)
    if held:
        return [data.stacks[i] for i in learned], [data.stacks[i] for i in held]
    pairs = [_cut(stack, share) for stack in data.stacks]
    return [part for kept, _ in pairs for part in kept], [part for _, slab in pairs for part in slab]


def _cut(stack: Stack, share: float) -> tuple[list[Stack], list[Stack]]:
    """Return what is left of a stack, and the slab cut out of it; no slab where too little would be left."""
    axis = 1 if stack.voxels.shape[1] >= stack.voxels.shape[2] else 2
    length = stack.voxels.shape[axis]
    thickness = max(_THINNEST, round(share * length))
    left = length - thickness
    if share <= 0 or left < 2 * _THINNEST:
        return [stack], []
    start = left // 2 if left >= 4 * _THINNEST else left
    before, slab, after = (
        replace(stack, voxels=part) for part in np.split(stack.voxels, [start, start + thickness], axis=axis)
    )
    return [part for part in (before, after) if part.voxels.size], [slab]
