"""Red, green and blue as channels of one image."""

import numpy as np
import pytest

from napari_depth_interp.errors import InputError
from napari_depth_interp.stack import Dataset
from napari_depth_interp.stack.colours import luminance


def colours(shape=(3, 4, 5, 3), dtype="uint8"):
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


def test_s_names_the_colours_and_they_become_channels():
    array = colours()
    dataset = Dataset.from_array(array, axes="ZYXS", z_spacing=2.0)
    assert dataset.rgb
    assert dataset.channel_names == ("red", "green", "blue")
    assert dataset.voxels.shape == (1, 3, 3, 4, 5)
    np.testing.assert_array_equal(dataset.voxels[0, 1], array[..., 1])


def test_a_colour_alone_is_no_colour_image():
    green = Dataset.from_array(colours(), axes="ZYXS").select_channel("green")
    assert not green.rgb
    assert green.axes == "ZYX"


def test_alpha_can_be_left_out():
    array = colours((3, 4, 5, 4))
    dataset = Dataset.from_array(array, axes="ZYXS")
    assert dataset.channel_names[3] == "alpha"
    without = dataset.without_alpha()
    assert without.channel_names == ("red", "green", "blue")
    np.testing.assert_array_equal(without.voxels[0, 2], array[..., 2])
    assert without.without_alpha() is without


@pytest.mark.parametrize("shape", [(3, 4, 5, 2), (3, 4, 5, 5)])
def test_other_numbers_of_samples_are_no_colours(shape):
    with pytest.raises(InputError, match="3 colours, or 4 with alpha"):
        Dataset.from_array(colours(shape), axes="ZYXS")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_luminance_is_that_of_bt_709_in_the_type_of_the_colours(dtype):
    red, green, blue = np.moveaxis(colours(dtype=dtype), -1, 0)
    found = luminance(red, green, blue)
    assert found.dtype == dtype
    expected = 0.2126 * red.astype(float) + 0.7152 * green + 0.0722 * blue
    np.testing.assert_allclose(found, expected, atol=0.5 if dtype.startswith("u") else 1e-4)
    assert luminance(*np.full((3, 1), 255, np.uint8)) == 255


def test_grey_is_the_luminance_and_leaves_others_alone():
    dataset = Dataset.from_array(colours(), axes="ZYXS", z_spacing=1.0)
    grey = dataset.grey()
    assert (grey.rgb, grey.axes, grey.voxels.shape, grey.channel_names) == (False, "ZYX", (1, 1, 3, 4, 5), ())
    np.testing.assert_array_equal(grey.voxels[0, 0], luminance(*dataset.voxels[0]))
    assert grey.grey() is grey
