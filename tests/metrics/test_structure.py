"""SSIM and MS-SSIM against torchmetrics and from scratch, objects by counting, boundaries by a loop."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from napari_depth_interp.metrics import Comparison, score_section
from napari_depth_interp.metrics.structure import bias_of, boundary_mae, dice, dice_of, ms_ssim, ssim, volume_bias

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


def as_batch(image):
    return torch.from_numpy(image.astype(np.float64))[None, None]


def blurred(shape, scale=1.0, noise=0.1):
    """Return an image, and the same with noise."""
    reference = gaussian_filter(RNG.random(shape), 2) * scale
    return reference, reference + RNG.normal(0, noise * scale, shape)


def torchmetrics_ssim(reference, test, peak):
    """Return SSIM and its contrast part where the window fits: torchmetrics' mean also takes the reflected border."""
    from torchmetrics.functional.image import structural_similarity_index_measure  # two seconds for every process

    options = {"kernel_size": 11, "sigma": 1.5, "data_range": peak}
    _, full = structural_similarity_index_measure(test, reference, return_full_image=True, **options)
    _, contrast = structural_similarity_index_measure(test, reference, return_contrast_sensitivity=True, **options)
    return float(full[..., 5:-5, 5:-5].mean()), float(contrast)


@pytest.mark.parametrize(("shape", "scale"), [((48, 32), 1.0), ((21, 40), 4000.0)])
def test_ssim_equals_torchmetrics_and_scikit_image(shape, scale):
    reference, test = blurred(shape, scale)
    pair = compare(reference, test, (0.0, 0.7 * scale))
    ours = ssim(pair, everywhere(pair))
    theirs, _ = torchmetrics_ssim(as_batch(reference), as_batch(test), 0.7 * scale)
    assert ours == pytest.approx(theirs, abs=1e-6)
    options = {"gaussian_weights": True, "use_sample_covariance": False, "data_range": 0.7 * scale}
    assert ours == pytest.approx(structural_similarity(reference, test, **options), abs=1e-9)


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


MANY_SIZES = [(11, 1), (21, 1), (22, 2), (43, 2), (44, 3), (88, 4), (175, 4), (176, 5), (177, 5), (259, 5)]


@pytest.mark.parametrize(("size", "scales"), MANY_SIZES)
@pytest.mark.parametrize("noise", [0.02, 0.3])
def test_ms_ssim_equals_torchmetrics_scale_by_scale(size, scales, noise):
    reference, test = blurred((size, size + 30), 300.0, noise)
    pair = compare(reference, test, (0.0, 250.0))
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333][:scales])
    theirs, a, b = 1.0, as_batch(reference), as_batch(test)
    for number, weight in enumerate(weights / weights.sum()):
        full, contrast = torchmetrics_ssim(a, b, 250.0)
        theirs *= max(full if number == scales - 1 else contrast, 0.0) ** weight
        a, b = (torch.nn.functional.avg_pool2d(each, 2) for each in (a, b))
    assert ms_ssim(pair, everywhere(pair)) == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("noise", [0.02, 0.3])
def test_ms_ssim_is_near_that_of_torchmetrics_as_a_whole(noise):
    """Its coarsest scale also takes the reflected border, which matters less the larger the image is."""
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    reference, test = blurred((400, 480), 1.0, noise)
    pair = compare(reference, test)
    theirs = multiscale_structural_similarity_index_measure(
        as_batch(test), as_batch(reference), kernel_size=11, sigma=1.5, data_range=1.0, normalize="relu"
    )
    assert ms_ssim(pair, everywhere(pair)) == pytest.approx(float(theirs), abs=0.01)


@pytest.mark.parametrize("size", [11, 60, 180])
def test_ms_ssim_of_identical_images_is_one(size):
    image = RNG.random((size, size))
    pair = compare(image, image)
    assert ms_ssim(pair, everywhere(pair)) == pytest.approx(1)


def test_ms_ssim_of_the_foreground():
    reference, test = blurred((90, 240))
    test[:, :130] = reference[:, :130]  # windows around columns under 80 end before, at all four scales
    pair = compare(reference, test)
    scores = score_section(pair)
    assert scores["ms_ssim_fg"] == scores["ms_ssim"]  # a mask of all ones
    left, right = everywhere(pair), everywhere(pair)
    left[:, 80:] = False
    right[:, :160] = False
    assert ms_ssim(pair, left) == pytest.approx(1)
    assert ms_ssim(pair, right) < scores["ms_ssim"]
    border = everywhere(pair)
    border[5:-5, 5:-5] = False
    assert ms_ssim(pair, border) is None
    assert ms_ssim(pair, ~everywhere(pair)) is None


def test_ms_ssim_of_opposite_images_is_not_negative():
    image = RNG.random((64, 64))
    pair = compare(image, 1 - image)
    assert ms_ssim(pair, everywhere(pair)) == 0
    tiny = compare(RNG.random((10, 300)), RNG.random((10, 300)))
    assert ms_ssim(tiny, everywhere(tiny)) is None


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


def test_volume_bias_by_counting():
    reference, test = np.zeros((2, 6, 6))
    reference[0, :4] = 10  # 4 voxels
    test[0, 1:5] = test[1, :2] = 7  # 6 voxels
    pair = compare(reference, test)
    assert volume_bias(pair, everywhere(pair)) == 0.5
    assert volume_bias(compare(test, reference), everywhere(pair)) == pytest.approx(-1 / 3)
    first_row = np.zeros((6, 6), bool)
    first_row[0] = True
    assert volume_bias(pair, first_row) == 0
    assert volume_bias(pair, ~first_row) is None  # the truth has no object there
    assert bias_of(0, 4) == -1


def boundary_error_by_a_loop(pair, reach):
    """Mean absolute error of the voxels with one of the other kind within ``reach`` pixels."""
    errors = []
    for y, x in np.ndindex(pair.reference.shape):
        others = np.argwhere(pair.foreground != pair.foreground[y, x])
        if np.sqrt(((others - [y, x]) ** 2).sum(axis=1)).min() <= reach:
            errors.append(((y, x), abs(pair.reference[y, x] - pair.test[y, x])))
    return errors


def test_the_boundary_error_equals_a_loop_over_all_distances():
    reference, test = blurred((30, 26), 100.0)
    pair = Comparison(reference, test, (0, 100), gaussian_filter(RNG.random((30, 26)), 2) > 0.5)
    assert 0.1 < pair.foreground.mean() < 0.9
    errors = boundary_error_by_a_loop(pair, 2)
    assert len(errors) < pair.reference.size
    assert boundary_mae(pair, everywhere(pair)) == pytest.approx(np.mean([error for _, error in errors]))
    inside = [error for where, error in errors if pair.foreground[where]]
    assert score_section(pair)["boundary_mae_fg"] == pytest.approx(np.mean(inside))


@pytest.mark.parametrize("foreground", [np.zeros((8, 8), bool), np.ones((8, 8), bool)])
def test_a_section_without_boundary_has_no_boundary_error(foreground):
    pair = Comparison(np.zeros((8, 8)), np.ones((8, 8)), (0, 1), foreground)
    assert boundary_mae(pair, everywhere(pair)) is None


def test_the_boundary_error_of_integers_does_not_wrap():
    foreground = np.arange(8) < 4
    pair = Comparison(np.full((1, 8), 3, np.uint8), np.full((1, 8), 5, np.uint8), (0, 255), foreground[None])
    assert boundary_mae(pair, everywhere(pair)) == 2
