"""MSE, RMSE, MAE, PSNR and the data range: by hand, and against scikit-image."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio

from napari_depth_interp.metrics import Comparison, data_range_of, score_section
from napari_depth_interp.metrics.intensity import psnr, psnr_of, rmse


def compare(reference, test, data_range=(0, 1), foreground=None):
    reference, test = np.asarray(reference), np.asarray(test)
    return Comparison(reference, test, data_range, np.ones(reference.shape, bool) if foreground is None else foreground)


def everywhere(pair):
    return np.ones(pair.reference.shape, bool)


def test_rmse_and_psnr_by_hand():
    pair = compare([[0.0, 3.0]], [[4.0, 0.0]], (0, 10))  # squared errors 16 and 9
    assert rmse(pair, everywhere(pair)) == pytest.approx(math.sqrt(12.5))
    assert psnr(pair, everywhere(pair)) == pytest.approx(10 * math.log10(100 / 12.5))


@pytest.mark.parametrize(("dtype", "scale"), [(np.uint8, 255), (np.uint16, 60000), (np.float32, 1), (np.float64, 1e-9)])
@pytest.mark.parametrize("suffix", ["", "_fg"])
def test_all_equal_plain_numpy_and_scikit_image(dtype, scale, suffix):
    rng = np.random.default_rng(1)
    reference, test = (rng.random((2, 13, 17)) * scale).astype(dtype)
    mask = rng.random((13, 17)) < 0.3
    scores = score_section(compare(reference, test, (0.1 * scale, 0.9 * scale), mask))
    a, b = (each[mask if suffix else ...].astype(float).ravel() for each in (reference, test))
    assert scores[f"mse{suffix}"] == pytest.approx(mean_squared_error(a, b))
    assert scores[f"rmse{suffix}"] == pytest.approx(math.sqrt(mean_squared_error(a, b)))
    assert scores[f"mae{suffix}"] == pytest.approx(np.abs(a - b).mean())
    assert scores[f"psnr{suffix}"] == pytest.approx(peak_signal_noise_ratio(a, b, data_range=0.8 * scale))


def test_only_the_chosen_voxels_count():
    pair = compare([[0.0, 3.0]], [[4.0, 0.0]], (0, 10))
    assert rmse(pair, np.array([[False, True]])) == 3
    assert rmse(pair, np.array([[False, False]])) is None
    assert psnr(pair, np.array([[False, False]])) is None


def test_unsigned_integers_do_not_wrap_round():
    pair = compare(np.array([[3]], np.uint8), np.array([[5]], np.uint8), (0, 255))
    assert rmse(pair, everywhere(pair)) == 2
    large = compare(np.array([[0]], np.uint32), np.array([[2**32 - 1]], np.uint32), (0, 1))
    assert rmse(large, everywhere(large)) == 2.0**32 - 1


def test_identical_images_have_no_psnr_rather_than_an_infinite_one():
    scores = score_section(compare(np.eye(20), np.eye(20)))
    assert scores["psnr"] is None
    assert scores["psnr_fg"] is None
    assert (scores["rmse"], scores["ssim"], scores["dice"]) == (0, pytest.approx(1), 1)


def test_voxels_that_are_not_a_number_are_left_out():
    pair = compare([[np.nan, 1.0, 2.0, 3.0]], [[1.0, np.nan, 2.5, 3.0]])
    assert score_section(pair)["rmse"] == pytest.approx(math.sqrt(0.25 / 2))
    nothing = compare([[np.nan]], [[1.0]])
    assert set(score_section(nothing).values()) == {None}


def test_foreground_scores_use_the_foreground_only():
    pair = compare([[0.0, 9.0, 9.0]], [[5.0, 8.0, 9.0]], foreground=np.array([[False, True, True]]))
    assert score_section(pair)["rmse_fg"] == pytest.approx(math.sqrt(1 / 2))
    assert score_section(pair)["rmse"] == pytest.approx(math.sqrt(26 / 3))


@given(st.floats(1e-12, 1e12), st.floats(1e-6, 1e6))
def test_psnr_is_ten_log_of_squared_range_over_error(error, peak):
    assert psnr_of(error, peak) == pytest.approx(10 * math.log10(peak**2 / error), abs=1e-9)


@pytest.mark.parametrize(("error", "peak"), [(5e-324, 1e160), (1.0, 1e-200), (1e300, 1e200)])
def test_psnr_of_extreme_values_stays_a_number(error, peak):
    assert math.isfinite(psnr_of(error, peak))


def test_the_data_range_is_the_percentiles_of_the_volume():
    volume = np.arange(1001.0).reshape(7, 11, 13)  # percentile p lies at 10 p
    assert data_range_of(volume) == pytest.approx((1.0, 999.0))
    with_holes = np.concatenate([volume.ravel(), [np.nan, np.inf, -np.inf]])
    assert data_range_of(with_holes) == pytest.approx((1.0, 999.0))
    assert data_range_of(volume.astype(np.uint16)) == pytest.approx((1.0, 999.0))
