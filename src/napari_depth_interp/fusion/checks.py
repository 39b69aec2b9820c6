"""What cannot be fused, refused in one line before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from ..errors import InputError, RequestError
from ..stack import Dataset
from ..system.memory import check_fits
from .views import Lattice, View

MOST = 8
"""Stacks at most: which of them has seen a voxel is a bit of one byte."""
_FEWEST = 2
"""Sections of a stack, and voxels of the result along each axis."""
_BYTES = 60
"""Per voxel of the result: the volume, the average, features of the error, equations of a block."""
_FIXED_BYTES = 650 * 10**6
_MATRIX_BYTES, _LARGEST_BLOCK = 400, 114**3
"""Per stack and voxel of the block that is solved for at once: what the stack sees of it; voxels of the largest one."""


def check_stacks(datasets: Sequence[Dataset], names: Sequence[str]) -> None:
    """Refuse too few or too many stacks, and what is no stack of grey values.

    Raises
    ------
    RequestError, InputError
    """
    if len(datasets) < 2:
        raise RequestError(
            f"{len(datasets)} stack was given, and fusing needs two or more of one specimen; for one alone there is "
            "depth-interp run"
        )
    if len(datasets) > MOST:
        raise RequestError(f"{len(datasets)} stacks were given, and at most {MOST} can be fused; leave some out")
    for dataset, name in zip(datasets, names, strict=True):
        times, channels, sections, rows, columns = dataset.voxels.shape
        if times * channels > 1:
            raise InputError(
                f"'{name}' has {times} time points and {channels} channels; give images of one channel at one time"
            )
        if sections < _FEWEST or min(rows, columns) < _FEWEST:
            raise InputError(
                f"'{name}' is a single image of {sections} x {rows} x {columns} voxels (z, y, x); give a stack of "
                "sections"
            )
        if dataset.holds_labels:
            raise InputError(f"'{name}' holds labels, and identifiers have no mean; give grey values")


def check_content(views: Sequence[View]) -> None:
    """Refuse stacks in which nothing is to be seen, and the same sections given twice.

    Raises
    ------
    InputError, RequestError
    """
    for view in views:
        low, high = np.nanmin(view.voxels), np.nanmax(view.voxels)
        if low == high:
            raise InputError(f"all voxels of '{view.name}' are {low:g}, and nothing is to be seen in it; leave it out")
    for first, second in combinations(views, 2):
        if np.array_equal(first.voxels, second.voxels, equal_nan=True):
            raise RequestError(
                f"'{second.name}' holds the same sections as '{first.name}'; a stack given twice adds nothing, and "
                "held-out sections would be found in its copy: leave one out"
            )


def check_overlap(views: Sequence[View], lattice: Lattice) -> None:
    """Refuse stacks whose field of view does not meet that of the result, as far as their files say."""
    for view in views:
        to_lattice = np.linalg.inv(lattice.affine) @ view.to_world
        corners = np.indices((2, 2, 2)).reshape(3, -1) * (np.array(view.voxels.shape)[:, None] - 1)
        found = to_lattice[:3, :3] @ corners + to_lattice[:3, 3:]
        if (found.max(1) < 0).any() or (found.min(1) > np.array(lattice.shape) - 1).any():
            raise RequestError(
                f"'{view.name}' does not overlap with '{views[0].name}' where their files say that they lie; check "
                "that both are of the same specimen and session, or give --transforms"
            )


def needed_memory(views: Sequence[View], lattice: Lattice) -> int:
    """Return the bytes that a fusion is reckoned to take at most, the libraries included."""
    voxels = int(np.prod(lattice.shape, dtype=object))
    stacks = sum(view.voxels.nbytes for view in views)
    matrices = len(views) * min(voxels, _LARGEST_BLOCK) * _MATRIX_BYTES
    return voxels * _BYTES + 6 * stacks + matrices + _FIXED_BYTES


def check_memory(views: Sequence[View], lattice: Lattice) -> None:
    """Refuse what does not fit into the memory.

    Raises
    ------
    DepthInterpError
    """
    if min(lattice.shape) < _FEWEST:
        raise RequestError(f"the result would have {' x '.join(map(str, lattice.shape))} voxels; ask for smaller ones")
    check_fits(
        needed_memory(views, lattice),
        f"fusing into {' x '.join(map(str, lattice.shape))} voxels",
        "ask for larger voxels with --spacing, or for a smaller grid with --like",
    )
