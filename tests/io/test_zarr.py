"""OME-Zarr: what is written comes back, other programs agree, other programs' files are read."""

from dataclasses import replace

import numpy as np
import pytest
import zarr
from napari.layers import Image
from ome_zarr.format import FormatV04
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from ome_zarr.writer import write_image
from ome_zarr_models import v05

from napari_depth_interp import io
from napari_depth_interp.errors import InputError, OutputError, RequestError
from napari_depth_interp.stack import Dataset, Grid
from napari_depth_interp.stack.lazy import is_lazy

TYPES = {"int": (8, 16, 32, 64), "uint": (8, 16, 32, 64), "float": (16, 32, 64)}
UNEVEN = np.array([3.0, 4.0, 5.5, 9.0, 10.0])


def dataset(shape=(2, 3, 5, 40, 50), dtype="uint16", axes="TCZYX", depths=UNEVEN, **options):
    voxels = np.random.default_rng(0).integers(0, 120, shape).astype(dtype)
    grid = Grid(depths, (0.5, 0.25), "um", (7.0, -8.0))
    known = {"channel_names": ("nuclei", "µ-actin", "bright"), "time_step": 2.5} if axes == "TCZYX" else {}
    return Dataset(voxels, grid, axes=axes, record={"depth_interp": {"method": 'a "quoted" <name>'}}, **known | options)


def large(depths=None, pixel=0.5):
    """Large enough for coarser resolutions, with sides that cannot be halved evenly."""
    z, y, x = np.indices((9, 1101, 530))
    voxels = (z * 100 + y + x).astype(np.uint16)
    depths = np.arange(9) * 2.0 if depths is None else depths
    return Dataset(voxels[None, None], Grid(depths, (pixel, pixel), "um"), axes="ZYX")


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("shape", "axes"), [((2, 3, 5, 40, 50), "TCZYX"), ((1, 1, 5, 40, 50), "ZYX"), ((1, 2, 5, 40, 50), "CZYX")]
)
def test_everything_comes_back(tmp_path, shape, axes, lazy):
    written = dataset(shape, axes=axes)
    io.write(tmp_path / "a.ome.zarr", written)
    found = io.read(tmp_path / "a.ome.zarr", lazy=lazy)
    assert is_lazy(found.voxels) == lazy
    np.testing.assert_array_equal(np.asarray(found.voxels), written.voxels)
    np.testing.assert_allclose(found.grid.depths, UNEVEN)
    assert (found.grid.pixel_size, found.grid.unit, found.grid.origin) == ((0.5, 0.25), "um", (7.0, -8.0))
    assert (found.axes, found.channel_names, found.time_step) == (axes, written.channel_names, written.time_step)
    assert found.record == written.record
    assert found.notes == ()
    assert found.source.format == "OME-Zarr 0.5"


@pytest.mark.parametrize("dtype", [f"{kind}{bits}" for kind, sizes in TYPES.items() for bits in sizes])
def test_every_type(tmp_path, dtype):
    written = dataset((1, 1, 5, 9, 8), dtype, "ZYX")
    io.write(tmp_path / "a.zarr", written)
    found = io.read(tmp_path / "a.zarr")
    assert found.voxels.dtype == dtype
    np.testing.assert_array_equal(found.voxels, written.voxels)


@pytest.mark.parametrize("unit", ["nm", "um", "mm", "cm", "m", "inch", "angstrom", None])
def test_every_unit(tmp_path, unit):
    written = dataset(axes="TCZYX")
    io.write(tmp_path / "a.zarr", replace(written, grid=replace(written.grid, unit=unit)))
    assert io.read(tmp_path / "a.zarr").grid.unit == unit


def test_unknown_spacing_stays_unknown(tmp_path):
    written = dataset((1, 1, 5, 9, 8), axes="ZYX", depths=None)
    io.write(tmp_path / "a.zarr", replace(written, grid=Grid(None)))
    grid = io.read(tmp_path / "a.zarr").grid
    assert (grid.depths, grid.pixel_size, grid.unit) == (None, None, None)


@pytest.mark.parametrize("unit", ["um", None])
def test_an_unknown_pixel_size_does_not_become_one_unit(tmp_path, unit):
    written = Dataset.from_array(np.ones((5, 9, 8), np.uint8), z_spacing=2.0, unit=unit)
    io.write(tmp_path / "a.zarr", written)
    found = io.read(tmp_path / "a.zarr")
    assert (found.grid.pixel_size, found.grid.spacing, found.grid.unit) == (None, 2.0, unit)
    assert found.notes == ()


