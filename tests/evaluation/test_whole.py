"""Scores of whole restored stacks: which sections they are put together from, under every protocol."""

import math

import numpy as np
import pytest
from making import EVERY_2, make

from napari_depth_interp.evaluation.evaluate import evaluate
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.metrics import VOLUME_METRICS, VolumePair, above_otsu, score_volume
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Dataset, Grid

RNG = np.random.default_rng(9)
FOURIER = [f"{name}{suffix}" for name in ("frc_xy", "frc_xz", "frc_yz", "fsc") for suffix in ("", "_fg")]


def even(voxels, unit="um", gap=2.0):
    voxels = np.asarray(voxels)
    voxels = voxels.reshape((1,) * (5 - voxels.ndim) + voxels.shape)
    return Dataset(voxels, Grid(gap * np.arange(voxels.shape[2]), (0.5, 0.7), unit), axes="TCZYX")


@pytest.fixture(scope="module")
def dense():
    return even(RNG.random((17, 12, 16)))


def by_hand(truth, restored, hidden, voxel_size=(2.0, 0.5, 0.7)):
    """Return the scores of a stack that was put together here."""
    foreground = above_otsu(truth)[: len(restored)]
    data_range = tuple(np.percentile(truth, (0.1, 99.9)))
    pair = VolumePair(truth[: len(restored)], restored, data_range, foreground, np.asarray(hidden), voxel_size)
    return score_volume(pair)


def volume_scores(method):
    return {name: value for name, value in method.volume.items() if name.removesuffix("_fg") in VOLUME_METRICS}


def results_of(dataset, protocol, **options):
    """Return the scores of linear interpolation and all its results."""
    seen = []
    (method,) = evaluate(
        dataset, ["linear"], protocol, on_result=lambda *each: seen.append(each[1:]), **options
    ).methods
    return method, seen


@pytest.mark.parametrize(
    ("protocol", "last", "hidden"),
    [
        (Protocol("keep_every", every=3), 15, [z for z in range(16) if z % 3]),  # section 16 is left out
        (Protocol("hold_out", sections=(4, 9, 10)), 16, [4, 9, 10]),
        (Protocol("projection", every=3), 14, range(15)),
    ],
)
def test_the_whole_stack_is_what_the_user_would_get(dense, protocol, last, hidden):
    method, [(_, result)] = results_of(dense, protocol)
    restored = result.dataset.voxels[0, 0]
    assert len(restored) == last + 1
    expected = by_hand(dense.voxels[0, 0], restored, np.isin(np.arange(last + 1), list(hidden)))
    assert volume_scores(method) == pytest.approx(expected)
    undefined = {name.removesuffix("_fg") for name, value in expected.items() if value is None}
    assert undefined == ({"inter_slice_noise"} if protocol.kind == "projection" else set())  # no section is observed


def test_leave_one_out_puts_the_hidden_sections_of_all_trials_together(dense):
    method, seen = results_of(dense, Protocol("leave_one_out"))
    truth = dense.voxels[0, 0]
    restored = np.stack([result.dataset.voxels[0, 0, 0] for _, result in seen])
    np.testing.assert_allclose(restored, (truth[:-2] + truth[2:]) / 2)
    pair = VolumePair(
        truth[1:-1],
        restored,
        tuple(np.percentile(truth, (0.1, 99.9))),
        above_otsu(truth)[1:-1],
        np.ones(15, bool),
        (2.0, 0.5, 0.7),
    )
    assert volume_scores(method) == pytest.approx(score_volume(pair))


def test_changes_along_z_by_hand():
    """Linear interpolation of 0, 4, 16 between every second square: steps 2, 2, 6, 6 for 1, 3, 5, 7."""
    curve = np.array([0, 1, 4, 9, 16])[:, None, None] * np.linspace(1, 2, 144).reshape(12, 12)
    (method,) = evaluate(make(curve), ["linear"], EVERY_2).methods
    assert method.volume["gradient_z"] == pytest.approx(1)
    assert method.volume["flicker"] == pytest.approx((0 + 4 + 0) / (2 + 2 + 2))


def test_a_reference_is_compared_on_the_sections_between_observed_ones():
    """The reference reaches from -1 to 9 um, the input from 0 to 8; lengths are those of the reference, in mm."""
    truth = RNG.random((11, 12, 16))
    reference = Dataset(truth[None, None], Grid((np.arange(11) - 1.0) / 1000, (0.0005, 0.0007), "mm"))
    sparse = Dataset(truth[None, None, 1:10:2], Grid(np.arange(0, 9, 2.0), (0.5, 0.7), "um"))
    method, [(_, result)] = results_of(sparse, Protocol("reference"), reference=reference)
    hidden = np.arange(9) % 2 > 0
    restored = truth[1:10].copy()
    restored[hidden] = (truth[1:8:2] + truth[3:10:2]) / 2
    pair = VolumePair(
        truth[1:10],
        restored,
        tuple(np.percentile(truth, (0.1, 99.9))),
        above_otsu(truth)[1:10],
        hidden,
        (0.001, 0.0005, 0.0007),
    )
    assert volume_scores(method) == pytest.approx(score_volume(pair), rel=1e-6)
    assert method.volume["frc_xz"] < 0.02
    assert result is not None


