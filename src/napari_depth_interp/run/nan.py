"""Voxels that are not a number: filled for the computation, and put back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..stack import Stack


def has_nan(stack: Stack) -> bool:
    """Whether any voxel is NaN."""
    return stack.voxels.dtype.kind == "f" and any(np.isnan(section).any() for section in stack.voxels)


def filled(voxels: NDArray[Any]) -> NDArray[Any]:
    """Return a copy with each NaN replaced by the nearest number in its section.

    A section without any number takes the nearest section that has some.
    """
    from scipy.ndimage import distance_transform_edt

    found = voxels.copy()
    usable = np.flatnonzero([not np.isnan(section).all() for section in voxels])
    for k in usable:
        mask = np.isnan(voxels[k])
        if mask.any():
            nearest = distance_transform_edt(mask, return_distances=False, return_indices=True)
            found[k] = voxels[k][tuple(nearest)]
    for k in np.setdiff1d(np.arange(len(voxels)), usable):
        found[k] = found[usable[np.abs(usable - k).argmin()]]
    return found


def restore_nan(
    depths: NDArray[np.float64], observed: Stack, part: tuple[slice, slice], block: NDArray[Any], enlarged: int = 1
) -> None:
    """Make a block of the result NaN where the nearest observed section is, or both are at the same distance.

    Parameters
    ----------
    depths : (K,) array
        Of the sections of the block.
    observed : Stack
    part : (rows, columns)
        Of the sections that the block has.
    block : (K, Y, X) array, changed in place
    enlarged : int
        How many times more rows and columns the block has than the part.
    """
    whole = np.ones((enlarged, enlarged), bool)
    middles = (observed.depths[1:] + observed.depths[:-1]) / 2
    below = np.searchsorted(middles, depths, side="left")
    above = np.searchsorted(middles, depths, side="right")
    for k, (i, j) in enumerate(zip(below, above, strict=True)):
        one, other = (observed.voxels[n][part] for n in (i, j))
        block[k][np.kron(np.isnan(one) & np.isnan(other), whole)] = np.nan
