"""Folders, lists, pairs and layers to train on, and what is wrong with them."""

import numpy as np
import pytest
import tifffile

from dicom_files import dicom_series
from napari_depth_interp import io
from napari_depth_interp.errors import InputError
from napari_depth_interp.methods import registry
from napari_depth_interp.nn.data import hashes_of
from napari_depth_interp.run.settings import Settings, make_settings
from napari_depth_interp.stack import Dataset, Grid
from napari_depth_interp.training.reading import from_layers, read_data, read_folder, read_images, stack_files
from ome_files import one_per_file, plane, with_companion

MSDSR, SRCNN = registry.get("msdsr"), registry.get("srcnn")


def dataset(seed=0, *, shape=(9, 32, 24), spacing=1.0):
    voxels = np.random.default_rng(seed).normal(100, 20, shape).cumsum(0).astype(np.float32)
    depths = None if spacing is None else np.arange(shape[0]) * spacing
    return Dataset(voxels[None, None], Grid(depths, (1.0, 1.0), "um"))


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
    data = read_images(folder, Settings())
    assert [path.name for path in data.files] == ["scan.tif", "volume.tif"]
    assert [path.name for path in data.target_files] == ["scan.tif", "volume.nii.gz"]
    assert [each.voxels.shape for each in data.stacks] == [(1, 20, 30), (5, 20, 30)]
    assert (data.stacks[0].voxels == 7).all()
    assert (data.targets[0].voxels == 9).all()
    np.testing.assert_array_equal(data.stacks[1].voxels, data.targets[1].voxels)


def test_a_folder_without_pairs_holds_noisy_stacks(folder):
    data = read_images(folder / "noisy", Settings())
    assert [path.name for path in data.files] == ["scan.tif", "volume.tif"]
    assert data.targets == ()


def test_an_ome_zarr_is_told_from_others_by_its_voxels(tmp_path):
    """It is a folder, which has no SHA-256 of its own."""
    for name in "ab":
        voxels = np.full((1, 1, 3, 20, 30), ord(name), np.uint8)
        io.write(tmp_path / f"{name}.ome.zarr", Dataset(voxels, Grid(np.arange(3.0), (1.0, 1.0), "mm")))
    data = read_images(tmp_path, Settings())
    assert [path.name for path in data.files] == ["a.ome.zarr", "b.ome.zarr"]
    assert len(set(hashes_of(data))) == 2
    assert hashes_of(data) == hashes_of(read_images(tmp_path, Settings()))


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
        (lambda folder: add(folder, "noisy/scan.tif", np.full((20, 30), np.nan, np.float32)), "infinite or not"),
        (lambda folder: (folder / "clean").rename(folder / "other"), "there is no folder .*clean"),
    ],
)
def test_what_does_not_fit_is_named(folder, spoil, words):
    spoil(folder)
    with pytest.raises(InputError, match=words):
        read_images(folder, Settings())


def test_dicom_series_are_stacks(tmp_path):
    """Each by its name, beside other files and in folders of the folder."""
    io.write(tmp_path / "a.tif", dataset(shape=(4, 5, 6)))
    dicom_series(tmp_path / "x", [(0, 0, 2 * z) for z in range(4)])
    dicom_series(tmp_path / "y", [(0, 0, z) for z in range(5)], SeriesInstanceUID="1.2.4", SeriesDescription="Lung")
    data = read_folder(tmp_path, Settings())
    names = ["a.tif", f"{tmp_path.name}::Body 3.0", f"{tmp_path.name}::Lung"]
    assert [path.name for path in data.files] == names
    assert [each.voxels.shape for each in data.stacks] == [(4, 5, 6), (4, 5, 6), (5, 5, 6)]
    assert [each.grid.spacing for each in data.stacks] == [1, 2, 1]
    assert len(set(hashes_of(data))) == 3
    assert len(read_images(tmp_path / "y", Settings()).stacks) == 1
    (tmp_path / "list.csv").write_text("hr\nx\n.::Lung\na.tif\n")
    assert len(set(hashes_of(read_data(MSDSR, tmp_path / "list.csv", Settings())))) == 3


