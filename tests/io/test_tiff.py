"""Reading and writing TIFF with real files; the files come from tifffile, so that both sides must agree."""

import itertools
import logging
import struct
import warnings
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_depth_interp import io
from napari_depth_interp.errors import InputError, OutputError, RequestError, TooLargeError
from napari_depth_interp.io.tiff import damage as tiff_damage
from napari_depth_interp.stack import Dataset, Grid

SIZES = {"T": 2, "C": 3, "Z": 4, "Y": 5, "X": 7}
ORDERS = ["".join(p) + "YX" for n in (1, 2, 3) for p in itertools.permutations("TZC", n)]
GRID = Grid(np.arange(4) * 0.3, (0.65, 0.325), "um")


def numbers(shape, dtype="uint16"):
    values = np.arange(np.prod(shape)).reshape(shape)
    return (values % 200).astype(dtype) if np.dtype(dtype).itemsize == 1 else values.astype(dtype)


def dataset(dtype="uint16", shape=(2, 3, 4, 5, 7), grid=GRID, **kwargs):
    return Dataset(numbers(shape, dtype), grid, **kwargs)


def plain_file(path, array, **options):
    tifffile.imwrite(path, array, **{"photometric": "minisblack", "metadata": None} | options)
    return path


def tczyx(array, axes):
    """The expected voxels, worked out with other calls than the reader uses."""
    out = np.empty([SIZES[a] if a in axes else 1 for a in "TCZYX"], array.dtype)
    for index in np.ndindex(array.shape):
        place = dict(zip(axes, index, strict=True))
        out[tuple(place.get(a, 0) for a in "TCZYX")] = array[index]
    return out


def ome_file(path, *, shape=(4, 5, 7), axes="ZYX", **metadata):
    tifffile.imwrite(path, numbers(shape), ome=True, photometric="minisblack", metadata={"axes": axes, **metadata})
    return path


def ome_positions(path, positions, unit="µm", **metadata):
    plane = {"PositionZ": list(positions)}
    if unit is not None:
        plane["PositionZUnit"] = [unit] * len(positions)
    return ome_file(path, shape=(len(positions), 5, 7), Plane=plane, **metadata)


def imagej_file(path, *, shape=(4, 5, 7), axes="ZYX", resolution=None, **metadata):
    tifffile.imwrite(path, numbers(shape), imagej=True, resolution=resolution, metadata={"axes": axes, **metadata})
    return path


def replace_bytes(path, old, new):
    content = path.read_bytes()
    assert content.count(old) >= 1
    assert len(old) == len(new)
    path.write_bytes(content.replace(old, new))


# --- writing and reading back ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "a.OME.TIFF", "a.btf"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"])
def test_round_trip_keeps_everything(tmp_path, name, dtype):
    grid = Grid(1.5 + np.arange(4) * 0.3, (0.65, 0.325), "um", origin=(3.0, -2.5))
    record = {"depth_interp": {"observed": [0, 2], "ü": 'a<b>&"\n', "x": {"y": None}}}
    given = dataset(dtype, grid=grid, channel_names=("DAPI", "ü<&", "c"), time_step=2.5, record=record)
    io.write(tmp_path / name, given)
    got = io.read(tmp_path / name)
    imagej = name == "a.tif" and dtype in {"uint8", "uint16", "float32"}
    assert got.source.format == ("ImageJ TIFF" if imagej else "OME-TIFF")
    assert got.source.header is None
    assert got.voxels.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(got.voxels, given.voxels)
    np.testing.assert_allclose(got.grid.depths, grid.depths, rtol=1e-12)
    np.testing.assert_allclose(got.grid.pixel_size, grid.pixel_size, rtol=1e-9)
    np.testing.assert_allclose(got.grid.origin, grid.origin, rtol=1e-9)
    assert (got.grid.unit, got.axes, got.time_step) == ("um", "TZCYX", 2.5)
    assert (got.channel_names, got.record, got.notes) == (given.channel_names, record, ())


def test_imagej_file_says_the_same_to_others(tmp_path):
    io.write(tmp_path / "a.tif", dataset(time_step=2.5))
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.series[0].axes == "TZCYX"
        assert tif.imagej_metadata["spacing"] == 0.3
        assert tif.imagej_metadata["unit"] == "micron"
        assert tif.imagej_metadata["finterval"] == 2.5
        x, y = (tif.pages[0].tags[tag].value for tag in (282, 283))
    assert x[1] / x[0] == pytest.approx(0.325)
    assert y[1] / y[0] == pytest.approx(0.65)
    assert tifffile.memmap(tmp_path / "a.tif", mode="r")[1, 3, 2, 4, 6] == numbers((2, 3, 4, 5, 7))[1, 2, 3, 4, 6]


