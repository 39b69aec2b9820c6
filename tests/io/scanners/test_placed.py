"""NRRD, MetaImage, MGH, MINC, NIfTI pairs: voxels and places as independent readers see them, also after a run."""

import bz2
import gzip
from dataclasses import replace
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK

from napari_depth_interp import api, io
from napari_depth_interp.errors import InputError, OutputError
from real_files import real

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
SHAPE = (6, 5, 4)
VOXELS = np.arange(120, dtype=np.int16).reshape(SHAPE) * 7 % 97
TURNED = np.array([[0.0, 0.0, 3.0, -12.5], [-0.5, 0.0, 0.0, 20.0], [0.0, 0.7, 0.0, 4.0], [0, 0, 0, 1]])
OBLIQUE = np.array([[0.48, 0.1, 0.3, -1.0], [-0.1, 0.49, 0.1, 2.0], [-0.1, -0.05, 2.5, 3.0], [0, 0, 0, 1]])
INSTALLED = Path(nibabel.__file__).parent / "tests" / "data"


def itk(voxels, affine, channels=False):
    """Make an image of SimpleITK from voxels (x, y, z) and an affine to the right, front and up."""
    turned = LPS @ affine
    spacing = np.sqrt((turned[:3, :3] ** 2).sum(axis=0))
    image = SimpleITK.GetImageFromArray(voxels.T, isVector=channels)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(turned[:3, 3].tolist())
    image.SetDirection((turned[:3, :3] / spacing).ravel().tolist())
    return image


def orthogonal(affine):
    """ITK takes only right angles between axes."""
    size = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    directions, _ = np.linalg.qr(affine[:3, :3] / size)
    directions *= np.sign((directions * affine[:3, :3]).sum(axis=0))
    found = affine.copy()
    found[:3, :3] = directions * size
    return found


def seen_by_others(path):
    """Return voxels as stored (x, y, z) and the affine (RAS+), read by SimpleITK or nibabel."""
    if path.name.endswith((".nrrd", ".mha", ".mhd", ".nhdr")):
        image = SimpleITK.ReadImage(str(path))
        affine = np.eye(4)
        affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
        affine[:3, 3] = image.GetOrigin()
        return SimpleITK.GetArrayFromImage(image).T, LPS @ affine
    image = nibabel.load(path)
    return np.asarray(image.dataobj), image.affine


def points(dataset):
    """Return value and world place (RAS+) of some voxels, from the dataset's own grid and the origin's order."""
    origin = dataset.source.header
    z, y, x = (index.ravel() for index in np.indices(dataset.voxels.shape[2:]))
    canonical = np.empty((3, z.size))
    for axis, index in zip(origin.order, (z, y, x), strict=True):
        canonical[axis] = index
    return dataset.voxels[0, 0].ravel(), origin.canonical[:3, :3] @ canonical + origin.canonical[:3, 3:]


def check_same(path, tolerance=1e-6):
    """Every voxel has the value and the place that the other reader gives it."""
    dataset = io.read(path)
    voxels, affine = seen_by_others(path)
    values, places = points(dataset)
    index = np.rint(np.linalg.solve(affine[:3, :3], places - affine[:3, 3:])).astype(int)
    np.testing.assert_allclose(affine[:3, :3] @ index + affine[:3, 3:], places, atol=tolerance)
    np.testing.assert_array_equal(values, voxels[tuple(index)])
    return dataset


@pytest.mark.parametrize("affine", [np.diag([0.5, 0.5, 2.0, 1.0]), TURNED, OBLIQUE], ids=["plain", "turned", "oblique"])
@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".mhd", ".mgz", ".hdr"])
def test_voxels_and_places_are_those_of_other_readers(tmp_path, suffix, affine):
    path = tmp_path / f"a{suffix}"
    if suffix in (".mgz", ".hdr"):
        kind = nibabel.freesurfer.MGHImage if suffix == ".mgz" else nibabel.Nifti1Pair
        kind(VOXELS, affine.astype(np.float32)).to_filename(path)
    else:
        SimpleITK.WriteImage(itk(VOXELS, orthogonal(affine)), str(path), useCompression=suffix == ".mha")
    dataset = check_same(path, 1e-5)
    sizes = sorted(np.sqrt((affine[:3, :3] ** 2).sum(axis=0)))
    assert dataset.grid.spacing == pytest.approx(sizes[-1], rel=1e-5)
    assert sorted(dataset.grid.pixel_size) == pytest.approx(sizes[:2], rel=1e-5)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".mgz", ".nii.gz"])
