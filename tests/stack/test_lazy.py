"""Lazy voxels behave as the array that they stand for."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_depth_interp.errors import TooLargeError
from napari_depth_interp.stack import lazy as lazy_room
from napari_depth_interp.stack.lazy import LazyVoxels, is_lazy, known_by, planes_of, signature, some_sections
from napari_depth_interp.system import memory as resources

VOXELS = np.arange(2 * 3 * 5 * 6 * 7, dtype=">u2").reshape(2, 3, 5, 6, 7)


class Watched:
    """A source that remembers how much was read of it."""

    def __init__(self, voxels, chunks=None):
        self.voxels, self.shape, self.dtype, self.read = voxels, voxels.shape, voxels.dtype, []
        if chunks:
            self.chunks = chunks

    def __getitem__(self, key):
        self.read.append(self.voxels[key].size)
        return self.voxels[key]


def lazy(axes=(0, 1, 2, 3, 4)):
    return LazyVoxels(Watched(VOXELS), axes)


def index(size):
    steps = st.sampled_from([None, 1, 2, -1, -2])
    bounds = st.none() | st.integers(-size - 1, size + 1)
    slices = st.builds(slice, bounds, bounds, steps)
    return st.integers(-size, size - 1) | slices if size else slices


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_views_of_views_are_those_of_the_array(data):
    order = data.draw(st.sampled_from([(0, 1, 2, 3, 4), (1, 0, 2, 3, 4), (2, 4, 3, 0, 1)]))
    found, expected = lazy(order), VOXELS.transpose(order)
    for _ in range(2):
        key = tuple(data.draw(index(size)) for size in expected.shape[: data.draw(st.integers(0, expected.ndim))])
        found, expected = found[key], expected[key]
        assert np.shape(found) == expected.shape
        np.testing.assert_array_equal(np.asarray(found), expected)
        if not is_lazy(found):
            break


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_some_sections_are_those_of_the_array(data):
    chosen = np.array(sorted(data.draw(st.sets(st.integers(0, 4), min_size=1))))
    found, expected = some_sections(lazy(), chosen), VOXELS[:, :, chosen]
    assert is_lazy(found)
    assert found.shape == expected.shape
    key = tuple(data.draw(index(size)) for size in expected.shape[: data.draw(st.integers(0, 5))])
    np.testing.assert_array_equal(np.asarray(found[key]), expected[key])
    np.testing.assert_array_equal(some_sections(VOXELS, chosen), expected)
    again = np.arange(0, len(chosen), 2)
    np.testing.assert_array_equal(np.asarray(some_sections(found, again)), expected[:, :, again])
    for plane, true in zip(planes_of(found), planes_of(expected), strict=True):
        np.testing.assert_array_equal(plane, true)


def test_of_sections_that_are_left_out_nothing_is_read():
    source = Watched(VOXELS)
    np.asarray(some_sections(LazyVoxels(source), np.array([0, 1, 4]))[0, 0])
    assert source.read == [2 * 42, 42]


def test_nothing_is_read_before_a_plane_is_asked_for():
    source = Watched(VOXELS)
    view = LazyVoxels(source)[1, :2, 1:4]
    assert (view.shape, view.ndim, view.size, view.nbytes, len(view)) == ((2, 3, 6, 7), 4, 252, 504, 2)
    assert source.read == []
    np.testing.assert_array_equal(view[0, 1], VOXELS[1, 0, 2])
    assert source.read == [42]


def test_new_axes_have_length_one():
    view = LazyVoxels(Watched(VOXELS[0, 0]), (None, None, 0, 1, 2))
    np.testing.assert_array_equal(np.asarray(view), VOXELS[:1, :1])
    np.testing.assert_array_equal(np.asarray(view[0]), VOXELS[0, :1])
    np.testing.assert_array_equal(view[0, 0, 3], VOXELS[0, 0, 3])
    assert view[..., 2].shape == (1, 1, 5, 6)
    with pytest.raises(IndexError, match="cannot be emptied"):
        view[1:]


def test_numbers_are_in_the_byte_order_of_this_machine():
    assert lazy().dtype == np.dtype("uint16").newbyteorder("=")
    assert np.asarray(lazy()).dtype.isnative


def test_whole_arrays():
    for found, expected in (
        (lazy()[0, 0].astype(float), VOXELS[0, 0].astype(float)),
        (lazy()[:, :, [3, 1]], VOXELS[:, :, [3, 1]]),
        (lazy()[0, 0][VOXELS[0, 0] > 9], VOXELS[0, 0][VOXELS[0, 0] > 9]),
        (lazy().reshape(6, -1), VOXELS.reshape(6, -1)),
        (lazy().transpose(4, 3, 2, 1, 0), VOXELS.T),
        (lazy()[0, 0].copy(), VOXELS[0, 0]),
        (np.stack(list(lazy()[0, 0])), VOXELS[0, 0]),
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("chunks", [None, (1, 1, 4, 3, 3), ((1, 1), (3,), (2, 3), (6,), (7,))])
def test_planes_in_their_order_and_extremes_with_one_reading(chunks):
    source = Watched(VOXELS, chunks)
    view = LazyVoxels(source)
    for plane, place in itertools.zip_longest(planes_of(view), np.ndindex(2, 3, 5)):
        np.testing.assert_array_equal(plane, VOXELS[place])
    assert sum(source.read) == VOXELS.size
    assert len(source.read) == {None: 30, (1, 1, 4, 3, 3): 12}.get(chunks, 12)
    source.read.clear()
    assert (view.min(), view.max()) == (0, VOXELS.size - 1)
    assert sum(source.read) == VOXELS.size


def test_nan_is_an_extreme_as_in_an_array():
    voxels = VOXELS[0].astype(float)
    voxels[1, 2, 3, 4] = np.nan
    view = LazyVoxels(Watched(voxels))
    assert np.isnan(view.min())
    assert np.isnan(view.max())


def test_too_much_for_the_memory_is_said_before_it_is_read(monkeypatch):
    source = Watched(np.broadcast_to(np.uint8(0), (1, 1, 300, 1000, 1000)))
    monkeypatch.setattr(resources, "_free_memory", lambda: 10**8)
    with pytest.raises(TooLargeError, match=r"1 x 1 x 300 x 1000 x 1000 voxels needs 300 MB"):
        np.asarray(LazyVoxels(source))
    assert source.read == []


def test_large_voxels_are_known_by_a_sample(monkeypatch):
    """Parts of some planes are read, the same ones everywhere; other voxels are told from them."""
    voxels = np.random.default_rng(0).integers(0, 9, (1, 1, 200, 300, 400)).astype(np.uint8)
    found = LazyVoxels(Watched(voxels))
    assert known_by(found) == {"sha256": signature(voxels)}
    monkeypatch.setattr(lazy_room, "HASHED_BYTES", 2**20)
    found._source.read.clear()
    assert known_by(found) == known_by(LazyVoxels(Watched(voxels)))
    assert sum(found._source.read) == 64 * 256 * 256
    assert known_by(LazyVoxels(Watched(voxels + 1))) != known_by(found)
    assert known_by(voxels) == {"sha256": signature(voxels)}  # in memory all are there
