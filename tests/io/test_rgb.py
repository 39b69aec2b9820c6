"""RGB stacks in TIFF and OME-Zarr: red, green and blue are channels inside, and pixels of a colour image outside."""

import numpy as np
import pytest
import tifffile

from napari_depth_interp import io
from napari_depth_interp.errors import InputError
from napari_depth_interp.stack import Dataset

RGB = np.random.default_rng(0).integers(0, 256, (4, 30, 41, 3)).astype(np.uint8)
RGBA = np.concatenate([RGB, RGB[..., :1]], axis=-1)
ALPHA = {"photometric": "rgb", "extrasamples": ["unassalpha"]}
FILES = {
    "plain": (RGB, {"photometric": "rgb"}),
    "imagej": (RGB, {"photometric": "rgb", "imagej": True, "metadata": {"axes": "ZYXS", "spacing": 2.0}}),
    "ome": (RGB, {"photometric": "rgb", "ome": True, "metadata": {"axes": "ZYXS", "PhysicalSizeZ": 2.0}}),
    "planes of colours": (RGB.transpose(0, 3, 1, 2), {"photometric": "rgb", "planarconfig": "separate"}),
    "tiled and compressed": (RGB, {"photometric": "rgb", "compression": "zlib", "tile": (16, 16)}),
    "alpha": (RGBA, ALPHA),
    "16 bits": (RGB.astype(np.uint16) * 257, {"photometric": "rgb"}),
}
NAMES = ("a.tif", "a.ome.tif", "a.btf", "a.ome.zarr")


def pixels(dataset):
    """The first time point with its colours last, as other programs have it."""
    return np.moveaxis(np.asarray(dataset.voxels)[0], 0, -1)


def known(array, **more):
    return Dataset.from_array(array, axes="ZYXS", z_spacing=2.0, pixel_size=(0.5, 0.5), unit="um", **more)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("lazy", [False, True])
def test_what_other_programs_write_is_read_as_one_colour_image(tmp_path, kind, lazy):
    array, options = FILES[kind]
    tifffile.imwrite(tmp_path / "a.tif", array, **options)
    found = io.read(tmp_path / "a.tif", lazy=lazy)
    assert found.rgb
    assert found.channel_names == ("red", "green", "blue", "alpha")[: found.voxels.shape[1]]
    expected = RGB if "planes" in kind else array
    np.testing.assert_array_equal(pixels(found), expected)
    assert found.voxels.dtype == expected.dtype
    assert (found.grid.spacing == 2.0) == (kind in ("imagej", "ome"))


def test_colours_behind_jpeg_are_decoded(tmp_path):
    smooth = np.broadcast_to(np.uint8([200, 90, 40]), (3, 32, 32, 3)).copy()
    tifffile.imwrite(tmp_path / "a.tif", smooth, photometric="rgb", compression="jpeg")
    found = io.read(tmp_path / "a.tif")
    assert found.rgb
    np.testing.assert_allclose(pixels(found).astype(int), smooth, atol=4)


def test_time_points(tmp_path):
    movie = np.stack([RGB, RGB[::-1]])
    tifffile.imwrite(tmp_path / "a.tif", movie, photometric="rgb", imagej=True, metadata={"axes": "TZYXS"})
    found = io.read(tmp_path / "a.tif")
    assert found.voxels.shape == (2, 3, 4, 30, 41)
    io.write(tmp_path / "b.tif", found)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), movie)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("array", [RGB, RGBA, RGB.astype(np.uint16) * 257, RGB.astype(np.float32) / 255])
def test_what_is_written_is_read_again_with_spacing_and_history(tmp_path, name, array):
    io.write(tmp_path / name, known(array))
    found = io.read(tmp_path / name)
    assert found.rgb
    np.testing.assert_array_equal(pixels(found), array)
    assert (found.grid.spacing, found.grid.pixel_size, found.grid.unit) == (2.0, (0.5, 0.5), "um")
    assert found.channel_names == ("red", "green", "blue", "alpha")[: array.shape[-1]]


