"""Sections hidden from methods for labels."""

import numpy as np
import pytest

from label_stacks import cone
from napari_depth_interp.labels.methods.auto import _winner as winner
from napari_depth_interp.labels.series import Series
from napari_depth_interp.labels.trial import ahead, dice_of, hide_sections, mean_dice

LABELS = cone(7, label=5).astype(np.int64)
SERIES = Series(LABELS, np.arange(7.0) * 2, 1.0)


def test_every_second_section_is_hidden():
    visible, hidden = hide_sections(SERIES, 9)
    assert len(visible) == 4
    np.testing.assert_array_equal([visible.labels[i] for i in range(4)], LABELS[::2])
    assert len(hidden) == 3
    for each, index in zip(hidden, (1, 3, 5), strict=True):
        np.testing.assert_array_equal(each.truth == 1, LABELS[index] == 5)
        assert each.gap.width == 4
        np.testing.assert_array_equal(each.gap.shares, [0.5])


def test_at_most_so_many():
    assert len(hide_sections(SERIES, 2)[1]) == 2


def test_what_no_section_around_holds_cannot_be_found_and_is_not_asked_for():
    labels = LABELS.copy()
    labels[3, :4, :4] = 8
    _, hidden = hide_sections(Series(labels, np.arange(7.0), 1.0), 9)
    assert (hidden[1].truth[:4, :4] == -1).all()
    assert mean_dice(dice_of([(np.where(hidden[1].truth == 1, 1, 0), hidden[1])])) == 1


def test_dice_by_hand():
    _, hidden = hide_sections(SERIES, 1)
    truth = hidden[0].truth
    half = np.where(np.arange(truth.shape[1]) < 24, truth, 0)
    expected = 2 * half.sum() / (half.sum() + truth.sum())
    assert mean_dice(dice_of([(half, hidden[0])])) == expected
    assert mean_dice({}) == 0


def test_a_lead_counts_only_beyond_its_error():
    one, other = {(0, 1): 0.8, (0, 2): 0.9, (1, 1): 0.7}, {(0, 1): 0.6, (0, 2): 0.9}  # rightly without the last one
    lead, error = ahead(one, other)
    assert lead == pytest.approx((0.2 + 0 - 0.3) / 3)
    assert error > abs(lead)
    lead, error = ahead({(0, label): 0.9 for label in range(20)}, {(0, label): 0.8 for label in range(20)})
    assert lead == pytest.approx(0.1)
    assert error < 0.01
    assert ahead({}, {}) == ahead({(0, 1): 0.9}, {(0, 1): 0.1}) == (0, np.inf)  # one label tells nothing


def test_the_usual_method_stays_unless_another_is_ahead_by_more_than_chance():
    rng = np.random.default_rng(0)
    usual = {(0, label): 0.7 for label in range(16)}
    noise = rng.normal(size=16)
    noise = (noise - noise.mean()) / noise.std(ddof=1) * 0.08  # a standard error of 0.02
    for lead, best in ((0.025, "learned"), (0.035, "shape"), (-0.05, "learned")):
        other = {(0, label): 0.7 + lead + value for label, value in enumerate(noise)}
        assert winner(["learned", "shape"], {"learned": usual, "shape": other}) == best
    blind = dict.fromkeys(usual, 0.2)
    assert winner(["learned", "shape"], {"learned": dict.fromkeys(usual, 0.1), "shape": blind}) == "learned"
