"""A run on a part of the image: as if the part had been cut out before, and in its place."""

import dask.array as da
import nibabel
import numpy as np
import pytest
import tifffile
import xarray as xr

from napari_depth_interp import evaluate, interpolate, io
from napari_depth_interp.errors import RequestError
from napari_depth_interp.evaluation.evaluate import evaluate as evaluate_dataset
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.run.settings import load_settings, make_settings
from napari_depth_interp.stack import Dataset

VOXELS = np.random.default_rng(0).integers(0, 250, (3, 5, 30, 40)).astype(np.uint8)
PART = {"crop": "4:20,10:35", "times": "1:3"}
CUT = VOXELS[1:3, :, 4:20, 10:35]
HOW = {"method": "cubic", "factor": 3}


def dataset(voxels, axes="TZYX"):
    return Dataset.from_array(voxels, axes=axes, z_spacing=2, pixel_size=(0.5, 0.25), unit="um")


def test_gives_what_cutting_before_gives_and_says_so_in_its_history():
    part = interpolate(dataset(VOXELS), **HOW, **PART)
    np.testing.assert_array_equal(part, interpolate(dataset(CUT), **HOW))
    assert part.dataset.grid.origin == (2.0, 2.5)
    assert {name: part.record[name] for name in PART} == PART
    assert part.record["input"]["shape"] == [2, 1, 5, 16, 25]
    assert not {"crop", "times"} & interpolate(dataset(CUT), **HOW).record.keys()


def test_one_time_point_is_a_stack():
    part = interpolate(dataset(VOXELS), **HOW, times=2)
    assert part.axes == "ZYX"
    np.testing.assert_array_equal(part, interpolate(dataset(VOXELS[2], "ZYX"), **HOW))


def test_scores_are_those_of_the_part():
    found = evaluate(dataset(VOXELS), ["cubic"], keep_every=2, **PART)
    assert found.methods[0].volume == evaluate(dataset(CUT), ["cubic"], keep_every=2).methods[0].volume
    assert {name: found.settings[name] for name in PART} == PART


def test_a_reference_is_not_cut():
    with pytest.raises(RequestError, match="a crop or time points do not go with a reference; cut both"):
        evaluate_dataset(
            dataset(VOXELS), ["linear"], Protocol("reference"), make_settings(**PART), reference=dataset(VOXELS)
        )


def test_xarray_keeps_the_coordinates_of_the_part():
    coords = {"t": [0, 10, 20], "z": np.arange(5) * 2.0, "y": 7 + np.arange(30) * 0.5, "x": np.arange(40) * 0.25}
    image = xr.DataArray(VOXELS, dims=tuple("tzyx"), coords=coords)
    found = interpolate(image, **HOW, **PART)
    np.testing.assert_array_equal(found, interpolate(dataset(CUT), **HOW))
    for dim, chosen in {"t": slice(1, 3), "y": slice(4, 20), "x": slice(10, 35)}.items():
        np.testing.assert_array_equal(found[dim], coords[dim][chosen])
    later = interpolate(image.chunk(), **HOW, **PART)
    assert later.shape == found.shape
    xr.testing.assert_equal(later.compute(), found)
    assert interpolate(image, **HOW, times="1").dims == ("z", "y", "x")
    assert interpolate(image.chunk(), **HOW, times="1").dims == ("z", "y", "x")


def test_dask_stays_lazy():
    image = da.from_array(VOXELS[0])
    found = interpolate(image, **HOW, z_spacing=2, crop=PART["crop"])
    assert found.shape == (13, 16, 25)
    np.testing.assert_array_equal(found, interpolate(VOXELS[0, :, 4:20, 10:35], **HOW, z_spacing=2))


def test_tiff_lies_in_its_place(tmp_path):
    io.write(tmp_path / "a.tif", dataset(VOXELS))
    found = interpolate(tmp_path / "a.tif", **HOW, **PART)
    found.save(tmp_path / "part.tif")
    again = io.read(tmp_path / "part.tif")
    np.testing.assert_array_equal(again.voxels, found.dataset.voxels)
    np.testing.assert_allclose(again.grid.origin, (2.0, 2.5))
    assert again.record["depth_interp"]["crop"] == PART["crop"]


def test_ome_tiff_and_streams_lie_in_their_place(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.ome.tif", VOXELS, metadata={
            "axes": "TZYX", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.5,
            "PhysicalSizeYUnit": "µm", "PhysicalSizeZ": 2.0, "PhysicalSizeZUnit": "µm",
        },
    )  # fmt: skip
    found = interpolate(tmp_path / "a.ome.tif", **HOW, **PART)
    np.testing.assert_array_equal(found, interpolate(dataset(CUT), **HOW))
    for name in ("part.ome.tif", "part.ome.zarr"):
        interpolate(tmp_path / "a.ome.tif", out=tmp_path / name, **HOW, **PART)
        again = io.read(tmp_path / name)
        np.testing.assert_array_equal(again.voxels, found.dataset.voxels)
        np.testing.assert_allclose(again.grid.origin, (2.0, 2.5))


@pytest.mark.parametrize("turned", [(1, 2, 3), (-1, -2, 3), (2, -1, -3)])
def test_nifti_keeps_every_voxel_at_its_place_in_the_world(tmp_path, turned):
    """Whichever way the voxels are stored: the reader turns them, the writer turns them back."""
    affine = np.zeros((4, 4))
    for axis, (to, size) in enumerate(zip(turned, (0.25, 0.5, 2.0), strict=True)):
        affine[abs(to) - 1, axis] = size * np.sign(to)
    affine[:, 3] = 11, -7, 5, 1
    stored = np.random.default_rng(1).integers(0, 2**15, (40, 30, 5)).astype(np.int16)
    image = nibabel.Nifti1Image(stored, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.to_filename(tmp_path / "a.nii")
    interpolate(tmp_path / "a.nii", method="linear", factor=2, crop="4:20,10:25").save(tmp_path / "part.nii")
    part = nibabel.load(tmp_path / "part.nii")
    assert part.shape == ((25 - 10, 20 - 4, 9) if abs(turned[0]) == 1 else (20 - 4, 25 - 10, 9))
    np.testing.assert_allclose(part.get_sform(), part.affine)
    found = np.asarray(part.dataobj)
    for index in ((0, 0, 0), (3, 11, 4), tuple(size - 1 for size in part.shape)):
        there = np.linalg.solve(affine, part.affine @ (*index, 1))[:3]
        before = np.rint(there).astype(int)
        np.testing.assert_allclose(there, before, atol=1e-5)
        assert found[index] == stored[tuple(before)]


def test_a_number_for_time_points_in_a_settings_file_is_refused(tmp_path):
    (tmp_path / "s.yaml").write_text("times: 1:3\n")
    with pytest.raises(RequestError, match="write the time points in quotes, as in times: '1:3'"):
        load_settings(tmp_path / "s.yaml")
    (tmp_path / "s.yaml").write_text("times: '1:3'\ncrop: 1:3,2:5\n")
    assert make_settings(**load_settings(tmp_path / "s.yaml")).times == "1:3"
