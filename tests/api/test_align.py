"""Aligning from Python."""

import numpy as np
import pytest

import napari_depth_interp as ndi
from displaced_stacks import tissue_like, with_moves
from napari_depth_interp.errors import RequestError


@pytest.fixture(scope="module")
def jittered():
    return with_moves(tissue_like(9), {4: (3, -2)})


def test_an_array(jittered):
    aligned = ndi.align(jittered)
    assert aligned.transforms.moved[0].nonzero()[0].tolist() == [4]
    values = np.asarray(aligned)
    assert (values.shape, values.dtype) == (jittered.shape, jittered.dtype)
    assert "1 of 9 sections were moved" in aligned.notes[0]


def test_into_a_file_with_its_history(jittered, tmp_path):
    aligned = ndi.align(jittered, "rigid", out=tmp_path / "aligned.ome.tif")
    again = ndi.read(tmp_path / "aligned.ome.tif")
    np.testing.assert_array_equal(again.voxels[0, 0], aligned)
    assert again.record["depth_interp"]["align"]["kind"] == "rigid"


def test_the_moves_of_one_channel_for_another(jittered, tmp_path):
    found = ndi.align(jittered).transforms
    mask = (jittered > 100).astype(np.uint8)
    found.save(tmp_path / "moves.json")
    np.testing.assert_array_equal(
        ndi.align(mask, transforms=tmp_path / "moves.json"), ndi.align(mask, transforms=found)
    )


def test_jitter(jittered):
    assert ndi.check_jitter(jittered).displaced == (4,)
    assert not ndi.check_jitter(tissue_like(9)).is_there


def test_xarray(jittered):
    import xarray as xr

    image = xr.DataArray(jittered, dims=("z", "y", "x"))
    np.testing.assert_array_equal(ndi.align(image), ndi.align(jittered))


@pytest.mark.parametrize("parameters", [{"drift": "x"}, {"smallest": -1}, {"unknown": 1}])
def test_parameters_are_checked(jittered, parameters):
    with pytest.raises((RequestError, TypeError)):
        ndi.align(jittered, **parameters)


def test_a_kind_that_is_not_known(jittered):
    with pytest.raises(RequestError, match="kind"):
        ndi.align(jittered, "affine")
