"""SSIM against an implementation from scratch, Dice by counting."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_depth_interp.metrics import Comparison, score_section
from napari_depth_interp.metrics.structure import dice, dice_of, ssim

RNG = np.random.default_rng(5)


def compare(reference, test, data_range=(0.0, 1.0)):
    return Comparison(reference, test, data_range, np.ones(reference.shape, bool))


def everywhere(pair):
    return np.ones(pair.reference.shape, bool)


def ssim_from_scratch(a, b, peak):
    """Wang 2004: Gaussian weights 11 x 11, sigma 1.5; the mean of the places where the window fits."""
    a, b = a.astype(float), b.astype(float)

    def mean(image):
        return gaussian_filter(image, 1.5, radius=5)

    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    full = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    return full[5:-5, 5:-5].mean()


@pytest.mark.parametrize("shape", [(11, 11), (11, 30), (25, 17)])
@pytest.mark.parametrize(("scale", "dtype"), [(1.0, np.float32), (255, np.uint8), (4000, np.uint16)])
def test_ssim_equals_an_implementation_from_scratch(shape, scale, dtype):
    reference = (gaussian_filter(RNG.random(shape), 1) * scale).astype(dtype)
    test = np.clip(reference + RNG.normal(0, 0.1 * scale, shape), 0, scale).astype(dtype)
    pair = compare(reference, test, (0.0, scale * 0.8))
    assert ssim(pair, everywhere(pair)) == pytest.approx(ssim_from_scratch(reference, test, scale * 0.8), abs=1e-6)


@pytest.mark.parametrize(("a", "b", "data_range"), [(0.5, 0.6, (0, 1)), (100, 160, (50, 250)), (-3, 3, (-10, 10))])
def test_ssim_of_two_constant_images_has_a_closed_form(a, b, data_range):
    """Without variance only the luminance term stands."""
    pair = compare(np.full((15, 15), float(a)), np.full((15, 15), float(b)), data_range)
    c1 = (0.01 * (data_range[1] - data_range[0])) ** 2
    assert ssim(pair, everywhere(pair)) == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1))


@pytest.mark.parametrize("shape", [(10, 40), (40, 10), (1, 1)])
def test_images_smaller_than_the_window_have_no_ssim(shape):
    pair = compare(RNG.random(shape), RNG.random(shape))
    scores = score_section(pair)
    assert scores["ssim"] is None
    assert scores["ssim_fg"] is None
    assert scores["psnr"] is not None


def test_ssim_counts_only_the_chosen_voxels_inside_the_border():
    reference, test = RNG.random((2, 24, 24))
    pair = compare(reference, test)
    border = everywhere(pair)
    border[5:-5, 5:-5] = False
    assert ssim(pair, border) is None
    one = np.zeros((24, 24), bool)
    one[12, 12] = True
    assert ssim(pair, one) == pytest.approx(ssim_from_scratch(reference[7:18, 7:18], test[7:18, 7:18], 1.0))


def test_ssim_leaves_out_voxels_that_are_not_a_number():
    reference, test = RNG.random((2, 40, 40))
    far = np.zeros((40, 40), bool)
    far[:, :18] = True  # windows of these columns end before column 23
    full = compare(reference.copy(), test)
    reference[:, 25:] = np.nan
    holed = compare(reference, test)
    assert ssim(holed, far) == pytest.approx(ssim(full, far))
    assert np.isfinite(score_section(holed)["ssim"])


def test_dice_by_counting():
    reference = np.zeros((4, 5))
    reference[0, :4] = 10  # 4 voxels
    test = np.zeros((4, 5))
    test[0, 1:5] = test[1, :2] = 7  # 6 voxels, 3 of them shared
    pair = compare(reference, test)
    assert dice(pair, everywhere(pair)) == (2 * 3 + 1) / (4 + 6 + 1)


def test_dice_takes_each_image_above_its_own_threshold():
    image = RNG.random((20, 20))
    pair = compare(image, image * 0.25 + 7)
    assert dice(pair, everywhere(pair)) == pytest.approx(1, abs=0.01)


def test_dice_of_the_chosen_voxels_keeps_the_thresholds_of_the_whole_image():
    reference = np.array([[0.0, 0.0, 9.0, 9.0]])
    test = np.array([[0.0, 9.0, 9.0, 0.0]])
    pair = compare(reference, test)
    assert dice(pair, np.array([[False, False, True, True]])) == (2 * 1 + 1) / (2 + 1 + 1)
    assert dice(pair, np.zeros((1, 4), bool)) is None


def test_two_images_without_objects_agree():
    pair = compare(np.zeros((3, 3)), np.full((3, 3), 5.0))
    assert dice(pair, everywhere(pair)) == 1
    assert dice_of(0, 0) == 1
    assert dice_of(0, 9) == 0.1
