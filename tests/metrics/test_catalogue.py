"""The list of metrics: names, directions, what is best."""

import numpy as np
import pytest

from napari_depth_interp.metrics import (
    CATALOGUE,
    PERCEPTUAL_METRICS,
    SECTION_METRICS,
    VOLUME_METRICS,
    Comparison,
    VolumePair,
    best_of,
    metric_of,
    score_section,
    score_volume,
)


def test_every_metric_says_its_direction():
    directions = {name: metric.better for name, metric in CATALOGUE.items()}
    assert {name for name, better in directions.items() if better == "higher"} == {
        "psnr", "ssim", "dice", "ms_ssim", "ssim_3d",
    }  # fmt: skip
    assert {name for name, better in directions.items() if better == "lower"} == {
        "rmse", "mse", "mae", "boundary_mae", "frc_xy", "frc_xz", "frc_yz", "fsc", "lpips", "lpips_planes",
    }  # fmt: skip
    assert directions["volume_bias"] == "zero"
    assert directions["gradient_z"] == directions["flicker"] == directions["inter_slice_noise"] == "one"
    assert len(CATALOGUE) == len(SECTION_METRICS) + len(VOLUME_METRICS) + len(PERCEPTUAL_METRICS)
    assert all(metric.heading and metric.help.endswith(".") for metric in CATALOGUE.values())


@pytest.mark.parametrize(
    ("name", "values", "best"),
    [
        ("psnr", [20.0, 31.0, 30.0], 31.0),
        ("psnr_fg", [20.0, 31.0, 30.0], 31.0),
        ("mae", [3.0, 0.5, 1.0], 0.5),
        ("boundary_mae_fg", [3.0, 0.5, 1.0], 0.5),
        ("volume_bias", [-0.4, 0.1, 0.3], 0.1),
        ("volume_bias", [-0.1, 0.2], -0.1),
        ("gradient_z", [0.5, 1.2, 1.9], 1.2),
        ("flicker_fg", [0.0, 0.9, 1.2], 0.9),
    ],
)
def test_the_best_of_some_values(name, values, best):
    assert best_of(values, name) == best


def test_a_foreground_score_belongs_to_its_metric():
    assert metric_of("frc_xz_fg") is metric_of("frc_xz") is CATALOGUE["frc_xz"]
    with pytest.raises(KeyError):
        metric_of("nothing_fg")


def test_every_metric_is_scored_on_all_voxels_and_on_the_foreground():
    rng = np.random.default_rng(0)
    reference, test = rng.random((2, 9, 16, 16))
    pair = Comparison(reference[0], test[0], (0, 1), reference[0] > 0.5)
    assert list(score_section(pair)) == [f"{name}{suffix}" for name in SECTION_METRICS for suffix in ("", "_fg")]
    whole = VolumePair(reference, test, (0, 1), reference > 0.5, np.arange(9) != 4, (1, 1, 1))
    scores = score_volume(whole)
    assert list(scores) == [f"{name}{suffix}" for name in VOLUME_METRICS for suffix in ("", "_fg")]
    assert all(isinstance(value, float) for value in (*score_section(pair).values(), *scores.values()))
