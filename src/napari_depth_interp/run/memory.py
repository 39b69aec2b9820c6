"""How a run divides the memory that it may take: what it learns from, the tiles at once, the rest.

Whatever a run holds is counted before it begins: what the process has already or will load, the input where a method
needs it whole, the result where it is not streamed. What is left is for learning first, and for tiles afterwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import TooLargeError
from ..method import working_dtype
from ..stack.lazy import is_lazy
from ..system.amounts import size_in_words
from ..system.memory import free_memory, resident_memory
from .request import Request
from .tiling import Chunks, Region, Room, largest_tile, usual_room

LEARNED_FROM = 2**26
"""Voxels of a stack that is learned from as a whole, where the memory allows it; of larger ones, blocks."""
DRAWN = 2**25
"""Voxels of these blocks together."""
WRITING_BYTES = 150 * 10**6
"""What writing takes beside the tiles: chunks on their way through the compressor."""
PLAIN_BYTES, _TORCH_BYTES = 250 * 10**6, 900 * 10**6
"""What a process takes with the libraries of a method that trains nothing; of one that does, with its network, too."""
_STEP = 2**28
"""Bytes in which the memory that a process has already is counted: sizes of tiles shall not vary with every run."""
_FREE = 0.9
"""Share of the free memory that is used where no limit is given."""
_LEARNING_FLOATS = 6.0
"""Floats for each voxel that is learned from: copies while the images are scaled and their noise is measured."""
_FEWEST_LEARNED = 2**20
_MOST = 4
"""How many times larger than usual tiles become at most where more memory is given: the margins cost little then."""


@dataclass(frozen=True)
class Memory:
    """How the memory of a run is divided.

    Attributes
    ----------
    limit : int
        Bytes that the process may take.
    held : int
        Bytes that it takes whatever the tiles are.
    tiles : int
        Voxels, as floats, of all tiles that are computed at once.
    learned_from, drawn : int
        Voxels of a stack that is learned from as a whole, and of the blocks of a larger one.
    bytes_per_voxel : float
        What a tile takes for each of its voxels.
    beside : int
        Sections that a tile counts beside its own, for what a method holds whatever the tile's depth.
    rounding : int
        Bytes that are held only because what the process has already is counted in large steps.
    """

    limit: int
    held: int
    tiles: int
    learned_from: int
    drawn: int
    bytes_per_voxel: float
    beside: int = 0
    rounding: int = 0

    @property
    def room(self) -> Room:
        """What tiles are divided by."""
        return Room(self.tiles, self.beside)

    @property
    def left(self) -> int:
        """Bytes that are left for tiles."""
        return self.limit - self.held


def memory_of(request: Request, held: int = 0) -> Memory:
    """Divide the memory of a run.

    Parameters
    ----------
    request : Request
        Its ``memory`` is the limit; where there is none, what is free.
    held : int
        Bytes of the result, if it is made in memory.
    """
    already, libraries = resident_memory(), _TORCH_BYTES if request.spec.training is not None else PLAIN_BYTES
    base = max(libraries, math.ceil(already / _STEP) * _STEP)
    limit = request.memory or base + int(_FREE * free_memory())
    held += base + input_bytes(request)
    left = max(0, limit - held)
    per_voxel = np.dtype(working_dtype(request.dataset.voxels.dtype)).itemsize * request.spec.floats(request.config)
    room = usual_room(request)
    usual = room.voxels * (request.runtime.threads if request.spec.tiling.parallel else 1)
    most = int(left / per_voxel / _together(request))
    tiles = min(_MOST * usual if request.memory is not None and request.tile_halo else usual, most)
    cost = request.spec.training_cost
    learned = int(left / 4 / (_LEARNING_FLOATS if cost is None else max(_LEARNING_FLOATS, cost.floats)))
    learned = max(_FEWEST_LEARNED, learned // _together(request))
    return Memory(
        limit,
        held,
        max(1, tiles),
        min(LEARNED_FROM, learned),
        min(DRAWN, learned // 2),
        per_voxel * _together(request),
        room.beside,
        base - max(libraries, already),
    )


def check_memory(
    request: Request, memory: Memory, chunk_grid: Chunks | None = None, within: Region | None = None
) -> None:
    """Refuse a run that would not keep to the memory that it was given.

    Raises
    ------
    TooLargeError
        With what is needed.
    """
    if request.memory is None:
        return
    largest = largest_tile(request, chunk_grid, within, memory.room)
    needed = memory.held - memory.rounding + int(largest * memory.bytes_per_voxel)
    if needed > memory.limit:
        raise TooLargeError(
            f"{request.spec.name} on this stack needs {size_in_words(needed)} of memory, and --memory gives it "
            f"{size_in_words(memory.limit)}; give it more, write to .ome.zarr, or crop the stack"
        )


def input_bytes(request: Request) -> int:
    """Return what of the input is read into memory, beside tiles and what is learned from."""
    voxels, spec = request.dataset.stack().voxels, request.spec
    needed = 0
    if is_lazy(voxels) and not spec.takes_lazy(request.config):
        needed += voxels.nbytes * _together(request)
    if request.fill_nan and voxels.dtype.kind == "f":
        needed += 2 * voxels.nbytes
    if request.align is not None and not is_lazy(voxels):  # the sections as they are moved
        needed += request.dataset.voxels.nbytes
    return needed


def _together(request: Request) -> int:
    """Return how many channels are made at once."""
    return request.dataset.voxels.shape[1] if request.shares_fit else 1
