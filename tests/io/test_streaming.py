"""Files that are written block by block, and read in parts."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_depth_interp import io
from napari_depth_interp.errors import InputError, OutputError
from napari_depth_interp.stack import Dataset, Grid
from napari_depth_interp.stack.lazy import is_lazy

SHAPE = (2, 2, 11, 300, 310)
FORMATS = pytest.mark.parametrize("name", ["a.ome.zarr", "a.ome.tif", "a.btf"])


@pytest.fixture(scope="module")
def dataset():
    voxels = np.random.default_rng(0).integers(0, 9999, SHAPE).astype(np.uint16)
    grid = Grid(np.arange(11) * 2.0 + 1, (0.5, 0.5), "um")
    return Dataset(voxels, grid, axes="TCZYX", channel_names=("a", "b"), time_step=3.0)


def blocks(size=(8, 256, 256)):
    steps = [range(0, full, step) for full, step in zip(SHAPE[2:], size, strict=True)]
    places = [tuple(each[i] for each, i in zip(steps, p, strict=True)) for p in np.ndindex(*map(len, steps))]
    for place in np.random.default_rng(1).permutation(places).tolist():
        yield tuple(slice(a, min(a + s, n)) for a, s, n in zip(place, size, SHAPE[2:], strict=True))


def stream(path, dataset, record=None, **options):
    with io.creating(path, dataset, SHAPE, np.dtype("uint16"), **options) as sink:
        for t, c in ((1, 0), (0, 1), (0, 0), (1, 1)):
            for place in blocks():
                sink.write(t, c, *place, dataset.voxels[(t, c, *place)])
        sink.finish(record or {})


@FORMATS
def test_blocks_in_any_order_make_the_image(tmp_path, dataset, name):
    record = {"depth_interp": {"words": "<&\"'>", "observed": [0, 2]}}
    stream(tmp_path / name, dataset, record)
    found = io.read(tmp_path / name)
    np.testing.assert_array_equal(found.voxels, dataset.voxels)
    np.testing.assert_allclose(found.grid.depths, dataset.grid.depths)
    assert (found.grid.pixel_size, found.grid.unit) == ((0.5, 0.5), "um")
    assert (found.channel_names, found.time_step, found.record) == (("a", "b"), 3.0, record)
    assert {each.name for each in tmp_path.iterdir()} == {name}


@FORMATS
def test_it_takes_no_more_of_the_system_than_windows_has(tmp_path, dataset, name, monkeypatch):
    monkeypatch.delattr("os.pwrite", raising=False)
    stream(tmp_path / name, dataset)
    np.testing.assert_array_equal(io.read(tmp_path / name).voxels, dataset.voxels)


@FORMATS
def test_a_failure_leaves_nothing(tmp_path, dataset, name):
    def fail():
        with io.creating(tmp_path / name, dataset, SHAPE, np.dtype("uint16")) as sink:
            sink.write(0, 0, slice(0, 8), slice(0, 256), slice(0, 256), dataset.voxels[0, 0, :8, :256, :256])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


@FORMATS
def test_an_existing_file_is_kept_until_the_new_one_is_whole(tmp_path, dataset, name):
    stream(tmp_path / name, dataset)
    with pytest.raises(OutputError, match="exists already"):
        stream(tmp_path / name, dataset)
    other = replace(dataset, voxels=dataset.voxels[:, :, ::-1].copy())
    with (
        pytest.raises(ZeroDivisionError),
        io.creating(tmp_path / name, dataset, SHAPE, np.dtype("uint16"), overwrite=True),
    ):
        raise ZeroDivisionError
    np.testing.assert_array_equal(io.read(tmp_path / name).voxels, dataset.voxels)
    stream(tmp_path / name, other, overwrite=True)
    np.testing.assert_array_equal(io.read(tmp_path / name).voxels, other.voxels)
    assert {each.name for each in tmp_path.iterdir()} == {name}


KILLED = """
import os, signal, sys
import numpy as np
from napari_depth_interp import io
from napari_depth_interp.stack import Dataset
dataset = Dataset.from_array(np.ones((4, 50, 50)), z_spacing=1.0)
with io.creating(sys.argv[1], dataset, (1, 1, 4, 50, 50), np.dtype("uint16")) as sink:
    sink.write(0, 0, slice(0, 4), slice(0, 50), slice(0, 50), np.ones((4, 50, 50)))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@FORMATS
def test_a_killed_process_leaves_no_file_of_that_name(tmp_path, name):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / name)], check=False, timeout=60)
    assert done.returncode == -9
    assert not (tmp_path / name).exists()
    assert all(each.name.startswith(".depth-interp-") for each in tmp_path.iterdir())


