"""The time left: known after a moment, calm, and right in the end."""

import numpy as np
import pytest

from napari_depth_interp.plugin.jobs.time_left import TimeLeft


def follow(fractions, seconds):
    """Return the seconds left that are told at each report."""
    clock = TimeLeft(0.0)
    return [clock.note(fraction, now)[1] for fraction, now in zip(fractions, seconds, strict=True)]


def test_nothing_is_said_at_first():
    clock = TimeLeft(10.0)
    assert clock.note(0.5, 10.2) == (pytest.approx(0.2), None)
    assert clock.note(0.01, 15.0) == (pytest.approx(5.0), None)


def test_even_work_is_told_exactly():
    seconds = np.arange(2, 100, 2.0)
    left = follow(seconds / 100, seconds)
    np.testing.assert_allclose(left[1:], (100 - seconds)[1:])


@pytest.mark.parametrize("speeds", [(3.0, 1.0), (1.0, 3.0), (2.0, 0.5, 2.0)])
def test_a_change_of_pace_changes_it_little_by_little(speeds):
    rates = np.repeat(speeds, 200) * (1 + 0.5 * np.random.default_rng(0).standard_normal(200 * len(speeds)).clip(-1, 1))
    fractions = np.cumsum(rates) / rates.sum()
    seconds = np.arange(1, len(rates) + 1) * 0.2
    told = [each for each in follow(fractions, seconds) if each is not None]
    jumps = np.abs(np.diff(told)) / np.maximum(told[:-1], 1.0)
    assert jumps[: len(jumps) * 9 // 10].max() < 0.15
    assert told[-1] < 1.0


def test_a_quick_beginning_is_not_taken_for_the_whole():
    """As ``auto`` works: 7 % at once, then 0.3 % a second; what is told must not grow."""
    seconds = np.arange(0.1, 300, 0.1)
    fractions = np.minimum(0.07 * seconds / 0.5, 0.07) + np.maximum(seconds - 0.5, 0) * (0.93 / 300)
    told = [each for each in follow(fractions, seconds) if each is not None]
    assert told[0] > 200
    assert max(told) < 330
    assert np.abs(np.array(told) - (300.5 - seconds[-len(told) :]))[100:].max() < 15


def test_a_standstill_says_no_end_of_its_own():
    seconds = np.arange(1.0, 200, 1.0)
    told = follow(np.minimum(seconds / 100, 0.5), seconds)
    assert all(each is None or 0 < each <= 25 * 200 for each in told)
