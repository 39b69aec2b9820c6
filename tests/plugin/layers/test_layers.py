"""Layers to datasets and back, for layers of every origin."""

from dataclasses import replace

import dask
import dask.array as da
import nibabel
import numpy as np
import pytest
import tifffile
from drive import sparse_tiff
from napari.layers import Image, Labels
from napari.layers._source import layer_source

from napari_depth_interp import interpolate, io
from napari_depth_interp.errors import InputError
from napari_depth_interp.plugin.layers import ORIGIN_KEY, adopt, placement, to_dataset, to_layers
from napari_depth_interp.stack import Dataset, Source
from napari_depth_interp.stack.lazy import LazyVoxels

UNEVEN = [0.0, 2.0, 5.0, 6.0]


def image_of(dataset, name="a"):
    [(data, kwargs, kind)] = to_layers(dataset, name)
    assert kind == "image"
    return Image(data, **kwargs)


@pytest.fixture
def uneven(sections):
    stack = np.concatenate([sections, sections[:1]])
    return Dataset.from_array(stack, depths=UNEVEN, pixel_size=(0.5, 0.25), unit="um")


class TestRoundTrip:
    def test_everything_comes_back(self, uneven):
        full = replace(
            uneven,
            grid=replace(uneven.grid, origin=(3.0, 4.0), thickness=1.5),
            source=Source(None, "tiff"),
            record={"depth_interp": {"method": "x"}, "other": 1},
        )
        back = to_dataset(image_of(full))
        assert back.grid is full.grid
        assert back.source is full.source
        assert back.record == full.record
        np.testing.assert_array_equal(back.voxels, full.voxels)

    def test_uneven_sections_are_drawn_with_their_median_gap(self, uneven):
        layer = image_of(uneven)
        assert layer.scale[0] == 2.0
        np.testing.assert_allclose(to_dataset(layer).grid.depths, UNEVEN)

    def test_the_metadata_holds_no_second_copy_of_the_voxels(self, tissue):
        layer = image_of(tissue)
        assert layer.metadata[ORIGIN_KEY].voxels.strides == (0,) * 5

    def test_time_points_and_channels(self):
        voxels = np.arange(2 * 3 * 4 * 5 * 6, dtype=np.float32).reshape(2, 3, 4, 5, 6)
        many = Dataset.from_array(voxels, axes="TCZYX", z_spacing=2.0)
        many = replace(many, channel_names=("1", "0", "x"), time_step=5.0)
        layers = [Image(data, **kwargs) for data, kwargs, _ in to_layers(many, "m")]
        for c, layer in enumerate(layers):
            back = to_dataset(layer)
            np.testing.assert_array_equal(back.voxels, voxels[:, c : c + 1])
            assert back.channel_names == (many.channel_names[c],)
            assert back.time_step == 5.0
            assert layer.scale[0] == 5.0


class TestUserChanges:
    def test_a_changed_scale_wins(self, tissue):
        layer = image_of(tissue)
        layer.scale = (3.0, 0.25, 0.125)
        grid = to_dataset(layer).grid
        np.testing.assert_allclose(np.diff(grid.depths), 3.0)
        assert grid.pixel_size == (0.25, 0.125)
        assert grid.unit == "um"

    def test_a_changed_position_wins_and_uneven_gaps_stay(self, uneven):
        layer = image_of(uneven)
        layer.translate = (10.0, 1.0, 2.0)
        grid = to_dataset(layer).grid
        np.testing.assert_allclose(grid.depths, np.array(UNEVEN) + 10)
        assert grid.origin == (1.0, 2.0)

    def test_a_changed_scale_keeps_uneven_gaps(self, uneven):
        layer = image_of(uneven)
        layer.scale = layer.scale * (3, 1, 1)
        np.testing.assert_allclose(np.diff(to_dataset(layer).grid.depths), 3 * np.diff(UNEVEN))

    def test_a_changed_unit_wins(self, tissue):
        layer = image_of(tissue)
        layer.units = "mm"
        assert to_dataset(layer).grid.unit == "mm"

    def test_a_scale_for_a_stack_without_spacing(self, sections):
        layer = image_of(Dataset.from_array(sections))
        assert to_dataset(layer).grid.depths is None
        layer.scale = (4.0, 1.0, 1.0)
        np.testing.assert_allclose(to_dataset(layer).grid.depths, [0, 4, 8])

    def test_data_of_another_shape_forget_the_file(self, tissue):
        layer = image_of(tissue)
        layer.data = np.zeros((3, 4, 5))
        dataset = to_dataset(layer)
        assert dataset.source is None
        np.testing.assert_allclose(dataset.grid.depths, [0, 2, 4])