@pytest.mark.parametrize("name", NAMES[:3])
@pytest.mark.parametrize("array", [RGB, RGBA])
def test_others_see_a_colour_image(tmp_path, name, array):
    io.write(tmp_path / name, known(array))
    with tifffile.TiffFile(tmp_path / name) as tif:
        assert (tif.series[0].axes, tif.series[0].shape) == ("ZYXS", array.shape)
        assert tif.pages[0].photometric == tifffile.PHOTOMETRIC.RGB
        assert tif.is_imagej == (name == "a.tif" and array is RGB)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / name), array)


def test_ome_zarr_says_that_its_channels_are_colours(tmp_path):
    import zarr

    io.write(tmp_path / "a.ome.zarr", known(RGB))
    omero = zarr.open_group(tmp_path / "a.ome.zarr", mode="r").attrs["ome"]["omero"]
    assert omero["rdefs"]["model"] == "color"
    assert [(each["label"], each["color"]) for each in omero["channels"]] == [
        ("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF")
    ]  # fmt: skip
    assert {(each["window"]["start"], each["window"]["end"]) for each in omero["channels"]} == {(0.0, 255.0)}


def test_uneven_depths_are_kept(tmp_path):
    uneven = Dataset.from_array(RGB, axes="ZYXS", depths=[0, 1, 4, 5], unit="um")
    for name in ("a.tif", "a.ome.zarr"):
        io.write(tmp_path / name, uneven)
        np.testing.assert_allclose(io.read(tmp_path / name).grid.depths, [0, 1, 4, 5])


@pytest.mark.parametrize("name", ["a.tif", "a.ome.zarr"])
@pytest.mark.parametrize("array", [RGB, RGBA])
def test_blocks_of_single_colours_in_any_order(tmp_path, name, array):
    dataset = known(array)
    blocks = [
        (c, rows, columns)
        for c in reversed(range(array.shape[-1]))
        for rows in (slice(20, 30), slice(0, 20))
        for columns in ((slice(0, 41),) if c else (slice(17, 41), slice(0, 17)))
    ]
    with io.creating(tmp_path / name, dataset, dataset.voxels.shape, dataset.voxels.dtype) as sink:
        for c, rows, columns in blocks:
            sink.write(0, c, slice(0, 4), rows, columns, dataset.voxels[0, c, :, rows, columns])
        sink.finish({"depth_interp": {"method": "none"}})
    found = io.read(tmp_path / name)
    assert found.rgb
    assert found.record["depth_interp"]["method"] == "none"
    np.testing.assert_array_equal(pixels(found), array)


@pytest.mark.parametrize("axes", ["ZYXS", "ZYXC"])
def test_named_axes_say_whether_the_last_one_is_colours(tmp_path, axes):
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb")
    found = io.read(tmp_path / "a.tif", axes=axes)
    assert found.rgb == (axes == "ZYXS")
    np.testing.assert_array_equal(pixels(found), RGB)


@pytest.mark.parametrize(
    ("array", "options"),
    [
        (RGBA, {"photometric": "separated"}),
        (RGB, {"photometric": "cielab"}),
        (RGB[:3, ..., 0], {"photometric": "rgb", "planarconfig": "separate"}),
    ],
)
def test_other_colours_are_refused(tmp_path, array, options):
    tifffile.imwrite(tmp_path / "a.tif", array, metadata=None, **options)
    with pytest.raises(InputError, match=r"no RGB stack.*split it into channels"):
        io.read(tmp_path / "a.tif")


def test_channels_of_fluorescence_stay_channels(tmp_path):
    channels = Dataset.from_array(RGB.transpose(0, 3, 1, 2), axes="ZCYX", z_spacing=1.0)
    for name in ("a.tif", "a.ome.tif", "a.ome.zarr"):
        io.write(tmp_path / name, channels)
        assert not io.read(tmp_path / name).rgb