def test_ome_file_says_the_same_to_others(tmp_path):
    io.write(tmp_path / "a.ome.tif", dataset())
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert tif.series[0].axes == "TZCYX"
        for words in ('PhysicalSizeZ="0.3"', 'PhysicalSizeZUnit="µm"', 'PhysicalSizeX="0.325"', 'PhysicalSizeY="0.65"'):
            assert words in tif.ome_metadata
        assert "<Plane" not in tif.ome_metadata
    assert tifffile.memmap(tmp_path / "a.ome.tif", mode="r").shape == (2, 4, 3, 5, 7)


def test_uneven_depths_become_positions_of_every_plane(tmp_path):
    depths = [1.0, 2.0, 4.5, 5.0]
    io.write(tmp_path / "a.tif", dataset(grid=Grid(np.array(depths), (1.0, 1.0), "mm")))
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        planes = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]["Pixels"]
    assert planes["PhysicalSizeZ"] == 1.0  # the median gap
    assert len(planes["Plane"]) == 24
    assert all(p["PositionZ"] == depths[p["TheZ"]] and p["PositionZUnit"] == "mm" for p in planes["Plane"])
    got = io.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(got.grid.depths, depths)
    assert got.grid.unit == "mm"


@pytest.mark.parametrize("unit", ["nm", "um", "mm", "cm", "m", "inch", "angstrom", None])
@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
@pytest.mark.parametrize("pixel_size", [(1.0, 1.0), (0.5, 0.25), None])
@pytest.mark.parametrize("depths", [np.arange(4) * 2.0, None])
def test_round_trip_of_units(tmp_path, unit, name, pixel_size, depths):
    if depths is None and pixel_size is None:
        unit = None  # a unit of nothing
    io.write(tmp_path / name, dataset(grid=Grid(depths, pixel_size, unit)))
    grid = io.read(tmp_path / name).grid
    assert (grid.unit, grid.pixel_size) == (unit, pixel_size)
    np.testing.assert_array_equal(grid.depths, depths)


@pytest.mark.parametrize("origin", [(0.0, 0.0), (2.0, -3.0)])
def test_one_section_keeps_its_depth(tmp_path, origin):
    io.write(tmp_path / "a.tif", dataset(shape=(1, 1, 1, 5, 7), grid=Grid(np.array([2.5]), None, "um", origin)))
    got = io.read(tmp_path / "a.tif")
    assert got.voxels.shape == (1, 1, 1, 5, 7)
    assert (got.grid.depths.tolist(), got.grid.unit, got.grid.origin) == ([2.5], "um", origin)


def test_small_drift_of_depths_is_not_rounded_away(tmp_path):
    depths = np.cumsum(np.where(np.arange(200) < 100, 1.0, 1.0005))  # even to 1e-3, off the line by 0.02
    io.write(tmp_path / "a.tif", dataset(shape=(1, 1, 200, 5, 7), grid=Grid(depths, None, "um")))
    np.testing.assert_array_equal(io.read(tmp_path / "a.tif").grid.depths, depths)


def test_float16_becomes_float32(tmp_path):
    io.write(tmp_path / "a.tif", dataset("float16"))
    got = io.read(tmp_path / "a.tif")
    assert got.voxels.dtype == np.float32
    np.testing.assert_array_equal(got.voxels, dataset("float16").voxels)


@pytest.mark.parametrize(("dtype", "high", "written"), [("int64", 5, "int32"), ("uint64", 2**32 - 1, "uint32")])
def test_64_bit_integers_are_narrowed_without_loss(tmp_path, dtype, high, written):
    given = dataset(dtype)
    given.voxels[0, 0, 0, 0, 0] = high
    io.write(tmp_path / "a.tif", given)
    got = io.read(tmp_path / "a.tif").voxels
    assert got.dtype == written
    np.testing.assert_array_equal(got, given.voxels)


def test_too_large_integers_are_refused_and_leave_nothing(tmp_path):
    given = dataset("int64")
    given.voxels[0, 0, 0, 0, :2] = -1, 2**40
    with pytest.raises(OutputError, match="1099511627776"):
        io.write(tmp_path / "a.tif", given)
    assert list(tmp_path.iterdir()) == []


def test_failing_writer_leaves_the_old_file_alone(tmp_path, monkeypatch):
    io.write(tmp_path / "a.tif", dataset())
    before = (tmp_path / "a.tif").read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tifffile.TiffWriter, "write", full)
    with pytest.raises(OutputError, match="disk full"):
        io.write(tmp_path / "a.tif", dataset("float32"), overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]
    assert (tmp_path / "a.tif").read_bytes() == before