def upsampled(blocks, height, width):
    """Interpolate means of 4 x 4 pixels between their centres; beyond the outermost, they go on as they are."""
    rows = [np.interp(np.arange(width), 4 * np.arange(blocks.shape[1]) + 1.5, row) for row in blocks]
    columns = [np.interp(np.arange(height), 4 * np.arange(blocks.shape[0]) + 1.5, row) for row in np.array(rows).T]
    return np.array(columns).T


@pytest.mark.parametrize(("height", "width"), [(16, 20), (15, 18), (13, 8)])
def test_sr4_compares_sections_on_the_pixels_of_the_truth(height, width):
    """The stack does not change along z, so that only the means over 4 x 4 pixels are lost."""
    section = RNG.random((height, width))
    rows, columns = height // 4, width // 4
    kept = section[: 4 * rows, : 4 * columns]
    blocks = kept.reshape(rows, 4, columns, 4).mean(axis=(1, 3))
    error = upsampled(blocks, 4 * rows, 4 * columns) - kept
    scores = evaluate(even(np.repeat(section[None], 9, axis=0)), ["linear"], Protocol("sr4"), data_range=(0, 1))
    (method,) = scores.methods
    assert [row["index"] for row in method.sections] == list(range(8))
    for row in method.sections:
        assert row["rmse"] == pytest.approx(math.sqrt(np.mean(error**2)), rel=1e-5)
    assert method.volume["mae"] == pytest.approx(np.abs(error).mean(), rel=1e-5)
    assert method.volume["gradient_z"] is None  # nothing changes along z
    assert scores.as_json()["stack"]["shape"] == [1, 1, 9, height, width]


def test_sr4_scores_the_whole_stack_with_the_voxels_of_the_truth():
    data = even(RNG.random((2, 1, 8, 32, 33)))
    (method,) = evaluate(data, ["linear"], Protocol("sr4")).methods
    assert {row["time"] for row in method.sections} == {0, 1}
    undefined = {name for name, value in volume_scores(method).items() if value is None and not name.startswith("ssim")}
    assert undefined == {"inter_slice_noise", "inter_slice_noise_fg"}  # no section is an observed one
    assert method.volume["ssim_3d"] is not None
    assert method.volume["frc_xy"] > 3 * 0.7  # 4 pixels are one


def test_channels_and_time_points_are_averaged():
    voxels = RNG.random((2, 2, 9, 12, 16)) * np.array([1, 50])[:, None, None, None]
    data = even(voxels)
    (together,) = evaluate(data, ["linear"], EVERY_2).methods
    apart = []
    for t in range(2):
        for c in range(2):
            data_range = tuple(np.percentile(voxels[:, c], (0.1, 99.9)))
            foreground = above_otsu(voxels[:, c])[t]
            restored = voxels[t, c].copy()
            restored[1::2] = (restored[:-1:2] + restored[2::2]) / 2
            hidden = np.arange(9) % 2 > 0
            apart.append(
                score_volume(VolumePair(voxels[t, c], restored, data_range, foreground, hidden, (2.0, 0.5, 0.7)))
            )
    for name, value in volume_scores(together).items():
        assert value == pytest.approx(np.mean([each[name] for each in apart])), name


@pytest.mark.parametrize(
    "grid", [Grid(2.0 * np.arange(9), None, "um"), Grid(np.array([0.0, 1, 2, 4, 8, 9, 10, 11, 12]), (0.5, 0.5), "um")]
)
def test_without_a_voxel_size_there_is_no_resolution_and_all_else(grid):
    data = Dataset(RNG.random((1, 1, 9, 12, 16)), grid)
    (method,) = evaluate(data, ["linear"], EVERY_2).methods
    found = volume_scores(method)
    assert {name for name, value in found.items() if value is None} == set(FOURIER)


def test_voxels_that_are_not_a_number_leave_no_resolution_and_all_else(dense):
    voxels = dense.voxels.copy()
    voxels[..., 3, :2, :] = np.nan
    (method,) = evaluate(even(voxels), ["linear"], EVERY_2, make_settings(nan="fill")).methods
    found = volume_scores(method)
    assert {"frc_xy", "frc_xz", "frc_yz", "fsc"} <= {name for name, value in found.items() if value is None}
    assert found["gradient_z"] == pytest.approx(0.7, abs=0.3)
    assert found["ssim_3d"] is not None


def test_what_a_reader_has_to_know_of_the_stack(dense):
    assert evaluate(dense, ["linear"], EVERY_2).stack == {
        "shape": [1, 1, 17, 12, 16],
        "voxel_size": [2.0, 0.5, 0.7],
        "unit": "um",
        "dtype": "float64",
    }
    unknown = Dataset(dense.voxels.astype(np.float32), Grid(np.arange(17.0)))
    assert evaluate(unknown, ["linear"], EVERY_2).stack == {
        "shape": [1, 1, 17, 12, 16],
        "voxel_size": [1.0, None, None],
        "unit": None,
        "dtype": "float32",
    }
