"""What the image says of objects, and which pixels each may have: on discs that are bright in a noisy image."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from napari_depth_interp.labels.candidates import FEATURES
from napari_depth_interp.labels.evidence import Evidence
from napari_depth_interp.labels.fusion import cut_of
from napari_depth_interp.labels.learning import Learned
from napari_depth_interp.labels.methods.learned import LearnedConfig
from napari_depth_interp.labels.series import Series
from napari_depth_interp.method import Runtime
from napari_depth_interp.progress import silent

EVERY, COUNT, SIZE = 4, 25, 48


def discs():
    """A disc that moves to the right and one that ends in the middle of the stack, and their image."""
    z, y, x = np.mgrid[:COUNT, :SIZE, :SIZE]
    labels = np.where(np.hypot(y - 14, x - 14 - 0.5 * z) < 8, 5, 0)
    labels[(np.hypot(y - 36, x - 14) < 7) & (z < 14)] = 900
    noise = np.random.default_rng(0).normal(0, 0.1, labels.shape)
    return labels, ((labels > 0) * 0.6 + 0.2 + noise).astype(np.float32)


def series_of(labels, image):
    depths = np.arange(COUNT, dtype=float)
    return Series(labels[::EVERY], depths[::EVERY], 1.0, image, depths)


def area_under_roc(truth, score):
    inside, outside = score[truth], score[~truth]
    return mannwhitneyu(inside, outside).statistic / (inside.size * outside.size)


@pytest.fixture(scope="module")
def stack():
    return discs()


@pytest.fixture(scope="module")
def learned(stack):
    method = Learned(LearnedConfig(steps=60), Runtime(seed=0, threads=1))
    method.prepare(series_of(*stack), report=silent)
    return method


def gap_of(stack, below):
    series = series_of(*stack)
    return series.gap(below, below + 1, series.depths[below] + np.arange(1.0, EVERY))[0]


def looks_of(series, below):
    evidence = Evidence(60, 0)
    evidence.fit(series, silent)
    return evidence.looks(series.gap(below, below + 1, series.depths[below] + np.arange(1.0, EVERY))[0])


def test_the_image_tells_objects_from_background_on_every_section_of_the_gap(stack):
    looks = looks_of(series_of(*stack), 1)
    assert len(looks) == EVERY + 1
    for look, truth in zip(looks, stack[0][EVERY : 2 * EVERY + 1], strict=True):
        assert np.mean((look.smooth > 0) == (truth > 0)) > 0.97
        assert look.inside.shape == look.touching.shape == truth.shape


def test_a_section_is_looked_at_by_a_network_that_has_not_seen_its_labels(stack):
    labels, image = stack
    wrong = labels.copy()
    wrong[2 * EVERY] = np.where(labels[2 * EVERY] > 0, 0, 5)  # all the wrong way round
    [*_, last] = looks_of(series_of(wrong, image), 1)
    assert area_under_roc(labels[2 * EVERY] > 0, last.smooth) > 0.98


def test_each_object_may_have_the_pixels_that_are_its_own(stack, learned):
    gap = gap_of(stack, 1)
    found = list(learned.candidates(gap))
    assert {(int(gap.names[each.object.thing.label]), each.section) for each in found} == {
        (name, section) for name in (5, 900) for section in range(EVERY - 1)
    }
    for each in found:
        truth = stack[0][EVERY + 1 + each.section] == gap.names[each.object.thing.label]
        here = np.zeros(truth.shape, bool)
        here[each.object.thing.box] = each.mask
        assert here[truth].mean() > 0.97
        assert here.mean() < 0.5
        assert each.features.shape == (each.mask.sum(), FEATURES)
        assert np.isfinite(each.features).all()


def test_what_the_image_says_changes_features_and_hidden_labels_do_not(stack, learned):
    labels, image = stack
    gap = gap_of(stack, 1)
    hidden = labels.copy()
    hidden[EVERY + 1 : 2 * EVERY] = 0
    for first, second in zip(learned.candidates(gap), learned.candidates(gap_of((hidden, image), 1)), strict=True):
        np.testing.assert_array_equal(first.features, second.features)
    dark = image.copy()
    dark[EVERY + 1 : 2 * EVERY] = 0.2
    pairs = zip(learned.candidates(gap), learned.candidates(gap_of((labels, dark), 1)), strict=True)
    assert all(second.features.mean(0)[6] < first.features.mean(0)[6] - 1 for first, second in pairs)


def test_an_object_that_ends_is_missing_where_the_image_no_longer_shows_it(stack, learned):
    gap = gap_of(stack, 3)  # sections 12 to 16; the disc ends after 13
    ending = [each for each in learned.candidates(gap) if gap.names[each.object.thing.label] == 900]
    inside = [each.features[:, 6].mean() for each in sorted(ending, key=lambda each: each.section)]
    assert inside[0] > inside[1] + 1
    filled = learned.fill(gap)
    shown = [np.mean(gap.names[section][stack[0][12] == 900] == 900) for section in filled.labels]
    assert shown[0] > 0.8
    assert shown[2] < 0.2


def test_it_is_known_how_well_the_image_tells_outlines(stack, learned):
    labels, image = stack
    noise = np.random.default_rng(1).normal(0.4, 0.2, image.shape).astype(np.float32)
    blind = Learned(LearnedConfig(steps=60), Runtime(seed=0, threads=1))
    blind.prepare(series_of(labels, noise), report=silent)
    told = [
        {each.told for each in method.candidates(gap_of((labels, seen), 1))}
        for method, seen in ((learned, image), (blind, noise))
    ]
    assert [len(each) for each in told] == [1, 1]  # of all objects of the gap together
    assert max(told[1]) < 0.2 < 0.5 < min(told[0]) <= 1


def test_what_is_sure_is_right_more_often_than_what_is_not(stack, learned):
    sure, right = [], []
    for below in range(COUNT // EVERY):
        gap = gap_of(stack, below)
        filled = learned.fill(gap)
        truth = stack[0][below * EVERY + 1 : (below + 1) * EVERY]
        sure.append(filled.confidence)
        right.append(gap.names[filled.labels] == truth)
    sure, right = np.concatenate(sure), np.concatenate(right)
    assert 0 <= sure.min() <= sure.max() <= 1
    rates = [right[(sure >= low) & (sure < high)].mean() for low, high in ((0, 0.8), (0.8, 0.97), (0.97, 1.01))]
    assert rates == sorted(rates)
    assert rates[0] < 0.95 < 0.995 < rates[2]


class TestCut:
    """From which log-odds on pixels are taken into an object."""

    def test_what_is_certain_is_cut_where_both_are_as_likely(self):
        assert cut_of(np.repeat([40.0, -40.0], 50).astype(np.float32)) == pytest.approx(0, abs=1e-3)

    def test_of_an_object_in_doubt_less_likely_pixels_are_taken(self):
        in_doubt = np.full(100, np.log(0.3 / 0.7), np.float32)
        assert cut_of(in_doubt) < in_doubt[0]
        assert cut_of(np.full(100, np.log(0.05 / 0.95), np.float32)) > np.log(0.05 / 0.95)

    def test_no_other_cut_has_a_higher_expected_dice(self):
        odds = np.random.default_rng(0).normal(-1, 3, 500).astype(np.float32)
        chances = 1 / (1 + np.exp(-odds))

        def expected(cut):
            taken = chances[odds > cut]
            return 2 * taken.sum() / (taken.size + chances.sum())

        assert expected(cut_of(odds)) >= max(expected(cut) for cut in np.linspace(-6, 6, 121)) - 1e-3
