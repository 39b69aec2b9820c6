"""Where the border between two objects runs that both may have the pixels between them."""

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter

from napari_depth_interp.labels import fusion
from napari_depth_interp.labels.borders import settled
from napari_depth_interp.labels.distance import Contest
from napari_depth_interp.labels.learning import Learned
from napari_depth_interp.labels.methods.learned import LearnedConfig
from napari_depth_interp.labels.series import Series
from napari_depth_interp.method import Runtime
from napari_depth_interp.progress import silent

SIZE, WALL = 40, 23


def contest_and_touching(slope=0.1):
    """Two objects side by side that are as likely in the middle, and a wall three pixels to the right of it."""
    contest = Contest.empty((1, SIZE, SIZE))
    x = np.broadcast_to(np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2, (SIZE, SIZE))
    inside = np.zeros((SIZE, SIZE), bool)
    inside[4:-4] = True
    for label, sign in ((1, -1), (2, 1)):
        contest.enter(0, np.s_[0:SIZE, 0:SIZE], label, np.where(inside, 5 + sign * slope * x, -5).astype(np.float32))
    touching = np.full((1, SIZE, SIZE), -4, np.float32)
    touching[:, :, WALL] = 4
    return contest, touching


def test_pixels_in_dispute_go_to_the_object_on_their_side_of_the_wall():
    contest, touching = contest_and_touching()
    found = settled(contest, touching)
    assert (contest.winners()[0, 4:-4, 20:WALL] == 2).all()  # the wall is within the second
    assert (found[0, 4:-4, :WALL] == 1).all()
    assert (found[0, 4:-4, WALL + 1 :] == 2).all()
    assert found.dtype == contest.labels.dtype


def test_an_object_that_is_sure_of_no_pixel_is_not_swallowed_by_its_neighbour():
    contest, touching = contest_and_touching()
    score = np.full((SIZE, SIZE), -5, np.float32)
    score[10:16, 2:8] = 7.15  # ahead of the first object by 0.4 to 1 log-odds
    contest.enter(0, np.s_[0:SIZE, 0:SIZE], 3, score)
    before, after = contest.winners() == 3, settled(contest, touching) == 3
    assert 0.3 * before.sum() < after.sum() <= before.sum() == 36


def test_background_stays_background_and_what_is_sure_stays_as_it_is():
    contest, touching = contest_and_touching()
    found = settled(contest, touching)
    np.testing.assert_array_equal(found > 0, contest.winners() > 0)
    sure, touching = contest_and_touching(slope=5.0)  # at every pixel one is far ahead
    np.testing.assert_array_equal(settled(sure, touching), sure.winners())


def test_without_a_word_from_the_image_the_border_is_where_both_are_as_likely():
    contest, touching = contest_and_touching()
    np.testing.assert_array_equal(settled(contest, np.full_like(touching, -6)), contest.winners())


def cells():
    """Cells with dark walls; the wall between the two large ones is elsewhere on hidden sections."""
    count, x = 17, np.arange(48)
    walls = 24 + np.array([0, 4, 4, 4])[np.arange(count) % 4]
    labels = np.stack([np.broadcast_to(np.where(x < wall, 4, 9), (48, 48)) for wall in walls]).copy()
    labels[:, :4] = labels[:, -4:] = 0
    small = [(20, 2), (30, 40), (10, 40), (30, 10), (10, 10)]  # more labels than are learned one by one
    for label, (row, column) in enumerate(small, 12):
        labels[:, row : row + 4, column : column + 4] = label
    wall = np.stack([maximum_filter(each, 3) != minimum_filter(each, 3) for each in labels])
    noise = np.random.default_rng(0).normal(0, 0.05, labels.shape)
    return labels, (np.where(wall, 0.2, 0.8) + noise).astype(np.float32)


def test_learned_finds_more_of_a_border_that_only_the_image_shows(monkeypatch):
    labels, image = cells()
    depths = np.arange(len(labels), dtype=float)
    series = Series(labels[::4], depths[::4], 1.0, image, depths)
    method = Learned(LearnedConfig(steps=100), Runtime(seed=0, threads=1))
    method.prepare(series, report=silent)
    wrong, sure = [], []
    for settle in (settled, lambda contest, _: contest.winners()):
        monkeypatch.setattr(fusion, "settled", settle)
        wrong.append(0.0)
        for below in range(4):
            between = slice(4 * below + 1, 4 * below + 4)
            gap, names = series.gap(below, below + 1, depths[between])
            filled = method.fill(gap)
            wrong[-1] += float(np.mean(names[filled.labels] != labels[between]))
            sure.append(filled.confidence)
    assert wrong[0] < wrong[1]
    changed = np.stack(sure[:4]) != np.stack(sure[4:])
    assert changed.any()
    assert np.stack(sure[:4])[changed].max() <= 0.5  # of what the leader lost, the other's chance is told
