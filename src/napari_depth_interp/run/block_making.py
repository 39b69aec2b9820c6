"""Making single blocks of a result that is an OME-Zarr image: any of them, in any process, with the same bits."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..io.zarr import CHUNK_GRID, ZarrSink, resolutions_of
from ..progress import Progress, Report, silent
from ..stack import Stack
from ..stack.lazy import read_part
from .blocks import BLOCK, Block, Blocks, LevelShape, Shape
from .making import Run, make_tiles
from .memory import Memory, memory_of
from .outputs import MemoryOutput, Outputs, Place
from .preparing import Learned
from .request import Request
from .sharing import Group, groups_of
from .tiling import Region, needed_region, usual_room

_AT_ONCE = 4
"""Tiles that together take the memory that tiles take usually, whatever the number of threads."""
_COPIES = 2
_DEEP = 4
"""Files along z that are a block of a method that needs margins; up to twice as many if the memory is told."""
_SHARE = 0.07
"""Share of the limit of the memory that the voxels of a block of one layer of files may take."""
_DEEP_SHARE = 0.085
"""The same of a deeper block; twice that where margins along z are wide and no voxel has an uncertainty, too."""
MEMORY = "memory.json"
"""Name of the file, in the hidden folder of a run, that says how the memory is divided."""


def blocks_of(request: Request) -> Blocks:
    """Divide a result into blocks of whole files; they are the same for all processes."""
    resolutions = resolutions_of(request.dense_template(), request.output_shape)
    size, factor = _size(request), request.spec.enlarges
    finest = (_deep(request, size) * size[0], *size[1:]) if request.tile_halo else size
    if request.tile_halo is None or size[1] % factor or size[2] % factor:
        finest = size[0], request.output_shape[3], request.output_shape[4]
    levels = [LevelShape(each.stack_shape, (each.step["z"], each.step["y"], each.step["x"])) for each in resolutions]
    channels = [group.channels for group in groups_of(request)]
    return Blocks(request.output_shape[0], channels, levels, size, finest)


def _size(request: Request) -> Shape:
    """Return the size of a block: that of a file; where chunks are files, as many as the limit of the memory allows."""
    if request.file_shape is not None or request.memory is None:
        return request.file_shape or BLOCK
    counts = [whole // chunk for whole, chunk in zip(BLOCK, CHUNK_GRID, strict=True)]
    chunk = math.prod(CHUNK_GRID) * _bytes_each(request)
    while max(counts) > 1 and math.prod(counts) * chunk > request.memory * _SHARE:
        counts[counts.index(max(counts))] //= 2
    z, y, x = (count * each for count, each in zip(counts, CHUNK_GRID, strict=True))
    return z, y, x


def _deep(request: Request, size: Shape) -> int:
    """Return how many files along z are a block of a method that needs margins, which are then a smaller part."""
    one = math.prod(size) * _bytes_each(request)
    if request.memory is None:
        return _DEEP
    share = _DEEP_SHARE if request.spec.gives_uncertainty or (request.z_reach or 0) < 2 else 2 * _DEEP_SHARE
    return max(1, min(2 * _DEEP, int(request.memory * share / one)))


def _bytes_each(request: Request) -> int:
    """Return the bytes of the result for each place in a block: of the channels that are made together."""
    together = request.dataset.voxels.shape[1] if request.shares_fit else 1
    return int(together * request.output_dtype.itemsize)


def block_bytes(request: Request, block: Block, images: int) -> int:
    """Return what a block takes until it is written: its voxels; one layer of files as chunks and as they are."""
    each = request.output_dtype.itemsize + (4 if images > 1 else 0)
    deep, high, wide = block.shape
    layer = min(deep, _size(request)[0]) * high * wide * request.output_dtype.itemsize
    return math.prod(block.shape) * len(block.channels) * each + _COPIES * layer


def memory_for_blocks(request: Request, held: int) -> Memory:
    """Divide the memory of a process that makes blocks, so that tiles are alike whatever the number of threads.

    Parameters
    ----------
    request : Request
    held : int
        Bytes that a block takes beside its tiles.
    """
    memory, threads = memory_of(request, held), request.runtime.threads
    if not request.spec.tiling.parallel:
        return memory
    return replace(memory, tiles=threads * max(1, min(usual_room(request).voxels // _AT_ONCE, memory.tiles // threads)))


def of_one_tile(request: Request, memory: Memory) -> int:
    """Return how many voxels a tile may have, which is the same in every process."""
    return memory.tiles // (request.runtime.threads if request.spec.tiling.parallel else 1)


def shared_memory(request: Request, known: Memory) -> Memory:
    """Return how the memory is divided in this process; ``known`` holds the voxels of one tile."""
    return replace(known, tiles=known.tiles * (request.runtime.threads if request.spec.tiling.parallel else 1))


def region_of(block: Block, factor: int) -> Region:
    """Return the sections of a block, and the rows and columns of the input, so many times enlarged, that it has."""
    rows, columns = (slice(each.start // factor, each.stop // factor) for each in (block.rows, block.columns))
    return block.sections, rows, columns


def state_file(folder: Path, block: Block) -> Path:
    """Return where it is kept what was prepared for a block."""
    return folder / f"prepared-{block.time}-{block.channels[0]}.safetensors"


@dataclass(frozen=True, eq=False)
class Ready:
    """Channels that are run together at one time point, with a method that is prepared on them."""

    runs: tuple[Run, ...]
    learned: Learned

    @property
    def key(self) -> tuple[int, tuple[int, ...]]:
        """Time point and channels."""
        return self.runs[0].time, tuple(each.channel for each in self.runs)


class Maker:
    """Makes the blocks of one result, any of them in any process.

    Parameters
    ----------
    request : Request
    images : tuple of Path
        The folder of the result, and that of its uncertainty if it is kept.
    memory : Memory
        How it is divided, in every process alike.
    again : bool
        Another maker has made the images already.
    """

    def __init__(self, request: Request, images: tuple[Path, ...], memory: Memory, *, again: bool) -> None:
        self.request, self.memory = request, memory
        template, shape, grid = request.dense_template(), request.output_shape, request.file_shape
        self._sinks = [ZarrSink(images[0], template, shape, request.output_dtype, grid, shared=True, again=again)]
        if len(images) > 1:
            plain = replace(template, holds_labels=False)
            dtype = np.dtype(np.float32)
            self._sinks.append(ZarrSink(images[1], plain, shape, dtype, grid, shared=True, again=again))
        self.blocks = blocks_of(request)
        self.groups = {group.channels: group for group in groups_of(request)}

    def runs(self, block: Block) -> tuple[Run, ...]:
        """Return the channels of a block, read as far as they have to be, without outputs as yet."""
        request = self.groups[block.channels].request
        nowhere = Outputs(MemoryOutput(np.empty(0)), None)
        return tuple(Run.of(request, nowhere, block.time, channel) for channel in block.channels)

    def make(self, block: Block, ready: Ready | None, report: Report = silent) -> None:
        """Make a block and write it; when this returns it is on the disk."""
        place = block.sections, block.rows, block.columns
        if block.level:
            for sink in self._sinks:
                for c in block.channels:
                    sink.shrink(block.level, block.time, c, *place)
            report(Progress(1.0))
            return
        assert ready is not None
        group, factor = self.groups[block.channels], ready.runs[0].request.spec.enlarges
        within = region_of(block, factor)
        made = [np.zeros((len(block.channels), *block.shape), sink.dtype) for sink in self._sinks]
        parts = [PartOutput(voxels, group, within, factor) for voxels in made]
        outputs = Outputs(parts[0], parts[1] if len(parts) > 1 else None)
        runs = [replace(each, outputs=outputs) for each in _read_for(ready, within)]
        make_tiles(runs, ready.learned, self.memory, report, within)
        for sink, channels in zip(self._sinks, made, strict=True):
            for c, voxels in zip(block.channels, channels, strict=True):
                _write(sink, block, c, voxels)

    def describe(self, record: dict[str, Any]) -> None:
        """Write the metadata, which make the folders images."""
        for sink in self._sinks:
            sink.describe(record)


def _write(sink: ZarrSink, block: Block, channel: int, voxels: NDArray[Any]) -> None:
    """Write a block file by file along z: each is held as chunks and as bytes while it is written."""
    first, last, step = block.sections.start, block.sections.stop, sink.chunk_grid[0]
    for start in range(first, last, step):
        part = slice(start, min(start + step, last))
        sink.write(block.time, channel, part, block.rows, block.columns, voxels[start - first : part.stop - first])


def _read_for(ready: Ready, within: Region) -> list[Run]:
    """Read what a block needs of voxels that are in a file: once, not tile by tile."""
    region = needed_region(ready.runs[0].request, ready.runs[0].observed, within)

    def read(stack: Stack) -> Stack:
        return replace(stack, voxels=read_part(stack.voxels, region))

    return [replace(each, observed=read(each.observed)) for each in ready.runs]


class PartOutput:
    """Takes the blocks of a part of the result."""

    chunk_grid: tuple[int, int, int] | None = None

    def __init__(self, voxels: NDArray[Any], group: Group, region: Region, factor: int) -> None:
        self._voxels, self._channels = voxels, group.channels
        self._corner = region[0].start, region[1].start * factor, region[2].start * factor

    def block(self, place: Place) -> NDArray[Any]:
        """Return the place in the array itself."""
        wanted = (place.sections, place.rows, place.columns)
        z, y, x = (slice(a.start - start, a.stop - start) for a, start in zip(wanted, self._corner, strict=True))
        view: NDArray[Any] = self._voxels[self._channels.index(place.channel), z, y, x]
        return view

    def store(self, place: Place, block: NDArray[Any]) -> None:
        """Do nothing: the voxels are there already."""