def test_record_that_is_no_json_is_refused(tmp_path):
    with pytest.raises(OutputError, match="JSON"):
        io.write(tmp_path / "a.tif", dataset(record={"a": object()}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
def test_float_output(tmp_path, name):
    io.write(tmp_path / name, dataset("int16"), float_output=True)
    got = io.read(tmp_path / name)
    assert got.voxels.dtype == np.float32
    np.testing.assert_array_equal(got.voxels, dataset("int16").voxels)


def test_big_files_become_bigtiff(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_depth_interp.io.tiff.writer._CLASSIC_BYTES", 10_000)
    io.write(tmp_path / "a.tif", dataset())
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.is_bigtiff
        assert tif.is_ome
    np.testing.assert_array_equal(io.read(tmp_path / "a.tif").voxels, dataset().voxels)


def test_views_and_foreign_byte_order_are_written_right(tmp_path):
    voxels = numbers((2, 3, 4, 7, 5)).astype(">u2").swapaxes(3, 4)[:, ::-1]
    io.write(tmp_path / "a.tif", Dataset(voxels, GRID))
    got = io.read(tmp_path / "a.tif").voxels
    np.testing.assert_array_equal(got, voxels)
    assert got.dtype.isnative


# --- axes, types and compressions of other programs -----------------------------------------------


@pytest.mark.parametrize("axes", ORDERS)
def test_ome_axes_in_any_order(tmp_path, axes):
    array = numbers([SIZES[a] for a in axes])
    tifffile.imwrite(tmp_path / "a.tif", array, ome=True, photometric="minisblack", metadata={"axes": axes})
    got = io.read(tmp_path / "a.tif")
    assert (got.axes, got.source.format) == (axes, "OME-TIFF")
    np.testing.assert_array_equal(got.voxels, tczyx(array, axes))


@pytest.mark.parametrize("axes", [a for a in ORDERS if "".join(sorted(a[:-2], key="TZC".index)) == a[:-2]])
def test_imagej_axes(tmp_path, axes):
    array = numbers([SIZES[a] for a in axes])
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, metadata={"axes": axes})
    got = io.read(tmp_path / "a.tif")
    assert (got.axes, got.source.format) == (axes, "ImageJ TIFF")
    np.testing.assert_array_equal(got.voxels, tczyx(array, axes))


@pytest.mark.parametrize("order", ["czt", "ctz", "zct", "ztc", "tcz", "tzc"])
def test_imagej_order_key(tmp_path, order):
    axes = order[::-1].upper() + "YX"
    array = numbers([SIZES[a] for a in axes])
    stored = array.reshape(2, 4, 3, 5, 7)  # the same planes, called TZC by the writer and otherwise by the key
    tifffile.imwrite(tmp_path / "a.tif", stored, imagej=True, metadata={"axes": "TZCYX", "order": order})
    got = io.read(tmp_path / "a.tif")
    assert got.axes == axes
    np.testing.assert_array_equal(got.voxels, tczyx(array, axes))


@pytest.mark.parametrize("axes", ["ZCYX", "TZYX", "CZTYX", "ZYXC", "XYZ", "YXZ"])
def test_named_axes_of_plain_files(tmp_path, axes):
    array = numbers([SIZES[a] for a in axes])
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", metadata={"axes": axes})
    got = io.read(tmp_path / "a.tif")
    assert (got.axes, got.source.format) == (axes, "TIFF")
    np.testing.assert_array_equal(got.voxels, tczyx(array, axes))


@pytest.mark.parametrize("compression", [None, "deflate", "lzw", "zstd", "packbits"])
@pytest.mark.parametrize("kind", [{"ome": True}, {"imagej": True}, {"metadata": None}])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_compressions(tmp_path, compression, kind, tile):
    array = numbers((4, 20, 24))
    kind = {"metadata": {"axes": "ZYX"}} | kind
    tifffile.imwrite(tmp_path / "a.tif", array, compression=compression, tile=tile, photometric="minisblack", **kind)
    np.testing.assert_array_equal(io.read(tmp_path / "a.tif").voxels[0, 0], array)


@pytest.mark.parametrize("predictor", [2, 3])
def test_predictors(tmp_path, predictor):
    array = numbers((4, 20, 24), "float32" if predictor == 3 else "uint16")
    plain_file(tmp_path / "a.tif", array, compression="deflate", predictor=predictor)
    np.testing.assert_array_equal(io.read(tmp_path / "a.tif").voxels[0, 0], array)


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float16", "float32", "float64"])
def test_types_byte_orders_and_bigtiff(tmp_path, bigtiff, order, dtype):
    array = numbers((4, 5, 7), dtype)
    plain_file(tmp_path / "a.tif", array, bigtiff=bigtiff, byteorder=order)
    got = io.read(tmp_path / "a.tif").voxels
    assert got.dtype == np.dtype(dtype)
    assert got.dtype.isnative
    np.testing.assert_array_equal(got[0, 0], array)


def test_unnamed_third_axis_is_z_with_a_note(tmp_path):
    plain_file(tmp_path / "a.tif", numbers((4, 5, 7)))
    got = io.read(tmp_path / "a.tif")
    assert (got.axes, got.voxels.shape, got.grid.depths) == ("ZYX", (1, 1, 4, 5, 7), None)
    assert "taken as sections" in got.notes[0]


def test_ambiguous_axes_are_refused_until_named(tmp_path):
    array = numbers((2, 4, 5, 7))
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack")
    with pytest.raises(InputError, match=r"QQYX.*ImageJ or OME-TIFF.*axes='TZYX'"):
        io.read(tmp_path / "a.tif")
    for axes in ("TZYX", "czyx"):
        got = io.read(tmp_path / "a.tif", axes=axes)
        assert got.axes == axes.upper()
        np.testing.assert_array_equal(got.voxels.squeeze(), array)


@pytest.mark.parametrize("axes", ["ZYX", "TTYX", "TZCY", "TZSX", ""])
def test_wrong_axes_argument(tmp_path, axes):
    tifffile.imwrite(tmp_path / "a.tif", numbers((2, 4, 5, 7)), photometric="minisblack")
    with pytest.raises(InputError, match=r"do not fit 'a.tif' of shape \(2, 4, 5, 7\)"):
        io.read(tmp_path / "a.tif", axes=axes)


def test_time_without_sections_is_read_with_a_note(tmp_path):
    path = imagej_file(tmp_path / "a.tif", axes="TYX", unit="um", spacing=2.0, finterval=3.0)
    got = io.read(path)
    assert (got.axes, got.voxels.shape, got.time_step) == ("TYX", (4, 1, 1, 5, 7), 3.0)
    assert "axes='ZYX'" in got.notes[0]
    got = io.read(path, axes="ZYX")
    assert (got.voxels.shape, got.grid.depths.tolist(), got.time_step) == ((1, 1, 4, 5, 7), [0, 2, 4, 6], None)


def test_single_image_is_one_section(tmp_path):
    plain_file(tmp_path / "a.tif", numbers((5, 7)))
    got = io.read(tmp_path / "a.tif")
    assert (got.axes, got.voxels.shape) == ("YX", (1, 1, 1, 5, 7))


def test_first_of_several_series_with_a_note(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(numbers((4, 5, 7)), photometric="minisblack", metadata={"axes": "ZYX"})
        writer.write(numbers((9, 3)), metadata={"axes": "YX"})
    got = io.read(tmp_path / "a.tif")
    assert got.voxels.shape == (1, 1, 4, 5, 7)
    assert "2 image series" in got.notes[0]
    second = io.read(f"{tmp_path / 'a.tif'}::1")
    np.testing.assert_array_equal(second.voxels[0, 0, 0], numbers((9, 3)))
    assert (second.notes, len(io.series_of(tmp_path / "a.tif"))) == ((), 2)


# --- images that cannot be used --------------------------------------------------------------------


def test_axes_that_the_file_names_are_believed(tmp_path):
    array = numbers((3, 5, 7))
    plain_file(tmp_path / "a.tif", array, photometric="rgb", planarconfig="separate", metadata={"axes": "ZYX"})
    np.testing.assert_array_equal(io.read(tmp_path / "a.tif").voxels[0, 0], array)


def test_three_sections_mistaken_for_colours_can_be_named(tmp_path):
    array = numbers((3, 5, 7), "uint8")
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", planarconfig="separate", metadata=None)
    with pytest.raises(InputError, match="RGB"):
        io.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(io.read(tmp_path / "a.tif", axes="ZYX").voxels[0, 0], array)


def lut(*weights):
    ramp = np.arange(256, dtype=np.uint16) * 257
    return np.stack([ramp * weight for weight in weights])


@pytest.mark.parametrize("axes", [None, "ZYX"])
def test_palette_is_refused(tmp_path, axes):
    tifffile.imwrite(
        tmp_path / "a.tif", numbers((4, 5, 7), "uint8"), photometric="palette", colormap=lut(1, 1, 1), metadata=None
    )
    with pytest.raises(InputError, match="palette"):
        io.read(tmp_path / "a.tif", axes=axes)


def test_imagej_green_lut_is_intensity_but_label_lut_is_not(tmp_path):
    array = numbers((4, 5, 7), "uint8")
    tifffile.imwrite(tmp_path / "green.tif", array, imagej=True, colormap=lut(0, 1, 0), metadata={"axes": "ZYX"})
    got = io.read(tmp_path / "green.tif")
    np.testing.assert_array_equal(got.voxels[0, 0], array)
    assert "LUT" in got.notes[0]
    colours = np.random.default_rng(0).integers(0, 65536, (3, 256)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "labels.tif", array, imagej=True, colormap=colours, metadata={"axes": "ZYX"})
    with pytest.raises(InputError, match="palette"):
        io.read(tmp_path / "labels.tif")
    np.testing.assert_array_equal(io.read(tmp_path / "labels.tif", labels=True).voxels[0, 0], array)


def test_complex_is_refused(tmp_path):
    plain_file(tmp_path / "a.tif", numbers((4, 5, 7), "complex64"))
    with pytest.raises(InputError, match="complex"):
        io.read(tmp_path / "a.tif")


@pytest.mark.parametrize("axis", ["x", "y"])
def test_other_section_axes_are_for_nifti(tmp_path, axis):
    path = imagej_file(tmp_path / "a.tif")
    with pytest.raises(RequestError, match="along Z"):
        io.read(path, axis=axis)
    assert io.read(path, axis="z").axes == "ZYX"


# --- ImageJ and plain calibration -------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["um", "micron", "\\u00B5m", "micrometer"])
def test_imagej_unit_spellings(tmp_path, unit):
    grid = io.read(imagej_file(tmp_path / "a.tif", unit=unit, spacing=2.5, resolution=(4, 2))).grid
    assert (grid.unit, grid.pixel_size, grid.depths.tolist()) == ("um", (0.5, 0.25), [0, 2.5, 5, 7.5])


@pytest.mark.parametrize("unit", ["pixel", "voxel", "", "foo", None])
def test_imagej_without_a_length_unit(tmp_path, unit):
    units = {} if unit is None else {"unit": unit}
    grid = io.read(imagej_file(tmp_path / "a.tif", spacing=2.5, resolution=(1, 1), **units)).grid
    assert (grid.unit, grid.pixel_size, grid.depths.tolist()) == (None, None, [0, 2.5, 5, 7.5])


@pytest.mark.parametrize(("spacing", "noted"), [(None, True), (0.0, False), ("nan", False), ("inf", False)])
def test_imagej_missing_spacing_stays_missing(tmp_path, spacing, noted):
    given = {} if spacing is None else {"spacing": spacing}
    got = io.read(imagej_file(tmp_path / "a.tif", unit="um", resolution=(2, 2), **given))
    assert (got.grid.depths, got.grid.pixel_size, got.grid.unit) == (None, (0.5, 0.5), "um")
    assert any("exactly 1 um" in note for note in got.notes) == noted


def test_imagej_negative_spacing(tmp_path):
    got = io.read(imagej_file(tmp_path / "a.tif", unit="um", spacing=-2.0))
    assert got.grid.depths.tolist() == [0, 2, 4, 6]
    assert "negative (-2)" in got.notes[0]


def test_imagej_other_units_per_axis(tmp_path):
    grid = io.read(
        imagej_file(tmp_path / "a.tif", unit="nm", yunit="um", zunit="um", spacing=2.0, resolution=(0.01, 10))
    )
    assert grid.grid.unit == "um"
    assert grid.grid.pixel_size == pytest.approx((0.1, 0.1))
    assert grid.grid.depths.tolist() == [0, 2, 4, 6]
    got = io.read(imagej_file(tmp_path / "b.tif", unit="um", zunit="pixel", spacing=2.0, resolution=(2, 2)))
    assert (got.grid.depths, got.grid.pixel_size) == (None, (0.5, 0.5))
    assert "no unit" in got.notes[0]


@pytest.mark.parametrize(("tunit", "step"), [(None, 3.0), ("ms", 0.003), ("min", 180.0), ("years", None)])
def test_imagej_time_units(tmp_path, tunit, step):
    units = {} if tunit is None else {"tunit": tunit}
    path = imagej_file(tmp_path / "a.tif", shape=(2, 4, 5, 7), axes="TZYX", finterval=3.0, **units)
    assert io.read(path).time_step == step


def test_imagej_labels_that_are_no_channel_names(tmp_path):
    labels = [f"c:{c} z:{z}" for z in range(4) for c in range(3)]
    assert io.read(imagej_file(tmp_path / "a.tif", shape=(4, 3, 5, 7), axes="ZCYX", Labels=labels)).channel_names == ()
    path = imagej_file(tmp_path / "b.tif", shape=(4, 3, 5, 7), axes="ZCYX", Labels=["a", "b", "c"])
    assert io.read(path).channel_names == ("a", "b", "c")


def test_foreign_info_is_no_record(tmp_path):
    for i, info in enumerate(["hello", "napari-depth-interp: [1]", "napari-depth-interp: {broken"]):
        assert io.read(imagej_file(tmp_path / f"{i}.tif", Info=info)).record == {}
    path = imagej_file(tmp_path / "b.tif", Info='before\nnapari-depth-interp: {"a": 1}\nafter')
    assert io.read(path).record == {"a": 1}


@pytest.mark.parametrize(
    ("resolution", "resunit", "unit", "size"),
    [
        (254, "inch", "inch", 1 / 254),
        (5000, "centimeter", "cm", 2e-4),
        (72, "inch", None, None),
        (1, "none", None, None),
    ],
)
def test_plain_resolution_units(tmp_path, resolution, resunit, unit, size):
    plain_file(tmp_path / "a.tif", numbers((4, 5, 7)), resolution=(resolution,) * 2, resolutionunit=resunit)
    grid = io.read(tmp_path / "a.tif").grid
    assert (grid.depths, grid.unit) == (None, unit)
    assert grid.pixel_size == (None if size is None else pytest.approx((size, size)))


def test_tifffile_metadata_without_imagej(tmp_path):
    metadata = {"axes": "ZYX", "spacing": 2, "unit": "um"}
    plain_file(tmp_path / "a.tif", numbers((4, 5, 7)), resolution=(4, 2), metadata=metadata)
    grid = io.read(tmp_path / "a.tif").grid
    assert (grid.unit, grid.pixel_size, grid.depths.tolist()) == ("um", (0.5, 0.25), [0, 2, 4, 6])


# --- OME calibration --------------------------------------------------------------------------------


def test_ome_units_are_brought_together(tmp_path):
    path = ome_file(
        tmp_path / "a.tif", PhysicalSizeX=250, PhysicalSizeXUnit="nm", PhysicalSizeY=5e-4, PhysicalSizeYUnit="mm",
        PhysicalSizeZ=2.0, PhysicalSizeZUnit="µm",
    )  # fmt: skip
    grid = io.read(path).grid
    assert grid.unit == "um"
    assert grid.pixel_size == pytest.approx((0.5, 0.25))
    assert grid.depths.tolist() == [0, 2, 4, 6]


def test_ome_default_unit_is_um_and_pixels_are_none(tmp_path):
    grid = io.read(ome_file(tmp_path / "a.tif", PhysicalSizeX=0.5, PhysicalSizeY=0.5, PhysicalSizeZ=2.0)).grid
    assert (grid.unit, grid.pixel_size, grid.spacing) == ("um", (0.5, 0.5), 2.0)
    sizes = {"PhysicalSizeX": 1.0, "PhysicalSizeY": 1.0, "PhysicalSizeXUnit": "pixel", "PhysicalSizeYUnit": "pixel"}
    grid = io.read(ome_file(tmp_path / "b.tif", PhysicalSizeZ=2.0, **sizes)).grid
    assert (grid.unit, grid.pixel_size, grid.spacing) == ("um", None, 2.0)
    sizes |= {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}
    got = io.read(ome_file(tmp_path / "c.tif", PhysicalSizeZ=2.0, PhysicalSizeZUnit="pixel", **sizes))
    assert (got.grid.unit, got.grid.pixel_size, got.grid.depths) == ("um", (1.0, 0.5), None)
    assert "no unit" in got.notes[0]


@pytest.mark.parametrize("size", [None, 0.0, "nan"])
def test_ome_missing_z_size_stays_missing(tmp_path, size):
    given = {} if size is None else {"PhysicalSizeZ": size}
    grid = io.read(ome_file(tmp_path / "a.tif", PhysicalSizeX=0.5, PhysicalSizeY=0.5, **given)).grid
    assert (grid.depths, grid.pixel_size, grid.unit) == (None, (0.5, 0.5), "um")


def test_uneven_positions_win_over_the_z_size(tmp_path):
    got = io.read(ome_positions(tmp_path / "a.tif", [10, 11, 13, 14.5], PhysicalSizeZ=7.0))
    assert got.grid.depths.tolist() == [10, 11, 13, 14.5]
    assert got.notes == ()


def test_even_positions_supply_a_missing_z_size(tmp_path):
    got = io.read(ome_positions(tmp_path / "a.tif", [1000, 3000, 5000], "nm", PhysicalSizeX=0.5, PhysicalSizeY=0.5))
    np.testing.assert_allclose(got.grid.depths, [1, 3, 5])
    assert got.grid.unit == "um"


def test_even_positions_must_agree_with_the_z_size(tmp_path):
    got = io.read(ome_positions(tmp_path / "a.tif", [5, 7, 9, 11], PhysicalSizeZ=2.0))
    assert (got.grid.depths.tolist(), got.notes) == ([5, 7, 9, 11], ())
    got = io.read(ome_positions(tmp_path / "b.tif", [5, 7, 9, 11], PhysicalSizeZ=1.0))
    assert got.grid.depths is None
    assert "PhysicalSizeZ says 1" in got.notes[0]


def test_decreasing_positions_become_distances(tmp_path):
    got = io.read(ome_positions(tmp_path / "a.tif", [9.0, 8.0, 6.0, 5.5], PhysicalSizeZ=1.0))
    assert got.grid.depths.tolist() == [0, 1, 3, 3.5]
    assert "decrease" in got.notes[0]


@pytest.mark.parametrize(
    ("positions", "size", "depths", "noted"),
    [
        ([0, 0, 0], 2.0, [0, 2, 4], False),
        ([0, 0, 0], None, None, True),
        ([0, 2, 1], 2.0, [0, 2, 4], True),
        ([0, 1, 1], None, None, True),
    ],
)
def test_useless_positions_are_ignored(tmp_path, positions, size, depths, noted):
    given = {} if size is None else {"PhysicalSizeZ": size}
    got = io.read(ome_positions(tmp_path / "a.tif", positions, **given))
    np.testing.assert_array_equal(got.grid.depths, depths)
    assert any("neither" in note for note in got.notes) == noted


@pytest.mark.parametrize(
    ("positions", "size", "depths", "words"),
    [
        ([5, 7, 9], 2.0, [5, 7, 9], None),
        ([0.005, 0.007, 0.009], 2.0, [0, 2, 4], "were ignored"),  # in mm, but not saying so
        ([5, 7, 10], 2.0, [5, 7, 10], "taken as um"),
    ],
)
def test_positions_without_a_unit(tmp_path, positions, size, depths, words):
    got = io.read(ome_positions(tmp_path / "a.tif", positions, unit=None, PhysicalSizeZ=size))
    np.testing.assert_allclose(got.grid.depths, depths)
    assert (words is None and got.notes == ()) or words in got.notes[0]


def test_positions_of_some_sections_only_are_ignored(tmp_path):
    path = ome_positions(tmp_path / "a.tif", [1, 2, 4], PhysicalSizeZ=2.0)
    replace_bytes(path, b'TheZ="1"', b'TheZ="0"')
    assert io.read(path).grid.depths.tolist() == [0, 2, 4]


def test_positions_of_the_first_time_and_channel_count(tmp_path):
    positions = [t * 100 + z * z + c * 0.1 for t in range(2) for z in range(4) for c in range(3)]
    plane = {"PositionZ": positions, "PositionZUnit": ["µm"] * 24}
    got = io.read(ome_file(tmp_path / "a.tif", shape=(2, 4, 3, 5, 7), axes="TZCYX", Plane=plane))
    assert got.grid.depths.tolist() == [0, 1, 4, 9]


def test_ome_time_step(tmp_path):
    increment = {"TimeIncrement": 500, "TimeIncrementUnit": "ms"}
    assert io.read(ome_file(tmp_path / "a.tif", shape=(2, 4, 5, 7), axes="TZYX", **increment)).time_step == 0.5


@pytest.mark.parametrize("bad", [b"<!DOCTYPE a><OME", b"<!ENTITY a 'b'> <OME", b"<<<<< <OME"])
def test_unsafe_or_broken_xml_is_ignored_with_a_note(tmp_path, bad):
    xml = bad + b" PhysicalSizeZ='3'></OME>"
    plain_file(tmp_path / "a.tif", numbers((4, 5, 7)), description=xml)
    got = io.read(tmp_path / "a.tif")
    assert (got.voxels.shape, got.grid.depths) == ((1, 1, 4, 5, 7), None)
    assert "OME-XML" in " ".join(got.notes)


def multi_file_set(folder):
    """Two files with one section each; both carry the XML that names both."""
    files = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1"><UUID FileName="{z}.ome.tif">urn:uuid:{z}</UUID></TiffData>'
        for z in range(2)
    )
    for z in range(2):
        xml = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{z}"><Image ID="Image:0">'
            '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="7" SizeY="5" SizeZ="2" SizeC="1" '
            f'SizeT="1" PhysicalSizeZ="3">{files}</Pixels></Image></OME>'
        )
        tifffile.imwrite(folder / f"{z}.ome.tif", numbers((5, 7)) + z, ome=False, description=xml, metadata=None)
    return folder / "0.ome.tif"


def test_multi_file_ome(tmp_path):
    first = multi_file_set(tmp_path)
    got = io.read(first)
    np.testing.assert_array_equal(got.voxels[0, 0], [numbers((5, 7)), numbers((5, 7)) + 1])
    assert got.grid.depths.tolist() == [0, 3]
    (tmp_path / "1.ome.tif").unlink()
    with pytest.raises(InputError, match=r"'1.ome.tif' is missing"):
        io.read(first)


def test_ome_that_does_not_describe_the_file(tmp_path):
    xml = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"/></OME>'
    plain_file(tmp_path / "a.ome.tif", numbers((4, 5, 7)), ome=False, description=xml)
    with pytest.raises(InputError, match="does not describe"):
        io.read(tmp_path / "a.ome.tif")
    assert io.read(tmp_path / "a.ome.tif", axes="ZYX").voxels.shape == (1, 1, 4, 5, 7)


# --- damaged files ----------------------------------------------------------------------------------

WRITERS = {
    "plain": {"metadata": None},
    "shaped": {"metadata": {"axes": "ZYX"}},
    "imagej": {"imagej": True, "metadata": {"axes": "ZYX", "spacing": 2, "Info": "x" * 50}},
    "imagej-one-directory": {"imagej": True, "truncate": True, "metadata": {"axes": "ZYX"}},
    "ome": {"ome": True, "metadata": {"axes": "ZYX", "PhysicalSizeZ": 2}},
    "big": {"bigtiff": True, "metadata": None},
    "tiled": {"tile": (16, 16), "metadata": None},
    "strips": {"rowsperstrip": 4, "metadata": None},
    **{c: {"compression": c, "metadata": None} for c in ("deflate", "lzw", "zstd")},
    "imagej-lzw": {"imagej": True, "compression": "lzw", "metadata": {"axes": "ZYX"}},
    "ome-zstd": {"ome": True, "compression": "zstd", "metadata": {"axes": "ZYX"}},
}


@pytest.mark.parametrize("kind", WRITERS)
def test_truncation_anywhere_is_noticed(tmp_path, kind):
    path = tmp_path / "a.tif"
    array = numbers((4, 20, 24))
    plain_file(path, array, **WRITERS[kind])
    whole, content = io.read(path), path.read_bytes()
    messages = []
    for cut in sorted({*range(1, 40), *range(40, len(content), 61), *range(len(content) - 40, len(content))}):
        path.write_bytes(content[:cut])
        try:
            got = io.read(path)
        except InputError as error:
            messages.append(str(error))
            continue
        np.testing.assert_array_equal(got.voxels, array[None, None])
        assert (got.axes, got.source.format) == (whole.axes, whole.source.format)
        np.testing.assert_array_equal(got.grid.depths, whole.grid.depths)
    assert len(messages) > 90
    assert not any("\n" in message for message in messages)


@pytest.mark.parametrize("kind", WRITERS)
def test_random_damage_ends_in_words(tmp_path, kind, recwarn, caplog, capfd):
    path = tmp_path / "a.tif"
    plain_file(path, numbers((4, 20, 24)), **WRITERS[kind])
    content = bytearray(path.read_bytes())
    random = np.random.default_rng(1)
    messages = []
    for _ in range(60):
        broken = content.copy()
        for place in random.integers(0, len(broken) if random.random() < 0.5 else 300, random.integers(1, 6)):
            broken[place % len(broken)] = random.integers(256)
        path.write_bytes(broken)
        try:
            io.read(path)
        except (InputError, TooLargeError) as error:
            messages.append(str(error))
    assert not any("\n" in message for message in messages)
    assert [str(w.message) for w in recwarn] == []
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "content", [b"hello, I am text\n" * 20, b"II", b"II*", b"MM\0*\0\0\0\x08", b"II*\0\0\0\0\0", b"\0"]
)
def test_no_tiff_at_all(tmp_path, content):
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(InputError, match=r"not a TIFF|damaged"):
        io.read(tmp_path / "a.tif")


