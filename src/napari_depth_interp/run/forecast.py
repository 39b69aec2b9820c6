"""What a run that is made block by block will take, before it is begun: blocks, files, bytes, memory, time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ..io.zarr import CHUNK_GRID, resolutions_of
from ..progress import Report, silent
from ..system.amounts import duration, size_in_words
from ..system.cluster import count_workers
from ..system.devices import default_threads
from .block_making import block_bytes, blocks_of, memory_for_blocks, region_of
from .blocks import Block, Blocks
from .estimate import Estimate, estimate_run
from .outputs import Target
from .request import Request
from .tiling import largest_tile, needed_region

_METADATA_FILES = 1
"""Of an image, and of each of its resolutions."""


@dataclass(frozen=True)
class Forecast:
    """What a run will take.

    Attributes
    ----------
    blocks, finest : int
        Blocks of all resolutions, and of the finest one.
    block : (z, y, x)
        Sections, rows and columns of one.
    files : int
        Of the result, and of its uncertainty if it is kept.
    written_bytes : int
        Uncompressed, all resolutions.
    read_bytes : int
        What the blocks of the finest resolution read of the input, uncompressed.
    worker_bytes : int
        Memory of one process, at most.
    workers : int
    estimate : Estimate
        Measured on parts of the stack.
    """

    blocks: int
    finest: int
    block: tuple[int, int, int]
    files: int
    written_bytes: int
    read_bytes: int
    worker_bytes: int
    workers: int
    estimate: Estimate

    def as_json(self) -> dict[str, Any]:
        """Return the numbers."""
        return asdict(self) | {"estimate": self.estimate.as_json()}

    def describe(self) -> list[str]:
        """Return them in words."""
        sizes = " x ".join(map(str, self.block))
        of = f"{self.workers} workers" if self.workers > 1 else "one process"
        return [
            f"{self.blocks} blocks, {self.finest} of them of the finest resolution, {sizes} voxels (z, y, x) or less",
            f"{self.files} files, {size_in_words(self.written_bytes)} uncompressed; "
            f"{size_in_words(self.read_bytes)} of the input are read",
            f"about {duration(self.estimate.seconds)} with {of}, {size_in_words(self.worker_bytes)} of memory each",
        ]


def forecast(request: Request, target: Target, report: Report = silent) -> Forecast:
    """Plan a run, and measure on crops of the stack how long it will take; nothing is left of it.

    Parameters
    ----------
    request : Request
    target : Target
        An OME-Zarr image, as for :func:`~napari_depth_interp.run.execute.execute`.
    report : callable
    """
    blocks = blocks_of(request)
    images = 1 if target.uncertainty is None else 2
    voxels = sum(
        math.prod(each.sizes.values()) for each in resolutions_of(request.dense_template(), request.output_shape)
    )
    size = request.output_dtype.itemsize + (4 if images > 1 else 0)
    return Forecast(
        len(blocks),
        blocks.count(0),
        blocks[0].shape,
        images * (_files(request, blocks) + _METADATA_FILES * (1 + blocks.levels)),
        voxels * size,
        _read_bytes(request, blocks),
        _worker_bytes(request, blocks[0], images),
        1 if target.spread is None else count_workers(target.spread.processes),
        estimate_spread(request, target, report),
    )


def estimate_spread(request: Request, target: Target, report: Report = silent) -> Estimate:
    """Estimate a run whose blocks may be divided among workers: what is done once is not.

    A worker of a scheduler is taken to be as fast as this machine.
    """
    if target.spread is None:
        return estimate_run(request, target, report)
    count = count_workers(target.spread.processes)
    threads = request.runtime.threads
    if target.spread.processes.workers and target.spread.settings.threads is None:
        threads = max(1, default_threads() // count)
    alone = replace(request, runtime=replace(request.runtime, threads=threads))
    found = estimate_run(alone, replace(target, spread=None, resume=False), report)
    return replace(found, seconds=found.once_seconds + (found.seconds - found.once_seconds) / count)


def _files(request: Request, blocks: Blocks) -> int:
    """Return how many files the voxels of one image are in."""
    each, (times, channels) = request.file_shape or CHUNK_GRID, request.output_shape[:2]
    levels = resolutions_of(request.dense_template(), request.output_shape)
    return times * channels * sum(_count(level.stack_shape, each) for level in levels)


def _count(shape: Sequence[int], size: Sequence[int]) -> int:
    return math.prod(math.ceil(n / step) for n, step in zip(shape, size, strict=True))


def _read_bytes(request: Request, blocks: Blocks) -> int:
    """Return what all blocks of the finest resolution read, from some of them."""
    some = range(0, blocks.count(0), max(1, blocks.count(0) // 200))
    mean = float(np.mean([len(blocks[n].channels) * _seen(request, blocks[n]) for n in some]))
    return int(mean * blocks.count(0)) * request.dataset.voxels.dtype.itemsize


def _seen(request: Request, block: Block) -> int:
    """Return how many voxels of the input, of one channel, a block is made of."""
    region = needed_region(request, request.dataset.stack(), region_of(block, request.spec.enlarges))
    return math.prod(each.stop - each.start for each in region)


def _worker_bytes(request: Request, block: Block, images: int) -> int:
    channels, stored = len(block.channels), request.dataset.voxels.dtype.itemsize
    held = block_bytes(request, block, images) + _seen(request, block) * channels * stored
    memory = memory_for_blocks(request, held)
    largest = largest_tile(request, None, region_of(block, request.spec.enlarges), memory.room)
    return int(memory.held + largest * memory.bytes_per_voxel)
