"""Any integers become 0, 1, 2 ... and back."""

import numpy as np
import pytest

from napari_depth_interp.metrics.identifiers import counted


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int64])
def test_names_bring_the_identifiers_back(dtype):
    first, second = np.array([[7, 0], [3, 7]], dtype), np.array([100, 3], dtype)
    names, numbers = counted(first, second)
    assert names.tolist() == [0, 3, 7, 100]
    assert names.dtype == dtype
    for labels, found in zip((first, second), numbers, strict=True):
        assert found.shape == labels.shape
        np.testing.assert_array_equal(names[found], labels)


def test_background_is_first_where_it_is_missing_and_where_others_are_below_it():
    names, (numbers,) = counted(np.array([-5, 2]))
    assert names.tolist() == [0, -5, 2]
    assert numbers.tolist() == [1, 2]


def test_nothing_at_all():
    names, (numbers,) = counted(np.zeros((0, 4), np.uint16))
    assert names.tolist() == [0]
    assert numbers.shape == (0, 4)
