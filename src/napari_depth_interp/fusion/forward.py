"""What a stack sees of a volume: a sparse matrix from the voxels of the volume to those of the stack.

Each voxel of the stack is a weighted mean along the profile of its section (Gholipour et al., IEEE TMI 2010), read
between the voxels of the volume linearly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .views import Lattice, View, Volume

_SEEN = 0.5
"""Share of a section's profile that must lie within the volume."""
_WHOLE = 0.999
"""The same at the seams of blocks, behind which the volume goes on."""
_ROWS = 2**15
"""Voxels of the stack that are worked on at once."""


@dataclass(frozen=True, eq=False)
class Operator:
    """What some voxels of a stack see of a volume.

    Attributes
    ----------
    matrix : (M, N) sparse array
        Each row sums to 1.
    index : (M,) int array
        Which voxels of the stack, in flat order.
    shape : (Z, Y, X)
        Of the stack.
    """

    matrix: Any
    index: NDArray[np.int64]
    shape: tuple[int, int, int]

    def seen(self, volume: Volume) -> NDArray[np.float32]:
        """Return (M,) what is seen of a volume."""
        return np.asarray(self.matrix @ volume.ravel(), np.float32)

    def back(self, values: NDArray[np.float32], shape: tuple[int, int, int]) -> Volume:
        """Return the transpose: each voxel of the volume gets what is seen of it."""
        return np.asarray(self.transposed @ values, np.float32).reshape(shape)

    @cached_property
    def transposed(self) -> Any:
        """The transpose of the matrix, made once."""
        return self.matrix.T.tocsr()

    def sections(self, volume: Volume) -> Volume:
        """Return the stack that is seen, NaN where the volume does not reach."""
        stack = np.full(int(np.prod(self.shape)), np.nan, np.float32)
        stack[self.index] = self.seen(volume)
        return stack.reshape(self.shape)

    @property
    def section(self) -> NDArray[np.int64]:
        """(M,) number of the section of each voxel."""
        return self.index // (self.shape[1] * self.shape[2])


def operator(view: View, lattice: Lattice, inner: tuple[tuple[bool, bool], ...] = ((False, False),) * 3) -> Operator:
    """Return what a stack sees of the voxels of a lattice.

    Parameters
    ----------
    view : View
    lattice : Lattice
    inner : three pairs of bool
        Which faces of the lattice are seams, behind which the volume goes on: what crosses them is left out. At other
        faces the volume is taken to go on as it ends.
    """
    to_lattice = np.linalg.inv(lattice.affine) @ view.to_world
    offsets, weights = view.offsets
    candidates = _near(view, lattice, to_lattice, offsets)
    parts, indices = [], []
    for start in range(0, len(candidates), _ROWS):
        some = candidates[start : start + _ROWS]
        matrix, kept = _rows(some, view, lattice, to_lattice, offsets, weights, inner)
        parts.append(matrix)
        indices.append(some[kept])
    z, y, x = view.voxels.shape
    if not parts:
        empty = sparse.csr_array((0, int(np.prod(lattice.shape))), dtype=np.float32)
        return Operator(empty, np.zeros(0, np.int64), (z, y, x))
    return Operator(sparse.vstack(parts, format="csr"), np.concatenate(indices), (z, y, x))


def _near(
    view: View, lattice: Lattice, to_lattice: NDArray[np.float64], offsets: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the voxels of the stack whose centre lies in the lattice, or nearly."""
    z, y, x = (np.arange(size) for size in view.voxels.shape)
    reach = np.abs(to_lattice[:3, 0]) * np.abs(offsets).max() + 1
    found = np.ones(view.voxels.shape, bool)
    for axis in range(3):
        along = (
            to_lattice[axis, 0] * z[:, None, None]
            + to_lattice[axis, 1] * y[None, :, None]
            + to_lattice[axis, 2] * x[None, None, :]
            + to_lattice[axis, 3]
        )
        found &= (along > -reach[axis]) & (along < lattice.shape[axis] - 1 + reach[axis])
    return np.flatnonzero(found)


def _rows(
    some: NDArray[np.int64],
    view: View,
    lattice: Lattice,
    to_lattice: NDArray[np.float64],
    offsets: NDArray[np.float64],
    weights: NDArray[np.float64],
    inner: tuple[tuple[bool, bool], ...],
) -> tuple[Any, NDArray[np.bool_]]:
    """Return the rows of some voxels of the stack, and which of these there are."""
    centres = np.stack(np.unravel_index(some, view.voxels.shape)).astype(np.float64)
    places = (to_lattice[:3, :3] @ centres + to_lattice[:3, 3:])[:, :, None] + to_lattice[:3, :1, None] * offsets
    inside, whole = np.ones(places.shape[1:], bool), np.ones(places.shape[1:], bool)
    firsts, shares = [], []
    for along, size, seams in zip(places, lattice.shape, inner, strict=True):
        inside &= (along >= -0.5) & (along <= size - 0.5)
        whole &= ((along >= 0) | (not seams[0])) & ((along <= size - 1) | (not seams[1]))
        held = np.clip(along, 0, size - 1)
        first = np.minimum(held.astype(np.int32), max(0, size - 2))
        firsts.append(first)
        shares.append((held - first).astype(np.float32))
    used = np.where(inside, weights, 0.0).astype(np.float32)
    total = used.sum(1)
    kept = (total >= _SEEN) & (np.where(whole, weights, 0.0).sum(1) >= _WHOLE)
    used = used[kept] / total[kept, None]
    return _matrix([each[kept] for each in firsts], [each[kept] for each in shares], used, lattice.shape), kept


def _matrix(
    firsts: list[NDArray[np.int32]],
    shares: list[NDArray[np.float32]],
    used: NDArray[np.float32],
    shape: tuple[int, int, int],
) -> Any:
    """Return the matrix of linear interpolation at places (rows, samples), summed over the samples."""
    rows, samples = used.shape
    columns = np.empty((rows, samples, 8), np.int32)
    values = np.empty((rows, samples, 8), np.float32)
    for number, corner in enumerate(product((0, 1), repeat=3)):
        at, weight = np.zeros_like(firsts[0]), used
        for first, share, step, size in zip(firsts, shares, corner, shape, strict=True):
            at = at * size + np.minimum(first + step, size - 1)
            weight = weight * (share if step else 1 - share)
        columns[..., number], values[..., number] = at, weight
    ends = np.arange(rows + 1, dtype=np.int64) * (samples * 8)
    matrix = sparse.csr_array((values.ravel(), columns.ravel(), ends), shape=(rows, int(np.prod(shape))))
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix
