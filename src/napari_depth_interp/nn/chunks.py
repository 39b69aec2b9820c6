"""Work in chunks that fit into the memory of a device: as large as is free, smaller where that was too much."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from ..system.memory import free_memory

Found = TypeVar("Found")

_MEMORY_WORDS = ("can't allocate memory", "not enough memory")
"""What a CPU says."""
_SHARE = 1 / 16
"""Of a device's free memory for what one chunk is counted by: kernels hold several times as much."""
_FEWEST, _MOST = 48 * 2**20, 2 * 2**30
"""Bounds of that, in bytes: less leaves a GPU idle, more gains nothing."""


def chunk_bytes(device: torch.device, on_cpu: int) -> int:
    """Return how many bytes a chunk may take: ``on_cpu`` on a CPU, where caches decide, else by what is free."""
    if device.type == "cpu":
        return on_cpu
    return int(min(_MOST, max(_FEWEST, _SHARE * free_memory(str(device)))))


class Chunks:
    """How many things are computed at a time: it remembers what was too much.

    Parameters
    ----------
    size : int
        To begin with.
    """

    def __init__(self, size: int) -> None:
        self.size = max(1, size)

    def of(self, count: int, compute: Callable[[slice], Found]) -> Iterator[tuple[slice, Found]]:
        """Yield (some of them, what was computed) for ``count`` things.

        Where the memory does not suffice the chunk is halved and computed again, and so are all that follow.

        Parameters
        ----------
        count : int
        compute : callable slice -> result
            Must not have changed anything when it fails.

        Raises
        ------
        OutOfMemoryError
            If one thing alone does not fit.
        """
        start = 0
        while start < count:
            some = slice(start, min(count, start + self.size))
            failed = False
            try:
                found = compute(some)
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if some.stop - start == 1 or not is_out_of_memory(error):
                    raise
                failed = True
            if failed:  # out of the handler, which holds what the attempt had allocated
                self.size = (some.stop - start) // 2
                release()
                continue
            yield some, found
            start = some.stop


def in_chunks(count: int, size: int, compute: Callable[[slice], Found]) -> Iterator[tuple[slice, Found]]:
    """Yield (some of them, what was computed) for ``count`` things, ``size`` at a time or fewer: :class:`Chunks`."""
    return Chunks(size).of(count, compute)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether torch found too little memory, on a device or on the CPU."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in _MEMORY_WORDS)


def release() -> None:
    """Give unused memory of the device back, so that a smaller attempt finds it in one piece."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
