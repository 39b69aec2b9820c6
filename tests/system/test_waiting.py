"""Waiting for voxels: told after a while, broken off at once, and invisible where nobody is told."""

import threading
import time

import numpy as np
import pytest

from napari_depth_interp.progress import Cancelled
from napari_depth_interp.stack.lazy import LazyVoxels
from napari_depth_interp.system import waiting
from napari_depth_interp.system.waiting import asking, patiently, telling


class Held:
    """Voxels that come once they are let go."""

    shape, dtype = (3, 4, 5), np.dtype(np.uint8)

    def __init__(self):
        self.free, self.read_by = threading.Event(), []

    def __getitem__(self, key):
        self.read_by.append(threading.current_thread())
        with asking("example.org"):
            assert self.free.wait(20)
        return np.ones(self.shape, np.uint8)[key]


@pytest.fixture
def held():
    source = Held()
    yield source
    source.free.set()


def test_where_nobody_is_told_nothing_is_different(held):
    held.free.set()
    np.testing.assert_array_equal(LazyVoxels(held), np.ones(held.shape))
    assert held.read_by == [threading.current_thread()]


def test_it_is_said_who_is_waited_for(held, monkeypatch):
    monkeypatch.setattr(waiting, "_SILENT", 0.2)
    heard = []

    def tell(words):
        heard.append(words)
        if words:
            held.free.set()

    with telling(tell):
        assert np.asarray(LazyVoxels(held)).sum() == 60
    assert heard[0] == ""
    assert heard[-1] == "waiting for example.org"


def test_it_is_broken_off_at_once(held):
    def tell(_words):
        raise Cancelled

    begun = time.monotonic()
    with telling(tell), pytest.raises(Cancelled):
        np.asarray(LazyVoxels(held))
    assert time.monotonic() - begun < 5
    assert not held.free.is_set()


def test_errors_come_through():
    with telling(lambda _words: None), pytest.raises(ZeroDivisionError):
        patiently(lambda: 1 // 0)
