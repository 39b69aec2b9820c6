"""Opening and saving through napari: nothing about the stack is lost on the way."""

import nibabel
import numpy as np
import pooch
import pytest
import skimage.data
import tifffile
from drive import said, sparse_tiff
from napari.layers import Image
from skimage.data import _fetchers

from napari_depth_interp import io
from napari_depth_interp.errors import InputError, OutputError
from napari_depth_interp.plugin import readers, sample_data
from napari_depth_interp.plugin.layers import to_dataset
from napari_depth_interp.stack import Dataset

PLUGIN = "napari-depth-interp"


def units(layer):
    return [str(unit) for unit in layer.units]


def sagittal(path, *, slope=None):
    """Write a NIfTI image whose coarsest axis is x and whose axes are stored turned; return the image."""
    voxels = np.arange(5 * 8 * 9, dtype=np.int16).reshape(5, 8, 9)
    affine = np.array([[-4.0, 0, 0, 20], [0, 0, 1.5, -7], [0, 1.25, 0, 3], [0, 0, 0, 1]])
    image = nibabel.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm", "sec")
    if slope:
        image.header.set_slope_inter(slope, 5.0)
    nibabel.save(image, path)
    return image


@pytest.fixture
def channels(tmp_path):
    """A file of 2 channels named 2 and 1, 3 time points and 5 sections."""
    voxels = np.arange(3 * 5 * 2 * 6 * 7, dtype=np.uint16).reshape(3, 5, 2, 6, 7)
    tifffile.imwrite(
        tmp_path / "many.v1.tif", voxels, imagej=True, resolution=(4, 4),
        metadata={"axes": "TZCYX", "spacing": 1.5, "unit": "um", "finterval": 30.0, "Labels": ["2", "1"] * 15},
    )  # fmt: skip
    return tmp_path / "many.v1.tif", voxels


class TestTiff:
    def test_opens_in_place(self, viewer, tmp_path):
        voxels = sparse_tiff(tmp_path / "a.tif")
        [layer] = viewer.open(tmp_path / "a.tif", plugin=PLUGIN)
        np.testing.assert_array_equal(layer.data, voxels)
        np.testing.assert_allclose(layer.scale, (2.0, 0.5, 0.5))
        np.testing.assert_allclose(layer.translate, 0)
        assert units(layer) == ["micrometer"] * 3
        assert layer.axis_labels == ("z", "y", "x")
        assert layer.name == "a"
        assert viewer.layers.units is not None

    def test_one_layer_per_channel_with_time(self, viewer, channels):
        path, voxels = channels
        layers = viewer.open(path, plugin=PLUGIN)
        assert [layer.name for layer in layers] == ["many.v1 2", "many.v1 1"]
        for c, layer in enumerate(layers):
            np.testing.assert_array_equal(layer.data, voxels[:, :, c])
            np.testing.assert_allclose(layer.scale, (30.0, 1.5, 0.25, 0.25))
            assert units(layer) == ["second", "micrometer", "micrometer", "micrometer"]
            assert layer.axis_labels == ("t", "z", "y", "x")
            assert layer.blending == "additive"
        assert layers[0].colormap.name != layers[1].colormap.name
        assert viewer.layers.units is not None

    def test_names_of_unnamed_channels(self, viewer, tmp_path):
        tifffile.imwrite(tmp_path / "c.tif", np.zeros((4, 2, 5, 6), np.uint8), imagej=True, metadata={"axes": "ZCYX"})
        layers = viewer.open(tmp_path / "c.tif", plugin=PLUGIN)
        assert [layer.name for layer in layers] == ["c channel 0", "c channel 1"]

    def test_missing_spacing_stays_missing(self, viewer, tmp_path):
        sparse_tiff(tmp_path / "a.tif", spacing=None)
        [layer] = viewer.open(tmp_path / "a.tif", plugin=PLUGIN)
        assert layer.scale[0] == 1.0
        assert to_dataset(layer).grid.depths is None
        assert to_dataset(layer).grid.pixel_size == (0.5, 0.5)

    def test_three_columns_are_no_colours(self, viewer, tmp_path):
        sparse_tiff(tmp_path / "narrow.tif", shape=(40, 3), dtype="uint8")
        [layer] = viewer.open(tmp_path / "narrow.tif", plugin=PLUGIN)
        assert not layer.rgb
        assert layer.ndim == 3

    @pytest.mark.parametrize("name", ["a.tif", "a.ome.zarr"])
    def test_rgb_opens_in_its_colours_and_is_saved_so(self, viewer, tmp_path, name):
        array = np.random.default_rng(0).integers(0, 256, (4, 40, 36, 3)).astype(np.uint8)
        tifffile.imwrite(tmp_path / "in.tif", array, photometric="rgb")
        io.write(tmp_path / name, io.read(tmp_path / "in.tif").with_z_spacing(2.0, "um"))
        [layer] = viewer.open(tmp_path / name, plugin=PLUGIN)
        assert layer.rgb
        np.testing.assert_array_equal(np.asarray(layer.data), array)
        assert layer.scale[0] == 2.0
        [path] = layer.save(str(tmp_path / "saved.tif"), plugin=PLUGIN)
        np.testing.assert_array_equal(tifffile.imread(path), array)
        [again] = viewer.open(path, plugin="napari")
        assert again.rgb

    def test_rgb_beside_other_layers_is_saved_alone(self, viewer, tmp_path):
        viewer.add_image(np.zeros((4, 9, 8, 3), np.uint8), rgb=True, name="colours")
        viewer.add_image(np.zeros((4, 9, 8), np.uint8), name="grey")
        with pytest.raises(OutputError, match="'colours' is an RGB image and fills a file of its own"):
            viewer.layers.save(str(tmp_path / "a.tif"), plugin=PLUGIN)

    def test_several_files_and_what_the_reader_assumed(self, viewer, tmp_path):
        sparse_tiff(tmp_path / "a.tif")
        sparse_tiff(tmp_path / "b.tiff", sections=4)
        layers = viewer.open([tmp_path / "a.tif", tmp_path / "b.tiff"], plugin=PLUGIN)
        assert [layer.data.shape[0] for layer in layers] == [7, 4]
        notes = io.read(tmp_path / "a.tif").notes
        for note in notes:
            assert any(note in message for message in said())

    @pytest.mark.parametrize("content", [b"garbage", b""])
    def test_a_damaged_file_is_told(self, viewer, tmp_path, content):
        (tmp_path / "bad.tif").write_bytes(content)
        with pytest.raises(InputError, match=r"bad\.tif"):
            viewer.open(tmp_path / "bad.tif", plugin=PLUGIN)
        assert len(viewer.layers) == 0

    def test_only_our_files_are_claimed(self):
        assert readers.get_reader("a.png") is None
        assert readers.get_reader(["a.tif", "b.png"]) is None
        assert readers.get_reader(["a.tif", "b.nii.gz"]) is readers.read_files