def test_a_run_is_written_back_in_place(tmp_path, suffix):
    source, out = tmp_path / "a.nrrd", tmp_path / f"b{suffix}"
    affine = orthogonal(OBLIQUE)
    SimpleITK.WriteImage(itk(VOXELS, affine), str(source))
    api.interpolate(source, method="linear", factor=2).save(out)
    voxels, found = seen_by_others(out)
    assert voxels.shape == (6, 5, 7)
    np.testing.assert_array_equal(voxels[..., ::2], VOXELS)
    expected = affine.copy()
    expected[:3, 2] /= 2
    np.testing.assert_allclose(found, expected, atol=1e-5)
    back = check_same(out, 1e-5)
    assert back.grid.spacing == pytest.approx(1.26, abs=0.01)
    if suffix != ".mgz":  # it has no place for a history
        assert api.Result.load(out).record["method"] == "linear"


def test_what_is_finer_than_its_pixels_keeps_its_section_axis(tmp_path):
    SimpleITK.WriteImage(itk(VOXELS, np.diag([0.5, 0.5, 2.0, 1.0])), str(tmp_path / "a.mha"))
    for name in ("b.nrrd", "b.mha"):
        api.interpolate(tmp_path / "a.mha", method="linear", factor=8).save(tmp_path / name)
        assert io.read(tmp_path / name).voxels.shape == (1, 1, 25, 5, 6)


@pytest.mark.parametrize("name", ["b.nrrd", "b.mha", "b.mgz"])
def test_channels_and_times(tmp_path, name):
    times = api.Dataset.from_array(
        np.arange(120, dtype=np.int16).reshape(2, 3, 4, 5), z_spacing=2, pixel_size=(1, 1), unit="mm", axes="TZYX"
    )
    io.write(tmp_path / name, times)
    np.testing.assert_array_equal(io.read(tmp_path / name).voxels, times.voxels)
    channels = api.Dataset.from_array(
        np.arange(120, dtype=np.int16).reshape(2, 3, 4, 5), z_spacing=2, pixel_size=(1, 1), unit="mm", axes="CZYX"
    )
    if name == "b.mgz":
        with pytest.raises(OutputError, match="no channels"):
            io.write(tmp_path / "c.mgz", channels)
    else:
        io.write(tmp_path / name, channels, overwrite=True)
        np.testing.assert_array_equal(io.read(tmp_path / name).voxels, channels.voxels)


@pytest.mark.parametrize("name", ["b.nrrd", "b.mha", "b.mgz", "b.nii.gz"])
def test_the_time_step_as_others_see_it(tmp_path, name):
    times = api.Dataset.from_array(
        np.arange(120, dtype=np.int16).reshape(2, 3, 4, 5), z_spacing=2, pixel_size=(1, 1), unit="mm", axes="TZYX"
    )
    io.write(tmp_path / name, times)
    assert io.read(tmp_path / name).time_step is None
    io.write(tmp_path / name, replace(times, time_step=2.5), overwrite=True)
    assert io.read(tmp_path / name).time_step == 2.5
    if name == "b.mha":
        step = SimpleITK.ReadImage(str(tmp_path / name)).GetSpacing()[3]
    elif name == "b.nrrd":
        header = nrrd.read_header(str(tmp_path / name))
        step = header["spacings"][3]
        assert header["units"][3] == "s"
        image = SimpleITK.ReadImage(str(tmp_path / name))
        assert (image.GetSpacing(), image.GetNumberOfComponentsPerPixel()) == ((1, 1, 2), 2)
    else:
        step = float(nibabel.load(tmp_path / name).header.get_zooms()[3]) / (1000 if name == "b.mgz" else 1)
    assert step == 2.5


