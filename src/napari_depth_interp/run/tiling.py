"""Dividing a run into tiles: some sections of the result, some rows and columns of them, and what they need."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..method import CompositeConfig, working_dtype
from ..stack import Stack
from .request import Request

TILE_BYTES = 96 * 2**20
"""Voxels of all tiles together, input and output, as floats."""
WHOLE_BYTES = 512 * 2**20
"""The same for methods that need whole sections: they compute much anew in every tile."""
MARGIN_BYTES = 2500 * 10**6
"""What tiles with margins take altogether, with what a method holds beside their voxels."""
PORTION = 64
"""Target sections of one tile, for methods that need only some observed sections for them and no margins."""
_ASKED = 16
"""Tiles along z whose margins are looked at, about."""

Region = tuple[slice, slice, slice]
"""Sections of the result, rows and columns (those of the input)."""
Chunks = tuple[int, int, int]


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


@dataclass(frozen=True)
class Room:
    """Memory for the tiles that are computed at once.

    Attributes
    ----------
    voxels : int
        Of all these tiles, as floats.
    beside : int
        Sections that a tile counts beside its own, for what a method holds for each pixel whatever the tile's depth.
    """

    voxels: int
    beside: int = 0


@dataclass(frozen=True)
class _Sizes:
    """Sections, rows and columns of tiles, and what their margins cost: all that is computed over what is kept."""

    deep: int
    rows: int
    columns: int
    cost: float = 1.0


@dataclass(frozen=True)
class _Margin:
    """The margin in which a method, or one that it is made of, works: pixels, and sections beyond those at a gap."""

    halo: int
    reach: int


def _margins(request: Request) -> list[_Margin]:
    """Return the margins of a method; one that mixes others gives each its own, all of which work about as long."""
    halo, reach, config = request.tile_halo or 0, request.z_reach or 0, request.config
    if not isinstance(config, CompositeConfig):
        return [_Margin(halo, reach)]
    acquisition = request.dataset.acquisition
    known = [(spec.halo(each) or 0, spec.z_reach(each, acquisition) or 0) for spec, each in config.parts()]
    more = halo - max((each for each, _ in known), default=halo)
    return [_Margin(each + more, inner) for each, inner in known] or [_Margin(halo, reach)]


def tiles(
    request: Request,
    stack: Stack,
    chunk_grid: Chunks | None = None,
    within: Region | None = None,
    room: Room | None = None,
) -> Iterator[Tile]:
    """Divide the work so that the tiles of all threads together stay within the memory for tiles.

    ``chunk_grid``: sections, rows and columns of which tiles are multiples where possible. ``within``: the part of the
    result that is wanted; all of it. ``room``: for the tiles of all threads; the usual one.
    """
    _, height, width = stack.voxels.shape
    region = within or (slice(0, len(request.depths)), slice(0, height), slice(0, width))
    halo = request.tile_halo
    number = 0
    room = room or usual_room(request)
    each = replace(room, voxels=room.voxels // (request.runtime.threads if request.spec.tiling.parallel else 1))
    for span, rows, columns in _portions(request, stack, region, each, chunk_grid):
        targets, sections = _new_in(request, span), _needed_sections(request, stack, span)
        for top in range(region[1].start, region[1].stop, rows):
            for left in range(region[2].start, region[2].stop, columns):
                kept = slice(top, min(top + rows, region[1].stop)), slice(left, min(left + columns, region[2].stop))
                padded = _padded(kept[0], halo, height), _padded(kept[1], halo, width)
                inside = _within(kept[0], padded[0]), _within(kept[1], padded[1])
                yield Tile(number, span, targets, sections, *kept, padded, inside)
                number += 1


def _portions(
    request: Request, stack: Stack, region: Region, room: Room, chunk_grid: Chunks | None
) -> Iterator[tuple[slice, int, int]]:
    """Divide the result along z, and say how many rows and columns of each part are a tile."""
    halo = request.tile_halo
    if request.z_reach is not None and halo:
        sizes = _with_margins(request, stack, region, room, chunk_grid)
        for span in _spans(region[0], sizes.deep):
            yield span, sizes.rows, sizes.columns
        return
    for span in _spans(region[0], _depth_of_portions(request, stack, region, room, chunk_grid)):
        pixels = max(1, room.voxels // (_depth_of(request, stack, span) + room.beside))
        weights = [(each.halo, 1.0) for each in _margins(request)]
        found = _in_plane(pixels, halo, region, stack.voxels.shape, chunk_grid, weights)
        yield span, found.rows, found.columns


def _spans(whole: slice, deep: int) -> list[slice]:
    return [slice(start, min(start + deep, whole.stop)) for start in range(whole.start, whole.stop, deep)]


def _depth_of(request: Request, stack: Stack, span: slice) -> int:
    """Return how many sections a tile holds, those that are seen and those that are made."""
    sections = _needed_sections(request, stack, span)
    return int(sections.stop - sections.start + len(_new_in(request, span)))


def _largest_depth(request: Request, stack: Stack, spans: list[slice]) -> int:
    """Return the most sections of a tile; of many tiles some are looked at, which do for even stacks."""
    some = [*spans[:: max(1, len(spans) // _ASKED)], spans[len(spans) // 2], spans[-1]]
    return max(_depth_of(request, stack, span) for span in some)


def _with_margins(request: Request, stack: Stack, region: Region, room: Room, chunk_grid: Chunks | None) -> _Sizes:
    """Return tiles of which the margins cost least, among all divisions along z."""
    whole, step = region[0].stop - region[0].start, 1 if chunk_grid is None else chunk_grid[0]
    found = []
    for deep in _depths_to_try(whole, step):
        spans = _spans(region[0], deep)
        pixels = max(1, room.voxels // (_largest_depth(request, stack, spans) + room.beside))
        weights = [(each.halo, _anew_along_z(request, stack, spans, each.reach)) for each in _margins(request)]
        sizes = _in_plane(pixels, request.tile_halo, region, stack.voxels.shape, chunk_grid, weights)
        found.append(replace(sizes, deep=deep))
    fitting = [each for each in found if _fits(request, stack, region, each, room)] or found[-1:]
    return min(fitting, key=lambda each: each.cost)


def _depths_to_try(whole: int, step: int) -> list[int]:
    """Return numbers of sections, multiples of a step, from all to few: each divides the whole into even parts."""
    tried, parts = [whole], 1
    while tried[-1] > step:
        parts = max(parts + 1, parts * 5 // 4)
        tried.append(min(whole, -(-whole // (parts * step)) * step))
    return [*dict.fromkeys(tried)]


def _fits(request: Request, stack: Stack, region: Region, sizes: _Sizes, room: Room) -> bool:
    halo = request.tile_halo or 0
    _, height, width = stack.voxels.shape
    rows, columns = _wider(sizes.rows, sizes.columns, halo)
    deep = _largest_depth(request, stack, _spans(region[0], sizes.deep)) + room.beside
    return bool(min(height, rows) * min(width, columns) * deep <= room.voxels)


def _anew_along_z(request: Request, stack: Stack, spans: list[slice], reach: int) -> float:
    """Return how many times more sections are seen than there are at the gaps, in tiles with so much of a margin."""
    some = spans[:: max(1, len(spans) // _ASKED)]
    pairs = [
        (_sections_around(request, stack, span, reach), _sections_around(request, stack, span, 0)) for span in some
    ]
    seen, used = (sum(part.stop - part.start for part in parts) for parts in zip(*pairs, strict=True))
    return float(seen / used)


def _in_plane(
    pixels: int,
    halo: int | None,
    region: Region,
    shape: tuple[int, ...],
    chunk_grid: Chunks | None,
    weights: Sequence[tuple[int, float]],
) -> _Sizes:
    """Return rows and columns of tiles that have at most ``pixels`` pixels, margins included (if that can be).

    ``weights``: margins in which parts of the work are done, and what else multiplies that part.
    """
    height, width = (each.stop - each.start for each in region[1:])
    highest, widest = (min(*each) for each in zip(shape[1:], _wider(height, width, halo), strict=True))
    if halo is None or (not halo and pixels >= highest * widest):
        return _Sizes(0, height, width)
    _, high, wide = chunk_grid or (0, 1, 1)
    if not halo:
        rows, columns = _without_margins(pixels, width, chunk_grid)
        return _Sizes(0, rows, columns)
    cost = partial(_anew, region=region, shape=shape, weights=weights)
    if pixels >= highest * widest:
        return _Sizes(0, height, width, cost(height, width))
    found = []
    for parts in range(1, height + 1):
        rows = -(-height // parts)
        rows = min(height, -(-rows // high) * high)
        left = pixels // min(highest, rows + 2 * halo)
        columns = width if left >= widest else max(0, left - 2 * halo) // wide * wide
        if columns >= max(1, min(wide, width)):
            found.append(_Sizes(0, rows, columns, cost(rows, columns)))
        if rows <= max(high, halo):
            break
    smallest = max(high, halo // high * high), max(wide, halo // wide * wide)
    return min(found, key=lambda each: each.cost) if found else _Sizes(0, *smallest, 9.0)


def _wider(height: int, width: int, halo: int | None) -> tuple[int, int]:
    """Return rows and columns with margins on both sides."""
    return height + 2 * (halo or 0), width + 2 * (halo or 0)


def _without_margins(pixels: int, width: int, chunk_grid: Chunks | None) -> tuple[int, int]:
    """Return whole rows, unless the output is made of chunks."""
    if chunk_grid is None:
        return max(1, pixels // width), width
    _, high, wide = chunk_grid
    rows = max(high, int(pixels**0.5) // high * high)
    return rows, max(wide, max(int(pixels**0.5), pixels // rows) // wide * wide)


def _anew(
    rows: int, columns: int, *, region: Region, shape: tuple[int, ...], weights: Sequence[tuple[int, float]]
) -> float:
    """Return how many times more is computed than kept in tiles of so many rows and columns."""
    total = 0.0
    for halo, times in weights:
        sides = [
            sum(padded.stop - padded.start for padded in (_padded(each, halo, size) for each in _spans(part, step)))
            / (part.stop - part.start)
            for part, step, size in zip(region[1:], (rows, columns), shape[1:], strict=True)
        ]
        total += times * sides[0] * sides[1]
    return total / len(weights)


def _padded(kept: slice, halo: int | None, size: int) -> slice:
    return slice(max(0, kept.start - (halo or 0)), min(size, kept.stop + (halo or 0)))


def _within(kept: slice, padded: slice) -> slice:
    return slice(kept.start - padded.start, kept.stop - padded.start)


def usual_room(request: Request) -> Room:
    """Return the room that the tiles of all threads have usually."""
    size = np.dtype(working_dtype(request.dataset.voxels.dtype)).itemsize
    if request.tile_halo:
        floats = request.spec.floats(request.config)
        beside = math.ceil(request.spec.images(request.config, request.runtime.threads) / floats)
        return Room(int(MARGIN_BYTES / (size * floats)), beside)
    return Room((TILE_BYTES if request.tile_halo == 0 else WHOLE_BYTES) // size)


def _new_in(request: Request, span: slice) -> NDArray[np.intp]:
    """Return the indices of the sections in ``span`` that are to be computed."""
    everything = np.arange(span.start, span.stop)
    return everything[request.observed[span] < 0] if request.spec.keeps_observed else everything


def largest_tile(
    request: Request,
    chunk_grid: Chunks | None = None,
    within: Region | None = None,
    room: Room | None = None,
) -> int:
    """Return how many voxels, as floats, a run holds in the tiles that it computes at once."""
    room = room or usual_room(request)
    jobs = list(tiles(request, request.dataset.stack(), chunk_grid, within, room))
    largest = max(job.count_voxels(request.spec.enlarges) + room.beside * _area(*job.padded) for job in jobs)
    return workers(request, jobs, room) * largest


def share_of_margins(
    request: Request, chunk_grid: Chunks | None = None, room: Room | None = None, within: Region | None = None
) -> float:
    """Return how many times more is computed than kept, because tiles have margins; of a mixture, the mean."""
    jobs = list(tiles(request, request.dataset.stack(), chunk_grid, within, room))
    return float(np.mean(margins_of(request, jobs)))


def margins_of(request: Request, jobs: Sequence[Tile]) -> list[float]:
    """Return how many times more is computed than kept along y, x and z, by each method that a mixture is made of."""
    stack = request.dataset.stack()
    weights = [max(1, len(job.targets)) for job in jobs]
    kept = sum(deep * _area(job.rows, job.columns) for deep, job in zip(weights, jobs, strict=True))
    return [
        sum(deep * _seen_by(each, request, stack, job) for deep, job in zip(weights, jobs, strict=True)) / kept
        for each in _margins(request)
    ]


def _seen_by(margin: _Margin, request: Request, stack: Stack, job: Tile) -> float:
    """Return the pixels of a tile with a margin, and as many more as it has sections beyond those at its gaps."""
    _, height, width = stack.voxels.shape
    if request.tile_halo is None:
        return float(_area(job.rows, job.columns))
    padded = _padded(job.rows, margin.halo, height), _padded(job.columns, margin.halo, width)
    return _area(*padded) * _anew_along_z(request, stack, [job.span], margin.reach)


def _area(rows: slice, columns: slice) -> int:
    return int((rows.stop - rows.start) * (columns.stop - columns.start))


def _depth_of_portions(request: Request, stack: Stack, region: Region, room: Room, chunk_grid: Chunks | None) -> int:
    """Return how many sections of the result a tile has that needs no margins, or all sections."""
    count, deep = region[0].stop - region[0].start, 1 if chunk_grid is None else chunk_grid[0]
    if request.z_reach is not None:
        size = PORTION
    elif request.tile_halo is None:
        _, height, width = stack.voxels.shape
        size = (room.voxels // (height * width) - len(stack.depths)) // request.spec.enlarges**2
    else:
        size = count
    return max(deep, size // deep * deep)


def _needed_sections(request: Request, stack: Stack, span: slice) -> slice:
    reach = request.z_reach
    return slice(0, len(stack.depths)) if reach is None else _sections_around(request, stack, span, reach)


def _sections_around(request: Request, stack: Stack, span: slice, reach: int) -> slice:
    """Return the observed sections at the gaps of a part of the result, and so many on each side."""
    first, last = np.searchsorted(stack.depths, request.depths[[span.start, span.stop - 1]])
    return slice(max(0, int(first) - 1 - reach), min(len(stack.depths), int(last) + 1 + reach))


def needed_region(request: Request, stack: Stack, within: Region) -> Region:
    """Return the observed sections, and the rows and columns of them, that a part of the result is made of."""
    _, height, width = stack.voxels.shape
    halo = request.tile_halo
    rows = slice(0, height) if halo is None else _padded(within[1], halo, height)
    columns = slice(0, width) if halo is None else _padded(within[2], halo, width)
    return _needed_sections(request, stack, within[0]), rows, columns


def workers(request: Request, jobs: list[Tile], room: Room | None = None) -> int:
    """Return how many tiles may be computed at once: fewer than threads where a single one of each is too much."""
    if not request.spec.tiling.parallel:
        return 1
    largest = max(job.count_voxels() for job in jobs)
    most = (room or usual_room(request)).voxels
    return max(1, min(request.runtime.threads, len(jobs), most // largest))
