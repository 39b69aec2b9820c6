"""How well outlines alone tell where objects are: on discs that move evenly, that jump, and that are seen once."""

import numpy as np
import pytest

from napari_depth_interp.labels.candidates import SHAPE
from napari_depth_interp.labels.learning import Learned
from napari_depth_interp.labels.methods.learned import LearnedConfig
from napari_depth_interp.labels.reliability import outline_error
from napari_depth_interp.labels.series import Series
from napari_depth_interp.method import Runtime
from napari_depth_interp.progress import silent

COUNT, SIZE, APART = 9, 64, 4.0
CENTRES = [(14, 14), (14, 46), (46, 14), (46, 46)]


def discs(jump, labels=(3, 7, 8, 20)):
    """Annotated sections with four discs; on every second one from the third on they are moved by ``jump`` pixels."""
    y, x = np.mgrid[:SIZE, :SIZE]
    found = np.zeros((COUNT, SIZE, SIZE), np.int64)
    for z in range(COUNT):
        moved = jump * (z % 2) * (z > 2)
        for label, (row, column) in zip(labels, CENTRES, strict=True):
            found[z][np.hypot(y - row, x - column - moved) < 9] = label
    return found


def series_of(labels, image=None):
    depths = np.arange(len(labels)) * APART
    return Series(labels, depths, 1.0, image, None if image is None else depths)


def test_outlines_are_trusted_where_they_move_evenly_and_less_where_they_jump():
    even, jumping, wild = (outline_error(series_of(discs(jump))) for jump in (0, 1, 9))
    assert 0.5 <= even < 0.75
    assert even + 0.1 < jumping < wild == 1


def test_one_label_for_all_objects_is_judged_as_a_whole():
    alone, together = (outline_error(series_of(discs(0, labels))) for labels in ((3, 7, 8, 20), (1, 1, 1, 1)))
    assert together == pytest.approx(alone, abs=0.25)
    assert together < 1


def test_where_nothing_is_known_the_stack_is_like_others():
    labels = discs(0)
    assert outline_error(series_of(labels[:2])) == 1
    assert outline_error(series_of(np.zeros_like(labels))) == 1
    labels[::2] = 0  # each object is on one section alone
    assert outline_error(series_of(labels)) == 1


def test_few_objects_say_less():
    one, four = discs(0), discs(0)
    one[one != 3] = 0
    assert outline_error(series_of(four)) < outline_error(series_of(one)) < 1


def test_learned_counts_distances_in_the_error_of_the_stack():
    spreads = []
    for jump in (0, 9):
        labels = discs(jump)
        image = (labels > 0) + np.random.default_rng(0).normal(0, 0.1, labels.shape)
        dense, depths = image.astype(np.float32).repeat(2, axis=0)[:-1], np.arange(2 * COUNT - 1) * APART / 2
        series = Series(labels, depths[::2], 1.0, dense, depths)
        method = Learned(LearnedConfig(steps=20), Runtime(seed=0, threads=1))
        method.prepare(series, report=silent)
        gap, _ = series.gap(0, 1, [APART / 2])  # the same in both
        spreads.append(np.mean([np.abs(each.features[:, SHAPE]).mean() for each in method.candidates(gap)]))
    assert spreads[0] > 1.2 * spreads[1]