class TestForeignLayers:
    def test_scale_and_translate_are_used(self):
        grid = to_dataset(Image(np.zeros((3, 4, 5)), scale=(2, 1, 1), translate=(5, 6, 7), units="mm")).grid
        np.testing.assert_allclose(grid.depths, [5, 7, 9])
        assert grid.origin == (6.0, 7.0)
        assert grid.unit == "mm"
        assert grid.pixel_size == (1.0, 1.0)

    def test_axes_of_several_units(self):
        array = np.zeros((4, 5, 6), np.uint8)
        grid = to_dataset(Image(array, scale=(2000, 0.5, 0.5), translate=(1000, 1, 2), units=("nm", "um", "um"))).grid
        assert (grid.spacing, grid.pixel_size, grid.unit) == (pytest.approx(2), (0.5, 0.5), "um")
        assert (grid.depths[0], grid.origin) == (pytest.approx(1), (1, 2))
        unknown = to_dataset(Image(array, scale=(2, 0.5, 0.5), units=("pixel", "um", "um"))).grid
        assert (unknown.depths, unknown.pixel_size, unknown.unit) == (None, (0.5, 0.5), "um")

    def test_the_step_of_time(self):
        array = np.zeros((3, 4, 5, 6), np.uint8)
        units = ("um", "um", "um")
        for unit, expected in (("ms", 0.25), ("minute", 15000), ("pixel", None)):
            assert to_dataset(Image(array, scale=(250, 2, 1, 1), units=(unit, *units))).time_step == expected

    @pytest.mark.parametrize(
        ("how", "spacing", "pixels", "words"),
        [
            ({"affine": np.diag([5, 0.5, 0.5, 1])}, 5, 0.5, ""),
            ({"affine": np.diag([-5, 0.5, 0.5, 1])}, 5, 0.5, "the layer is turned in the viewer"),
            ({"scale": (2, 1, 1), "affine": np.diag([3, 0.5, 0.5, 1])}, 6, 0.5, ""),
            ({"scale": (2, 0.5, 0.5), "rotate": 30}, 2, 0.5, "the layer is turned in the viewer"),
            ({"scale": (2, 0.5, 0.5), "affine": np.eye(4)[[0, 2, 1, 3]]}, 2, 0.5, "the layer is turned in the viewer"),
            ({"scale": (2, 0.5, 0.5), "shear": (0, 0, 1)}, 2, None, "the layer is sheared"),
        ],
    )
    def test_sizes_that_stand_in_the_affine(self, how, spacing, pixels, words):
        dataset = to_dataset(Image(np.zeros((4, 5, 6), np.uint8), **how))
        assert dataset.grid.spacing == pytest.approx(spacing)
        assert pixels is None or dataset.grid.pixel_size == (pytest.approx(pixels), pytest.approx(pixels))
        assert [note for note in dataset.notes if note.startswith(words)] == [*dataset.notes]
        assert bool(dataset.notes) is bool(words)

    def test_a_mirrored_layer_is_refused(self):
        with pytest.raises(InputError, match="'m' has the scale -2, 1, 1, which mirrors it; make it positive"):
            to_dataset(Image(np.zeros((4, 5, 6), np.uint8), scale=(-2, 1, 1), name="m"))

    def test_a_scale_of_one_pixel_is_not_known(self):
        grid = to_dataset(Image(np.zeros((3, 4, 5)))).grid
        assert grid.depths is None
        assert grid.pixel_size is None

    def test_the_finest_level_of_a_pyramid(self):
        levels = [np.ones((4, 16, 16)), np.zeros((4, 8, 8))]
        dataset = to_dataset(Image(levels, multiscale=True, scale=(3, 1, 1)))
        np.testing.assert_array_equal(dataset.voxels[0, 0], levels[0])

    def test_a_file_that_another_reader_opened_is_read_again(self, viewer, tmp_path):
        sparse_tiff(tmp_path / "a.tif")
        [layer] = viewer.open(tmp_path / "a.tif", plugin="napari")
        np.testing.assert_allclose(layer.scale, 1)
        dataset = adopt(layer)
        assert any("were read again from a.tif" in note for note in dataset.notes)
        np.testing.assert_allclose(layer.scale, (2.0, 0.5, 0.5))
        assert [str(unit) for unit in layer.units] == ["micrometer"] * 3
        assert layer.axis_labels == ("z", "y", "x")
        np.testing.assert_allclose(to_dataset(layer).grid.depths, np.arange(7) * 2.0)

    def test_a_file_without_spacing_is_read_again_once_only(self, viewer, tmp_path, monkeypatch):
        sparse_tiff(tmp_path / "a.tif", spacing=None)
        [layer] = viewer.open(tmp_path / "a.tif", plugin="napari")
        assert adopt(layer).grid.pixel_size == (0.5, 0.5)
        monkeypatch.setattr(io, "read", lambda path: pytest.fail("read twice"))
        assert adopt(layer).grid.depths is None

    def test_a_z_scale_of_1_beside_the_pixel_size_is_looked_up(self, viewer, tmp_path):
        """A reader that knows no unit: 1 may be the spacing, or what stands there where it is not known."""
        times = Dataset.from_array(np.zeros((3, 4, 5), np.uint8), z_spacing=1, pixel_size=(0.5, 0.5), unit="mm")
        io.write(tmp_path / "a.mha", times)
        for scale, spacing, unit in (((1, 0.5, 0.5), 1, "mm"), ((1, 0.7, 0.7), None, None)):
            with layer_source(path=str(tmp_path / "a.mha"), reader_plugin="other"):
                layer = Image(np.zeros((3, 4, 5), np.uint8), scale=scale)
            grid = adopt(viewer.add_layer(layer)).grid
            assert (grid.spacing, grid.pixel_size, grid.unit) == (spacing, scale[1:], unit)
            np.testing.assert_allclose(layer.scale, scale)

    def test_channels_in_one_layer_are_refused(self, viewer, tmp_path):
        tifffile.imwrite(
            tmp_path / "c.tif", np.zeros((4, 2, 5, 6), np.uint8), imagej=True, metadata={"axes": "ZCYX", "spacing": 2.0}
        )
        [layer] = viewer.open(tmp_path / "c.tif", plugin="napari")
        assert layer.ndim == 4
        with pytest.raises(InputError, match="holds 2 channels in one layer"):
            adopt(layer)

    def test_a_file_that_is_gone_leaves_the_layer_usable(self, viewer, tmp_path):
        sparse_tiff(tmp_path / "a.tif")
        [layer] = viewer.open(tmp_path / "a.tif", plugin="napari")
        (tmp_path / "a.tif").unlink()
        assert adopt(layer).grid.depths is None