def test_an_unknown_spacing_does_not_become_one_unit(tmp_path):
    written = dataset((1, 1, 5, 9, 8), axes="ZYX", depths=None)
    io.write(tmp_path / "a.zarr", replace(written, grid=Grid(None, (0.5, 0.25), "um")))
    found = io.read(tmp_path / "a.zarr")
    assert (found.grid.depths, found.grid.pixel_size, found.notes) == (None, (0.5, 0.25), ())


def test_an_image_of_zeros_is_not_taken_for_a_damaged_one(tmp_path):
    written = Dataset.from_array(np.zeros((9, 600, 20), np.uint16), z_spacing=2.0, pixel_size=(1.0, 1.0), unit="um")
    io.write(tmp_path / "a.zarr", written)
    assert not any(level.voxels.max() for level in io.read_levels(tmp_path / "a.zarr"))


def test_damage_is_told_with_the_name_once(tmp_path):
    io.write(tmp_path / "a.zarr", dataset())
    for chunk in (path for path in (tmp_path / "a.zarr" / "0").rglob("*") if path.is_file() and path.suffix != ".json"):
        chunk.write_bytes(b"no chunk")
    with pytest.raises(InputError, match=r"^'a\.zarr' is damaged: a part of it cannot be decoded"):
        io.read(tmp_path / "a.zarr")


class TestOtherProgramsAgree:
    def test_ome_zarr_reads_voxels_scales_units_and_channels(self, tmp_path):
        written = dataset(depths=np.arange(5) * 2.0 + 3)
        io.write(tmp_path / "a.ome.zarr", written)
        [node] = list(Reader(parse_url(tmp_path / "a.ome.zarr"))())
        np.testing.assert_array_equal(np.asarray(node.data[0]), written.voxels)
        axes = node.metadata["axes"]
        assert [axis["name"] for axis in axes] == list("tczyx")
        assert [axis.get("unit") for axis in axes] == ["second", None, "micrometer", "micrometer", "micrometer"]
        scale, translation = node.metadata["coordinateTransformations"][0]
        assert scale["scale"] == [2.5, 1.0, 2.0, 0.5, 0.25]
        assert translation["translation"] == [0.0, 0.0, 3.0, 7.0, -8.0]
        assert node.metadata["channel_names"] == ["nuclei", "µ-actin", "bright"]

    def test_napari_ome_zarr_shows_it_at_its_size(self, tmp_path):
        """Where it lies is not asked: napari-ome-zarr 0.10 leaves translations out."""
        from napari_ome_zarr._reader import napari_get_reader

        written = dataset(depths=np.arange(5) * 2.0 + 3)
        io.write(tmp_path / "a.ome.zarr", written)
        path = str(tmp_path / "a.ome.zarr")
        [(data, kwargs, kind)] = napari_get_reader(path)(path)
        assert kind == "image"
        np.testing.assert_array_equal(np.asarray(data[0]), written.voxels)
        assert kwargs["channel_axis"] == 1
        shown = Image(data[0][:, 0], **{name: kwargs[name] for name in ("scale", "affine") if name in kwargs})
        step = np.subtract(shown.data_to_world((0, 1, 1, 1)), shown.data_to_world((0, 0, 0, 0)))
        np.testing.assert_allclose(step, (0, 2.0, 0.5, 0.25))

    def test_the_metadata_are_valid(self, tmp_path):
        io.write(tmp_path / "a.ome.zarr", large())
        image = v05.Image.from_zarr(zarr.open_group(tmp_path / "a.ome.zarr", mode="r"))
        assert image.ome_attributes.version == "0.5"
        assert [level.path for level in image.ome_attributes.multiscales[0].datasets] == ["0", "1", "2"]

    @pytest.mark.parametrize("version", ["0.4", "0.5"])
    def test_what_ome_zarr_writes_is_read(self, tmp_path, version):
        written = dataset((1, 2, 5, 40, 50), axes="CZYX")
        options = {"fmt": FormatV04()} if version == "0.4" else {}
        group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2 if version == "0.4" else 3)
        write_image(
            written.voxels[0], group, axes="czyx", scale_factors=[], scale={"c": 1.0, "z": 2000.0, "y": 0.5, "x": 0.5},
            axes_units={"z": "nanometer", "y": "micrometer", "x": "micrometer"}, **options,
        )  # fmt: skip
        found = io.read(tmp_path / "a.zarr")
        np.testing.assert_array_equal(found.voxels, written.voxels)
        np.testing.assert_allclose(found.grid.depths, np.arange(5) * 2000.0)
        assert (found.grid.pixel_size, found.grid.unit) == ((500.0, 500.0), "nm")
        assert (found.axes, found.source.format) == ("CZYX", f"OME-Zarr {version}")

    def test_a_folder_as_bioformats2raw_makes_it(self, tmp_path):
        group = zarr.create_group(store=str(tmp_path / "a.zarr"), zarr_format=3)
        group.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
        io.write(tmp_path / "inner.zarr", dataset())
        (tmp_path / "inner.zarr").rename(tmp_path / "a.zarr" / "0")
        assert io.read(tmp_path / "a.zarr").voxels.shape == (2, 3, 5, 40, 50)

    def test_a_bare_array_has_no_spacing(self, tmp_path):
        voxels = np.arange(60).reshape(3, 4, 5)
        zarr.create_array(store=str(tmp_path / "a.zarr"), data=voxels, zarr_format=3)
        found = io.read(tmp_path / "a.zarr")
        np.testing.assert_array_equal(found.voxels[0, 0], voxels)
        assert found.grid.depths is None
        assert "without OME metadata" in found.notes[0]
        assert io.read(tmp_path / "a.zarr", axes="TYX").axes == "TYX"