@pytest.mark.parametrize("name", ["b.nrrd", "b.mha", "b.mgz", "b.nii.gz"])
def test_a_spacing_of_exactly_1_that_is_written_is_one(tmp_path, name):
    """Also a time step of 1 s that this package has written; where it is not known, MetaImage has 1, too."""
    times = api.Dataset.from_array(
        np.arange(120, dtype=np.int16).reshape(2, 3, 4, 5), z_spacing=1, pixel_size=(1, 1), unit="mm", axes="TZYX"
    )
    for step in (1.0, None):
        io.write(tmp_path / name, replace(times, time_step=step), overwrite=True)
        found = io.read(tmp_path / name)
        assert (found.grid.spacing, found.grid.pixel_size, found.time_step) == (1, (1, 1), step)
    image = SimpleITK.GetImageFromArray(np.zeros((3, 4, 5), np.uint8))
    for file in ("c.mha", "c.nrrd", "c.nii"):
        SimpleITK.WriteImage(image, str(tmp_path / file))
        assert (io.read(tmp_path / file).grid.spacing, io.read(tmp_path / file).grid.pixel_size) == (1, (1, 1))


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_spacing_of_0_is_none(tmp_path, lost):
    """Whatever the order of the axes: the others keep theirs."""
    spacing = [2.0, 3.0, 4.0]
    spacing[lost] = 0
    lines = ["NDims = 3", "DimSize = 5 4 3", "ElementType = MET_UCHAR", "TransformMatrix = 0 1 0 0 0 1 1 0 0"]
    lines += [f"ElementSpacing = {' '.join(map(str, spacing))}", "ElementDataFile = LOCAL"]
    (tmp_path / "a.mha").write_bytes("".join(f"{line}\n" for line in lines).encode() + bytes(60))
    grid = io.read(tmp_path / "a.mha", axis="xyz"[(lost + 1) % 3]).grid  # the first axis runs along y
    assert grid.spacing is None
    assert {0, *grid.pixel_size} == {*spacing}


def test_time_points_of_nrrd_as_itk_writes_them(tmp_path):
    film = np.arange(360, dtype=np.uint8).reshape(3, 5, 4, 6)
    image = SimpleITK.GetImageFromArray(film, isVector=False)
    image.SetSpacing((0.5, 0.5, 3, 2))
    SimpleITK.WriteImage(image, str(tmp_path / "a.nrrd"))
    found = io.read(tmp_path / "a.nrrd")
    assert (found.grid.spacing, found.grid.pixel_size, found.axes) == (3, (0.5, 0.5), "TZYX")
    np.testing.assert_array_equal(found.voxels[:, 0], film)


@pytest.mark.parametrize("key", ["ElementSpacing", "ElementSize", None])
def test_metaimage_by_which_word_the_spacing_is_said(tmp_path, key):
    lines = ["NDims = 3", "DimSize = 5 4 3", "ElementType = MET_UCHAR", *([f"{key} = 1 1 1"] if key else [])]
    text = "".join(f"{line}\n" for line in [*lines, "ElementDataFile = LOCAL"])
    (tmp_path / "a.mha").write_bytes(text.encode() + bytes(60))
    assert io.read(tmp_path / "a.mha").grid.spacing == (1 if key else None)


@pytest.mark.parametrize(
    ("kind", "more", "shape"),
    [
        ("time", {}, (2, 1)),
        ("list", {"axis 0 index type": "time"}, (2, 1)),
        ("list", {}, (1, 2)),
        ("vector", {}, (1, 2)),
    ],
)
def test_time_points_and_channels_of_nrrd(tmp_path, kind, more, shape):
    """3D Slicer writes sequences as lists of times, first axis first."""
    voxels = np.stack([VOXELS, VOXELS + 100])
    directions = np.vstack([[np.nan] * 3, np.diag([1, 1, 3.0])])
    words = {"space": "LPS", "space directions": directions, "kinds": [kind, "domain", "domain", "domain"]}
    words |= {"spacings": [500, *[np.nan] * 3], "units": ["ms", "", "", ""]} | more
    nrrd.write(str(tmp_path / "a.nrrd"), voxels, words)
    found = io.read(tmp_path / "a.nrrd")
    assert found.voxels.shape[:2] == shape
    turned = found.voxels.reshape(2, *VOXELS.shape[::-1])[:, :, ::-1, ::-1]  # to the left and back
    np.testing.assert_array_equal(turned, voxels.transpose(0, 3, 2, 1))
    assert found.time_step == (0.5 if shape[0] == 2 else None)


