"""What memory a repair may take: what is more waits in files, and what cannot do with it is refused at once."""

from __future__ import annotations

from ..errors import TooLargeError
from ..io import LARGE_BYTES
from ..run.memory import PLAIN_BYTES
from ..stack import Dataset
from ..stack.lazy import is_lazy
from ..system.amounts import parse_size, size_in_words
from .settings import RepairSettings

_SHARE = 8
"""A result, or all sections that are made anew, may take one of so many parts of the memory; more waits in files."""
_FLOATS = 16
"""Floats for each pixel of a section: what is compared with it while damage is looked for, and while it is mended."""


def held_bytes(settings: RepairSettings) -> int:
    """Return how large a result may be to be held in memory."""
    return LARGE_BYTES if settings.memory is None else min(LARGE_BYTES, parse_size(settings.memory) // _SHARE)


def check_memory(dataset: Dataset, settings: RepairSettings) -> None:
    """Refuse a stack whose sections are too large for the memory that was given.

    Raises
    ------
    TooLargeError
        With what is needed.
    """
    if settings.memory is None:
        return
    voxels, given = dataset.voxels, parse_size(settings.memory)
    *_, rows, columns = voxels.shape
    needed = PLAIN_BYTES + _FLOATS * 4 * rows * columns + (0 if is_lazy(voxels) else voxels.nbytes)
    if needed > given:
        raise TooLargeError(
            f"to repair this stack takes {size_in_words(needed)} of memory, and --memory gives it "
            f"{size_in_words(given)}; give it more, or crop the stack"
        )
