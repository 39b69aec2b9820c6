"""Identifiers counted 0, 1, 2 ..., whatever type holds them."""

import numpy as np
import pytest

from napari_depth_interp.metrics.identifiers import counted


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "i8", "u8"])
def test_all_types_are_counted_alike(dtype):
    first, second = np.array([[0, 7], [200, 7]], dtype), np.array([9, 0, 200], dtype)
    names, numbers = counted(first, second)
    assert names.tolist() == [0, 7, 9, 200]
    assert [each.tolist() for each in numbers] == [[[0, 1], [3, 1]], [2, 0, 3]]
    assert names.dtype == first.dtype
    assert {each.dtype for each in numbers} == {np.dtype(np.int32)}


def test_background_comes_first_beside_negative_ones_and_where_there_is_none():
    assert counted(np.array([-3, 5, 0]))[0].tolist() == [0, -3, 5]
    names, [numbers] = counted(np.array([65535, 1], np.uint16))
    assert (names.tolist(), numbers.tolist()) == ([0, 1, 65535], [2, 1])


@pytest.mark.parametrize("dtype", ["u1", "i8"])
def test_nothing_at_all(dtype):
    names, [numbers] = counted(np.zeros((0, 4), dtype))
    assert names.tolist() == [0]
    assert numbers.shape == (0, 4)
