"""Telling label images from grey ones by their voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SECTIONS, _PIXELS = 5, 512
"""How many sections are looked at, and how many rows and columns in their middle."""
_FEW = 4
"""Values of a mask, or of a few regions; of more it is asked how far those of neighbouring areas are apart."""
_APART = 1.3
"""By how many ranks they differ on average: identifiers by any number, the values of a smooth grey image by one."""
_SMALLEST = 16
"""Pixels of a typical object at least, or it could be noise."""
_ALIKE = 0.6
"""Share of neighbouring pixels, not both background, that are of one object: more than half even of small ones."""
_VARIED, _ENOUGH = 0.4, 1000
"""Share of neighbouring pixels, both not background, that are alike where objects are three pixels wide, and how many
of them say so; single pixels may be marks of points."""


def looks_like_labels(voxels: NDArray[Any]) -> bool:
    """Whether (t, c, z, y, x) voxels hold identifiers of objects rather than grey values.

    They do if they are integers, 0 between other values, and whole areas have one value; and if these values are few,
    or those of neighbouring areas have nothing to do with each other. Some sections are looked at, so it is quick, and
    voxels that are still in their file stay there.
    """
    if voxels.dtype.kind not in "iu":
        return False
    seen = _looked_at(voxels)
    values, ranks, counts = np.unique(seen, return_inverse=True, return_counts=True)
    background = int(np.searchsorted(values, 0))
    if len(values) < 2 or background == len(values) or values[background] != 0:
        return False
    objects = np.delete(counts, background)
    if not ((seen == 0) & (seen.max(axis=(1, 2), keepdims=True) > 0)).any() or objects.mean() < _SMALLEST:
        return False
    first, second = _neighbours(ranks.reshape(seen.shape), background)
    alike = first == second
    if alike.mean() < _ALIKE:
        return False
    steps = np.abs(first - second)[~alike]
    return len(values) <= _FEW or not len(steps) or float(steps.mean()) > _APART


def looks_grey(voxels: NDArray[Any]) -> bool:
    """Whether nearly every one of (t, c, z, y, x) voxels differs from its neighbours, as no objects' identifiers do.

    Some sections are looked at, and voxels that are still in their file stay there.
    """
    seen = _looked_at(voxels)
    first, second = _neighbours(seen, 0)
    both = (first != 0) & (second != 0)
    return int(both.sum()) >= _ENOUGH and float((first == second)[both].mean()) < _VARIED


def _looked_at(voxels: NDArray[Any]) -> NDArray[Any]:
    return np.stack([_middle(voxels, int(z)) for z in _places(voxels.shape[2])])


def _places(count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, _SECTIONS)).round()).astype(np.int64)


def _middle(voxels: NDArray[Any], z: int) -> NDArray[Any]:
    top, left = (max(0, (size - _PIXELS) // 2) for size in voxels.shape[3:])
    return np.asarray(voxels[0, 0, z, top : top + _PIXELS, left : left + _PIXELS])


def _neighbours(ranks: NDArray[Any], background: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the values of neighbouring pixels, side by side and one above the other, that are not both background."""
    first = np.concatenate([ranks[:, :, :-1].ravel(), ranks[:, :-1].ravel()])
    second = np.concatenate([ranks[:, :, 1:].ravel(), ranks[:, 1:].ravel()])
    objects = (first != background) | (second != background)
    return first[objects], second[objects]
