"""Calibration of an uncertainty: against scipy, and where coverage has a closed form."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from napari_depth_interp.metrics.uncertainty import INTERVAL_90, Calibration

RNG = np.random.default_rng(0)


def calibrated(*sections):
    calibration = Calibration()
    for truth, values, uncertainty in sections:
        calibration.add(truth, values, uncertainty)
    return calibration.scores()


def test_the_rank_correlation_is_that_of_scipy():
    truth, values = RNG.random((2, 40, 50))
    uncertainty = RNG.random((40, 50)) + np.abs(truth - values)
    expected = spearmanr(uncertainty.ravel(), np.abs(truth - values).ravel()).statistic
    assert calibrated((truth, values, uncertainty))["spearman"] == pytest.approx(expected)
    assert 0.3 < expected < 0.9


def test_all_sections_are_ranked_together():
    """Within each section the uncertainty says nothing; it knows which section is the worse one."""
    truth = RNG.normal(size=(2, 40, 40)) * np.array([1.0, 100.0])[:, None, None]
    zero = np.zeros((40, 40))
    scores = calibrated((truth[0], zero, zero + 1), (truth[1], zero, zero + 100))
    assert scores["spearman"] > 0.8


@pytest.mark.parametrize("expected", [0.05, 0.2, 0.4, 0.6])
def test_coverage_of_evenly_spread_errors(expected):
    """Errors from 0 to 1: the interval holds its own length."""
    truth = RNG.random((60, 60)) * RNG.choice([-1, 1], (60, 60))
    coverage = calibrated((truth, np.zeros((60, 60)), np.full((60, 60), expected)))["coverage_90"]
    assert coverage == pytest.approx(min(1.0, INTERVAL_90 * expected), abs=0.02)


@pytest.mark.parametrize(
    ("draw", "coverage"),
    [
        (RNG.laplace, 1 - math.exp(-INTERVAL_90)),
        (lambda mean, size, shape: RNG.normal(mean, size * math.sqrt(math.pi / 2), shape), 0.921),
    ],
)
def test_a_true_expectation_covers_about_90_percent(draw, coverage):
    """Of both a Laplacian and a Gaussian whose mean absolute error is the expected one."""
    sections = []
    for size in (0.1, 1.0, 30.0):
        sections.append((draw(0, size, (60, 60)), np.zeros((60, 60)), np.full((60, 60), size)))
    scores = calibrated(*sections)
    assert scores["coverage_90"] == pytest.approx(coverage, abs=0.01)
    assert scores["coverage_90"] == pytest.approx(0.9, abs=0.03)


def test_of_large_sections_a_part_is_looked_at():
    truth = RNG.random((700, 701))
    scores = calibrated((truth, np.zeros_like(truth), np.full_like(truth, 0.25)))
    assert scores["coverage_90"] == pytest.approx(INTERVAL_90 / 4, abs=0.03)


def test_voxels_that_are_not_a_number_are_left_out():
    truth, values, uncertainty = RNG.random((3, 30, 30))
    holed = [each.copy() for each in (truth, values, uncertainty)]
    for number, each in enumerate(holed):
        each[10 * number : 10 * number + 3] = np.nan
    known = np.isfinite(sum(holed))
    rows = known.all(axis=1)
    assert calibrated(tuple(holed)) == pytest.approx(calibrated((truth[rows], values[rows], uncertainty[rows])))


def test_whole_numbers_are_not_wrapped():
    truth, values = np.zeros((4, 4), np.uint8), np.full((4, 4), 2, np.uint8)
    assert calibrated((truth, values, np.full((4, 4), 1.0)))["coverage_90"] == 1
    assert calibrated((truth, values, np.full((4, 4), 0.5)))["coverage_90"] == 0


def test_nothing_to_say():
    nothing = {"spearman": None, "coverage_90": None}
    assert calibrated() == nothing
    assert calibrated((np.full((3, 3), np.nan), np.zeros((3, 3)), np.zeros((3, 3)))) == nothing


@pytest.mark.parametrize(("error", "uncertainty"), [(0.0, None), (None, 1.0)])
def test_what_does_not_vary_has_no_rank_correlation(error, uncertainty):
    varied = RNG.random((8, 8))
    truth = varied if error is None else np.full((8, 8), error)
    scores = calibrated((truth, np.zeros((8, 8)), varied if uncertainty is None else np.full((8, 8), uncertainty)))
    assert scores["spearman"] is None
    assert scores["coverage_90"] == 1
