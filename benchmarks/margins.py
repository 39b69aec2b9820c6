"""How much of a large volume is computed anew in the margins of tiles, by method and limit of the memory.

Nothing is computed but the division into blocks and tiles, of all blocks; the volume has no voxels.

Run: python benchmarks/margins.py [--side N] [--sections N] [--limits 8GB none ...] [--methods M ...]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any
from unittest.mock import patch

import numpy as np

from _tools import markdown_table
from napari_depth_interp.run import memory, tiling
from napari_depth_interp.run.block_making import block_bytes, blocks_of, memory_for_blocks, region_of
from napari_depth_interp.run.memory import memory_of
from napari_depth_interp.run.request import Request, resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.run.tiling import Room, Tile, tiles
from napari_depth_interp.stack import Dataset, Grid

FACTOR, THREADS = 4, 2
BEGUN, FREE = 500 * 10**6, 20 * 10**9
"""Bytes of a process that has just begun, and what is free where no limit is given."""
HEADER = ("limit", "method", "block", "tile", "memory GB", "each margin", "mean", "tiles only", "mean")


def request_of(sections: int, side: int, method: str, limit: str | None) -> Request:
    """Return a request for a volume without voxels."""
    voxels: Any = np.broadcast_to(np.zeros((), np.uint16), (1, 1, sections, side, side))
    grid = Grid(np.arange(sections, dtype=np.float64) * FACTOR, (1.0, 1.0), "um")
    return resolve(Dataset(voxels, grid), make_settings(method=method, factor=FACTOR, memory=limit, threads=THREADS))


def in_blocks(request: Request) -> tuple[Room, list[Tile], float]:
    """Return the room of tiles, the tiles of all blocks, and the bytes that a process takes."""
    blocks = blocks_of(request)
    division = memory_for_blocks(request, block_bytes(request, blocks[0], 1))
    regions = [region_of(blocks[number], 1) for number in range(blocks.count(0))]
    stack = request.dataset.stack()
    jobs = [each for region in regions for each in tiles(request, stack, None, region, division.room)]
    largest = max(tiling.largest_tile(request, None, region, division.room) for region in regions[:4])
    return division.room, jobs, division.held + largest * division.bytes_per_voxel


def rows(sections: int, side: int, methods: Sequence[str], limits: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the lines of the table; of a mixture, how much is computed for each of its methods."""
    for limit in limits:
        for method in methods:
            request = request_of(sections, side, method, None if limit == "none" else limit)
            _, jobs, taken = in_blocks(request)
            alone = list(tiles(request, request.dataset.stack(), None, None, memory_of(request).room))
            both = [tiling.margins_of(request, each) for each in (jobs, alone)]
            words = [part for each in both for part in (" ".join(f"{n:.2f}" for n in each), f"{np.mean(each):.2f}")]
            yield (limit, method, _size(blocks_of(request).finest), _tile(jobs), f"{taken / 1e9:.1f}", *words)


def _tile(jobs: Sequence[Tile]) -> str:
    parts = max(((each.span, each.rows, each.columns) for each in jobs), key=_voxels)
    return _size([part.stop - part.start for part in parts])


def _voxels(parts: Sequence[slice]) -> int:
    return int(np.prod([part.stop - part.start for part in parts]))


def _size(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--side", type=int, default=2048, help="rows and columns; default 2048")
    parser.add_argument("--sections", type=int, default=500, help="observed sections; default 500")
    parser.add_argument("--limits", nargs="+", default=["2GB", "4GB", "8GB", "16GB", "none"], help="of the memory")
    parser.add_argument("--methods", nargs="+", default=["auto", "section_sr", "flow"], help="default: %(default)s")
    args = parser.parse_args()
    print(f"{args.sections} sections of {args.side} x {args.side}, uint16, factor {FACTOR}, {THREADS} threads\n")
    with (
        patch.object(memory, "resident_memory", return_value=BEGUN),
        patch.object(memory, "free_memory", return_value=FREE),
    ):
        print(markdown_table(HEADER, list(rows(args.sections, args.side, args.methods, args.limits))))


if __name__ == "__main__":
    main()
