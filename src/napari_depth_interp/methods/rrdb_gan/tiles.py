"""A network over a volume of any size: overlapping tiles, blended, a slab of tiles at a time.

Tiles are cut and blended at coarse voxels. Where each tile coarsens to zero, so does what is blended of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...nn.chunks import is_out_of_memory, release
from ...system.transfer import fetched

OVERLAP = 8
"""Coarse voxels that a tile sees beyond its own on each side; see the seams in docs/reference/methods/rrdb_gan.md."""
_SMALLEST = 4
_LARGEST = 64
_SLABS = 2

Tiled = Callable[[Tensor], Tensor]
"""From (1, 1, Z, Y, X) coarse voxels on the CPU to (C, kZ, kY, kX) blocks of fine ones, on any device."""


@dataclass(frozen=True)
class Span:
    """A tile along one axis, in coarse voxels: its own part, what it is blended over, and what it reads."""

    own: slice
    used: slice
    read: slice

    def weights(self) -> NDArray[np.float32]:
        """Return how much each coarse voxel of ``used`` counts, rising and falling across the borders inside."""
        places = np.arange(self.used.start, self.used.stop) + 0.5
        weight = np.ones(len(places), np.float32)
        rise, fall = self.own.start - self.used.start, self.used.stop - self.own.stop
        if rise > 0:
            weight *= np.clip((places - self.used.start) / (2 * rise), 0, 1).astype(np.float32)
        if fall > 0:
            weight *= np.clip((self.used.stop - places) / (2 * fall), 0, 1).astype(np.float32)
        return weight


def spans(length: int, core: int, overlap: int) -> list[Span]:
    """Return the tiles of an axis; neighbours are blended over ``overlap`` voxels in all."""
    count = max(1, -(-length // core))
    edges = [round(i * length / count) for i in range(count + 1)]
    ramp = min(overlap // 2, min(b - a for a, b in pairwise(edges)) // 2)
    found = []
    for start, stop in pairwise(edges):
        wide = slice(max(0, start - ramp) if start else 0, min(length, stop + ramp))
        found.append(Span(slice(start, stop), wide, slice(max(0, start - overlap), min(length, stop + overlap))))
    return found


class TiledVolume:
    """The blocks of fine voxels that a network gives for a coarse volume, computed where they are asked for.

    Parameters
    ----------
    network : callable
        Of one tile. Channels of its result are blended alike.
    coarse : (Z, Y, X) float32 array
    factors : (z, y, x)
    core : (z, y, x)
        Coarse voxels of a tile's own part; halved where memory does not suffice.
    overlap : int
    """

    def __init__(
        self, network: Tiled, coarse: NDArray[np.float32], factors: tuple[int, int, int], core: tuple[int, int, int],
        overlap: int = OVERLAP,
    ) -> None:  # fmt: skip
        self._network, self._coarse, self._factors = network, coarse, factors
        self._overlap = overlap
        self.core = core
        self._plan()

    def _plan(self) -> None:
        sizes = zip(self._coarse.shape, self.core, strict=True)
        self._spans = [spans(length, core, self._overlap) for length, core in sizes]
        self._slabs: OrderedDict[int, NDArray[np.float32]] = OrderedDict()

    def sections(self, start: int, stop: int, each_tile: Callable[[], None]) -> NDArray[np.float32]:
        """Return (C, k(stop - start), kY, kX): the blocks of some coarse sections.

        ``each_tile`` is called before every tile.
        """
        while True:
            try:
                return self._sections(start, stop, each_tile)
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not is_out_of_memory(error) or max(self.core) <= _SMALLEST:
                    raise
            release()
            z, y, x = (max(_SMALLEST, each // 2) for each in self.core)
            self.core = z, y, x
            self._plan()

    def tiles_for(self, start: int, stop: int) -> int:
        """Return how many tiles :meth:`sections` has to compute."""
        wanted = [i for i, span in enumerate(self._spans[0]) if _overlaps(span, start, stop) and i not in self._slabs]
        return len(wanted) * len(self._spans[1]) * len(self._spans[2])

    def _sections(self, start: int, stop: int, each_tile: Callable[[], None]) -> NDArray[np.float32]:
        k = self._factors[0]
        total: NDArray[np.float32] | None = None
        for number, span in enumerate(self._spans[0]):
            if not _overlaps(span, start, stop):
                continue
            slab = self._slab(number, each_tile)
            low, high = max(start, span.used.start), min(stop, span.used.stop)
            weight = span.weights()[low - span.used.start : high - span.used.start]
            part = slab[:, (low - span.used.start) * k : (high - span.used.start) * k]
            if total is None:
                total = np.zeros((len(slab), (stop - start) * k, *slab.shape[2:]), np.float32)
            total[:, (low - start) * k : (high - start) * k] += part * np.repeat(weight, k)[:, None, None]
        assert total is not None
        return total

    def _slab(self, number: int, each_tile: Callable[[], None]) -> NDArray[np.float32]:
        """Return all tiles of one row of tiles along z, put together."""
        if number in self._slabs:
            return self._slabs[number]
        deep, slab = self._spans[0][number], None
        _, ky, kx = self._factors

        def blocks_of_tiles() -> Iterator[tuple[tuple[Span, Span], Tensor]]:
            for high in self._spans[1]:
                for wide in self._spans[2]:
                    each_tile()
                    yield (high, wide), self._tile(deep, high, wide)

        for (high, wide), blocks in fetched(blocks_of_tiles()):
            if slab is None:
                _, rows_in, columns_in = self._coarse.shape
                slab = np.zeros((*blocks.shape[:2], ky * rows_in, kx * columns_in), np.float32)
            target = slab[:, :, _finer(high.used, ky), _finer(wide.used, kx)]
            target += blocks * np.repeat(high.weights(), ky)[:, None] * np.repeat(wide.weights(), kx)
        assert slab is not None
        self._slabs[number] = slab
        while len(self._slabs) > _SLABS:
            self._slabs.popitem(last=False)
        return slab

    def _tile(self, *axes: Span) -> Tensor:
        """Return the used part of one tile's blocks."""
        tile = torch.from_numpy(np.ascontiguousarray(self._coarse[tuple(each.read for each in axes)]))
        blocks = self._network(tile[None, None])
        used = tuple(
            slice((each.used.start - each.read.start) * k, (each.used.stop - each.read.start) * k)
            for each, k in zip(axes, self._factors, strict=True)
        )
        return blocks[(slice(None), *used)].contiguous()


def _finer(part: slice, factor: int) -> slice:
    return slice(part.start * factor, part.stop * factor)


def _overlaps(span: Span, start: int, stop: int) -> bool:
    return bool(span.used.start < stop and span.used.stop > start)


def core_for(
    free: float, bytes_per_voxel: int, shape: tuple[int, ...], factors: tuple[int, int, int], channels: int
) -> tuple[int, int, int]:
    """Return tiles, in coarse voxels of their own, that fit into ``free`` bytes: half for the work, half for slabs."""
    core = _LARGEST
    while core > _SMALLEST:
        read = np.prod([min(size, core + 2 * OVERLAP) for size in shape], dtype=float)
        if read * bytes_per_voxel <= free / 2:
            break
        core -= 4
    core = max(_SMALLEST, core)
    section = 4 * channels * np.prod(factors, dtype=float) * np.prod(shape[1:], dtype=float)
    deep = int(free / 2 / (_SLABS + 1) / section) - OVERLAP
    return max(_SMALLEST, min(core, deep)), core, core