class TestColours:
    def test_channels_are_shown_in_the_colours_of_the_file(self):
        voxels = np.random.default_rng(0).random((2, 4, 5, 6), np.float32)
        dataset = Dataset.from_array(voxels, axes="CZYX", z_spacing=2.0)
        layers = [Image(data, **kwargs) for data, kwargs, _ in to_layers(dataset, "a")]
        assert [layer.colormap.name for layer in layers] == ["green", "magenta"]
        coloured = replace(dataset, channel_colours=("FF0000", "8040C0"))
        first, second = (Image(data, **kwargs) for data, kwargs, _ in to_layers(coloured, "a"))
        assert first.colormap.name == "red"
        np.testing.assert_allclose(second.colormap.colors[-1], [128 / 255, 64 / 255, 192 / 255, 1], atol=1e-6)
        np.testing.assert_allclose(second.colormap.colors[0], [0, 0, 0, 1])

    def test_an_rgb_dataset_is_one_layer_in_its_colours_and_comes_back(self):
        array = np.random.default_rng(0).integers(0, 256, (4, 9, 8, 3)).astype(np.uint8)
        dataset = Dataset.from_array(array, axes="ZYXS", depths=UNEVEN, pixel_size=(0.5, 0.25), unit="um")
        layer = image_of(dataset)
        assert layer.rgb
        assert layer.ndim == 3
        np.testing.assert_array_equal(layer.data, array)
        np.testing.assert_allclose(layer.scale, (2.0, 0.5, 0.25))
        back = to_dataset(layer)
        assert back.rgb
        assert back.grid is dataset.grid
        np.testing.assert_array_equal(back.voxels, dataset.voxels)

    def test_time_points_and_alpha(self):
        array = np.random.default_rng(0).integers(0, 256, (2, 4, 9, 8, 4)).astype(np.uint8)
        layer = image_of(Dataset.from_array(array, axes="TZYXS", z_spacing=2.0))
        np.testing.assert_array_equal(layer.data, array)
        assert to_dataset(layer).channel_names == ("red", "green", "blue", "alpha")

    def test_a_layer_of_somebody_else_gives_its_scale(self):
        array = np.random.default_rng(0).integers(0, 256, (4, 9, 8, 3)).astype(np.uint8)
        dataset = to_dataset(Image(array, rgb=True, scale=(3, 1, 1), units="um"))
        assert dataset.rgb
        assert dataset.grid.spacing == 3.0
        result = interpolate(dataset, method="flow", factor=2)
        shown = image_of(result.dataset)
        assert shown.rgb
        assert shown.data.shape == (7, 9, 8, 3)
        np.testing.assert_array_equal(shown.data[::2], array)

    def test_a_file_that_another_reader_opened_is_read_again(self, viewer, tmp_path):
        array = np.random.default_rng(0).integers(0, 256, (4, 40, 36, 3)).astype(np.uint8)  # napari's least for colours
        tifffile.imwrite(
            tmp_path / "a.tif", array, photometric="rgb", imagej=True,
            metadata={"axes": "ZYXS", "spacing": 2.5, "unit": "um"}, resolution=(2, 2),
        )  # fmt: skip
        [layer] = viewer.open(tmp_path / "a.tif", plugin="napari")
        assert layer.rgb
        dataset = adopt(layer)
        assert (dataset.rgb, dataset.grid.spacing, dataset.grid.unit) == (True, 2.5, "um")
        np.testing.assert_allclose(layer.scale, (2.5, 0.5, 0.5))

    def test_its_luminance_is_a_grey_layer(self):
        array = np.random.default_rng(0).random((4, 9, 8, 3), np.float32)
        layer = image_of(Dataset.from_array(array, axes="ZYXS", z_spacing=2.0).grey())
        assert not layer.rgb
        assert layer.data.shape == (4, 9, 8)


