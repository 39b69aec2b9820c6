"""Noise that alternates from section to section: found where it is, and only there."""

import numpy as np
import pytest

from napari_depth_interp import evaluate
from napari_depth_interp.metrics import VolumePair
from napari_depth_interp.metrics.noise import inter_slice_noise, noise_level

RNG = np.random.default_rng(5)
SIZE = 128
SMOOTH = np.zeros((12, SIZE, SIZE)) + 40 * np.sin(np.arange(SIZE) / 9)[:, None] + 30 * np.cos(np.arange(SIZE) / 7)
ODD = np.arange(12) % 2 == 1


def compare(reference, test, hidden=ODD, foreground=None):
    foreground = np.ones(reference.shape, bool) if foreground is None else foreground
    return VolumePair(reference, test, (-80.0, 80.0), foreground, np.asarray(hidden))


def noise(scale=1.0, shape=(12, SIZE, SIZE)):
    return RNG.normal(0, 1, shape) * np.reshape(scale, (-1, 1, 1))


def test_the_level_is_proportional_to_white_noise_and_ignores_ramps():
    rows, columns = np.mgrid[:200, :200]
    white = RNG.normal(0, 1, (200, 200))
    level = noise_level(white)
    assert noise_level(5 * rows - 3 * columns + 7.0 + 4 * white) == pytest.approx(4 * level, rel=1e-9)
    edge = np.where(columns > 100, 1000.0, 0.0)
    assert noise_level(white + edge) == pytest.approx(level, rel=0.05)
    assert noise_level(np.full((9, 9), 3)) == 0
    assert np.isnan(noise_level(np.zeros((2, 9))))
    assert np.isnan(noise_level(np.full((9, 9), np.nan)))


@pytest.mark.parametrize("share", [0.25, 0.5, 0.7, 2.0])
def test_synthetic_noise_that_alternates_is_measured(share):
    reference = SMOOTH + noise()
    test = np.where(ODD[:, None, None], SMOOTH + noise(share), reference)
    expected = max(share, 1 / share)
    assert inter_slice_noise(compare(reference, test), False) == pytest.approx(expected, rel=0.08)
    assert inter_slice_noise(compare(reference, test), True) == pytest.approx(expected, rel=0.08)


def test_noise_as_in_the_truth_is_one_however_strong_it_is():
    reference = SMOOTH + noise()
    assert inter_slice_noise(compare(reference, reference), False) == 1
    assert inter_slice_noise(compare(reference, SMOOTH + noise(3.0)), False) == pytest.approx(1, rel=0.03)


def test_noise_that_alternates_in_the_truth_too_is_no_fault_of_the_method():
    steps = np.where(ODD, 0.5, 1.0)
    reference, test = SMOOTH + noise(steps), SMOOTH + noise(steps)
    assert inter_slice_noise(compare(reference, test), False) == pytest.approx(1, rel=0.05)
    assert inter_slice_noise(compare(reference, SMOOTH + noise()), False) == pytest.approx(0.5, rel=0.05)


def test_only_the_foreground_counts_where_it_is_asked_for():
    reference = SMOOTH + noise()
    test = reference.copy()
    test[ODD, :, :64] = (SMOOTH + noise(0.5))[ODD, :, :64]
    left = np.zeros(reference.shape, bool)
    left[:, :, :63] = True
    assert inter_slice_noise(compare(reference, test, foreground=left), True) == pytest.approx(2, rel=0.1)
    right = np.roll(left, 65, axis=2)
    assert inter_slice_noise(compare(reference, test, foreground=right), True) == pytest.approx(1, rel=0.01)


def test_where_it_has_no_meaning_there_is_none():
    reference = SMOOTH + noise()
    for hidden in (np.ones(12, bool), np.zeros(12, bool)):
        assert inter_slice_noise(compare(reference, reference, hidden), False) is None
    flat = np.zeros((12, SIZE, SIZE))
    assert inter_slice_noise(compare(flat, reference), False) is None
    assert inter_slice_noise(compare(reference[:, :2], reference[:, :2]), False) is None
    holes = reference.copy()
    holes[:, ::9] = np.nan
    assert inter_slice_noise(compare(holes, reference), False) == pytest.approx(1, rel=0.05)
    assert inter_slice_noise(compare(reference, np.where(ODD[:, None, None], 0, reference)), False) > 1e3


def test_linear_interpolation_of_noise_is_smoother_by_a_root_of_two_and_the_evaluation_says_so():
    stack = SMOOTH[:9] + noise(20.0, (9, SIZE, SIZE))
    scores = evaluate(stack, ["nearest", "linear"], keep_every=2, z_spacing=1).methods
    assert scores[0].volume["inter_slice_noise"] == pytest.approx(1, abs=0.03)
    assert scores[1].volume["inter_slice_noise"] == pytest.approx(2**0.5, rel=0.05)
