"""What several metrics share: valid voxels, Otsu masks."""

import warnings

import numpy as np
import pytest

from napari_depth_interp.metrics import Comparison, above_otsu


def otsu_by_hand(values):
    """Return the largest value of the lower class: the cut with the largest variance between the classes."""
    levels = np.unique(values)
    best, cut = -1.0, None
    for level in levels[:-1]:
        low, high = values[values <= level], values[values > level]
        between = low.size * high.size * (low.mean() - high.mean()) ** 2
        if between > best:
            best, cut = between, level
    return cut


@pytest.mark.parametrize("seed", range(5))
def test_otsu_of_integers_is_the_cut_of_largest_variance_between(seed):
    rng = np.random.default_rng(seed)
    image = np.where(rng.random((30, 30)) < 0.3, rng.normal(150, 20, (30, 30)), rng.normal(50, 15, (30, 30)))
    image = image.clip(0, 255).astype(np.uint8)
    np.testing.assert_array_equal(above_otsu(image), image > otsu_by_hand(image.ravel()))


def test_one_threshold_for_a_whole_volume():
    volume = np.zeros((2, 4, 4), np.uint8)
    volume[0, 0] = 100
    volume[1, 0] = 10  # an object by its own section's threshold, background by the volume's
    assert above_otsu(volume)[0, 0].all()
    assert not above_otsu(volume)[1].any()
    assert above_otsu(volume[1])[0].all()


@pytest.mark.parametrize("image", [np.zeros((3, 3)), np.full((3, 3), 7, np.uint8), np.full((2, 2), np.nan)])
def test_a_constant_image_has_no_objects(image):
    assert not above_otsu(image).any()


def test_voxels_that_are_not_a_number_are_no_objects_and_do_not_move_the_threshold():
    image = np.array([[0.0, 0.0, 1.0, 1.0]])
    holed = np.array([[0.0, np.nan, 0.0, 1.0, 1.0, np.inf]])
    np.testing.assert_array_equal(above_otsu(image), [[False, False, True, True]])
    np.testing.assert_array_equal(above_otsu(holed)[0, :5], [False, False, False, True, True])


@pytest.mark.parametrize(
    "image", [np.float32([[100, 100.00001]]), np.array([[0, 5e-324]]), np.array([[1e16, 1e16 + 2]])]
)
def test_a_range_of_one_rounding_error_has_a_threshold(image):
    np.testing.assert_array_equal(above_otsu(image), [[False, True]])


@pytest.mark.parametrize("dtype", [np.uint32, np.int64])
def test_a_wide_range_of_integers_needs_little_memory(dtype):
    image = np.array([[0, 1, 2**32 - 2, 2**32 - 1]], dtype)
    np.testing.assert_array_equal(above_otsu(image), [[False, False, True, True]])


def test_a_narrow_volume_is_not_taken_for_a_colour_image():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert above_otsu(np.arange(60, dtype=np.uint8).reshape(5, 4, 3)).any()


def test_valid_is_where_both_images_hold_numbers():
    reference = np.array([[1.0, np.nan, 1.0, np.inf]])
    test = np.array([[1.0, 1.0, np.nan, 1.0]])
    pair = Comparison(reference, test, (-5.0, 15.0), np.ones((1, 4), bool))
    assert pair.valid.tolist() == [[True, False, False, False]]
    assert pair.peak == 20
    assert Comparison(np.ones((2, 2), int), np.ones((2, 2), int), (0, 1), np.ones((2, 2), bool)).valid.all()
