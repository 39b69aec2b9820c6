"""Evaluating labels: annotated sections are hidden, nothing of them is seen, and the scores are those of the hidden."""

import json

import numpy as np
import pytest

from napari_depth_interp.errors import InputError, RequestError
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.evaluation.label_scores import as_json
from napari_depth_interp.evaluation.label_trials import make_label_trials
from napari_depth_interp.evaluation.labels import default_methods, evaluate_labels, label_plan_of
from napari_depth_interp.labels.request import resolve_labels
from napari_depth_interp.labels.settings import make_label_settings
from napari_depth_interp.stack import Dataset

EVERY_2ND = Protocol("keep_every", every=2)
LEAVE_ONE_OUT = Protocol("leave_one_out")


def cones(sections=17):
    """A cone that narrows, and one beside it that begins later."""
    volume = np.zeros((sections, 48, 48), np.uint16)
    rows, columns = np.indices(volume.shape[1:])
    for z in range(sections):
        volume[z][(rows - 14) ** 2 + (columns - 14) ** 2 <= (12 - 0.5 * z) ** 2] = 300
        if z >= sections // 2:
            volume[z][(rows - 34) ** 2 + (columns - 34) ** 2 <= (2 + 0.5 * z) ** 2] = 7
    return volume


def dataset(voxels, gap=2.0, pixel=0.5, **options):
    return Dataset.from_array(voxels, z_spacing=gap, pixel_size=(pixel, pixel), unit="um", **options)


def dice(truth, result, label):
    a, b = truth == label, result == label
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_keep_every_scores_what_a_run_on_the_kept_sections_makes():
    truth = cones()
    scores = evaluate_labels(dataset(truth), ["nearest", "shape"], EVERY_2ND)
    hidden = np.arange(1, 16, 2)
    result = truth.copy()
    result[hidden] = truth[hidden - 1]  # halfway, so the section below counts
    nearest, shape = scores.methods
    for row in nearest.labels:
        assert row["dice"] == pytest.approx(dice(truth[hidden], result[hidden], row["label"]))
    assert [row["label"] for row in nearest.labels] == [7, 300]
    assert nearest.mean["dice"] == pytest.approx(np.mean([row["dice"] for row in nearest.labels]))
    assert shape.mean["dice"] > nearest.mean["dice"]
    assert shape.mean["surface"] < nearest.mean["surface"] < 1.0  # um: the cones narrow by 0.25 um from one to the next
    assert [row["index"] for row in nearest.sections] == hidden.tolist()
    assert {row["gap_position"] for row in nearest.sections} == {0.5}
    assert [row["z"] for row in nearest.sections] == (2.0 * hidden).tolist()
    assert scores.best() is shape
    assert scores.stack["hidden"] == hidden.tolist()
    assert scores.stack["labels"] == 2


def test_leaving_one_out_scores_each_inner_section_from_all_others():
    truth = cones(9)
    scores = evaluate_labels(dataset(truth), ["nearest"], LEAVE_ONE_OUT)
    result = np.concatenate([truth[:1], truth[:-2], truth[-1:]])
    [nearest] = scores.methods
    assert nearest.total["accuracy"] == pytest.approx((result == truth)[1:-1].mean())
    assert [row["index"] for row in nearest.sections] == list(range(1, 8))
    assert nearest.labels[0]["dice"] == pytest.approx(dice(truth[1:-1], result[1:-1], 7))


def test_sections_to_hide_are_numbered_as_in_the_file():
    truth = cones()
    sparse = np.zeros_like(truth)
    sparse[::4] = truth[::4]
    scores = evaluate_labels(dataset(sparse), ["nearest"], Protocol("hold_out", sections=(4, 12)))
    assert [row["index"] for row in scores.methods[0].sections] == [4, 12]
    assert scores.stack["annotated"] == [0, 4, 8, 12, 16]
    assert scores.protocol.sections == (4, 12)
    assert scores.methods[0].labels[1]["dice"] == pytest.approx(dice(truth[[4, 12]], truth[[0, 8]], 300))
    with pytest.raises(RequestError, match="got 5; annotated are 0, 4, 8, 12 and 16"):
        evaluate_labels(dataset(sparse), ["nearest"], Protocol("hold_out", sections=(4, 5)))


@pytest.mark.parametrize("annotated", ["auto", "0,4,8,12,16"])
def test_nothing_of_hidden_or_other_sections_is_left_where_methods_look(annotated):
    truth = cones()
    if annotated == "auto":
        truth[np.arange(17) % 4 > 0] = 0
    request = resolve_labels(dataset(truth), make_label_settings(annotated=annotated, method="nearest"))
    for protocol in (EVERY_2ND, LEAVE_ONE_OUT, Protocol("hold_out", sections=(8,))):
        for trial in make_label_trials(request, protocol):
            visible = trial.visible(request)
            assert set(trial.kept) | set(trial.hidden) == {0, 4, 8, 12, 16}
            assert not set(trial.kept) & set(trial.hidden)
            others = np.setdiff1d(np.arange(17), trial.kept)
            assert not visible.voxels[0, 0, others].any()
            assert (visible.voxels[0, 0, list(trial.kept)] == truth[list(trial.kept)]).all()
            assert visible.source is None
            assert not visible.record


