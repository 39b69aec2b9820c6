"""A result can be saved and opened again with its history."""

import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from napari_depth_interp import io
from napari_depth_interp.errors import InputError, OutputError
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.result import Result
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Acquisition, Dataset, Grid

SAGITTAL = np.array([[0, 0, -4, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]])
"""Stored axes: front, up, left; 4 mm between sagittal sections."""


@pytest.fixture
def result(tissue):
    return execute(resolve(tissue, make_settings(method="linear", factor=2)))


@pytest.mark.parametrize("name", ["dense.tif", "dense.ome.tif", "dense.nii", "dense.nii.gz"])
def test_round_trip(tmp_path, result, name):
    result.save(tmp_path / name)
    again = Result.load(tmp_path / name)
    np.testing.assert_array_equal(again.dataset.voxels, result.dataset.voxels)
    np.testing.assert_array_equal(again.is_observed, result.is_observed)
    np.testing.assert_allclose(again.dataset.grid.depths, result.dataset.grid.depths)
    assert again.dataset.grid.unit == "um"
    assert again.record == result.record


def test_new_and_observed_sections_are_told_apart(result):
    np.testing.assert_array_equal(result.is_observed, np.arange(17) % 2 == 0)


def test_existing_file_is_refused(tmp_path, result):
    result.save(tmp_path / "a.tif")
    with pytest.raises(OutputError, match="exists already"):
        result.save(tmp_path / "a.tif")
    result.save(tmp_path / "a.tif", overwrite=True)


def test_uncertainty_is_saved_on_the_same_grid(tmp_path, result):
    error = np.full(result.dataset.voxels.shape, 0.25, np.float32)
    replace(result, uncertainty=error).save_uncertainty(tmp_path / "u.tif")
    saved = io.read(tmp_path / "u.tif")
    np.testing.assert_array_equal(saved.voxels, error)
    np.testing.assert_allclose(saved.grid.depths, result.dataset.grid.depths)


def test_uncertainty_that_is_not_there(tmp_path, result):
    with pytest.raises(InputError, match="linear gives no uncertainty"):
        result.save_uncertainty(tmp_path / "u.tif")


def test_an_ordinary_file_has_no_history(tmp_path, tissue):
    io.write(tmp_path / "plain.tif", tissue)
    with pytest.raises(InputError, match="no history"):
        Result.load(tmp_path / "plain.tif")


@pytest.mark.parametrize(
    "affine", [np.diag([1, 1, 5, 1.0]), np.diag([-1, -1, -5, 1.0]), SAGITTAL, np.diag([3, 2, 4, 1])]
)
@pytest.mark.parametrize("target", [{"factor": 2}, {"factor": 4}, {"spacing": "2"}])
def test_a_dense_nifti_opens_along_its_own_section_axis(tmp_path, affine, target):
    """Filled in, the section axis is no longer the coarsest one; and files may be stored from top to bottom."""
    voxels = np.random.default_rng(0).integers(0, 99, (6, 7, 8), dtype=np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), tmp_path / "sparse.nii")
    sparse = io.read(tmp_path / "sparse.nii")
    result = execute(resolve(sparse, make_settings(method="linear", **target)))
    result.save(tmp_path / "dense.nii")
    again = Result.load(tmp_path / "dense.nii")
    np.testing.assert_array_equal(again.dataset.voxels, result.dataset.voxels)
    np.testing.assert_allclose(again.dataset.grid.depths, result.dataset.grid.depths, atol=1e-4)
    assert again.record == result.record
    assert again.is_observed.sum() == result.is_observed.sum()


def test_observed_sections_are_named_in_the_order_of_the_file(tmp_path):
    """ValidationResult with nibabel alone: the sections that the record names are those of the input."""
    voxels = np.random.default_rng(0).integers(0, 9999, (4, 5, 8), dtype=np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([-1, -1, -5, 1.0])), tmp_path / "sparse.nii")
    execute(resolve(io.read(tmp_path / "sparse.nii"), make_settings(method="linear", spacing="2"))).save(
        tmp_path / "dense.nii"
    )
    dense = nibabel.load(tmp_path / "dense.nii")
    text = next(each.get_content() for each in dense.header.extensions if each.get_code() == 6)
    text = text.decode() if isinstance(text, bytes) else text
    record = json.loads(text[text.index("{") :])["depth_interp"]
    stored = np.asarray(dense.dataobj)
    sources = [i for k in record["observed_in_file"] for i in range(8) if (stored[..., k] == voxels[..., i]).all()]
    assert sources == [0, 2, 4, 6]  # every 10 mm of 5
    np.testing.assert_allclose(dense.affine[:3, 3], [0, 0, 0], atol=1e-5)  # the first stored section has not moved


def test_a_history_that_no_longer_fits_the_file_is_refused(tmp_path, result):
    grid = replace(result.dataset.grid, depths=range(5))
    shorter = replace(result.dataset, voxels=result.dataset.voxels[:, :, :5], grid=grid)
    io.write(tmp_path / "cut.tif", shorter)
    with pytest.raises(InputError, match="17 sections, but the file has 5"):
        Result.load(tmp_path / "cut.tif")


# What the method expected


def with_findings(result, *gains):
    found = [{"time": 0, "channel": c, "expected_gain_db": gain} for c, gain in enumerate(gains)]
    record = {**result.record, "findings": found}
    return replace(result, dataset=replace(result.dataset, record={"depth_interp": record}))


@pytest.mark.parametrize(
    ("gains", "mean"),
    [((), None), ((None,), None), ((1.5,), 1.5), ((1.0, -4.0), -1.5), ((None, 2.0), 2.0), ((0.0,), 0)],
)
def test_the_expected_gain_is_the_mean_of_those_known(result, gains, mean):
    assert with_findings(result, *gains).expected_gain_db == mean


def test_methods_that_expect_nothing(result):
    assert result.expected_gain_db is None


@pytest.mark.parametrize("name", ["dense.tif", "dense.nii.gz"])
def test_the_expected_gain_is_saved(tmp_path, result, name):
    with_findings(result, 1.25, 0.75).save(tmp_path / name)
    assert Result.load(tmp_path / name).expected_gain_db == 1


@pytest.mark.parametrize("name", ["u.tif", "u.nii"])
def test_an_unknown_uncertainty_is_saved_as_such(tmp_path, result, name):
    error = np.zeros(result.dataset.voxels.shape, np.float32)
    error[:, :, 1::2] = np.nan
    replace(result, uncertainty=error).save_uncertainty(tmp_path / name)
    np.testing.assert_array_equal(io.read(tmp_path / name).voxels, error)


@pytest.mark.parametrize("suffix", [".tif", ".nii.gz"])
def test_a_result_from_projections_holds_sections_and_tells_what_they_were_made_of(tmp_path, suffix):
    means = np.random.default_rng(0).random((1, 1, 4, 6, 7)).astype(np.float32)
    dataset = Dataset(means, Grid(6.0 * np.arange(4), (1.0, 1.0), "um"), Acquisition(6))
    result = execute(resolve(dataset, make_settings(method="linear")))
    assert result.dataset.acquisition == Acquisition()
    result.save(tmp_path / f"dense{suffix}")
    again = Result.load(tmp_path / f"dense{suffix}")
    assert again.record["acquisition"] == "projection:6"
    assert again.dataset.acquisition == Acquisition()
    assert again.dataset.voxels.shape[2] == 24