class TestNifti:
    def test_opens_in_place(self, viewer, tmp_path):
        sagittal(tmp_path / "s.nii.gz")
        dataset = io.read(tmp_path / "s.nii.gz")
        [layer] = viewer.open(tmp_path / "s.nii.gz", plugin=PLUGIN)
        assert layer.name == "s"
        assert layer.data.shape == (5, 9, 8) or layer.data.shape == (5, 8, 9)
        np.testing.assert_allclose(layer.scale, (4.0, *dataset.grid.pixel_size))
        np.testing.assert_allclose(layer.translate, (dataset.grid.depths[0], *dataset.grid.origin))
        assert units(layer) == ["millimeter"] * 3

    def test_save_keeps_voxels_orientation_and_header(self, viewer, tmp_path):
        image = sagittal(tmp_path / "s.nii.gz")
        [layer] = viewer.open(tmp_path / "s.nii.gz", plugin=PLUGIN)
        assert layer.save(str(tmp_path / "out.nii.gz"), plugin=PLUGIN) == [str(tmp_path / "out.nii.gz")]
        saved = nibabel.load(tmp_path / "out.nii.gz")
        np.testing.assert_array_equal(saved.dataobj, image.dataobj)
        np.testing.assert_allclose(saved.affine, image.affine)
        assert saved.header.get_xyzt_units() == ("mm", "sec")

    def test_tiff_becomes_nifti(self, viewer, tmp_path):
        sparse_tiff(tmp_path / "a.tif")
        [layer] = viewer.open(tmp_path / "a.tif", plugin=PLUGIN)
        layer.save(str(tmp_path / "a.nii"), plugin=PLUGIN)
        again = io.read(tmp_path / "a.nii")
        np.testing.assert_array_equal(again.voxels[0, 0], layer.data)
        assert again.grid.spacing == pytest.approx(2.0)