def test_nothing_to_learn_from(tmp_path):
    with pytest.raises(InputError, match=r"holds no stack to train on .*, and no folders 'noisy' and 'clean'"):
        read_images(tmp_path, Settings())
    with pytest.raises(InputError, match="is not a folder"):
        read_images(tmp_path / "none", Settings())


def test_layers_that_cannot_be_used_are_named():
    settings = make_settings(method="msdsr")
    with pytest.raises(InputError, match="'thin' cannot be trained on: it is not known how far"):
        from_layers(MSDSR, {"thin": dataset(spacing=None)}, settings)
    given = from_layers(MSDSR, {"thin": dataset(spacing=None)}, settings.model_copy(update={"z_spacing": "2um"}))
    assert given.stacks[0].grid.spacing == 2
    noisy = from_layers(SRCNN, {"thin": dataset(spacing=None)}, make_settings(method="srcnn"))
    assert len(noisy.stacks[0].depths) == 9
    bad = dataset()
    bad.voxels[0, 0, 3, 4, 5] = np.nan
    with pytest.raises(InputError, match=r"'bad' cannot be trained on: .* not a number"):
        from_layers(MSDSR, {"bad": bad}, settings)
    with pytest.raises(InputError, match="no layer"):
        from_layers(MSDSR, {}, settings)


def test_a_folder_is_read_by_file_channel_and_time(tmp_path):
    io.write(tmp_path / "a.tif", dataset())
    both = dataset(4)
    io.write(tmp_path / "b.tif", Dataset(np.concatenate([both.voxels, both.voxels], 1), both.grid, axes="CZYX"))
    (tmp_path / "notes.txt").write_text("no stack")
    data = read_folder(tmp_path, make_settings(method="msdsr"))
    assert [path.name for path in data.files] == ["a.tif", "b.tif", "b.tif"]
    assert len(set(data.signatures)) == 2
    (tmp_path / "c.tif").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"'c\.tif' cannot be trained on"):
        read_folder(tmp_path, make_settings(method="msdsr"))


class TestLists:
    """CSV lists are read as folders are."""

    def read(self, folder, text, **settings):
        (folder / "list.csv").write_text(text)
        return read_data(MSDSR, folder / "list.csv", make_settings(method="msdsr", **settings))

    def test_a_spacing_that_files_lack_is_taken_from_the_settings(self, tmp_path):
        tifffile.imwrite(tmp_path / "thin.tif", dataset().voxels[0, 0])
        with pytest.raises(InputError, match=r"'thin\.tif' cannot be trained on: it is not known how far"):
            self.read(tmp_path, "hr\nthin.tif\n")
        assert self.read(tmp_path, "hr\nthin.tif\n", z_spacing="2um").stacks[0].grid.spacing == 2

    def test_what_is_no_number_is_named(self, tmp_path):
        bad = dataset()
        bad.voxels[0, 0, 3, 4, 5] = np.nan
        io.write(tmp_path / "bad.tif", bad)
        with pytest.raises(InputError, match=r"'bad\.tif' cannot be trained on: .* not a number"):
            self.read(tmp_path, "hr\nbad.tif\n")

    def test_all_have_a_class_or_none(self, tmp_path):
        for name in "ab":
            io.write(tmp_path / f"{name}.tif", dataset())
        assert self.read(tmp_path, "hr,class\na.tif,x\nb.tif,y\n").classes == ("x", "y")
        assert self.read(tmp_path, "hr,class\na.tif,\nb.tif,\n").classes == ()
        with pytest.raises(InputError, match=r"line 3 of 'list\.csv' names no class"):
            self.read(tmp_path, "hr,class\na.tif,x\nb.tif,\n")


def test_a_set_of_files_is_one_stack(tmp_path):
    companion = with_companion(tmp_path, ["s0.ome.tif", "s1.ome.tif"])
    one_per_file(tmp_path, ["x0.ome.tif", "x1.ome.tif"])
    io.write(tmp_path / "y.tif", dataset())
    assert stack_files(tmp_path) == [companion, tmp_path / "x0.ome.tif", tmp_path / "y.tif"]
    (tmp_path / "y.tif").unlink()
    data = read_folder(tmp_path, make_settings())
    assert data.files == (companion, tmp_path / "x0.ome.tif")
    np.testing.assert_array_equal(data.stacks[0].voxels, [plane(0), plane(1)])