def test_directories_in_a_circle(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<IHI", 8, 0, 8))
    with pytest.raises(InputError, match="circle"):
        io.read(tmp_path / "a.tif")


@pytest.mark.parametrize("kind", ["plain", "strips", "tiled", "deflate", "imagej", "ome"])
def test_giant_dimensions_are_refused_before_memory_is_taken(tmp_path, kind, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("the image was read")

    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", never)
    path = tmp_path / "a.tif"
    plain_file(path, numbers((4, 20, 24)), **WRITERS[kind])
    with tifffile.TiffFile(path) as tif:
        places = [(tif.byteorder, page.tags[code].valueoffset) for page in tif.pages for code in (256, 257)]
    with path.open("r+b") as file:
        for order, place in places:
            with tifffile.TiffFile(path) as tif:
                wide = tif.pages[0].tags[256].dtype == 4
            file.seek(place)
            file.write(struct.pack(order + ("I" if wide else "H"), 2_000_000 if wide else 60_000))
    with pytest.raises((InputError, TooLargeError)):
        io.read(path)


@pytest.mark.parametrize("truncate", [False, True])
@pytest.mark.parametrize("key", [b"slices", b"images"])
def test_imagej_that_declares_more_images_than_there_are(tmp_path, truncate, key):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, numbers((8, 5, 7)), imagej=True, truncate=truncate, metadata={"axes": "ZYX"})
    replace_bytes(path, key + b"=8", key + b"=9")
    with pytest.raises(InputError, match="damaged"):
        io.read(path)


def test_no_free_memory(tmp_path, monkeypatch):
    path = imagej_file(tmp_path / "a.tif")
    memory = tiff_damage.psutil.virtual_memory()._replace(available=100)
    monkeypatch.setattr(tiff_damage.psutil, "virtual_memory", lambda: memory)
    with pytest.raises(TooLargeError, match="memory"):
        io.read(path)


def test_missing_strip_is_not_read_as_zeros(tmp_path):
    path = tmp_path / "a.tif"
    plain_file(path, numbers((4, 20, 24)), compression="deflate")
    with tifffile.TiffFile(path) as tif:
        place = tif.pages[2].tags[279].valueoffset
    content = bytearray(path.read_bytes())
    content[place : place + 4] = b"\0\0\0\0"
    path.write_bytes(content)
    with pytest.raises(InputError, match="image 3 lacks"):
        io.read(path)


@pytest.mark.parametrize("kind", WRITERS)
def test_ordinary_reading_and_writing_is_silent(tmp_path, kind, caplog, capfd):
    path = tmp_path / "a.tif"
    plain_file(path, numbers((4, 20, 24)), **WRITERS[kind])
    with warnings.catch_warnings(), caplog.at_level(logging.DEBUG):
        warnings.simplefilter("error")
        got = io.read(path)
        grid = replace(got.grid, depths=np.arange(4.0))
        for name in ("b.tif", "b.ome.tif"):
            io.write(tmp_path / name, replace(got, grid=grid))
            io.read(tmp_path / name)
    assert [each for each in caplog.records if not each.name.startswith("napari_depth_interp.")] == []
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("tifffile").filters == []
