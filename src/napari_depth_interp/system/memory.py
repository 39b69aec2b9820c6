"""Memory: how much a run takes, and whether it fits."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType

from ..errors import TooLargeError
from .amounts import size_in_words

_MB = 1e6


class PeakMemory:
    """Context that watches the resident memory of this process; ``peak_mb`` is its largest value."""

    def __init__(self, interval: float = 0.02) -> None:
        import psutil

        self._process = psutil.Process()
        self._interval = interval
        self._done = threading.Event()
        self._peak = 0
        self._thread = threading.Thread(target=self._watch, name="peak-memory", daemon=True)

    def __enter__(self) -> PeakMemory:
        self._sample()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()
        self._sample()

    @property
    def peak_mb(self) -> float:
        return self._peak / _MB

    def _watch(self) -> None:
        while not self._done.wait(self._interval):
            self._sample()

    def _sample(self) -> None:
        self._peak = max(self._peak, self._process.memory_info().rss)


def give_back() -> None:
    """Give memory that is free already back to the system where the C library (glibc) would keep it for later."""
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    import ctypes

    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another system, or another C library
        return None
    return found


def check_fits(
    needed_bytes: int, what: str, advice: str = "use a smaller factor or one --channel, or crop the stack"
) -> None:
    """Raise a :class:`TooLargeError` with an advice if ``needed_bytes`` more do not fit into the free memory."""
    free = _free_memory()
    if needed_bytes > free:
        raise TooLargeError(
            f"{what} needs {size_in_words(needed_bytes)} of memory and {size_in_words(free)} is free; {advice}"
        )


def check_disk(needed_bytes: int, path: Path) -> None:
    """Raise a :class:`TooLargeError` if a file of ``needed_bytes`` does not fit onto the disk of ``path``."""
    folder = path.absolute().parent
    if not folder.is_dir():
        return  # whoever writes the file says so
    free = shutil.disk_usage(folder).free
    if needed_bytes > free:
        raise TooLargeError(
            f"'{path}' needs up to {size_in_words(needed_bytes)} and {size_in_words(free)} of the disk is free; "
            "free some space, choose another folder, or use a smaller factor"
        )


def resident_memory() -> int:
    """Return the memory of this process in bytes."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def free_memory(device: str = "cpu") -> int:
    """Return the free memory of a device in bytes, with what torch holds there in reserve."""
    if device == "cpu":
        return _free_memory()
    import torch

    module = torch.get_device_module(device)
    if not hasattr(module, "mem_get_info"):  # Apple's, which shares the memory of the machine
        return _free_memory() // 2
    free = int(module.mem_get_info(torch.device(device))[0])
    if hasattr(module, "memory_reserved"):
        free += int(module.memory_reserved(device)) - int(module.memory_allocated(device))
    return free


def _free_memory() -> int:
    import psutil

    return int(psutil.virtual_memory().available)
