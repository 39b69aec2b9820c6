"""What is to be solved: comparable stacks, the lattice of the volume, and how far each voxel of a stack counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from ..metrics.noise import noise_level
from .forward import Operator, operator
from .views import Lattice, View, Volume

_NOISE = 1.52
"""Standard deviation of white noise over what ``noise_level`` gives: the mean of the lower nine tenths of |N(0, 1)|."""
_FLOOR = 1e-3
"""Least noise that is believed, as a share of the range of the grey values."""
_BLOCK = 96
"""Voxels of the volume that are solved for at once, along each axis."""
_TINY = 1e-9
_BEYOND = 4
"""Voxels that a block needs around it, beside the reach of the profiles."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Stacks, and the volume that they see.

    Attributes
    ----------
    views : tuple of View
        Grey values at about 0 to 1, the same in all stacks for the same thing.
    lattice : Lattice
    noise : tuple of float
        Standard deviation of the noise of each stack.
    counts : tuple of (Z, Y, X) float32 arrays
        How far each voxel of each stack counts, 0 to 1.
    operators : dict
        What each stack sees of a volume that is small enough to keep it.
    """

    views: tuple[View, ...]
    lattice: Lattice
    noise: tuple[float, ...]
    counts: tuple[Volume, ...]
    operators: dict[int, Operator] = field(default_factory=dict)

    @classmethod
    def of(cls, views: Sequence[View], lattice: Lattice) -> Problem:
        """Return the problem in which all voxels count that are numbers."""
        counts = tuple(np.isfinite(view.voxels).astype(np.float32) for view in views)
        finite = tuple(view.with_voxels(np.nan_to_num(view.voxels)) for view in views)
        return cls(finite, lattice, tuple(noise_of(view.voxels) for view in views), counts)

    def without(self, hidden: Sequence[NDArray[np.bool_] | None]) -> Problem:
        """Return the problem in which some sections of each stack, (Z,) True, do not count."""
        counts = tuple(
            count if hide is None else count * ~hide[:, None, None]
            for count, hide in zip(self.counts, hidden, strict=True)
        )
        return replace(self, counts=counts)

    def without_view(self, number: int) -> Problem:
        """Return the problem without one of the stacks."""
        kept = [k for k in range(len(self.views)) if k != number]
        views, noise, counts = (tuple(each[k] for k in kept) for each in (self.views, self.noise, self.counts))
        return Problem(views, self.lattice, noise, counts)  # type: ignore[arg-type]

    def on(self, lattice: Lattice) -> Problem:
        """Return the problem for another volume."""
        return replace(self, lattice=lattice, operators={})

    @property
    def is_small(self) -> bool:
        """Whether the volume is a single block."""
        return max(self.lattice.shape) <= _BLOCK

    def operator(self, number: int, block: Block | None = None) -> Operator:
        """Return what a stack sees of the volume, or of a block of it."""
        if block is not None and not self.is_small:
            return operator(self.views[number], block.lattice, block.seams)
        if number in self.operators:
            return self.operators[number]
        found = operator(self.views[number], self.lattice)
        if self.is_small:
            self.operators[number] = found
        return found


def noise_of(voxels: NDArray[Any]) -> float:
    """Return the standard deviation of the noise of a stack whose grey values are at about 0 to 1."""
    levels = [noise_level(section) for section in voxels[:: max(1, len(voxels) // 16)]]
    known = [level for level in levels if np.isfinite(level)]
    return max(_FLOOR, _NOISE * float(np.median(known))) if known else _FLOOR


@dataclass(frozen=True, eq=False)
class Block:
    """A part of the volume with what lies around it.

    Attributes
    ----------
    lattice : Lattice
        Of all its voxels.
    place : three slices
        Where these are in the volume.
    core : three slices
        Which of these are kept, within the block.
    kept : three slices
        The same in the volume.
    seams : three pairs of bool
        Which of its faces lie within the volume.
    """

    lattice: Lattice
    place: tuple[slice, ...]
    core: tuple[slice, ...]
    kept: tuple[slice, ...]
    seams: tuple[tuple[bool, bool], ...]


def blocks(problem: Problem, size: int = _BLOCK) -> list[Block]:
    """Return the blocks of a volume that are solved for one after another."""
    shape, voxel = problem.lattice.shape, problem.lattice.voxel
    halo = _BEYOND + max(int(np.ceil(view.profile.reach / voxel)) for view in problem.views)
    return [_block(problem.lattice, corner, size, halo) for corner in product(*(_starts(n, size) for n in shape))]


def _starts(length: int, size: int) -> list[int]:
    """Return where blocks of nearly the same size begin."""
    count = max(1, -(-length // size))
    return [length * k // count for k in range(count)]


def _block(lattice: Lattice, corner: tuple[int, ...], size: int, halo: int) -> Block:
    place, core, kept, seams = [], [], [], []
    for first, length in zip(corner, lattice.shape, strict=True):
        starts = [*_starts(length, size), length]
        stop = starts[starts.index(first) + 1]
        low, high = max(0, first - halo), min(length, stop + halo)
        place.append(slice(low, high))
        core.append(slice(first - low, stop - low))
        kept.append(slice(first, stop))
        seams.append((low > 0, high < length))
    z, y, x = (each.stop - each.start for each in place)
    begin = (place[0].start, place[1].start, place[2].start)
    return Block(lattice.part(begin, (z, y, x)), tuple(place), tuple(core), tuple(kept), tuple(seams))


def simulated(problem: Problem, number: int, volume: Volume) -> Volume:
    """Return a stack as it is seen in a volume, NaN where that does not reach."""
    if problem.is_small:
        return problem.operator(number).sections(volume)
    found = np.full(problem.views[number].voxels.shape, np.nan, np.float32)
    for rows, values in _simulated_rows(problem.views[number], problem.lattice, volume):
        found.reshape(-1)[rows] = values
    return found


_SECTION_VOXELS = 2**18


def _simulated_rows(
    view: View, lattice: Lattice, volume: Volume
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Give voxels of a stack and what is seen there, some sections at a time, so that no whole matrix is kept."""
    per_section = view.voxels[0].size
    step = max(1, _SECTION_VOXELS // per_section)
    for first in range(0, len(view.voxels), step):
        shift = np.eye(4)
        shift[0, 3] = first
        some = replace(view, voxels=view.voxels[first : first + step], affine=view.affine @ shift)
        part = operator(some, lattice)
        yield part.index + first * per_section, part.seen(volume)


def upsampled(view: View, lattice: Lattice, order: int = 1) -> tuple[Volume, NDArray[np.bool_]]:
    """Return a stack read at the voxels of a lattice, and where it reaches."""
    to_stack = np.linalg.inv(view.to_world) @ lattice.affine
    values, reached = np.empty(lattice.shape, np.float32), np.empty(lattice.shape, bool)
    plane = np.indices(lattice.shape[1:], dtype=np.float64).reshape(2, -1)
    source, mode = view.voxels, "nearest"
    if order > 1:
        from scipy.ndimage import spline_filter

        source = spline_filter(view.voxels, order, output=np.float32, mode="mirror")
    limits = np.array(view.voxels.shape)[:, None] - 0.25
    for z in range(lattice.shape[0]):
        places = to_stack[:3, 1:3] @ plane + (to_stack[:3, :1] * z + to_stack[:3, 3:])
        held = np.clip(places, 0, limits - 0.75)
        values[z] = map_coordinates(source, held, order=order, mode=mode, prefilter=False).reshape(lattice.shape[1:])
        reached[z] = ((places > -0.75) & (places < limits)).all(0).reshape(lattice.shape[1:])
    return values, reached


def average(problem: Problem, order: int = 3) -> Volume:
    """Return the mean of the stacks at each voxel, each interpolated by itself; where none reaches, the nearest.

    Where several neighbouring sections do not count, what is interpolated between others far away counts less.
    """
    total, weight = np.zeros(problem.lattice.shape, np.float32), np.zeros(problem.lattice.shape, np.float32)
    nearest = np.zeros(problem.lattice.shape, np.float32)
    for view, count in zip(problem.views, problem.counts, strict=True):
        lost = count.max(axis=(1, 2)) <= 0
        values, reached = upsampled(filled(view, lost), problem.lattice, order)
        trust = reached * _trust(view, lost, problem.lattice)
        total += trust * values
        weight += trust
        nearest += values / len(problem.views)
    return np.where(weight > 0, total / np.maximum(weight, _TINY), nearest)


def alone(problem: Problem, number: int, order: int = 3) -> Volume:
    """Return one of the stacks by itself, interpolated; where it does not reach, its nearest voxels."""
    view, count = problem.views[number], problem.counts[number]
    return upsampled(filled(view, count.max(axis=(1, 2)) <= 0), problem.lattice, order)[0]


def filled(view: View, lost: NDArray[np.bool_]) -> View:
    """Return a stack whose lost sections, (Z,) True, are interpolated between the others."""
    if not lost.any() or lost.all():
        return view
    there, voxels = np.flatnonzero(~lost), view.voxels.copy()
    for z in np.flatnonzero(lost):
        above = int(np.clip(np.searchsorted(there, z), 0, len(there) - 1))
        below = max(0, above - 1) if there[above] > z else above
        low, high = there[below], there[above]
        share = 0.0 if high == low else float(np.clip((z - low) / (high - low), 0, 1))
        voxels[z] = (1 - share) * view.voxels[low] + share * view.voxels[high]
    return view.with_voxels(voxels)


def _trust(view: View, lost: NDArray[np.bool_], lattice: Lattice) -> Volume | np.float32:
    """Return how far each voxel of a lattice is told by a stack: less the further the next section that is not lost."""
    if not lost.any() or lost.all():
        return np.float32(1 - lost.all())
    far = np.abs(np.arange(len(lost))[:, None] - np.flatnonzero(~lost)).min(axis=1)
    trust = np.broadcast_to(1 / np.maximum(far, 1).astype(np.float32)[:, None, None] ** 2, view.voxels.shape)
    return upsampled(view.with_voxels(trust), lattice)[0]
