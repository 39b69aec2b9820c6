"""What can be believed of a stack: outlines of discs that move evenly, that jump or are seen once; and their motion."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_depth_interp.labels import learning
from napari_depth_interp.labels.candidates import SHAPE
from napari_depth_interp.labels.learning import Learned
from napari_depth_interp.labels.methods import flow, registry
from napari_depth_interp.labels.methods.learned import LearnedConfig
from napari_depth_interp.labels.reliability import motion_share, outline_error
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


def drifting(step, image_step, by=1):
    """Return a series of four discs that move by ``step`` pixels from section to section, the image by another step.

    Every second section is annotated. The image shows the discs, with a texture that moves alike; it moves ``by`` so
    many sections at once.
    """
    sections, (y, x) = np.arange(2 * COUNT - 1), np.mgrid[:SIZE, : SIZE + 64]
    texture = gaussian_filter(np.random.default_rng(0).normal(size=(SIZE, SIZE + 64)), 2)
    seen = 0.5 + texture / np.ptp(texture)
    labels = np.zeros((len(sections), SIZE, SIZE), np.int64)
    for label, (row, column) in enumerate(CENTRES, 1):
        disc = np.hypot(y - row, x - column - 16) < 9
        seen[disc] += 0.5
        for z in sections:
            labels[z][disc[:, 16 - round(step * z) :][:, :SIZE]] = label
    places = image_step * by * -(-sections // by)
    image = np.stack([seen[:, 16 - round(each) :][:, :SIZE] for each in places]).astype(np.float32)
    depths = sections * APART / 2
    return Series(labels[::2], depths[::2], 1.0, image, depths), labels, depths


@pytest.mark.parametrize("step", [0, 0.5, -1])
def test_motion_of_objects_is_believed(step):
    assert motion_share(drifting(step, step)[0], 40.0) == 1


def test_motion_that_is_not_that_of_the_objects_is_not():
    assert motion_share(drifting(0, -1)[0], 40.0) < 0.2
    assert motion_share(drifting(0.5, -0.5)[0], 40.0) < 0.2


def test_motion_is_believed_where_nothing_is_known_and_less_is_held_against_it_by_few():
    series = drifting(0, -1)[0]
    several = motion_share(series, 40.0)
    series.labels[series.labels > 1] = 0
    assert several < motion_share(series, 40.0) < 0.6
    series.labels[::2] = 0
    assert motion_share(series, 40.0) == 1


def test_an_object_that_fills_the_image_says_nothing_of_its_motion():
    series = drifting(0, -1)[0]
    series.labels[:] = 5
    assert motion_share(series, 40.0) == 1


@pytest.mark.parametrize("name", ["flow", "learned"])
def test_an_image_that_moves_by_itself_does_not_carry_outlines_away(monkeypatch, name):
    series, labels, depths = drifting(0, -1, by=2)  # evenly it would carry both outlines away as far, to and fro
    gap, names = series.gap(3, 4, depths[[7]])
    spec = registry.get(name)

    def missed():
        method = spec.create(spec.config(), Runtime(seed=0, threads=1))
        method.prepare(series, report=silent)
        return np.count_nonzero(names[method.fill(gap).labels[0]] != labels[7])

    found = missed()
    for module in (flow, learning):
        monkeypatch.setattr(module, "motion_share", lambda *_: 1.0)
    assert found < min(missed(), 0.02 * np.count_nonzero(labels[7]))
