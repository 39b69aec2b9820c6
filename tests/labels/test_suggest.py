"""What is worth annotating next, against the truth of simulated objects, and in cases that leave no choice."""

import json

import numpy as np
import pytest

from napari_depth_interp.labels.heights import heights_of, meet
from napari_depth_interp.labels.methods.registry import get
from napari_depth_interp.labels.series import Series
from napari_depth_interp.labels.suggest import suggest_sections, warnings_of
from napari_depth_interp.method import Runtime


def ellipsoids(seed, shape=(49, 56, 56), count=18):
    """Ellipsoids of many heights, more of them in the upper half; each with its own identifier."""
    rng = np.random.default_rng(seed)
    places = np.indices(shape).reshape(3, -1).T
    volume = np.zeros(len(places), np.uint16)
    for label in range(1, count + 1):
        upper = rng.random() < 0.75
        centre = rng.uniform([shape[0] * 0.5 if upper else 0, 0, 0], shape)
        radii = rng.uniform([2, 4, 4], [9, 9, 9])
        volume[(((places - centre) / radii) ** 2).sum(1) <= 1] = label
    return volume.reshape(shape)


def errors(truth, kept):
    """How many voxels are wrong on each section if these are annotated."""
    kept = np.sort(kept)
    series, method = Series(truth[kept], kept.astype(float), 1.0), get("shape").create(get("shape").config(), Runtime())
    wrong = np.zeros(len(truth))
    for below in range(len(kept) - 1):
        inside = np.arange(kept[below] + 1, kept[below + 1])
        if len(inside):
            gap, names = series.gap(below, below + 1, inside)
            wrong[inside] = (names[method.fill(gap).labels] != truth[inside]).sum(axis=(1, 2))
    return wrong.sum()


def annotated(seed, count):
    """Sections at uneven gaps, the first and the last among them."""
    rng = np.random.default_rng(seed)
    kept = [0]
    while kept[-1] < count - 1:
        kept.append(min(count - 1, kept[-1] + int(rng.choice([3, 5, 8]))))
    return np.array(kept)


def suggested(truth, kept):
    return suggest_sections(Series(truth[kept], kept.astype(float), 1.0), np.arange(len(truth)))


