"""Dividing a run into tiles: some sections of the result, some rows and columns of them, and what they need."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..method import working_dtype
from ..stack import Stack
from .request import Request

TILE_BYTES = 96 * 2**20
"""Working memory of all tiles together: float copies of input and output rows."""
WHOLE_BYTES = 512 * 2**20
"""The same for methods that need whole sections, or margins around tiles: they compute much anew in every tile."""
PORTION = 64
"""Target sections of one tile, for methods that need only some observed sections for them."""
Region = tuple[slice, slice, slice]
"""Sections of the result, rows and columns (those of the input)."""


@dataclass(frozen=True)
class Tile:
    """Some neighbouring sections of the result and some rows and columns of them.

    Of the sections ``span`` those in ``targets`` are computed. ``sections`` are the observed sections and ``padded``
    the rows and columns that are read; of what is computed, ``inside`` (rows and columns) is kept.
    """

    number: int
    span: slice
    targets: NDArray[np.intp]
    sections: slice
    rows: slice
    columns: slice
    padded: tuple[slice, slice]
    inside: tuple[slice, slice]

    def count_voxels(self, enlarges: int = 1) -> int:
        """Return how many voxels are in memory as floats at once, input and output (so much enlarged) together."""
        deep = self.sections.stop - self.sections.start + len(self.targets) * enlarges**2
        rows, columns = (each.stop - each.start for each in self.padded)
        return int(deep * rows * columns)


def tiles(
    request: Request, stack: Stack, chunk_grid: tuple[int, int, int] | None = None, within: Region | None = None
) -> Iterator[Tile]:
    """Divide the work so that the tiles of all threads together stay within the memory for tiles.

    ``chunk_grid``: sections, rows and columns of which tiles are multiples where possible. ``within``: the part of the
    result that is wanted; all of it.
    """
    _, height, width = stack.voxels.shape
    halo = request.tile_halo
    budget = _budget(stack, WHOLE_BYTES if halo else None)
    budget //= request.runtime.threads if request.spec.tiling.parallel else 1
    region = within or (slice(0, len(request.depths)), slice(0, height), slice(0, width))
    area = region[1].stop - region[1].start, region[2].stop - region[2].start
    number = 0
    for span in _portions(request, stack, chunk_grid, region[0]):
        targets = _new_in(request, span)
        sections = _needed_sections(request, stack, span)
        deep = sections.stop - sections.start + len(targets)
        rows, columns = _tile_size(max(1, budget // deep), halo, area, chunk_grid)
        for top in range(region[1].start, region[1].stop, rows):
            for left in range(region[2].start, region[2].stop, columns):
                kept = slice(top, min(top + rows, region[1].stop)), slice(left, min(left + columns, region[2].stop))
                padded = _padded(kept[0], halo, height), _padded(kept[1], halo, width)
                inside = _within(kept[0], padded[0]), _within(kept[1], padded[1])
                yield Tile(number, span, targets, sections, *kept, padded, inside)
                number += 1


def _tile_size(
    pixels: int, halo: int | None, size: tuple[int, int], chunk_grid: tuple[int, int, int] | None
) -> tuple[int, int]:
    """Return rows and columns of tiles that have at most ``pixels`` pixels, margins included (if that can be).

    Whole rows, unless the margins above and below would take most of the work or the output is made of chunks.
    """
    height, width = size
    if halo is None or pixels >= height * width:
        return height, width
    rows = pixels // width - 2 * halo
    if chunk_grid is None and rows >= min(height, max(1, 4 * halo)):
        return rows, width
    if chunk_grid is None and not halo:
        return 1, width
    _, high, wide = chunk_grid or (0, 1, 1)
    side = max(int(pixels**0.5) - 2 * halo, halo)
    rows = max(high, side // high * high)
    columns = max(side, pixels // (rows + 2 * halo) - 2 * halo)
    return rows, max(wide, columns // wide * wide)


def _padded(kept: slice, halo: int | None, size: int) -> slice:
    return slice(max(0, kept.start - (halo or 0)), min(size, kept.stop + (halo or 0)))


def _within(kept: slice, padded: slice) -> slice:
    return slice(kept.start - padded.start, kept.stop - padded.start)


def _budget(stack: Stack, memory: int | None = None) -> int:
    """Return how many voxels, as floats, fit into a memory (bytes; default: that for tiles)."""
    itemsize = np.dtype(working_dtype(stack.voxels.dtype)).itemsize
    return int((TILE_BYTES if memory is None else memory) // itemsize)


def _new_in(request: Request, span: slice) -> NDArray[np.intp]:
    """Return the indices of the sections in ``span`` that are to be computed."""
    everything = np.arange(span.start, span.stop)
    return everything[request.observed[span] < 0] if request.spec.keeps_observed else everything


def largest_tile(request: Request) -> int:
    """Return how many voxels, as floats, a run holds in the tiles that it computes at once."""
    stack = request.dataset.stack()
    jobs = list(tiles(request, stack))
    return workers(request, jobs, stack) * max(job.count_voxels(request.spec.enlarges) for job in jobs)


def share_of_margins(request: Request) -> float:
    """Return how many times more is computed than kept, because tiles have margins."""
    jobs = list(tiles(request, request.dataset.stack()))
    kept = sum((job.rows.stop - job.rows.start) * (job.columns.stop - job.columns.start) for job in jobs)
    computed = sum(math.prod(each.stop - each.start for each in job.padded) for job in jobs)
    return float(computed / kept)


def _portions(request: Request, stack: Stack, chunk_grid: tuple[int, int, int] | None, sections: slice) -> list[slice]:
    """Divide the result along z: a method of limited reach then needs few observed sections at a time."""
    count, deep = sections.stop - sections.start, 1 if chunk_grid is None else chunk_grid[0]
    if request.spec.tiling.z_reach is not None:
        size = PORTION
    elif request.tile_halo is None:
        _, height, width = stack.voxels.shape
        size = (_budget(stack, WHOLE_BYTES) // (height * width) - len(stack.depths)) // request.spec.enlarges**2
    else:
        size = count
    size = max(deep, size // deep * deep)
    first, last = sections.start, sections.stop
    return [slice(start, min(start + size, last)) for start in range(first, last, size)]


def _needed_sections(request: Request, stack: Stack, span: slice) -> slice:
    reach = request.spec.tiling.z_reach
    if reach is None:
        return slice(0, len(stack.depths))
    first, last = np.searchsorted(stack.depths, request.depths[[span.start, span.stop - 1]])
    return slice(max(0, int(first) - 1 - reach), min(len(stack.depths), int(last) + 1 + reach))


def needed_region(request: Request, stack: Stack, within: Region) -> Region:
    """Return the observed sections, and the rows and columns of them, that a part of the result is made of."""
    _, height, width = stack.voxels.shape
    halo = request.tile_halo
    rows = slice(0, height) if halo is None else _padded(within[1], halo, height)
    columns = slice(0, width) if halo is None else _padded(within[2], halo, width)
    return _needed_sections(request, stack, within[0]), rows, columns


def workers(request: Request, jobs: list[Tile], stack: Stack) -> int:
    """Return how many tiles may be computed at once: fewer than threads where a single one of each is too much."""
    if not request.spec.tiling.parallel:
        return 1
    largest = max(job.count_voxels() for job in jobs)
    return max(1, min(request.runtime.threads, len(jobs), _budget(stack) // largest))
