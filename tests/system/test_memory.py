"""Memory: watched, and refused before it runs out."""

import mmap
import threading
import time

import psutil
import pytest

from napari_depth_interp.errors import TooLargeError
from napari_depth_interp.system.memory import PeakMemory, check_fits, give_back, resident_memory


def test_peak_memory_sees_an_allocation_that_is_gone_at_the_end():
    with PeakMemory(interval=0.001) as memory:
        block = mmap.mmap(-1, 120_000_000)  # new pages: the C library may hold as much that is free
        for page in range(0, len(block), mmap.PAGESIZE):
            block[page] = 1
        time.sleep(0.2)
        block.close()
    after = resident_memory() / 1e6  # not what was there before: the system takes unused pages of libraries back
    assert after + 100 <= memory.peak_mb < after + 1000


def test_the_watching_thread_ends_also_after_an_error():
    with pytest.raises(ZeroDivisionError), PeakMemory():
        raise ZeroDivisionError
    assert "peak-memory" not in {thread.name for thread in threading.enumerate()}


def test_what_fits_passes():
    check_fits(1000, "a small result")


def test_what_does_not_fit_is_refused_with_both_sizes():
    needed = psutil.virtual_memory().total * 3
    with pytest.raises(TooLargeError, match=r"^the result needs [\d.]+ GB of memory and [\d.]+ GB is free; use a "):
        check_fits(needed, "the result")


def test_free_memory_goes_back_to_the_system():
    """Where the C library is none that keeps it nothing happens."""
    give_back()