def test_a_suggested_section_helps_more_than_another_one():
    gains = {"suggested": [], "random": [], "middle of the widest gap": [], "middle of the stack": []}
    for seed in range(6):
        truth, rng = ellipsoids(seed), np.random.default_rng(seed)
        kept = annotated(seed, len(truth))
        before = errors(truth, kept)
        free = np.setdiff1d(np.arange(len(truth)), kept)
        widest = int(np.argmax(np.diff(kept)))
        chosen = {
            "suggested": [suggested(truth, kept)[0].section],
            "random": rng.choice(free, 3, replace=False),
            "middle of the widest gap": [(kept[widest] + kept[widest + 1]) // 2],
            "middle of the stack": [free[np.abs(free - len(truth) / 2).argmin()]],
        }
        for how, sections in chosen.items():
            gains[how].append(np.mean([before - errors(truth, np.append(kept, each)) for each in sections]) / before)
    mean = {how: np.mean(each) for how, each in gains.items()}
    assert mean["suggested"] > 1.5 * mean["random"]
    assert mean["suggested"] > 1.5 * mean["middle of the stack"]
    assert mean["suggested"] > 1.1 * mean["middle of the widest gap"]


def test_the_expected_gain_is_about_the_true_one():
    expected, true = [], []
    for seed in range(4):
        truth = ellipsoids(seed)
        kept = annotated(seed, len(truth))
        before = errors(truth, kept)
        for each in suggested(truth, kept):
            expected.append(each.loss)
            true.append(before - errors(truth, np.append(kept, each.section)))
    assert np.corrcoef(expected, true)[0, 1] > 0.6
    assert 0.5 < np.sum(expected) / np.sum(true) < 2


def test_the_gap_where_objects_end_comes_before_one_where_nothing_happens():
    truth = np.zeros((17, 40, 40), np.uint8)
    truth[:, 5:15, 5:15] = 1
    truth[:12, 22:36, 22:36] = 2
    first, *others = suggested(truth, np.array([0, 8, 16]))
    assert 8 < first.section < 16
    assert first.depth == first.section
    assert "1 object appears or ends" in first.reasons
    assert first.loss > 1.2 * others[0].loss


def test_of_equal_gaps_the_wider_one_comes_first_and_of_a_gap_its_middle():
    truth = np.zeros((17, 40, 40), np.uint8)
    for section, area in enumerate(truth):
        area[5 : 10 + section, 5 : 10 + section] = 1
    found = suggested(truth, np.array([0, 4, 16]))
    assert [each.section for each in found] == [pytest.approx(10, abs=1), 2]


def test_an_object_on_one_section_only_is_named_and_says_that_others_may_be_unseen():
    truth = np.zeros((17, 40, 40), np.uint8)
    truth[:, 30:36, 30:36] = 9
    truth[7:10, 3:8, 3:8] = 1
    found = suggested(truth, np.array([0, 8, 16]))
    assert all("1 of them on one annotated section only" in each.reasons for each in found)


def test_every_gap_with_a_section_to_annotate_has_one_suggestion():
    truth = ellipsoids(0)
    kept = np.array([0, 1, 5, 7, 48])
    found = suggested(truth, kept)
    assert [each.loss for each in found] == sorted((each.loss for each in found), reverse=True)
    gaps = np.searchsorted(kept, [each.section for each in found])
    assert sorted(gaps.tolist()) == [2, 3, 4]
    assert not set(kept.tolist()) & {each.section for each in found}
    assert json.loads(json.dumps([each.as_json() for each in found]))[0]["section"] == found[0].section


def test_a_methods_own_confidence_decides():
    truth = np.zeros((17, 40, 40), np.uint8)
    truth[:, 5:15, 5:15] = 1
    kept = np.array([0, 8, 16])
    confidence = np.ones(truth.shape, np.float32)
    confidence[2, 3:20, 3:20] = 0.5
    series = Series(truth[kept], kept.astype(float), 1.0)
    [first, second] = suggest_sections(series, np.arange(17), confidence=confidence)
    assert first.section == 2
    assert first.loss == pytest.approx(0.35 * 0.5 * 17**2)  # both sections say the same there
    assert second.loss == 0
    assert "3.2" not in second.reasons


def test_targets_need_not_be_the_sections_of_the_stack():
    truth = ellipsoids(1)[::8]
    series = Series(truth, 2.0 * np.arange(len(truth)), 0.25)
    depths = np.arange(-1, 14, 0.25)
    found = suggest_sections(series, depths)
    assert len(found) == len(truth) - 1
    assert all(depths[each.section] == each.depth for each in found)
    assert all(each.depth % 2 != 0 for each in found)


def test_wide_gaps_are_warned_of():
    truth = np.zeros((33, 90, 90), np.uint16)
    rng = np.random.default_rng(3)
    for label in range(1, 60):
        z, y, x = rng.uniform(0, truth.shape)
        truth[(((np.indices(truth.shape).T - [z, y, x]) ** 2).sum(-1).T <= 9)] = label
    kept = np.arange(0, 33, 16)
    series = Series(truth[kept], 0.5 * kept, 0.5)
    [warning] = warnings_of(series, "um")
    assert warning.startswith("2 of 2 gaps are wider than typical objects are tall")
    assert "the widest: 8 um" in warning
    assert 1.5 < heights_of(series, meet(series)).typical < 4  # of balls with a diameter of 3
    kept = np.arange(0, 33, 2)
    assert warnings_of(Series(truth[kept], 0.5 * kept, 0.5)) == []


def test_a_single_wide_gap_is_named():
    truth = np.zeros((41, 40, 40), np.uint8)
    for start in range(0, 40, 8):
        truth[start : start + 5, 3 * start // 4 : 3 * start // 4 + 6] = 1 + start
    kept = np.array([0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 40])
    [warning] = warnings_of(Series(truth[kept], kept.astype(float), 1.0), "um")
    assert warning.startswith("the gap from 20 to 40 um is wider than typical objects are tall")


@pytest.mark.parametrize("sections", [1, 2, 3])
def test_heights_are_measured_by_counting(sections):
    """Columns of 10 sections each, begun one after the other: on a section 10 / 4 of them on average."""
    truth = np.zeros((201, 6, 240), np.uint16)
    for number, start in enumerate(range(-8, 201, 4)):
        truth[max(0, start) : start + 10, 1:5, 4 * number + 1 : 4 * number + 4] = number + 1
    kept = np.arange(0, 201, sections)
    series = Series(truth[kept], kept.astype(float), 1.0)
    assert heights_of(series, meet(series)).typical == pytest.approx(10, rel=0.1)


def test_nothing_to_see_gives_nothing_to_warn_of():
    empty = np.zeros((3, 8, 8), np.uint8)
    series = Series(empty, np.array([0.0, 4.0, 8.0]), 1.0)
    assert warnings_of(series) == []
    assert [each.loss for each in suggest_sections(series, np.arange(9))] == pytest.approx([0, 0], abs=0.1)
    assert suggest_sections(Series(empty[:1], np.array([0.0]), 1.0), np.arange(9)) == []
    assert warnings_of(Series(empty[:1], np.array([0.0]), 1.0)) == []
