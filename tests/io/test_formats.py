"""The table of formats: what names mean, how one of several stacks is named, and what results are called."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import tifffile

from command_line import depth_interp, succeed
from microscope_files import ims, lif
from napari_depth_interp import io
from napari_depth_interp.errors import InputError, OutputError, RequestError
from napari_depth_interp.io.formats import BY_KEY, FORMATS, url_of
from napari_depth_interp.stack import Dataset

VOXELS = np.arange(240, dtype=np.uint16).reshape(1, 1, 4, 6, 10)
STACK = Dataset.from_array(VOXELS[0, 0], z_spacing=2, pixel_size=(0.5, 0.5), unit="mm")


@pytest.mark.parametrize("each", FORMATS, ids=lambda each: each.key)
def test_every_format_is_what_the_table_says(each):
    module = import_module(f"napari_depth_interp.io.{each.module}")
    assert callable(module.read)
    assert hasattr(module, "series") is each.series
    assert hasattr(module, "write") is (each.written or each.key in ("pair", "companion"))  # readers of others
    assert io.format_of(f"x{each.result}") in BY_KEY
    assert each.title in Path("docs/reference/formats.md").read_text() or each.key in (
        "companion",
        "mgh",
        "oif",
        "pair",
        "sequence",
    )


@pytest.mark.parametrize(
    ("path", "kind", "file", "series"),
    [
        ("a/b.TIF", "tiff", "a/b.TIF", None), ("a.lif::scene 1", "lif", "a.lif", "scene 1"),
        ("d/a.h5::/x/raw.tif", "hdf5", "d/a.h5", "/x/raw.tif"), ("a.n5::c0/s0", "n5", "a.n5", "c0/s0"),
        ("s/*.png", "sequence", "s/*.png", None), ("s/z{z}_{c}.tif", "sequence", "s/z{z}_{c}.tif", None),
        ("a.txt", None, "a.txt", None), ("a.czi::", "czi", "a.czi::", None), ("DICOM::2", None, "DICOM", "2"),
        ("x[1].nii.gz", "nifti", "x[1].nii.gz", None),
    ],
)  # fmt: skip
def test_names(path, kind, file, series):
    assert io.format_of(path) == kind
    assert io.split_series(path) == (Path(file), series)
    assert io.format_of(Path(path)) == kind


def test_a_file_whose_name_has_two_colons(tmp_path):
    io.write(tmp_path / "a::b.tif", STACK)
    np.testing.assert_array_equal(io.read(tmp_path / "a::b.tif").voxels, VOXELS)


def test_a_file_whose_name_looks_like_a_pattern(tmp_path):
    io.write(tmp_path / "a.tif", STACK)
    (tmp_path / "a.tif").rename(tmp_path / "[1]{z}.tif")
    np.testing.assert_array_equal(io.read(tmp_path / "[1]{z}.tif").voxels, VOXELS)


def test_an_ome_zarr_without_its_suffix_is_named(tmp_path):
    io.write(tmp_path / "a.zarr", STACK)
    (tmp_path / "a.zarr").rename(tmp_path / "a")
    with pytest.raises(InputError, match=r"holds zarr metadata, but has no name in \.zarr; rename the folder"):
        io.read(tmp_path / "a")


def test_why_the_spacing_is_not_known(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", VOXELS[0, 0], imagej=True, metadata={"axes": "ZYX", "spacing": "2,5"})
    done = depth_interp("run", tmp_path / "a.tif", tmp_path / "b.tif", "--factor", "2")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "sections are (the z spacing in the file is '2,5', which is no length; it was ignored); give" in done.stderr


def test_addresses():
    assert url_of(Path("https://host/a.zarr")) == "https://host/a.zarr"
    assert url_of("s3://bucket/a/b.zarr") == "s3://bucket/a/b.zarr"
    assert url_of("/https/a.zarr") is None
    assert url_of("C:/a.zarr") is None


def test_names_of_results():
    names = {"a.tif": "a.tif", "a.czi": "a.ome.tif", "a.lif": "a.ome.tif", "a.mnc": "a.nii.gz", "a.hdr": "a.nii.gz",
             "a.nrrd": "a.nrrd", "a.nii.gz": "a.nii.gz", "a.ims": "a.ome.tif",
             "a.mhd": "a.mha", "a.nhdr": "a.nrrd", "a.MHA": "a.MHA"}  # fmt: skip
    assert {name: io.result_name(name) for name in names} == names
    assert io.stem_of("a.b.ome.zarr") == "a.b"


def test_a_series_of_a_file_with_one_stack(tmp_path):
    io.write(tmp_path / "a.nii", STACK)
    with pytest.raises(RequestError, match="holds one stack"):
        io.read(f"{tmp_path / 'a.nii'}::2")
    assert io.series_of(tmp_path / "a.nii") == []


def test_a_run_of_one_series_on_the_command_line(tmp_path):
    path = lif(tmp_path / "a.lif", {"first": VOXELS, "second": VOXELS[:, :, :3] + 5})
    out = tmp_path / "b.ome.tif"
    succeed("run", f"{path}::second", out, "--method", "linear", "--factor", 2)
    np.testing.assert_array_equal(io.read(out).voxels[:, :, ::2], VOXELS[:, :, :3] + 5)
    done = depth_interp("run", path, tmp_path / "b.czi", "--factor", 2)
    assert done.returncode == 1
    assert "Zeiss CZI is read, but not written so" in done.stderr
    done = depth_interp("run", f"{path}::second", path, "--factor", 2)
    assert "is the input; give the output another name" in done.stderr


def test_a_folder_of_such_files(tmp_path):
    """Results are written in a format that keeps the metadata, under the same names."""
    (tmp_path / "in").mkdir()
    ims(tmp_path / "in" / "a.ims", VOXELS)
    io.write(tmp_path / "in" / "b.mha", STACK)
    succeed("batch", tmp_path / "in", tmp_path / "out", "--method", "linear", "--factor", 2)
    assert {each.name for each in (tmp_path / "out").iterdir() if not each.name.startswith(".")} >= {
        "a.ome.tif",
        "b.mha",
    }
    np.testing.assert_array_equal(io.read(tmp_path / "out" / "b.mha").voxels[:, :, ::2], VOXELS)
    assert io.read(tmp_path / "out" / "a.ome.tif").grid.spacing == pytest.approx(0.75)


def test_what_cannot_be_written(tmp_path):
    for name in ("a.lif", "a.n5", "a.dcm"):
        with pytest.raises(OutputError, match=r"\.nrrd"):
            io.check_format(tmp_path / name, STACK)
