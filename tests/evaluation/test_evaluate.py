"""Evaluation: scores on hidden sections only, and the object that --json prints."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from making import EVERY_2, make, ramp

from napari_depth_interp.errors import DeviceError, RequestError
from napari_depth_interp.evaluation.evaluate import evaluate
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.method import MethodConfig, MethodSpec, Sections
from napari_depth_interp.methods import registry
from napari_depth_interp.metrics import SECTION_METRICS, VOLUME_METRICS
from napari_depth_interp.progress import Cancelled
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Acquisition, Dataset, Grid, Source
from napari_depth_interp.system import devices

# Scores


def test_a_stack_linear_in_z_is_exact_for_linear_interpolation():
    scores = evaluate(make(ramp([0, 1, 2, 3, 4])), ["linear", "nearest"], EVERY_2)
    linear, nearest = scores.methods
    assert linear.mean["rmse"] == pytest.approx(0, abs=1e-12)
    assert linear.mean["psnr"] is None or linear.mean["psnr"] > 200
    assert nearest.mean["psnr"] < 30


def test_scores_by_hand_on_the_hidden_sections_only():
    """The sections are z^2: linear interpolation of 0, 4, 16 gives 2 and 10 for the hidden 1 and 9."""
    data = make(ramp([0, 1, 4, 9, 16]))
    scores = evaluate(data, ["linear"], EVERY_2, data_range=(0, 40))
    squares = ramp([1])[0] ** 2  # the error is the pattern in both sections
    rmse = math.sqrt(squares.mean())
    (method,) = scores.methods
    assert [(row["index"], row["z"]) for row in method.sections] == [(1, 2.0), (3, 6.0)]
    for row in method.sections:
        assert row["rmse"] == pytest.approx(rmse)
        assert row["psnr"] == pytest.approx(20 * math.log10(40 / rmse))
    assert method.mean["rmse"] == pytest.approx(rmse)
    assert method.volume["psnr"] == pytest.approx(20 * math.log10(40 / rmse))


def test_mean_and_volume_differ_where_the_errors_differ():
    data = make(ramp([0, 1, 0, 9, 0]))  # linear gives 0: errors 1 and 9 times the pattern
    (method,) = evaluate(data, ["linear"], EVERY_2, data_range=(0, 20)).methods
    squares = (ramp([1])[0] ** 2).mean()
    assert method.mean["rmse"] == pytest.approx(5 * math.sqrt(squares))
    assert method.volume["rmse"] == pytest.approx(math.sqrt(41 * squares))
    psnr = [20 * math.log10(20 / (error * math.sqrt(squares))) for error in (1, 9)]
    assert method.mean["psnr"] == pytest.approx(np.mean(psnr))
    assert method.volume["psnr"] == pytest.approx(10 * math.log10(400 / (41 * squares)))


@pytest.mark.parametrize(
    ("protocol", "indices"),
    [
        (Protocol("keep_every", every=3), [1, 2, 4, 5]),
        (Protocol("hold_out", sections=(4, 2)), [2, 4]),
        (Protocol("leave_one_out"), [1, 2, 3, 4, 5]),
        (Protocol("projection", every=3), [0, 1, 2, 3, 4, 5]),
    ],
)
def test_every_protocol_scores_its_hidden_sections(noise, protocol, indices):
    (method,) = evaluate(noise, ["nearest"], protocol).methods
    assert [row["index"] for row in method.sections] == indices
    assert [row["z"] for row in method.sections] == [2.0 * i for i in indices]
    assert all(row["rmse"] > 0 for row in method.sections)


def test_a_reference_gives_the_truth_and_the_depths_in_the_units_of_the_input():
    truth = ramp([0, 1, 4, 9, 16])
    dense = Dataset(truth[None, None], Grid(np.arange(5) / 1000, unit="mm"))
    sparse = Dataset(truth[None, None, ::2], Grid(np.array([0.0, 2, 4]), unit="um"))
    (method,) = evaluate(sparse, ["linear"], Protocol("reference"), reference=dense).methods
    assert [row["index"] for row in method.sections] == [1, 3]
    assert [row["z"] for row in method.sections] == pytest.approx([1, 3])
    assert method.mean["rmse"] == pytest.approx(math.sqrt((ramp([1])[0] ** 2).mean()))


def test_the_chosen_channel_of_a_reference_is_compared():
    truth = np.stack([ramp([0, 9, 1, 9, 2]), ramp([0, 1, 2, 3, 4])])[None]
    dense = Dataset(truth, Grid(np.arange(5.0)), channel_names=("a", "b"))
    sparse = Dataset(truth[:, :, ::2], Grid(np.arange(0, 5, 2.0)), channel_names=("a", "b"))
    settings = make_settings(channel="b")
    (method,) = evaluate(sparse, ["linear"], Protocol("reference"), settings, reference=dense).methods
    assert method.mean["rmse"] == pytest.approx(0, abs=1e-12)


def test_times_and_channels_are_scored_apart():
    voxels = np.random.default_rng(1).random((2, 3, 5, 12, 12))
    voxels[:, 2] *= 1000
    scores = evaluate(make(voxels), ["linear"], EVERY_2)
    rows = scores.methods[0].sections
    expected = [(t, c, i) for t in range(2) for c in range(3) for i in (1, 3)]
    assert [(row["time"], row["channel"], row["index"]) for row in rows] == expected
    for row in rows:
        t, c, i = row["time"], row["channel"], row["index"]
        middle = (voxels[t, c, i - 1] + voxels[t, c, i + 1]) / 2
        error = np.sqrt(np.mean((middle - voxels[t, c, i]) ** 2))
        assert row["rmse"] == pytest.approx(error)
        low, high = np.percentile(voxels[:, c], (0.1, 99.9))
        assert row["psnr"] == pytest.approx(20 * math.log10((high - low) / error))


def test_the_foreground_is_above_one_threshold_of_the_whole_reference():
    voxels = np.zeros((5, 12, 12), np.uint8)
    voxels[::2, :4] = 200
    voxels[1, :2] = 200  # hidden: bright foreground, missed by nothing
    voxels[3, :2] = 20  # hidden: objects by its own threshold, background by the volume's
    (method,) = evaluate(make(voxels), ["linear"], EVERY_2).methods
    first, second = method.sections
    assert first["rmse_fg"] == 0
    assert first["psnr_fg"] is None
    assert second["rmse_fg"] is None
    assert second["dice_fg"] is None
    assert second["dice"] == pytest.approx((2 * 24 + 1) / (24 + 48 + 1))


def test_voxels_that_are_not_a_number_are_left_out(noise):
    whole = evaluate(noise, ["nearest"], EVERY_2, data_range=(0, 1)).methods[0].sections
    voxels = noise.voxels.copy()
    voxels[..., 1, :6, :] = np.nan  # hidden voxels
    settings = make_settings(nan="fill")
    holed = evaluate(make(voxels), ["nearest"], EVERY_2, settings, data_range=(0, 1)).methods[0].sections
    assert holed[1:] == whole[1:]
    lower = noise.voxels[0, 0, 1, 6:] - noise.voxels[0, 0, 0, 6:]
    assert holed[0]["rmse"] == pytest.approx(np.sqrt(np.mean(lower**2)))


# The object that --json prints

POOLED = ("psnr", "rmse", "mse", "mae", "dice", "volume_bias")


def named(metrics):
    """Return the names on all voxels and on the foreground."""
    return [f"{name}{suffix}" for name in metrics for suffix in ("", "_fg")]


def test_the_json_object_is_as_the_design_says(noise):
    data = Dataset(noise.voxels, noise.grid, source=Source(Path("folder/brain.tif"), "tiff"))
    scores = evaluate(data, ["nearest", "cubic"], EVERY_2, make_settings(parameters={}, device="cpu"))
    shown = json.loads(json.dumps(scores.as_json(), allow_nan=False))
    assert list(shown) == ["input", "stack", "protocol", "data_range", "device", "settings", "lpips", "methods"]
    assert shown["input"] == "brain.tif"
    assert shown["protocol"] == {
        "kind": "keep_every",
        "every": 2,
        "sections": [],
        "description": EVERY_2.describe(),
    }
    assert shown["device"] == "cpu"
    assert [each["method"] for each in shown["methods"]] == ["nearest", "cubic"]
    for each in shown["methods"]:
        assert list(each) == [
            "method", "config", "seconds", "peak_memory_mb", "mean", "volume", "sections", "warnings", "uncertainty",
            "expected_gain_db", "std", "gap_curve", "against_linear",
        ]  # fmt: skip
        assert list(each["mean"]) == list(each["std"]) == named(SECTION_METRICS)
        assert set(each["volume"]) == {*named(POOLED), *named(VOLUME_METRICS)}
        assert [list(row) for row in each["sections"]] == [["index", "z", "gap_position", *named(SECTION_METRICS)]] * 3
        assert each["seconds"] > 0
        assert each["peak_memory_mb"] > 1
    assert shown["methods"][1]["config"]["kind"] == "catmull-rom"


def test_an_exact_result_gives_null_in_json():
    constant = np.zeros((5, 8, 8))
    constant[0] = np.eye(8)  # only visible
    constant[2:] = constant[0]
    constant[1] = constant[0]
    scores = evaluate(make(constant), ["linear", "nearest"], EVERY_2)
    text = json.dumps(scores.as_json(), allow_nan=False)
    assert [each["mean"]["psnr"] for each in json.loads(text)["methods"]] == [None, None]
    assert scores.methods[0].mean["ssim"] is None  # 8 pixels are fewer than the window's 11


def test_a_stack_in_memory_has_no_input_name(noise):
    assert evaluate(noise, ["linear"], EVERY_2).as_json()["input"] is None


def test_all_devices_that_were_used_are_named(noise, monkeypatch):
    class Zero:
        def prepare(self, stack, *, report):
            pass

        def sections_at(self, stack, z, *, report):
            return Sections(np.zeros((len(z), *stack.voxels.shape[1:])))

    spec = MethodSpec("gpu", "", "", MethodConfig, lambda *_: Zero(), "", None, devices=("cpu", "cuda"))
    get = registry.get
    monkeypatch.setattr(registry, "get", lambda name: spec if name == "gpu" else get(name))
    monkeypatch.setattr(devices, "available_devices", lambda: ["cuda:0", "cpu"])
    assert evaluate(noise, ["linear", "gpu"], EVERY_2).device == "cpu, cuda:0"


# Running


def test_results_are_handed_over_dense_and_with_their_trial(noise):
    seen = []
    evaluate(noise, ["linear", "nearest"], EVERY_2, on_result=lambda *args: seen.append(args))
    assert [method for method, _, _ in seen] == ["linear", "nearest"]
    for _, trial, result in seen:
        assert result.dataset.voxels.shape == noise.voxels.shape
        np.testing.assert_array_equal(result.dataset.grid.depths, trial.depths)
        np.testing.assert_array_equal(result.dataset.voxels[:, :, ::2], noise.voxels[:, :, ::2])


@pytest.mark.parametrize("protocol", [EVERY_2, Protocol("leave_one_out")])
def test_progress_runs_from_zero_to_one_and_never_back(noise, protocol):
    seen = []
    evaluate(noise, ["linear", "cubic"], protocol, report=lambda p: seen.append(p.fraction))
    assert seen[0] == 0
    assert seen[-1] == pytest.approx(1)
    assert seen == sorted(seen)
    assert len(set(seen)) > 3


@pytest.mark.parametrize("after", [1, 2, 5])
def test_cancelling_stops_at_once(noise, after):
    calls = []

    def cancel(progress):
        calls.append(progress)
        if len(calls) == after:
            raise Cancelled

    with pytest.raises(Cancelled):
        evaluate(noise, ["linear", "cubic"], EVERY_2, report=cancel)
    assert len(calls) == after


@pytest.mark.parametrize(
    ("methods", "settings", "error", "message"),
    [
        (["linear", "no-such"], {}, RequestError, "no method 'no-such'"),
        (["linear", "nearest"], {"method": "linear", "parameters": {"kind": 3}}, RequestError, "'kind' is not known"),
        (["linear"], {"device": "cuda:999"}, DeviceError, "is not there"),
        ([], {}, RequestError, "no methods to evaluate"),
    ],
)
def test_what_cannot_run_fails_before_the_first_run(noise, methods, settings, error, message):
    runs = []
    with pytest.raises(error, match=message):
        evaluate(noise, methods, EVERY_2, make_settings(**settings), on_result=lambda *args: runs.append(args))
    assert runs == []


def test_what_the_settings_say_about_the_input_is_applied_and_their_target_is_not():
    voxels = np.random.default_rng(0).random((1, 2, 5, 12, 12))
    settings = make_settings(channel="1", z_spacing="3um", factor=7, seed=4)
    scores = evaluate(Dataset(voxels, Grid(None, unit="um")), ["linear"], EVERY_2, settings)
    assert [row["z"] for row in scores.methods[0].sections] == [3, 9]
    assert "channel" not in scores.methods[0].sections[0]


def test_a_stack_of_projections_needs_a_reference(noise):
    recorded = Dataset(noise.voxels, noise.grid, Acquisition(3))
    with pytest.raises(RequestError, match="no section is known"):
        evaluate(recorded, ["linear"], EVERY_2)
    with pytest.raises(RequestError, match="no section is known"):
        evaluate(noise, ["linear"], EVERY_2, make_settings(acquisition="projection:3"))


def test_the_input_is_not_changed(noise):
    before = noise.voxels.copy()
    noise.voxels.flags.writeable = False
    evaluate(noise, ["linear", "nearest", "cubic"], EVERY_2)
    np.testing.assert_array_equal(noise.voxels, before)


def test_parameters_belong_to_the_method_of_the_settings():
    """Linear runs beside cubic with its own defaults, though the parameters are cubic's."""
    dataset = Dataset.from_array(np.random.default_rng(0).random((9, 16, 16)), z_spacing=1.0)
    settings = make_settings(method="cubic", parameters={"kind": "spline"})
    scores = evaluate(dataset, ["linear", "cubic"], Protocol("keep_every", every=2), settings)
    assert [each.config.get("kind") for each in scores.methods] == [None, "spline"]
