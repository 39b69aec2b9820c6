"""Scores of a volume: the same as the direct computation on all sections at once."""

import math

import numpy as np
import pytest

from napari_depth_interp.metrics import Comparison, above_otsu, score_section
from napari_depth_interp.metrics.pooled import Pooled


@pytest.fixture
def volumes():
    rng = np.random.default_rng(3)
    reference = rng.gamma(2.0, 50.0, (4, 9, 8))
    noise = np.array([1.0, 5.0, 20.0, 80.0])[:, None, None]
    return reference, reference + rng.normal(0, 1, reference.shape) * noise


def pairs(reference, test, data_range=(0.0, 400.0)):
    foreground = above_otsu(reference)
    return [Comparison(r, t, data_range, f) for r, t, f in zip(reference, test, foreground, strict=True)]


def pooled(comparisons):
    sums = Pooled()
    for pair in comparisons:
        sums.add(pair)
    return sums.scores()


@pytest.mark.parametrize("suffix", ["", "_fg"])
def test_pooled_scores_equal_the_direct_computation(volumes, suffix):
    reference, test = volumes
    where = above_otsu(reference) if suffix else np.ones(reference.shape, bool)
    error = np.mean((test - reference)[where] ** 2)
    masks = np.stack([above_otsu(a) for a in reference]), np.stack([above_otsu(b) for b in test])
    a, b = (mask[where] for mask in masks)
    scores = pooled(pairs(reference, test))
    assert scores[f"rmse{suffix}"] == pytest.approx(math.sqrt(error))
    assert scores[f"psnr{suffix}"] == pytest.approx(10 * math.log10(400**2 / error))
    assert scores[f"mse{suffix}"] == pytest.approx(error)
    assert scores[f"mae{suffix}"] == pytest.approx(np.abs(test - reference)[where].mean())
    assert scores[f"dice{suffix}"] == pytest.approx((2 * (a & b).sum() + 1) / (a.sum() + b.sum() + 1))
    assert scores[f"volume_bias{suffix}"] == pytest.approx(b.sum() / a.sum() - 1)


def test_pooled_equals_one_section_that_holds_all(volumes):
    reference, test = volumes
    joined = Comparison(
        np.concatenate(reference), np.concatenate(test), (0, 400), above_otsu(np.concatenate(reference))
    )
    together = score_section(joined)
    scores = pooled(pairs(reference, test))
    for name in ("psnr", "rmse", "mse", "mae", "psnr_fg", "rmse_fg", "mse_fg", "mae_fg"):
        assert scores[name] == pytest.approx(together[name])


def test_the_pooled_psnr_is_not_the_mean_psnr(volumes):
    comparisons = pairs(*volumes)
    mean = np.mean([score_section(pair)["psnr"] for pair in comparisons])
    assert pooled(comparisons)["psnr"] < mean - 3  # the worst section dominates the pooled error


def test_an_exact_section_counts_in_the_pooled_score():
    reference = np.zeros((2, 3, 3))
    test = reference.copy()
    test[1] = 2.0
    scores = pooled(pairs(reference, test, (0, 10)))
    assert scores["rmse"] == pytest.approx(math.sqrt(2))
    assert scores["psnr"] == pytest.approx(10 * math.log10(100 / 2))


def test_channels_of_different_ranges_count_alike():
    reference, test = np.zeros((4, 4)), np.full((4, 4), 0.1)
    everywhere = np.ones((4, 4), bool)
    small = Comparison(reference, test, (0, 1), everywhere)
    large = Comparison(reference, 1000 * test, (0, 1000), everywhere)
    assert pooled([small, large])["psnr"] == pytest.approx(20)


def test_nothing_to_score_gives_none_and_identical_gives_no_psnr():
    exact = {"psnr": None, "rmse": 0, "mse": 0, "mae": 0, "dice": 1, "volume_bias": 0}
    exact |= {f"{name}_fg": value for name, value in exact.items()}
    assert pooled([]) == dict.fromkeys(exact)
    image = np.eye(4)
    assert pooled([Comparison(image, image, (0, 1), image > 0)]) == exact


def test_voxels_that_are_not_a_number_are_left_out():
    reference = np.array([[[1.0, np.nan, 3.0]]])
    test = np.array([[[2.0, 5.0, np.nan]]])
    assert pooled(pairs(reference, test))["rmse"] == 1