def test_masked_values_of_a_layer_are_nan_or_refused(viewer):
    array = np.ma.masked_greater(np.arange(60, dtype=np.float32).reshape(3, 4, 5), 55)
    dataset = to_dataset(viewer.add_image(array, name="a"))
    assert np.isnan(dataset.voxels).sum() == 4
    np.testing.assert_array_equal(dataset.voxels[0, 0], array.filled(np.nan))
    with pytest.raises(InputError, match=r"'b' cannot be used: 4 voxels of the array are masked, and uint16 has no"):
        to_dataset(viewer.add_image(array.astype(np.uint16), name="b"))
    lazy = da.from_array(array.astype(np.uint16), asarray=False)
    with dask.config.set(scheduler="synchronous"), pytest.raises(InputError, match="4 voxels of the array"):
        io.loaded(to_dataset(Image(lazy, name="c", contrast_limits=(0, 60))))


def test_masked_values_of_a_layer_that_is_read_in_parts(monkeypatch):
    monkeypatch.setattr(io, "LARGE_BYTES", 100)
    array = np.ma.masked_greater(np.arange(60, dtype=np.float32).reshape(3, 4, 5), 55)
    with dask.config.set(scheduler="synchronous"):
        voxels = to_dataset(Image(da.from_array(array, asarray=False), contrast_limits=(0, 60))).voxels
        assert isinstance(voxels, LazyVoxels)
        np.testing.assert_array_equal(voxels[0, 0, 2], array[2].filled(np.nan))
        whole = da.from_array(array.astype(np.uint16), asarray=False)
        voxels = to_dataset(Image(whole, contrast_limits=(0, 60))).voxels
        assert voxels[0, 0, 0].max() == 19
        with pytest.raises(InputError, match="4 voxels of the array are masked, and uint16 has no NaN"):
            voxels[0, 0, 2]


