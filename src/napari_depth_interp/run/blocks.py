"""Dividing a result into blocks that can be made, written and made anew one by one, by any process.

A block is a part of one resolution: one time point, the channels that are made together, and whole files of the image.
So no two blocks share a file, and a block is there, whole, or it is not.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from ..errors import RequestError
from ..io.zarr import CHUNK_GRID

Shape = tuple[int, int, int]

BLOCK: Shape = (64, 1024, 1024)
"""Sections, rows and columns of a block."""
MANY_CHUNKS = 2**30
"""Voxels of a result beyond which its chunks are put together into files of a block each."""


def shard_shape(given: str | None, shape: Sequence[int]) -> Shape | None:
    """Return the sections, rows and columns of one file of a result; None: each chunk is a file.

    Parameters
    ----------
    given : str or None
        As in the settings.
    shape : sequence of int
        Sizes of the result.

    Raises
    ------
    RequestError
        If it is no size of a file, or does not hold whole chunks.
    """
    if given is None:
        return BLOCK if math.prod(map(int, shape)) > MANY_CHUNKS else None
    if given.strip().lower() == "none":
        return None
    try:
        z, y, x = (int(word) for word in given.split(","))
    except ValueError:
        z = y = x = 0
    fit = all(n > 0 and (n <= chunk or not n % chunk) for n, chunk in zip((z, y, x), CHUNK_GRID, strict=True))
    if not fit:
        raise RequestError(
            f"--shard '{given}' is no size of a file: give sections, rows and columns such as 64,1024,1024, multiples "
            f"of a chunk of {','.join(map(str, CHUNK_GRID))} or smaller than it, or none"
        )
    return z, y, x


@dataclass(frozen=True)
class Block:
    """One block: its number, the resolution (0: the finest), and its place in it."""

    number: int
    level: int
    time: int
    channels: tuple[int, ...]
    sections: slice
    rows: slice
    columns: slice

    @property
    def shape(self) -> Shape:
        """Sections, rows and columns."""
        z, y, x = (each.stop - each.start for each in (self.sections, self.rows, self.columns))
        return z, y, x


@dataclass(frozen=True)
class LevelShape:
    """One resolution: its sections, rows and columns, and how many of the next finer one each of them stands for."""

    shape: Shape
    step: Shape = (1, 1, 1)


class Blocks:
    """All blocks of a result, numbered: the finest resolution first; in it time by time and group by group.

    Parameters
    ----------
    times : int
    groups : sequence of tuple of int
        Channels that are made together.
    levels : sequence of LevelShape
        From the finest to the coarsest.
    size : (z, y, x)
        Of a block; at the edges they are smaller.
    finest : (z, y, x), optional
        Of a block of the finest resolution, multiples of ``size``, or all there is. Default: ``size``.
    """

    def __init__(
        self,
        times: int,
        groups: Sequence[tuple[int, ...]],
        levels: Sequence[LevelShape],
        size: Shape,
        finest: Shape | None = None,
    ) -> None:
        self._times, self._groups, self._levels = times, tuple(groups), tuple(levels)
        self._sizes: list[Shape] = [finest or size, *[size] * (len(levels) - 1)]
        counts = [
            [math.ceil(n / each) for n, each in zip(level.shape, own, strict=True)]
            for level, own in zip(levels, self._sizes, strict=True)
        ]
        self._grids = [(times, len(groups), *each) for each in counts]
        self._starts = [0, *np.cumsum([math.prod(grid) for grid in self._grids]).tolist()]

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def finest(self) -> Shape:
        """Sections, rows and columns of a block of the finest resolution."""
        return self._sizes[0]

    def count(self, level: int) -> int:
        """Return how many blocks a resolution has."""
        return int(self._starts[level + 1] - self._starts[level])

    @property
    def levels(self) -> int:
        """How many resolutions there are."""
        return len(self._levels)

    def __getitem__(self, number: int) -> Block:
        level, (time, group, *place) = self._place(number)
        parts = (
            slice(i * size, min((i + 1) * size, end))
            for i, size, end in zip(place, self._sizes[level], self._levels[level].shape, strict=True)
        )
        return Block(number, level, time, self._groups[group], *parts)

    def coarser(self, number: int) -> list[int]:
        """Return the blocks of the next coarser resolution that are made of this one, too."""
        level, (time, group, *_) = self._place(number)
        if level + 1 == len(self._levels):
            return []
        block, step = self[number], self._levels[level + 1].step
        parts = (
            slice(part.start // each, (part.stop - 1) // each + 1)
            for part, each in zip((block.sections, block.rows, block.columns), step, strict=True)
        )
        return list(self._touched(level + 1, time, group, parts))

    def finer(self, number: int) -> list[int]:
        """Return the blocks of the next finer resolution that this one is made of; of the finest none."""
        level, (time, group, *_) = self._place(number)
        if not level:
            return []
        block = self[number]
        parts = (
            slice(part.start * step, min(part.stop * step, end))
            for part, step, end in zip(
                (block.sections, block.rows, block.columns),
                self._levels[level].step,
                self._levels[level - 1].shape,
                strict=True,
            )
        )
        return list(self._touched(level - 1, time, group, parts))

    def _place(self, number: int) -> tuple[int, tuple[int, ...]]:
        level = int(np.searchsorted(self._starts, number, side="right")) - 1
        place = np.unravel_index(number - self._starts[level], self._grids[level])
        return level, tuple(int(each) for each in place)

    def _touched(self, level: int, time: int, group: int, parts: Iterable[slice]) -> Iterator[int]:
        ranges = [
            range(part.start // size, (part.stop - 1) // size + 1)
            for part, size in zip(parts, self._sizes[level], strict=True)
        ]
        for place in product(*ranges):
            yield int(self._starts[level] + np.ravel_multi_index((time, group, *place), self._grids[level]))


class Pending:
    """Which block is next: one of a coarser resolution as soon as all that it is made of is there."""

    def __init__(self, blocks: Blocks, done: Iterable[int] = ()) -> None:
        self._blocks = blocks
        self._done = bytearray(len(blocks))
        for number in done:
            self._done[number] = 1
        self.count, self.total = sum(self._done), len(blocks)
        finest = blocks.count(0)
        self._ready = deque(n for n in range(finest, len(blocks)) if not self._done[n] and self._is_ready(n))
        self._next = iter([n for n in range(finest) if not self._done[n]])

    def take(self) -> int | None:
        """Return the next block; None while all others wait for those that have been taken."""
        return self._ready.popleft() if self._ready else next(self._next, None)

    def finished(self, number: int) -> None:
        """Hear that a block is there."""
        if self._done[number]:
            return
        self._done[number] = 1
        self.count += 1
        self._ready.extend(each for each in self._blocks.coarser(number) if self._is_ready(each))

    @property
    def all_done(self) -> bool:
        """Whether every block is there."""
        return self.count == self.total

    def _is_ready(self, number: int) -> bool:
        return all(self._done[each] for each in self._blocks.finer(number))
