"""Enhancing first, then making new sections: one result that says so."""

from dataclasses import replace

import numpy as np
import pytest

from napari_depth_interp import evaluate, interpolate
from napari_depth_interp.errors import RequestError
from napari_depth_interp.progress import Cancelled
from napari_depth_interp.run.result import Result
from quick import QUICK

FIRST = {"enhance": "srcnn", "enhance_parameters": QUICK["srcnn"], "threads": 1}


@pytest.fixture(scope="module")
def alone(tissue):
    """The enhanced sections, as floats."""
    return interpolate(tissue, method="srcnn", parameters=QUICK["srcnn"], threads=1, dtype="float32").dataset.voxels


def test_new_sections_lie_between_enhanced_ones(tissue, alone):
    found = interpolate(tissue, method="linear", factor=2, dtype="float32", **FIRST)
    np.testing.assert_allclose(found.dataset.voxels[:, :, ::2], alone, rtol=1e-5)
    np.testing.assert_allclose(found.dataset.voxels[:, :, 1::2], (alone[:, :, 1:] + alone[:, :, :-1]) / 2, rtol=1e-4)


def test_the_result_says_what_was_done(tissue, alone, tmp_path):
    found = interpolate(tissue, method="linear", factor=2, **FIRST)
    assert found.dataset.voxels.dtype == tissue.voxels.dtype
    np.testing.assert_allclose(found.dataset.voxels[:, :, ::2], alone, atol=0.51)
    assert not found.is_observed.any()
    np.testing.assert_array_equal(np.flatnonzero(found.is_enhanced), np.arange(0, 17, 2))
    assert found.record["method"] == "linear"
    assert found.record["enhance"]["config"]["filters"] == QUICK["srcnn"]["filters"]
    assert found.record["input"]["dtype"] == "uint16"
    assert "none of them is as it was recorded" in found.warnings[0]
    found.save(tmp_path / "a.tif")
    again = Result.load(tmp_path / "a.tif")
    np.testing.assert_array_equal(again.is_enhanced, found.is_enhanced)
    assert again.warnings == found.warnings


def test_the_uncertainty_of_enhanced_sections_is_not_known(tissue):
    found = interpolate(tissue, method="auto", preset="fast", factor=2, parameters=QUICK["auto"], **FIRST)
    assert np.isnan(found.uncertainty[:, :, ::2]).all()
    assert (found.uncertainty[:, :, 1::2] > 0).any()


def test_nan_and_channels_pass_through_both(tissue):
    voxels = np.concatenate([tissue.voxels, 2 * tissue.voxels], axis=1).astype(np.float32)
    voxels[0, 1, 3, 10:20, 10:20] = np.nan
    dataset = replace(tissue, voxels=voxels, axes="CZYX", channel_names=("a", "b"))
    found = interpolate(dataset, method="linear", factor=2, nan="fill", **FIRST).dataset
    assert np.isnan(found.voxels[0, 1, 6, 10:20, 10:20]).all()
    assert not np.isnan(found.voxels[0, 0]).any()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"enhance": "linear"}, "linear makes new sections and does not enhance"),
        ({"enhance": "nonsense"}, "there is no method 'nonsense'"),
        ({"enhance": "srcnn", "enhance_parameters": {"depth": 3}}, "'depth' is not known"),
        ({"enhance_parameters": {"training_steps": 30}}, "no such method; add --enhance"),
    ],
)
def test_what_cannot_be_is_said(tissue, settings, words):
    with pytest.raises(RequestError, match=words):
        interpolate(tissue, method="linear", factor=2, **settings)


def test_cancel_stops_in_either_part(tissue):
    for limit in (0.1, 0.41):

        def cancel(progress, limit=limit):
            if progress.fraction >= limit:
                raise Cancelled

        with pytest.raises(Cancelled):
            interpolate(tissue, method="linear", factor=2, report=cancel, **FIRST)


def test_contenders_are_scored_with_and_without(tissue):
    scores = evaluate(tissue, ["linear", "linear:enhance=srcnn"], keep_every=2, **FIRST)
    plain, enhanced = scores.methods
    assert plain.mean["psnr"] != enhanced.mean["psnr"]
    with pytest.raises(RequestError, match="new depths cannot be asked of it"):
        evaluate(tissue, ["linear", "srcnn"], keep_every=2)
