"""Scores of labels in closed form, against MONAI, and by counting."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_depth_interp.metrics.labels import LABEL_METRICS, LabelPair, LabelTally, mean_row, runs


def scored(truth, result, hidden=None, depths=None, pixel=(1.0, 1.0)):
    count = len(truth)
    hidden = np.ones(count, bool) if hidden is None else np.isin(np.arange(count), hidden)
    depths = np.arange(count, dtype=float) if depths is None else np.asarray(depths, float)
    tally = LabelTally()
    tally.add(LabelPair(truth, result, hidden, depths, pixel))
    return tally


def discs(shape, *parts):
    """Discs (label, sections, row, column, radius) on an empty volume."""
    volume = np.zeros(shape, np.uint16)
    rows, columns = np.indices(shape[1:])
    for label, sections, row, column, radius in parts:
        inside = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
        volume[sections] = np.where(inside, label, volume[sections])
    return volume


def test_equal_labels_have_the_best_of_all_scores():
    truth = discs((5, 40, 40), (3, slice(None), 12, 12, 6), (900, slice(1, 4), 28, 28, 5))
    tally = scored(truth, truth, hidden=[1, 2, 3])
    assert tally.labels() == [3, 900]
    for label in (3, 900):
        row = tally.row(label)
        assert {name: row[name] for name in LABEL_METRICS} == {
            "dice": 1.0, "surface": 0.0, "surface_95": 0.0, "object_f1": 1.0, "count_error": 0, "volume_error": 0.0,
        }  # fmt: skip
    total = tally.total()
    assert (total["accuracy"], total["dice"], total["objects"], total["object_f1"]) == (1.0, 1.0, 2, 1.0)


def test_a_moved_line_is_as_far_away_as_it_was_moved():
    truth = np.zeros((6, 3, 12), np.uint8)
    result = truth.copy()
    truth[:, :, 2], result[:, :, 5] = 7, 7
    row = scored(truth, result, hidden=[1, 2, 4], pixel=(1.0, 0.25)).row(7)
    assert row["surface"] == row["surface_95"] == pytest.approx(3 * 0.25)
    assert (row["dice"], row["volume_error"], row["object_f1"], row["count_error"]) == (0.0, 0.0, 0.0, 0)


def test_depths_are_those_of_the_sections_also_where_they_are_uneven():
    truth = np.zeros((4, 5, 5), np.int32)
    result = truth.copy()
    truth[1, 2, 2], result[2, 2, 2] = 1, 1
    row = scored(truth, result, hidden=[1, 2], depths=[0.0, 1.0, 8.5, 9.0]).row(1)
    assert row["surface"] == row["surface_95"] == pytest.approx(7.5)


def test_spheres_within_each_other_are_as_far_apart_as_their_radii_differ():
    grid = np.indices((61, 61, 61)) - 30
    radius = np.sqrt((grid**2).sum(0))
    row = scored((radius <= 24).astype(np.uint8), (radius <= 18).astype(np.uint8)).row(1)
    assert row["surface"] == pytest.approx(6, abs=0.3)  # of centres of voxels
    assert row["surface_95"] == pytest.approx(6, abs=0.6)
    assert row["dice"] == pytest.approx(2 * 18**3 / (18**3 + 24**3), abs=0.01)
    assert row["volume_error"] == pytest.approx(18**3 / 24**3 - 1, abs=0.01)


@pytest.mark.filterwarnings("ignore:monai.metrics.utils get_mask_edges:FutureWarning")
@pytest.mark.parametrize("seed", range(4))
def test_a_whole_volume_scores_as_monai_scores_it(seed):
    from monai.metrics import compute_average_surface_distance, compute_dice, compute_hausdorff_distance

    rng = np.random.default_rng(seed)
    spacing = (2.0, 0.5, 0.4)
    both = [gaussian_filter(rng.random((9, 24, 30)), (1, 3, 3)) for _ in range(2)]
    truth, result = (sum((each > np.quantile(each, share)).astype(int) for share in (0.6, 0.85)) for each in both)
    tally = scored(truth, result, depths=spacing[0] * np.arange(9), pixel=spacing[1:])
    for label in (1, 2):
        one, other = (torch.from_numpy((each == label)[None, None]) for each in (result, truth))
        row = tally.row(label)
        assert row["dice"] == pytest.approx(float(compute_dice(one, other)), abs=1e-6)
        assert row["surface"] == pytest.approx(
            float(compute_average_surface_distance(one, other, True, symmetric=True, spacing=spacing)), abs=1e-5
        )
        assert row["surface_95"] == pytest.approx(
            float(compute_hausdorff_distance(one, other, True, percentile=95, spacing=spacing)), abs=1e-4
        )


def test_only_hidden_sections_count_but_surfaces_beside_them_are_seen():
    truth = discs((3, 30, 30), (1, slice(None), 15, 15, 8))
    result = truth.copy()
    result[1] = 0
    result[[0, 2], :4] = 9  # wrong, but not hidden
    row = scored(truth, result, hidden=[1], depths=[0.0, 3.0, 6.0]).row(1)
    assert (row["dice"], row["object_f1"]) == (0.0, 0.0)
    assert row["volume_error"] == pytest.approx(-1 / 3)  # of the object as it is measured: two sections were seen
    assert row["surface"] == pytest.approx(3, abs=0.5)  # from the outline to those on the sections beside it
    assert scored(truth, result, hidden=[1]).labels() == [1]


def test_objects_are_found_whatever_they_are_called():
    truth = discs((4, 30, 60), (1, slice(None), 15, 12, 7), (2, slice(None), 15, 42, 7))
    swapped = np.where(truth == 1, 2, np.where(truth == 2, 1, 0))
    tally = scored(truth, swapped)
    assert [tally.row(label)["dice"] for label in (1, 2)] == [0.0, 0.0]
    assert [tally.row(label)["object_f1"] for label in (1, 2)] == [1.0, 1.0]
    assert tally.total()["object_f1"] == 1.0
    assert tally.total()["dice"] == 0.0


def test_objects_that_are_merged_split_or_invented_are_counted():
    truth = discs((2, 30, 90), (1, slice(None), 15, 14, 9), (1, slice(None), 15, 44, 9), (1, slice(None), 15, 74, 9))
    merged = truth.copy()
    merged[:, 15, 14:45] = 1
    row = scored(truth, merged).row(1)
    # the merged one overlaps half of what it is with either: only the third is found
    assert row["objects"] == 3
    assert row["count_error"] == -1
    assert row["object_f1"] == pytest.approx(2 * 1 / (3 + 2))
    invented = truth.copy()
    invented[0, :3, :3] = 5
    total = scored(truth, invented).total()
    assert (total["recall"], total["precision"], total["count_error"]) == (1.0, 0.75, 1)


def test_half_an_object_is_not_the_object():
    truth, result = np.zeros((2, 1, 4, 8), int)
    truth[0, :, :8] = 1
    result[0, :, :4] = 1
    assert scored(truth, result).row(1)["object_f1"] == 0.0
    result[0, 0, 4] = 1
    assert scored(truth, result).row(1)["object_f1"] == 1.0


def test_parts_on_either_side_of_a_seen_section_are_objects_of_their_own():
    truth = discs((5, 20, 20), (1, slice(None), 10, 10, 5))
    assert scored(truth, truth, hidden=[1, 3]).row(1)["objects"] == 2
    assert scored(truth, truth, hidden=[1, 2, 3]).row(1)["objects"] == 1
    assert runs(np.array([True, False, True, True])) == [slice(0, 1), slice(2, 4)]


def test_a_label_that_is_not_in_the_truth_spoils_no_mean():
    truth = discs((3, 20, 20), (1, slice(None), 10, 10, 5))
    result = truth.copy()
    result[1, 0, 0] = 4
    tally = scored(truth, result, hidden=[1])
    rows = [tally.row(label) for label in tally.labels()]
    assert [row["dice"] for row in rows] == [1.0, None]
    assert mean_row(rows)["dice"] == 1.0
    assert tally.total()["accuracy"] == 1 - 1 / 400


def test_the_mean_of_errors_is_that_of_their_sizes():
    truth = discs((2, 30, 60), (1, slice(None), 15, 12, 7), (2, slice(None), 15, 42, 7))
    result = truth.copy()
    result[1][truth[1] == 1] = 0
    result[:, 0][result[:, 0] == 0] = 2
    rows = [scored(truth, result).row(label) for label in (1, 2)]
    assert rows[0]["volume_error"] == pytest.approx(-0.5)
    grown = 2 * 60 / (truth == 2).sum()
    assert rows[1]["volume_error"] == pytest.approx(grown)
    assert mean_row(rows)["volume_error"] == pytest.approx((0.5 + grown) / 2)
    assert mean_row(rows)["count_error"] == pytest.approx(0.5)


def test_pairs_are_pooled():
    rng = np.random.default_rng(0)
    truth, result = rng.integers(0, 4, (2, 6, 12, 12))
    whole, halves = scored(truth, result), LabelTally()
    for rows in (slice(0, 3), slice(3, 6)):
        halves.add(LabelPair(truth[rows], result[rows], np.ones(3, bool), np.arange(3.0)))
    for label in (1, 2, 3):
        assert halves.row(label)["dice"] == whole.row(label)["dice"]
    assert halves.total()["accuracy"] == whole.total()["accuracy"]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.int64, np.uint64])
def test_identifiers_of_all_integer_types_are_kept(dtype):
    large = int(np.iinfo(dtype).max)
    truth = np.zeros((2, 4, 4), dtype)
    truth[:, :2], truth[:, 2:] = large, large - 1
    tally = scored(truth, truth)
    assert tally.labels() == [large - 1, large]
    assert tally.row(large)["dice"] == 1.0


def test_negative_labels_are_labels():
    truth = np.zeros((2, 4, 4), np.int32)
    truth[:, :2] = -3
    assert scored(truth, truth).row(-3)["dice"] == 1.0


def test_many_labels_take_no_loop_over_the_volume():
    truth = np.arange(1, 20_001, dtype=np.int64).reshape(2, 100, 100) * 10**6
    tally = scored(truth, np.roll(truth, 1, axis=2))
    assert len(tally.labels()) == 20_000
    assert tally.row(10**6)["surface"] == pytest.approx(1.0)


def test_nothing_at_all_has_no_scores():
    empty = np.zeros((3, 5, 5), np.uint8)
    tally = scored(empty, empty)
    assert tally.labels() == []
    assert mean_row([]) == dict.fromkeys(LABEL_METRICS)
    assert tally.total()["accuracy"] == 1.0
    assert tally.total()["object_f1"] is None
