"""Two-dimensional images as sections: natural order, channels and time by a pattern, colours, what makes no stack."""

import os
import shutil
import subprocess

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from command_line import MODULE, depth_interp
from napari_depth_interp import api, io
from napari_depth_interp.errors import InputError
from napari_depth_interp.stack.lazy import is_lazy

VOXELS = np.random.default_rng(4).integers(0, 250, (12, 9, 8), dtype=np.uint8)


def folder_of(path, suffix=".png", voxels=VOXELS, name="s{}"):
    path.mkdir(exist_ok=True)
    for number, plane in enumerate(voxels):
        file = path / f"{name.format(number)}{suffix}"
        if suffix == ".tif":
            tifffile.imwrite(file, plane)
        elif suffix == ".jpg":
            file.write_bytes(imagecodecs.jpeg_encode(plane, level=95))
        else:
            file.write_bytes(imagecodecs.png_encode(plane))
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("lazy", [False, True])
def test_natural_order(tmp_path, suffix, lazy):
    """s2 before s10."""
    found = io.read(folder_of(tmp_path / "a", suffix), lazy=lazy)
    np.testing.assert_array_equal(np.asarray(found.voxels)[0, 0], VOXELS)
    assert is_lazy(found.voxels) is lazy
    assert found.grid.depths is None
    assert f"12 images are taken as sections (Z), from s0{suffix} to s11{suffix}" in found.notes
    np.testing.assert_array_equal(found.voxels[0, 0, 3, 2:5], VOXELS[3, 2:5])


def test_jpeg_as_pillow_reads_it(tmp_path):
    path = folder_of(tmp_path / "a", ".jpg")
    expected = [np.asarray(Image.open(path / f"s{i}.jpg")) for i in range(12)]
    np.testing.assert_allclose(io.read(path).voxels[0, 0], expected, atol=1)