def test_nifti_cannot_be_streamed(tmp_path, dataset):
    with (
        pytest.raises(OutputError, match=r"write \.ome\.zarr or \.ome\.tif instead"),
        io.creating(tmp_path / "a.nii.gz", dataset, SHAPE, np.dtype("uint16")),
    ):
        pass
    with (
        pytest.raises(OutputError, match="TIFF has no type for int64"),
        io.creating(tmp_path / "a.tif", dataset, SHAPE, np.dtype("int64")),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


LAYOUTS = {
    "plain": {},
    "big-endian": {"byteorder": ">"},
    "ImageJ": {"imagej": True},
    "BigTIFF": {"bigtiff": True, "ome": True},
    "deflated strips": {"compression": "zlib", "rowsperstrip": 7},
    "tiles": {"tile": (32, 16)},
    "deflated tiles": {"tile": (32, 16), "compression": "zlib", "predictor": True, "ome": True},
}


class TestReadingParts:
    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_of_every_layout(self, tmp_path, layout):
        voxels = np.random.default_rng(2).integers(0, 9999, (6, 50, 40)).astype(np.uint16)
        metadata = {"axes": "ZYX"} | ({"spacing": 2.0} if layout == "ImageJ" else {})
        tifffile.imwrite(
            tmp_path / "a.tif", voxels, photometric="minisblack", metadata=metadata, **LAYOUTS[layout]
        )  # fmt: skip
        found = io.read(tmp_path / "a.tif", lazy=True).voxels
        assert is_lazy(found)
        assert found.dtype.isnative
        np.testing.assert_array_equal(np.asarray(found), voxels[None, None])
        np.testing.assert_array_equal(found[0, 0, 2:5, 7:31, 3:20], voxels[2:5, 7:31, 3:20])
        np.testing.assert_array_equal(found[0, 0, ::2, ::-3, 5::7], voxels[::2, ::-3, 5::7])
        np.testing.assert_array_equal(found[0, 0, 4], voxels[4])

    @pytest.mark.parametrize("axes", ["TZCYX", "TCZYX", "CZYX", "ZCYX", "TZYX"])
    @pytest.mark.parametrize("compression", [None, "zlib"])
    def test_whatever_the_order_of_the_axes(self, tmp_path, axes, compression):
        sizes = {"T": 2, "C": 3, "Z": 4, "Y": 9, "X": 10}
        voxels = np.arange(np.prod([sizes[axis] for axis in axes]), dtype=np.uint16).reshape([sizes[a] for a in axes])
        tifffile.imwrite(
            tmp_path / "a.ome.tif", voxels, photometric="minisblack", metadata={"axes": axes}, compression=compression
        )  # fmt: skip
        whole, parts = io.read(tmp_path / "a.ome.tif"), io.read(tmp_path / "a.ome.tif", lazy=True)
        np.testing.assert_array_equal(np.asarray(parts.voxels), whole.voxels)
        assert parts.axes == whole.axes

    def test_damage_is_said_when_it_is_met(self, tmp_path):
        voxels = np.random.default_rng(2).integers(0, 9999, (6, 64, 64)).astype(np.uint16)
        tifffile.imwrite(tmp_path / "a.tif", voxels, compression="zlib", photometric="minisblack", metadata=None)
        with tifffile.TiffFile(tmp_path / "a.tif") as tif:
            place = tif.pages[3].dataoffsets[0]
        data = bytearray((tmp_path / "a.tif").read_bytes())
        data[place : place + 500] = bytes(500)
        (tmp_path / "a.tif").write_bytes(data)
        found = io.read(tmp_path / "a.tif", axes="ZYX", lazy=True).voxels
        np.testing.assert_array_equal(found[0, 0, 2], voxels[2])
        with pytest.raises(InputError, match="is damaged: a part of it cannot be decoded"):
            found[0, 0, 3]

    def test_a_file_that_shrinks_meanwhile(self, tmp_path):
        tifffile.imwrite(tmp_path / "a.tif", np.ones((6, 64, 64), np.uint16), imagej=True, metadata={"axes": "ZYX"})
        found = io.read(tmp_path / "a.tif", lazy=True).voxels
        (tmp_path / "a.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:9000])
        with pytest.raises(InputError, match="has become shorter"):
            found[0, 0, 5]


def test_large_images_stay_in_their_file(tmp_path, dataset, monkeypatch):
    for name in ("a.ome.zarr", "a.ome.tif", "a.nii"):
        io.write(tmp_path / name, replace(dataset, channel_names=()))
        assert not is_lazy(io.open_stack(tmp_path / name).voxels)
    monkeypatch.setattr(io, "LARGE_BYTES", 10**6)
    lazy = [is_lazy(io.open_stack(tmp_path / name).voxels) for name in ("a.ome.zarr", "a.ome.tif", "a.nii")]
    assert lazy == [True, True, False]
