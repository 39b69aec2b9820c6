"""Folders of pairs, and what is wrong with them."""

import numpy as np
import pytest
import tifffile

from napari_depth_interp import io
from napari_depth_interp.errors import InputError
from napari_depth_interp.nn.data import hashes_of
from napari_depth_interp.stack import Dataset, Grid
from napari_depth_interp.training.pairs import read_images


@pytest.fixture
def folder(tmp_path):
    for name in ("noisy", "clean"):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "scan.tif", np.full((20, 30), 7 if name == "noisy" else 9, np.uint8))
    voxels = np.arange(5 * 20 * 30, dtype=np.float32).reshape(1, 1, 5, 20, 30)
    io.write(tmp_path / "noisy" / "volume.tif", Dataset(voxels, Grid(np.arange(5) * 2.0, (1.0, 1.0), "mm")))
    io.write(tmp_path / "clean" / "volume.nii.gz", Dataset(voxels, Grid(np.arange(5) * 2.0, (1.0, 1.0), "mm")))
    (tmp_path / "noisy" / "notes.txt").write_text("no image")
    return tmp_path


def test_files_of_the_same_name_belong_together(folder):
    data = read_images(folder, "auto", None)
    assert [path.name for path in data.files] == ["scan.tif", "volume.tif"]
    assert [path.name for path in data.target_files] == ["scan.tif", "volume.nii.gz"]
    assert [each.voxels.shape for each in data.stacks] == [(1, 20, 30), (5, 20, 30)]
    assert (data.stacks[0].voxels == 7).all()
    assert (data.targets[0].voxels == 9).all()
    np.testing.assert_array_equal(data.stacks[1].voxels, data.targets[1].voxels)


def test_a_folder_without_pairs_holds_noisy_stacks(folder):
    data = read_images(folder / "noisy", "auto", None)
    assert [path.name for path in data.files] == ["scan.tif", "volume.tif"]
    assert data.targets == ()


def test_an_ome_zarr_is_told_from_others_by_its_voxels(tmp_path):
    """It is a folder, which has no SHA-256 of its own."""
    for name in "ab":
        voxels = np.full((1, 1, 3, 20, 30), ord(name), np.uint8)
        io.write(tmp_path / f"{name}.ome.zarr", Dataset(voxels, Grid(np.arange(3.0), (1.0, 1.0), "mm")))
    data = read_images(tmp_path, "auto", None)
    assert [path.name for path in data.files] == ["a.ome.zarr", "b.ome.zarr"]
    assert len(set(hashes_of(data))) == 2
    assert hashes_of(data) == hashes_of(read_images(tmp_path, "auto", None))


def add(folder, name, image):
    (folder / name).parent.mkdir(exist_ok=True)
    tifffile.imwrite(folder / name, image)


IMAGE = np.zeros((20, 30), np.uint8)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: add(folder, "noisy/alone.tif", IMAGE), "'alone' .* has no counterpart"),
        (lambda folder: add(folder, "clean/scan.tif", IMAGE[:, :9]), "1 x 20 x 30 .* in 'noisy', but 1 x 20 x 9"),
        (lambda folder: add(folder, "noisy/scan.tiff", IMAGE), "have the same name; rename one"),
        (lambda folder: (folder / "noisy" / "scan.tif").write_bytes(b"II*\0"), "'scan.tif' cannot be trained on"),
        (lambda folder: add(folder, "noisy/scan.tif", np.full((20, 30), np.nan, np.float32)), "not finite numbers"),
        (lambda folder: (folder / "clean").rename(folder / "other"), "there is no folder .*clean"),
    ],
)
def test_what_does_not_fit_is_named(folder, spoil, words):
    spoil(folder)
    with pytest.raises(InputError, match=words):
        read_images(folder, "auto", None)


def test_nothing_to_learn_from(tmp_path):
    with pytest.raises(InputError, match="holds no TIFF, NIfTI or OME-Zarr stack"):
        read_images(tmp_path, "auto", None)
    with pytest.raises(InputError, match="is not a folder"):
        read_images(tmp_path / "none", "auto", None)