def test_vectors_of_itk(tmp_path):
    voxels = np.arange(240, dtype=np.float32).reshape(2, *SHAPE)
    for name in ("a.mha", "a.nrrd"):
        SimpleITK.WriteImage(itk(voxels, np.diag([1.0, 1, 3, 1]), channels=True), str(tmp_path / name))
        found = io.read(tmp_path / name)
        np.testing.assert_array_equal(found.voxels[0], voxels.transpose(0, 3, 2, 1))


def nrrd_file(path, **fields):
    nrrd.write(str(path), VOXELS, {"space": "LPS", "space directions": np.diag([1, 1, 3.0])} | fields)
    return path


def test_thickness_and_units_of_nrrd(tmp_path):
    path = nrrd_file(tmp_path / "a.nrrd", thicknesses=[np.nan, np.nan, 2.5], **{"space units": ["um", "um", "um"]})
    assert (io.read(path).thickness, io.read(path).grid.unit) == (2.5, "um")
    assert io.read(path, axis="x").thickness is None
    io.write(tmp_path / "b.nrrd", io.read(path))
    assert io.read(tmp_path / "b.nrrd").thickness == 2.5
    assert nrrd.read_header(str(tmp_path / "b.nrrd"))["thicknesses"][2] == 2.5
    assert "lengths are in mm" in " ".join(io.read(nrrd_file(tmp_path / "c.nrrd")).notes)


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("bzip2", bz2.compress)])
def test_compressed_voxels_after_a_header(tmp_path, encoding, pack):
    """As a .nii.gz is referred to: the last bytes count once it is unpacked, or those after so many."""
    head = nrrd_file(tmp_path / "a.nhdr", encoding=encoding).read_bytes()
    data = next(each for each in tmp_path.iterdir() if each.suffix != ".nhdr")
    data.write_bytes(pack(b"a header" + VOXELS.tobytes("F")))
    for skip in (b"-1", b"8"):
        (tmp_path / "a.nhdr").write_bytes(head.replace(b"encoding:", b"byte skip: " + skip + b"\nencoding:"))
        turned = io.read(tmp_path / "a.nhdr").voxels[0, 0, :, ::-1, ::-1]
        np.testing.assert_array_equal(turned, VOXELS.T)
    for content in (b"short", bytes(2**25)):
        data.write_bytes(pack(content))
        (tmp_path / "a.nhdr").write_bytes(head.replace(b"encoding:", b"byte skip: -1\nencoding:"))
        with pytest.raises(InputError, match=r"is damaged: it (ends too early|holds more)"):
            io.read(tmp_path / "a.nhdr")


def test_a_nrrd_without_a_spacing(tmp_path):
    nrrd.write(str(tmp_path / "a.nrrd"), VOXELS)
    found = io.read(tmp_path / "a.nrrd")
    assert found.grid.depths is None
    assert found.grid.pixel_size is None
    assert found.grid.unit is None
    np.testing.assert_array_equal(found.voxels[0, 0], VOXELS.T)
    nrrd.write(str(tmp_path / "b.nrrd"), VOXELS, {"spacings": [0.5, 0.5, 2.0], "units": ["um", "um", "um"]})
    grid = io.read(tmp_path / "b.nrrd").grid
    assert (grid.spacing, grid.pixel_size, grid.unit) == (2, (0.5, 0.5), "um")


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2"])
def test_a_detached_header(tmp_path, encoding):
    path = nrrd_file(tmp_path / "a.nhdr", encoding=encoding)
    np.testing.assert_array_equal(io.read(path).voxels[0, 0][:, ::-1, ::-1], VOXELS.T)