class TestCoarserResolutions:
    def test_they_are_means_in_the_right_place(self, tmp_path):
        written = large()
        io.write(tmp_path / "a.zarr", written)
        levels = io.read_levels(tmp_path / "a.zarr")
        assert [level.voxels.shape[2:] for level in levels] == [(9, 1101, 530), (9, 551, 265), (9, 276, 133)]
        assert [level.grid.pixel_size for level in levels] == [(0.5, 0.5), (1.0, 1.0), (2.0, 2.0)]
        assert [level.grid.origin for level in levels] == [(0.0, 0.0), (0.25, 0.25), (0.75, 0.75)]
        mean = written.voxels[0, 0, :, :1100].reshape(9, 550, 2, 265, 2).mean(axis=(2, 4))
        np.testing.assert_allclose(levels[1].voxels[0, 0][:, :550], mean, atol=0.5)

    def test_sections_are_halved_where_they_are_as_close_as_pixels(self, tmp_path):
        io.write(tmp_path / "a.zarr", large(np.arange(9) * 0.5))
        levels = io.read_levels(tmp_path / "a.zarr")
        assert [level.voxels.shape[2] for level in levels] == [9, 5, 3]
        np.testing.assert_allclose(levels[1].grid.depths, 0.25 + np.arange(5))

    def test_uneven_sections_are_kept(self, tmp_path):
        io.write(tmp_path / "a.zarr", large(np.cumsum([0, 1, 1, 3, 1, 1, 1, 1, 1]) * 0.5))
        assert [level.voxels.shape[2] for level in io.read_levels(tmp_path / "a.zarr")] == [9, 9, 9]

    def test_other_formats_have_one(self, tmp_path):
        io.write(tmp_path / "a.tif", dataset())
        assert len(io.read_levels(tmp_path / "a.tif")) == 1


class TestErrors:
    def test_reading(self, tmp_path):
        with pytest.raises(InputError, match="there is no file"):
            io.read(tmp_path / "none.zarr")
        (tmp_path / "file.zarr").write_text("x")
        with pytest.raises(InputError, match="is a folder; unpack it first"):
            io.read(tmp_path / "file.zarr")
        (tmp_path / "empty.zarr").mkdir()
        with pytest.raises(InputError, match="empty folder"):
            io.read(tmp_path / "empty.zarr")
        io.write(tmp_path / "a.zarr", dataset())
        with pytest.raises(RequestError, match="NIfTI only"):
            io.read(tmp_path / "a.zarr", axis="x")
        with pytest.raises(InputError, match="names its own axes"):
            io.read(tmp_path / "a.zarr", axes="ZYX")

    def test_plates_and_wells_are_told_apart(self, tmp_path):
        group = zarr.create_group(store=str(tmp_path / "a.zarr"), zarr_format=3)
        group.attrs["ome"] = {"version": "0.5", "plate": {}}
        with pytest.raises(InputError, match="plate of many images"):
            io.read(tmp_path / "a.zarr")

    def test_writing_replaces_images_only(self, tmp_path):
        path = tmp_path / "a.zarr"
        io.write(path, dataset())
        with pytest.raises(OutputError, match="exists already"):
            io.write(path, dataset())
        other = dataset(dtype="uint8")
        io.write(path, other, overwrite=True)
        np.testing.assert_array_equal(io.read(path).voxels, other.voxels)
        (tmp_path / "mine.zarr").mkdir()
        (tmp_path / "mine.zarr" / "thesis.txt").write_text("precious")
        with pytest.raises(OutputError, match="holds no zarr image"):
            io.write(tmp_path / "mine.zarr", dataset(), overwrite=True)
        assert (tmp_path / "mine.zarr" / "thesis.txt").read_text() == "precious"
        assert {each.name for each in tmp_path.iterdir()} == {"a.zarr", "mine.zarr"}

    def test_types_that_zarr_lacks(self):
        with pytest.raises((InputError, OutputError), match="float"):
            io.check_format("a.zarr", dataset(dtype="longdouble"))
