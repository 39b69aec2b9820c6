"""Which part of an image is meant, and where it lies."""

import numpy as np
import pytest

from napari_depth_interp.errors import RequestError
from napari_depth_interp.stack import Dataset
from napari_depth_interp.stack.lazy import LazyVoxels, is_lazy
from napari_depth_interp.stack.part import crop_text, part_of

SHAPE = (4, 2, 5, 30, 40)


@pytest.mark.parametrize(
    ("crop", "times", "expected"),
    [
        (None, None, ((0, 4), (0, 30), (0, 40))),
        ("3:9,10:20", None, ((0, 4), (3, 9), (10, 20))),
        (":9 , 10:", None, ((0, 4), (0, 9), (10, 40))),
        (":,:", "2", ((2, 3), (0, 30), (0, 40))),
        (None, " 1: ", ((1, 4), (0, 30), (0, 40))),
    ],
)
def test_what_is_written_is_what_is_taken(crop, times, expected):
    part = part_of(SHAPE, crop, times)
    assert tuple((each.start, each.stop) for each in part) == expected
    assert part_of(SHAPE, crop_text(*part[1:]), None)[1:] == part[1:]


@pytest.mark.parametrize(
    ("crop", "times", "message"),
    [
        ("3:9", None, "the crop '3:9' is not known; give rows and columns"),
        ("", None, "the crop '' is not known"),
        ("3,9", None, "the crop '3,9' is not known"),
        ("-3:9,:", None, "the crop '-3:9,:' is not known"),
        ("1:2,3:4,5:6", None, "is not known"),
        ("5:5,:", None, "rows 5 to 5 .* the image has rows 0 to 30; correct --crop"),
        (":31,:", None, "rows 0 to 31 .* the image has rows 0 to 30"),
        (":,50:", None, "columns 50 to 40 .* the image has columns 0 to 40"),
        (None, "4", "time points 4 to 5 .* the image has time points 0 to 4; correct --times"),
        (None, "last", "the time points 'last' are not known; count them from 0"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_one_line(crop, times, message):
    with pytest.raises(RequestError, match=message) as caught:
        part_of(SHAPE, crop, times)
    assert "\n" not in str(caught.value)


def test_a_part_stays_where_it_was():
    voxels = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    whole = Dataset.from_array(voxels, axes="TCZYX", z_spacing=2, pixel_size=(0.5, 0.25), unit="um")
    part = whole.part(slice(1, 3), slice(3, 9), slice(10, 20))
    np.testing.assert_array_equal(part.voxels, voxels[1:3, :, :, 3:9, 10:20])
    assert part.grid.origin == (1.5, 2.5)
    assert part.axes == "TCZYX"
    assert part.part(slice(0, 1), slice(1, 2), slice(0, 4)).axes == "CZYX"
    assert part.part(slice(0, 1), slice(1, 2), slice(0, 4)).grid.origin == (2.0, 2.5)


def test_of_lazy_voxels_only_the_part_is_read():
    class File:
        shape, dtype, read = SHAPE, np.dtype(np.uint8), []

        def __getitem__(self, key):
            self.read.append(key)
            return np.zeros(SHAPE, np.uint8)[key]

    file = File()
    whole = Dataset.from_array(np.zeros(SHAPE, np.uint8), axes="TCZYX", z_spacing=2)
    part = Dataset(LazyVoxels(file), whole.grid, axes="TCZYX").part(slice(1, 2), slice(3, 9), slice(10, 20))
    assert is_lazy(part.voxels)
    assert not file.read
    assert part.voxels[0, 0, 0].shape == (6, 10)
    assert file.read == [(1, 0, 0, slice(3, 9, 1), slice(10, 20, 1))]