def test_16_bits_and_colours(tmp_path):
    deep = VOXELS.astype(np.uint16) * 257
    found = io.read(folder_of(tmp_path / "a", voxels=deep))
    np.testing.assert_array_equal(found.voxels[0, 0], deep)
    colours = np.stack([VOXELS, VOXELS[::-1], VOXELS // 2], axis=-1)
    for suffix in (".png", ".tif"):
        found = io.read(folder_of(tmp_path / suffix[1:], suffix, colours))
        assert found.rgb
        np.testing.assert_array_equal(found.voxels[0], np.moveaxis(colours, -1, 0))


def test_a_pattern_with_channels_and_times(tmp_path):
    for t in range(2):
        for name, c in (("dapi", 0), ("gfp", 1)):
            folder_of(tmp_path / "a", ".tif", VOXELS + t + 2 * c, f"x_t{t}_{name}_z{{}}")
    found = io.read(tmp_path / "a" / "x_t{t}_{c}_z{z}.tif")
    assert found.voxels.shape == (2, 2, 12, 9, 8)
    assert found.channel_names == ("dapi", "gfp")
    np.testing.assert_array_equal(found.voxels[1, 1, 11], VOXELS[11] + 3)
    assert io.read(tmp_path / "a" / "x_t0_gfp_*.tif").voxels.shape == (1, 1, 12, 9, 8)
    (tmp_path / "a" / "x_t0_gfp_z3.tif").unlink()
    with pytest.raises(InputError, match="have 11 sections, others 12"):
        io.read(tmp_path / "a" / "x_t{t}_{c}_z{z}.tif")
    with pytest.raises(InputError, match="no TIFF, PNG or JPEG file matches"):
        io.read(tmp_path / "a" / "y*.tif")


def test_pixel_sizes_of_tiff_are_kept(tmp_path):
    (tmp_path / "a").mkdir()
    for number in range(3):
        tifffile.imwrite(
            tmp_path / "a" / f"{number}.tif", VOXELS[number], imagej=True, resolution=(4, 4), metadata={"unit": "um"}
        )
    found = io.read(tmp_path / "a")
    assert (found.grid.pixel_size, found.grid.unit) == ((0.25, 0.25), "um")


def test_what_is_no_stack(tmp_path):
    path = folder_of(tmp_path / "a")
    (path / "s5.png").write_bytes(imagecodecs.png_encode(VOXELS[5, :4]))
    with pytest.raises(InputError, match=r"'s5.png' is an image of 4 x 8 pixels .* 's0.png' has 9 x 8"):
        io.read(path)
    path = folder_of(tmp_path / "b", ".tif")
    tifffile.imwrite(path / "s0.tif", VOXELS, photometric="minisblack", metadata={"axes": "ZYX"})
    with pytest.raises(InputError, match="images of a sequence are two-dimensional"):
        io.read(path)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="is a folder, and no series of images"):
        io.read(tmp_path / "c")


def test_numbers_that_skip_are_said(tmp_path):
    path = folder_of(tmp_path / "a", name="scan_{:02d}_x4")
    assert not [note for note in io.read(path).notes if "skip" in note]
    (path / "scan_04_x4.png").unlink()
    (path / "scan_07_x4.png").unlink()
    words = "the numbers of the images skip in 2 places, first from 'scan_03_x4.png' to 'scan_05_x4.png'"
    assert [note for note in io.read(path).notes if note.startswith(words)]
    every_other = folder_of(tmp_path / "b")
    for number in range(0, 12, 2):
        (every_other / f"s{number}.png").unlink()
    assert not [note for note in io.read(every_other).notes if "skip" in note]
    places = folder_of(tmp_path / "c", voxels=VOXELS[:4])  # numbers that are depths
    for number, depth in enumerate((3, 7, 12, 30)):
        (places / f"s{number}.png").rename(places / f"z{depth}.png")
    assert not [note for note in io.read(places).notes if "skip" in note]


def test_what_may_not_be_read_is_not_damaged(tmp_path):
    """Root may read everything: without that right, in a process of its own."""
    path = folder_of(tmp_path / "a")
    (path / "s5.png").chmod(0)
    words = [*MODULE, "run", path, tmp_path / "b.tif", "--method", "linear", "--factor", "2", "--z-spacing", "1um"]
    everything = os.name == "nt" or os.geteuid() == 0
    if everything and shutil.which("setpriv") is None:  # there is nobody who may not
        assert io.read(path).voxels.shape[2] == 12
        return
    if everything:
        words = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *words]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert (
        done.stderr == f"depth-interp: '{path / 's5.png'}' cannot be read: Permission denied; check the permissions\n"
    )


def test_grey_and_colour_are_told_apart(tmp_path):
    path = folder_of(tmp_path / "a")
    (path / "s5.png").write_bytes(imagecodecs.png_encode(np.stack([VOXELS[5]] * 3, -1)))
    with pytest.raises(InputError, match=r"uint8 in 3 channels, but 's0.png' has 9 x 8 pixels of uint8;"):
        io.read(path)


def test_what_is_no_file_is_named(tmp_path):
    """A link to a device would never end, and one that is broken is a section that is missing."""
    path = folder_of(tmp_path / "a")
    (path / "s3.png").unlink()
    (path / "s3.png").symlink_to(tmp_path / "gone.png")
    (path / "s20.png").symlink_to("/dev/zero")
    (path / "s30.png").mkdir()
    (path / "s31.png").symlink_to(path / "s31.png")
    note = "'s3.png', 's20.png', 's30.png' and 1 more: no regular file (a broken link, a folder or a device), left out"
    for which in (path, path / "s*.png"):
        found = io.read(which)
        assert found.voxels.shape[2] == 11
        assert [each for each in found.notes if each.startswith(note)]
    done = depth_interp("run", path, tmp_path / "b.tif", "--z-spacing", "50nm", "--factor", "2")
    assert f"warning: {note}" in done.stderr
    assert io.read(tmp_path / "b.tif").voxels.shape[2] == 21


def test_a_run(tmp_path):
    result = api.interpolate(folder_of(tmp_path / "a"), method="linear", factor=2, z_spacing="50nm")
    result.save(tmp_path / "b.tif")
    back = io.read(tmp_path / "b.tif")
    assert (back.voxels.shape[2], back.grid.spacing, back.grid.unit) == (23, 25, "nm")