class TestSaving:
    def test_round_trip_through_disk(self, viewer, tmp_path):
        voxels = sparse_tiff(tmp_path / "a.tif")
        [layer] = viewer.open(tmp_path / "a.tif", plugin=PLUGIN)
        layer.save(str(tmp_path / "b.tif"), plugin=PLUGIN)
        before, after = io.read(tmp_path / "a.tif"), io.read(tmp_path / "b.tif")
        np.testing.assert_array_equal(after.voxels[0, 0], voxels)
        assert after.axes == before.axes
        assert after.voxels.dtype == before.voxels.dtype
        assert after.grid.unit == "um"
        np.testing.assert_allclose(after.grid.depths, before.grid.depths)
        assert after.grid.pixel_size == pytest.approx(before.grid.pixel_size)

    def test_layers_become_channels_again(self, viewer, tmp_path, channels):
        path, voxels = channels
        viewer.open(path, plugin=PLUGIN)
        viewer.layers.save(str(tmp_path / "again.tif"), plugin=PLUGIN)
        again = io.read(tmp_path / "again.tif")
        assert again.channel_names == ("2", "1")
        np.testing.assert_array_equal(again.voxels, voxels.transpose(0, 2, 1, 3, 4))
        assert again.time_step == pytest.approx(30.0)
        assert again.grid.spacing == pytest.approx(1.5)

    def test_unnamed_layers_give_their_names(self, viewer, tmp_path):
        for name in ("red", "green"):
            viewer.add_image(np.full((4, 5, 6), len(name), np.uint8), name=name, scale=(2, 1, 1), units="um")
        viewer.layers.save(str(tmp_path / "two.tif"), plugin=PLUGIN)
        assert io.read(tmp_path / "two.tif").channel_names == ("red", "green")

    def test_layers_that_do_not_fit_together(self, viewer, tmp_path):
        viewer.add_image(np.zeros((4, 5, 6), np.uint8), name="one", scale=(2, 1, 1), units="um")
        viewer.add_image(np.zeros((4, 5, 6), np.uint8), name="other", scale=(3, 1, 1), units="um")
        with pytest.raises(OutputError, match="'other' has another shape or spacing than 'one'"):
            viewer.layers.save(str(tmp_path / "two.tif"), plugin=PLUGIN)
        assert not (tmp_path / "two.tif").exists()

    def test_a_layer_of_any_origin(self, viewer, tmp_path):
        layer = viewer.add_image(
            np.random.default_rng(0).random((4, 5, 6), np.float32), scale=(3, 1, 1), translate=(10, 2, 1), units="mm"
        )
        layer.save(str(tmp_path / "a.nii"), plugin=PLUGIN)
        [again] = viewer.open(tmp_path / "a.nii", plugin=PLUGIN)
        np.testing.assert_allclose(again.data, layer.data)
        np.testing.assert_allclose(again.scale, layer.scale)
        np.testing.assert_allclose(again.translate, layer.translate)

    def test_what_cannot_be_saved_is_told(self, viewer, tmp_path):
        layer = viewer.add_image(np.zeros((40, 40, 3), np.uint8), rgb=True, name="colours")
        with pytest.raises(InputError, match="'colours' has 2 axes"):
            layer.save(str(tmp_path / "a.tif"), plugin=PLUGIN)
        assert list(tmp_path.iterdir()) == []


class TestSamples:
    @pytest.mark.parametrize("key", ["mri", "organoid", "vessels", "dendrites"])
    def test_opens(self, viewer, key):
        [layer] = viewer.open_sample(PLUGIN, key)
        assert isinstance(layer, Image)
        assert layer.ndim == 3
        assert layer.scale[0] > layer.scale[1] > 0
        assert units(layer)[0] in ("micrometer", "millimeter")
        assert to_dataset(layer).grid.depths is not None

    def test_cells_have_two_channels(self, viewer, monkeypatch):
        stack = np.arange(6 * 2 * 8 * 9, dtype=np.uint16).reshape(6, 2, 8, 9)
        monkeypatch.setattr(skimage.data, "cells3d", lambda: stack)
        layers = viewer.open_sample(PLUGIN, "cells")
        assert [layer.name for layer in layers] == ["cells membranes", "cells nuclei"]
        np.testing.assert_array_equal(layers[1].data, stack[:, 1])
        np.testing.assert_allclose(layers[0].scale, (0.29, 0.26, 0.26))

    def test_cells_offline(self, viewer, monkeypatch, tmp_path):
        def offline(*_args, **_kwargs):
            raise ConnectionError("Name or service not known")

        fetcher = pooch.create(tmp_path, "https://example.invalid/", registry={"data/cells3d.tif": None})
        monkeypatch.setattr(fetcher, "fetch", offline)
        monkeypatch.setattr(_fetchers, "_image_fetcher", fetcher)
        monkeypatch.delenv("PYTEST_CURRENT_TEST")  # scikit-image skips its tests offline
        with pytest.raises(InputError, match=r"could not be loaded from the internet .*choose another sample"):
            sample_data.cells()
        assert len(viewer.layers) == 0


def test_a_dataset_without_channels_axis_is_saved_as_it_was(viewer, tmp_path):
    io.write(tmp_path / "z.tif", Dataset.from_array(np.zeros((3, 4, 5), np.float32), z_spacing=1.0, unit="um"))
    [layer] = viewer.open(tmp_path / "z.tif", plugin=PLUGIN)
    viewer.layers.save(str(tmp_path / "again.tif"), plugin=PLUGIN)
    assert layer.ndim == 3
    assert io.read(tmp_path / "again.tif").axes == io.read(tmp_path / "z.tif").axes
