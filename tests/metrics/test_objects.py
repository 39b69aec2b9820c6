"""Scores of segmentations, counted by hand on boxes."""

import numpy as np
import pytest

from napari_depth_interp.metrics.objects import OBJECT_METRICS, object_scores


def boxes(*parts, shape=(6, 20, 20)):
    """Boxes (identifier, sections, rows, columns) on an empty volume."""
    volume = np.zeros(shape, np.uint16)
    for identifier, *where in parts:
        volume[tuple(slice(*each) for each in where)] = identifier
    return volume


def scored(truth, result, spacing=2.0, pixel=(0.5, 0.5)):
    return object_scores(truth, result, spacing * np.arange(len(truth), dtype=float), pixel)


TWO = boxes((3, (1, 5), (2, 8), (2, 8)), (900, (1, 5), (2, 8), (8, 14)))


def test_the_same_objects_by_other_names_have_the_best_of_all_scores():
    found = scored(TWO, np.where(TWO == 3, 7, np.where(TWO == 900, 1, 0)))
    best = {"higher": 1, "lower": 0, "zero": 0}
    assert {name: found[name] for name in OBJECT_METRICS} == {
        name: best[metric.better] for name, metric in OBJECT_METRICS.items()
    }
    assert (found["drawn"], found["found"]) == (2, 2)


def test_merged_split_and_invented_objects_are_counted():
    merged = scored(TWO, (TWO > 0).astype(np.uint8))
    assert (merged["merges"], merged["splits"], merged["count_error"], merged["f1"]) == (0.5, 0, -0.5, 0)
    split = TWO.copy()
    split[3:][split[3:] == 900] = 4
    halves = scored(TWO, split)
    assert (halves["splits"], halves["merges"], halves["count_error"]) == (0.5, 0, 0.5)
    assert halves["f1"] == pytest.approx(2 / 5), "half of an object is not more than half of it"
    more = scored(TWO, TWO + boxes((5, (0, 6), (12, 18), (12, 18))))
    assert (more["false_objects"], more["splits"]) == (pytest.approx(1 / 3), 0)
    assert more["volume_bias"] == pytest.approx(216 / 288)


def test_thresholds_of_the_overlap():
    truth, shorter = boxes((1, (0, 6), (0, 10), (0, 10))), boxes((1, (0, 6), (0, 10), (0, 6)))
    found = scored(truth, shorter)
    assert (found["f1"], found["f1_70"]) == (1, 0)
    assert found["f1_mean"] == pytest.approx(0.2), "0.5 and 0.55 of ten thresholds; 0.6 is not more than 0.6"


def test_surfaces_are_apart_in_the_unit_of_the_stack():
    truth, lower = boxes((1, (1, 2), (0, 20), (0, 20))), boxes((1, (4, 5), (0, 20), (0, 20)))
    assert scored(truth, lower, spacing=2.0)["surface"] == pytest.approx(6)


def test_nothing_found_and_nothing_drawn():
    nothing = np.zeros_like(TWO)
    found = scored(TWO, nothing)
    assert (found["f1"], found["count_error"], found["surface"], found["false_objects"]) == (0, -1, None, None)
    assert scored(nothing, nothing)["f1"] is None
