"""A result can be saved and opened again with its history."""

from dataclasses import replace

import numpy as np
import pytest

from napari_depth_interp import io
from napari_depth_interp.errors import InputError, OutputError
from napari_depth_interp.execute import execute
from napari_depth_interp.request import resolve
from napari_depth_interp.result import Result
from napari_depth_interp.settings import make_settings


@pytest.fixture
def result(tissue):
    return execute(resolve(tissue, make_settings(factor=2)))


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