def test_labels_on_other_sections_do_not_help():
    """What an earlier run or another person left on sections that are not annotated is no knowledge."""
    truth = cones()
    sparse = np.zeros_like(truth)
    sparse[::4] = truth[::4]
    settings = make_label_settings(annotated="0,4,8,12,16")
    with_others = evaluate_labels(dataset(truth), ["shape"], EVERY_2ND, settings)
    without = evaluate_labels(dataset(sparse), ["shape"], EVERY_2ND, settings)
    assert with_others.methods[0].mean == without.methods[0].mean
    assert with_others.methods[0].labels == without.methods[0].labels


def test_a_label_that_is_hidden_everywhere_counts_as_nothing_and_is_named():
    truth = cones()
    truth[5, 40:46, 2:8] = 99
    scores = evaluate_labels(dataset(truth), ["nearest", "shape"], EVERY_2ND)
    assert scores.unseen == (99,)
    assert any("label 99 is on hidden sections only" in warning for warning in scores.warnings)
    for each in scores.methods:
        row = next(row for row in each.labels if row["label"] == 99)
        assert (row["dice"], row["surface"], row["unseen"], row["volume_error"]) == (0.0, None, True, -1.0)
        assert each.mean["dice"] == pytest.approx(np.mean([row["dice"] for row in each.labels]))
    alone = evaluate_labels(dataset(truth), ["nearest"], LEAVE_ONE_OUT)
    assert alone.unseen == (99,)


def test_an_empty_section_that_is_named_is_a_truth_too():
    truth = cones(9)
    truth[5:] = 0
    named = make_label_settings(annotated="all")
    scores = evaluate_labels(dataset(truth), ["nearest"], EVERY_2ND, named)
    assert [row["index"] for row in scores.methods[0].sections] == [1, 3, 5, 7]
    assert scores.methods[0].sections[-1]["dice"] is None
    assert scores.methods[0].sections[-1]["accuracy"] == 1.0
    auto = evaluate_labels(dataset(truth), ["nearest"], EVERY_2ND)
    assert [row["index"] for row in auto.methods[0].sections] == [1, 3]


def test_only_chosen_labels_count():
    scores = evaluate_labels(dataset(cones()), ["nearest"], EVERY_2ND, make_label_settings(labels=[300]))
    assert [row["label"] for row in scores.methods[0].labels] == [300]
    assert scores.settings == {"labels": [300]}


def test_time_points_and_channels_are_counted_together():
    truth = cones()
    shifted = np.roll(truth, 5, axis=2)
    both = evaluate_labels(dataset(np.stack([truth, shifted]), axes="TZYX"), ["nearest"], EVERY_2ND)
    single = [evaluate_labels(dataset(each), ["nearest"], EVERY_2ND).methods[0] for each in (truth, shifted)]
    [found] = both.methods
    assert found.labels[0]["voxels"] == sum(each.labels[0]["voxels"] for each in single)
    assert found.total["accuracy"] == pytest.approx(np.mean([each.total["accuracy"] for each in single]))
    assert sorted({row["time"] for row in found.sections}) == [0, 1]


def test_time_points_annotated_elsewhere_are_scored_on_their_own_sections():
    truth = np.stack([cones(), cones()])
    truth[0, np.arange(17) % 2 > 0] = 0
    truth[1, np.arange(17) % 4 > 0] = 0
    scores = evaluate_labels(dataset(truth, axes="TZYX"), ["nearest"], Protocol("leave_one_out"))
    rows = scores.methods[0].sections
    assert sorted(row["index"] for row in rows if row["time"] == 1) == [4, 8, 12]
    assert sorted(row["index"] for row in rows if row["time"] == 0) == list(range(2, 15, 2))


def test_uneven_depths_are_distances():
    truth = np.zeros((5, 20, 20), np.uint8)
    truth[:, 5:15, 5:15] = 1
    truth[1] = 0
    uneven = Dataset.from_array(truth, depths=[0, 4, 5, 7.5, 8], pixel_size=(1, 1), unit="um")
    settings = make_label_settings(annotated="all")
    row = evaluate_labels(uneven, ["nearest"], Protocol("hold_out", sections=(2,)), settings).methods[0].labels[0]
    assert row["dice"] == 0.0  # the nearer section is the empty one at 4
    assert row["surface"] == row["surface_95"] == 2.5  # to the section at 7.5


