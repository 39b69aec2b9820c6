"""Sections hidden from methods for labels."""

import numpy as np

from label_stacks import cone
from napari_depth_interp.labels.series import Series
from napari_depth_interp.labels.trial import hide_sections, mean_dice

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
    assert mean_dice([(np.where(hidden[1].truth == 1, 1, 0), hidden[1])]) == 1


def test_dice_by_hand():
    _, hidden = hide_sections(SERIES, 1)
    truth = hidden[0].truth
    half = np.where(np.arange(truth.shape[1]) < 24, truth, 0)
    expected = 2 * half.sum() / (half.sum() + truth.sum())
    assert mean_dice([(half, hidden[0])]) == expected
    assert mean_dice([]) == 0