@pytest.mark.parametrize("kind", ["NRRD", "MetaImage"])
def test_voxels_stay_in_the_folder(tmp_path, kind):
    """Where a header names another file: not outside its own folder, no device."""
    (tmp_path / "secret.raw").write_bytes(VOXELS.tobytes())
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("../secret.raw", str(tmp_path / "secret.raw"), "/dev/zero"):
        if kind == "NRRD":
            path = folder / "a.nhdr"
            path.write_text(
                f"NRRD0004\ntype: short\ndimension: 3\nsizes: 6 5 4\nencoding: raw\nendian: little\ndata file: {name}\n"
            )
        else:
            path = folder / "a.mhd"
            path.write_text(
                "NDims = 3\nDimSize = 6 5 4\nElementSpacing = 1 1 1\nElementType = MET_SHORT\n"
                f"ElementDataFile = {name}\n"
            )
        with pytest.raises(InputError, match="no file in its own folder"):
            io.read(path)


def test_half_of_a_pair(tmp_path):
    nibabel.Nifti1Pair(VOXELS, np.eye(4)).to_filename(tmp_path / "a.hdr")
    np.testing.assert_array_equal(io.read(tmp_path / "a.img").voxels, io.read(tmp_path / "a.hdr").voxels)
    (tmp_path / "a.img").unlink()
    with pytest.raises(InputError, match=r"is one of a pair, and 'a.img' is missing"):
        io.read(tmp_path / "a.hdr")


@pytest.mark.parametrize("name", ["tiny.mnc", "small.mnc", "minc1_4d.mnc", "minc2_1_scale.mnc", "minc2-4d-d.mnc"])
def test_minc_as_nibabel_reads_it(name):
    dataset, image = io.read(INSTALLED / name), nibabel.load(INSTALLED / name)
    voxels = np.asarray(image.dataobj)
    voxels = voxels if voxels.ndim == 4 else voxels[None]
    assert dataset.voxels.shape[0] == len(voxels)
    for time in range(len(voxels)):
        values, places = points(dataset.part(slice(time, time + 1), slice(0, None), slice(0, None)))
        index = np.rint(np.linalg.solve(image.affine[:3, :3], places - image.affine[:3, 3:])).astype(int)
        np.testing.assert_array_equal(values, voxels[time][tuple(index)])


@pytest.mark.parametrize("name", ["minc1-no-att.mnc", "minc2-no-att.mnc"])
def test_minc_without_steps_has_no_spacing(name):
    """nibabel has 1 mm there, as for a file that says so."""
    assert nibabel.load(INSTALLED / name).header.get_zooms() == (1, 1, 1)
    grid = io.read(INSTALLED / name).grid
    assert (grid.depths, grid.pixel_size) == (None, None)


@pytest.mark.parametrize("suffix", [".mgh", ".mgz"])
def test_mgh_that_does_not_say_how_it_lies(tmp_path, suffix):
    image = nibabel.MGHImage(np.zeros((5, 4, 3), np.uint8), np.eye(4))
    for flag in (b"\0\1", b"\0\0"):
        content = image.to_bytes()
        content = content[:28] + flag + content[30:]
        path = tmp_path / f"a{suffix}"
        path.write_bytes(gzip.compress(content) if suffix == ".mgz" else content)
        assert io.read(path).grid.spacing == (1 if flag[1] else None)


def test_what_is_only_read_says_what_is_written(tmp_path):
    for name in ("a.mnc", "a.hdr", "a.nhdr", "a.czi"):
        with pytest.raises(OutputError, match=r"not written so; use one of .*\.nrrd"):
            io.write(tmp_path / name, io.read(INSTALLED / "tiny.mnc"))


def test_uneven_sections_are_refused_by_name(tmp_path):
    uneven = api.Dataset.from_array(VOXELS, depths=[0, 1, 5, 6, 7, 8], pixel_size=(1, 1), unit="mm")
    for suffix, title in ((".nrrd", "NRRD"), (".mha", "MetaImage"), (".mgz", "MGH")):
        with pytest.raises(OutputError, match=f"{title} holds evenly spaced sections only"):
            io.check_format(tmp_path / f"a{suffix}", uneven)


def test_real_files():
    """As SimpleITK and nibabel read them."""
    for path in real("FLAIR.nrrd", "mha.mha", "wm.mgz", "ras.hdr"):
        check_same(path, 1e-4)