def test_without_spacing_distances_are_in_pixels():
    truth = cones()
    scores = evaluate_labels(Dataset.from_array(truth), ["shape"], EVERY_2ND)
    known = evaluate_labels(Dataset.from_array(truth, z_spacing=4.0, pixel_size=(1.0, 1.0)), ["shape"], EVERY_2ND)
    assert scores.methods[0].labels == known.methods[0].labels
    assert scores.stack["unit"] is None
    assert scores.stack["voxel_size"] == [None, None, None]
    assert any("evenly spaced, 4 pixels apart" in warning for warning in scores.warnings)


def test_wide_gaps_are_warned_of():
    truth = np.zeros((33, 60, 60), np.uint16)
    rng = np.random.default_rng(0)
    for label in range(1, 50):
        z, y, x = rng.integers(0, [30, 56, 56])
        truth[z : z + 3, y : y + 3, x : x + 3] = label
    scores = evaluate_labels(dataset(truth, 1.0, 1.0), ["nearest"], Protocol("keep_every", every=8))
    assert any("wider than typical objects are tall" in warning for warning in scores.warnings)


def test_warnings_are_about_the_sections_that_count_as_annotated():
    truth = np.zeros((33, 30, 30), np.uint16)
    truth[14:17, 10:13, 10:13] = 1
    found = evaluate_labels(dataset(truth, 1.0, 1.0), ["nearest"], Protocol("keep_every", every=4),
                            make_label_settings(annotated="all"))  # fmt: skip
    assert any("8 of 8 gaps are wider" in warning for warning in found.warnings)


def test_progress_goes_from_start_to_end_and_scores_come_one_by_one():
    told, scored, seen = [], [], []
    evaluate_labels(
        dataset(cones()), ["nearest", "shape"], EVERY_2ND, report=lambda p: told.append(p.fraction),
        on_scores=lambda each: scored.append((each.method, len(seen))),
        on_result=lambda name, trial, result: seen.append((name, trial.hidden, result.shape)),
    )  # fmt: skip
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 1.0)
    assert scored == [("nearest", 1), ("shape", 2)]
    assert seen[0] == ("nearest", tuple(range(1, 16, 2)), (17, 48, 48))


def test_scores_are_plain_json():
    truth = cones()
    truth[5, 40:46, 2:8] = 99
    scores = evaluate_labels(dataset(truth), ["nearest"], EVERY_2ND)
    written = json.loads(json.dumps(as_json([("a", scores)]), allow_nan=False))
    assert written["methods"][0]["mean"] == scores.methods[0].mean
    assert written["protocol"]["description"] == "one annotated section in 2 kept, the others hidden"
    several = json.loads(json.dumps(as_json([("a", scores), ("b", scores)]), allow_nan=False))
    assert several["summary"]["nearest"]["dice"] == scores.methods[0].mean["dice"]


@pytest.mark.parametrize(
    ("methods", "protocol", "message"),
    [
        ([], EVERY_2ND, "no methods to evaluate"),
        (["linear"], EVERY_2ND, "there is no method 'linear' for labels"),
        (["shape:fast"], EVERY_2ND, "no preset 'fast'"),
        (["shape:speed=3"], EVERY_2ND, "speed"),
        (["shape"], Protocol("reference"), "hiding annotated sections"),
        (["shape"], Protocol("sr4"), "hiding annotated sections"),
        (["shape"], Protocol("keep_every", every=1), "keep-every must be 2 or more"),
        (["shape"], Protocol("hold_out", sections=(0,)), "between the first and the last annotated one"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(methods, protocol, message):
    with pytest.raises(RequestError, match=message) as caught:
        evaluate_labels(dataset(cones()), methods, protocol)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_hidden_or_is_no_label_is_refused():
    two = cones()
    two[1:-1] = 0
    with pytest.raises(RequestError, match="only sections 0 and 16 are annotated"):
        evaluate_labels(dataset(two), ["nearest"], LEAVE_ONE_OUT)
    with pytest.raises(InputError, match="not whole numbers"):
        evaluate_labels(dataset(cones() * 0.3), ["nearest"], LEAVE_ONE_OUT)
    with pytest.raises(RequestError, match="the image has"):
        evaluate_labels(dataset(cones()), ["nearest"], EVERY_2ND, image=dataset(np.zeros((5, 9, 9))))


def test_parameters_go_to_their_method_only():
    settings = make_label_settings(method="shape", parameters={})
    assert label_plan_of("nearest", settings).method == "nearest"
    assert label_plan_of("nearest", settings).parameters == {}
    assert {"nearest", "shape"} <= set(default_methods(image=False)) <= set(default_methods(image=True))