@pytest.mark.parametrize(
    ("layer", "hint"),
    [
        (Labels(np.zeros((3, 4, 5), int), name="seg"), "'seg' is a Labels layer .*choose an Image layer"),
        (
            Image(np.zeros((9, 9, 3), np.uint8), rgb=True, name="rgb"),
            r"'rgb' has 2 axes; choose a layer with the axes \(z, y, x\)",
        ),
        (Image(np.zeros((9, 9)), name="flat"), r"'flat' has 2 axes; choose a layer with the axes \(z, y, x\)"),
        (Image(np.zeros((2, 2, 2, 9, 9)), name="five"), "'five' has 5 axes"),
        (Image(np.zeros((3, 4, 5), bool), name="mask"), "type bool"),
        (Image(np.zeros((3, 4, 5), complex).real, name="fine"), None),
    ],
)
def test_what_is_no_stack_is_refused_with_a_hint(layer, hint):
    if hint is None:
        assert to_dataset(layer).voxels.shape == (1, 1, 3, 4, 5)
        return
    with pytest.raises(InputError, match=hint):
        to_dataset(layer)


def test_a_processed_nifti_keeps_its_orientation_when_saved(viewer, tmp_path):
    voxels = np.random.default_rng(1).integers(0, 999, (8, 9, 5)).astype(np.int16)
    affine = np.array([[0, -1.5, 0, 20], [1.25, 0, 0, -7], [0, 0, 6.0, 3], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(voxels, affine), tmp_path / "a.nii.gz")
    result = interpolate(tmp_path / "a.nii.gz", factor=3)
    [(data, kwargs, _)] = to_layers(result.dataset, "dense")
    layer = viewer.add_image(data, **kwargs)
    layer.save(str(tmp_path / "dense.nii.gz"), plugin="napari-depth-interp")
    saved = nibabel.load(tmp_path / "dense.nii.gz")
    assert nibabel.aff2axcodes(saved.affine) == nibabel.aff2axcodes(affine)
    assert saved.shape == (8, 9, 13)
    np.testing.assert_array_equal(np.asarray(saved.dataobj)[:, :, ::3], voxels)
    np.testing.assert_allclose(saved.affine[:3, 3], affine[:3, 3])
    np.testing.assert_allclose(saved.header.get_zooms(), (1.25, 1.5, 2.0))


def test_placement_of_sections_without_units(sections):
    assert placement(Dataset.from_array(sections))["units"] == ("pixel",) * 3
