"""The colours in which channels are shown stay with them, from file to file."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_depth_interp import interpolate, io
from napari_depth_interp.stack import Dataset
from napari_depth_interp.stack.colours import colours_of

COLOURS = ("FF0000", "00FF7F", "8040C0")
VOXELS = np.random.default_rng(0).integers(0, 999, (4, 3, 9, 8)).astype(np.uint16)


def ramp(colour):
    brightest = np.array([[int(colour[i : i + 2], 16)] for i in (0, 2, 4)])
    return np.rint(brightest * np.arange(256) / 255).astype(np.uint8)


def coloured():
    return replace(Dataset.from_array(VOXELS, axes="ZCYX", z_spacing=2.0, unit="um"), channel_colours=COLOURS)


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "a.ome.zarr"])
def test_they_are_written_and_read(tmp_path, name):
    io.write(tmp_path / name, coloured())
    assert io.read(tmp_path / name).channel_colours == COLOURS


@pytest.mark.parametrize("name", ["a.ome.tif", "a.ome.zarr"])
def test_a_run_keeps_them(tmp_path, name):
    interpolate(coloured(), method="linear", factor=2, out=tmp_path / name)
    assert io.read(tmp_path / name).channel_colours == COLOURS


def test_one_channel_keeps_its_own():
    assert coloured().select_channel("2").channel_colours == COLOURS[2:]


def test_fiji_and_ome_say_them_in_their_own_ways(tmp_path):
    tables = {"axes": "ZCYX", "mode": "composite", "LUTs": [ramp(each) for each in COLOURS]}
    tifffile.imwrite(tmp_path / "a.tif", VOXELS, imagej=True, metadata=tables)
    assert io.read(tmp_path / "a.tif").channel_colours == COLOURS
    numbers = [0xFF0000FF - 2**32, 0x00FF7FFF, 0x8040C0FF - 2**32]
    tifffile.imwrite(tmp_path / "a.ome.tif", VOXELS, metadata={"axes": "ZCYX", "Channel": {"Color": numbers}})
    assert io.read(tmp_path / "a.ome.tif").channel_colours == COLOURS


@pytest.mark.parametrize("words", [["FFFFFF", "FFFFFF"], ["FF0000", None], ["FF0000", "red"], ["FF00", "00FF00"]])
def test_what_says_nothing_is_left_out(words):
    assert colours_of(words) == ()


def test_tables_that_are_no_ramps_are_left_out(tmp_path):
    tables = {"axes": "ZCYX", "mode": "composite", "LUTs": [ramp(each)[:, ::-1] for each in COLOURS]}
    tifffile.imwrite(tmp_path / "a.tif", VOXELS, imagej=True, metadata=tables)
    assert io.read(tmp_path / "a.tif").channel_colours == ()
