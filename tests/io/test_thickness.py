"""How thick a section is: read where the file says so, kept by a run, written, and never taken for the spacing."""

import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest
import tifffile

from napari_depth_interp import api, io
from napari_depth_interp.errors import InputError
from napari_depth_interp.io.calibration import Length, thickness_from
from napari_depth_interp.plugin.boxes.stack_words import describe_stack
from napari_depth_interp.stack import Dataset, Grid

VOXELS = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)


def dataset(thickness=0.07, unit="um", spacing=0.1):
    made = Dataset.from_array(VOXELS, z_spacing=spacing, pixel_size=(0.01, 0.01), unit=unit)
    return replace(made, grid=replace(made.grid, thickness=thickness))


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "a.ome.zarr", "a.nii.gz", "a.nrrd", "a.mha"])
def test_what_is_written_is_read(tmp_path, name):
    io.write(tmp_path / name, dataset())
    back = io.read(tmp_path / name)
    lengths = 0.001 if name == "a.mha" else 1  # mm
    assert back.thickness == pytest.approx(0.07 * lengths)
    assert back.grid.spacing == pytest.approx(0.1 * lengths)
    assert back.record == {}
    io.write(tmp_path / f"none-{name}", dataset(None))
    assert io.read(tmp_path / f"none-{name}").thickness is None


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "a.ome.zarr", "a.nii.gz", "a.nrrd", "a.mha"])
def test_a_run_keeps_it(tmp_path, name):
    result = api.interpolate(dataset(), method="linear", factor=2)
    result.save(tmp_path / name)
    back = api.Result.load(tmp_path / name).dataset
    lengths = 0.001 if name == "a.mha" else 1  # mm
    assert back.thickness == pytest.approx(0.07 * lengths)
    assert back.grid.spacing == pytest.approx(0.05 * lengths)


def test_nifti_of_other_units(tmp_path):
    io.write(tmp_path / "a.nii", dataset(70, "nm", 100))  # NIfTI knows no nm
    back = io.read(tmp_path / "a.nii")
    assert (back.grid.unit, back.thickness) == ("um", pytest.approx(0.07))


def sidecar(folder, text):
    image = nibabel.Nifti1Image(VOXELS.T, np.diag([1, 1, 5, 1]))
    image.header.set_xyzt_units("mm")
    image.to_filename(folder / "scan.nii.gz")
    (folder / "scan.json").write_text(text)
    return folder / "scan.nii.gz"


def test_the_sidecar_of_dcm2niix(tmp_path):
    path = sidecar(tmp_path, json.dumps({"SliceThickness": 3, "SpacingBetweenSlices": 5}))
    assert io.read(path).thickness == 3
    assert io.read(path).grid.spacing == 5
    assert io.read(path, axis="x").thickness is None  # it is that of the scanner's slices


@pytest.mark.parametrize("text", ["", "[]", '{"SliceThickness": "thick"}', '{"SliceThickness": -1}', "[" * 10_000])
def test_a_sidecar_that_says_nothing(tmp_path, text):
    assert io.read(sidecar(tmp_path, text)).thickness is None


def test_what_fiji_says_of_a_dicom_file(tmp_path):
    words = {"unit": "mm", "spacing": 2.0, "axes": "ZYX", "Info": "0018,0030 x: 1\n0018,0050  Slice Thickness: 3 \n"}
    tifffile.imwrite(tmp_path / "a.tif", VOXELS, imagej=True, metadata=words)
    assert io.read(tmp_path / "a.tif").thickness == 3


def test_annotations_of_others(tmp_path):
    note = {"Namespace": "lab", "Value": {"Section Thickness": "70 nm"}}
    words = {"axes": "ZYX", "PhysicalSizeZ": 0.1, "PhysicalSizeX": 0.01, "PhysicalSizeY": 0.01, "MapAnnotation": note}
    tifffile.imwrite(tmp_path / "a.ome.tif", VOXELS, ome=True, metadata=words)
    assert io.read(tmp_path / "a.ome.tif").thickness == pytest.approx(0.07)


def test_words():
    assert thickness_from("70 nm") == Length(70, "nm")
    assert thickness_from("3", "mm") == Length(3, "mm")
    assert thickness_from("-3") is None
    assert thickness_from(None) is None
    with pytest.raises(InputError, match="thickness"):
        Grid(None, thickness=-1.0)


def test_it_is_shown():
    assert "0.1 um apart and 0.07 um thick" in describe_stack(dataset())
    assert "thick" not in describe_stack(dataset(None))
