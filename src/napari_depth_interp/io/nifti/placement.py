"""Where one NIfTI image lies as another one sees it, also where both are oblique."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import RequestError
from .header import NiftiOrigin, voxel_sizes

_PARALLEL = 1e-2
"""Axes whose unit vectors differ by less are parallel: about half a degree."""


def offset(origin: NiftiOrigin, other: NiftiOrigin, factor: float = 1.0) -> NDArray[np.float64] | None:
    """Return how far the first voxel of one image is from that of the other, along the other's axes.

    Parameters
    ----------
    origin, other : NiftiOrigin
    factor : float
        From the lengths of the first to those of the other.

    Returns
    -------
    (section, row, column) distances in the lengths of the other; None where a voxel size is not known.

    Raises
    ------
    RequestError
        If their axes are not parallel.
    """
    if origin.missing.any() or other.missing.any() or origin.order != other.order:
        return None
    ours, theirs = origin.canonical, other.canonical
    directions = [each[:3, :3] / voxel_sizes(each) for each in (ours, theirs)]
    if np.abs(directions[0] - directions[1]).max() > _PARALLEL:
        raise RequestError(
            "the two NIfTI files are turned against each other; resample one of them onto the other first"
        )
    along = np.linalg.solve(directions[1], factor * ours[:3, 3] - theirs[:3, 3])
    return np.asarray(along[list(other.order)], np.float64)


def affine_of(origin: NiftiOrigin) -> NDArray[np.float64] | None:
    """Return the affine from voxel indices (section, row, column) to the world; None if the file does not give it."""
    if origin.missing.any() or not (origin.header["sform_code"] or origin.header["qform_code"]):
        return None
    found = origin.canonical[:, [*origin.order, 3]]
    return np.asarray(found, np.float64)
