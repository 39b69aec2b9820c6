"""Files of microscopes: voxels, spacing, channels and time as they were made, and as independent readers see them."""

import json
import struct
import sys

import czifile
import h5py
import imagecodecs
import liffile
import nd2
import numpy as np
import pytest
import tensorstore
import tifffile
from pylibCZIrw import czi

from microscope_files import czi_file, ims, lif, oif, with_time_stamps
from napari_depth_interp import api, io
from napari_depth_interp.errors import InputError, MissingSpacingError, RequestError
from napari_depth_interp.stack.lazy import is_lazy
from real_files import real

RNG = np.random.default_rng(3)
VOXELS = RNG.integers(0, 60000, (2, 2, 3, 10, 12), dtype=np.uint16)


def holds_lazily(path, voxels):
    found = io.read(path, lazy=True).voxels
    assert is_lazy(found)
    np.testing.assert_array_equal(found[:, 1, 1:, 2:7, 3], voxels[:, 1, 1:, 2:7, 3])
    np.testing.assert_array_equal(np.asarray(found), voxels)


class TestLif:
    def test_one_of_several_images(self, tmp_path):
        path = lif(tmp_path / "a.lif", {"first": VOXELS[:, :, :1], "second": VOXELS})
        found = io.read(f"{path}::second")
        np.testing.assert_array_equal(found.voxels, VOXELS)
        assert (found.axes.replace("C", ""), found.grid.unit) == ("TZYX", "um")
        assert found.grid.spacing == pytest.approx(0.5)
        assert found.grid.pixel_size == pytest.approx((0.1, 0.1))
        assert found.time_step == 3
        assert found.channel_colours == ("00FF00", "FF0000")
        np.testing.assert_array_equal(io.read(f"{path}::1").voxels, found.voxels)
        assert io.series_of(path) == ["first", "second"]
        assert "0 'first', 1 'second'" in " ".join(io.read(path).notes)
        with pytest.raises(RequestError, match="no images 'third'; choose a number from 0 or a name"):
            io.read(f"{path}::third")

    def test_voxels_stay_in_the_file(self, tmp_path):
        path = lif(tmp_path / "a.lif", {"first": VOXELS[:, :, :1], "second": VOXELS})
        holds_lazily(f"{path}::1", VOXELS)

    def test_a_run_and_its_command(self, tmp_path):
        path = lif(tmp_path / "a.lif", {"first": VOXELS[:, :, :1], "second": VOXELS})
        result = api.interpolate(f"{path}::second", method="linear", factor=2)
        assert result.dataset.voxels.shape == (2, 2, 5, 10, 12)
        assert result.record["input"]["file"] == "a.lif::second"

    def test_real(self):
        for path in real("wl.lif"):
            with liffile.LifFile(path) as file:
                for image in file.images:
                    found = io.read(f"{path}::{image.path}")
                    voxels = image.asarray()
                    if found.voxels.shape[2] > 1:  # T, λ, Z, Y, X
                        assert found.grid.spacing == pytest.approx(1e6 * np.diff(image.coords["Z"]).mean())
                    np.testing.assert_array_equal(found.voxels.ravel(), voxels.ravel())


class TestCzi:
    def test_scenes(self, tmp_path):
        small = VOXELS[:, :, :, :8, :9]
        path = czi_file(tmp_path / "a.czi", [VOXELS, small])
        np.testing.assert_array_equal(io.read(path).voxels, VOXELS)
        found = io.read(f"{path}::1")
        np.testing.assert_array_equal(found.voxels, small)
        assert found.grid.spacing == pytest.approx(0.9)
        assert found.grid.pixel_size == pytest.approx((0.2, 0.2))
        assert (found.grid.unit, found.channel_names) == ("um", ("DAPI", "GFP"))
        assert len(io.series_of(path)) == 2

    def test_voxels_stay_in_the_file(self, tmp_path):
        path = czi_file(tmp_path / "a.czi", [VOXELS[..., :8, :9], VOXELS])
        holds_lazily(f"{path}::1", VOXELS)

    def test_recorded_times_as_czifile_reads_them(self, tmp_path):
        path = czi_file(tmp_path / "a.czi", [VOXELS])
        assert io.read(path).time_step is None
        with_time_stamps(path, [5.0, 12.5])
        with czifile.CziFile(path) as file:
            stamps = [each.data() for each in file.attachments() if each.attachment_entry.name == "TimeStamps"]
        np.testing.assert_array_equal(stamps, [[5.0, 12.5]])
        found = io.read(path)
        assert found.time_step == 7.5
        np.testing.assert_array_equal(found.voxels, VOXELS)
        for lie in ([5.0], [12.5, 5.0], [np.nan, 5.0]):
            assert io.read(with_time_stamps(path, lie)).time_step is None

    def test_several_channels_of_colours_are_no_damage(self, tmp_path):
        with czi.create_czi(str(tmp_path / "a.czi")) as file:
            for channel, section in np.ndindex(2, 3):
                file.write(
                    VOXELS[0, :1, 0, :, :, None].repeat(3, 3)[0].astype(np.uint8), plane={"C": channel, "Z": section}
                )
        with pytest.raises(InputError, match=r"has 2 channels of Bgr24; channels of grey values, or one of RGB"):
            io.read(tmp_path / "a.czi")

    def test_real_as_czifile_reads_it(self):
        for path in real("xyz.czi"):
            with czifile.CziFile(path) as file:
                voxels = file.asarray()  # B, V, S, C, T, Z, Y, X, 0
            for scene in range(2):
                found = io.read(f"{path}::{scene}")
                np.testing.assert_array_equal(found.voxels[0, 0], voxels[0, 0, scene, 0, 0, ..., 0])
                assert found.grid.spacing == pytest.approx(0.3)
                assert found.grid.pixel_size == pytest.approx((0.1956443, 0.1956443), rel=1e-6)


class TestNd2:
    def test_real_as_nd2_reads_it(self):
        for path in real("cluster.nd2"):
            found = io.read(path)
            with nd2.ND2File(path) as file:
                np.testing.assert_array_equal(found.voxels, file.asarray().transpose(0, 2, 1, 3, 4))
                size = file.voxel_size()
                first, last = (file.events()[i]["Time [s]"] for i in (0, 20))
            assert found.time_step == pytest.approx((last - first) / 2)  # recorded without a delay
            assert found.grid.spacing == pytest.approx(size.z)
            assert found.grid.pixel_size == pytest.approx((size.y, size.x))
            assert found.channel_names == ("5-FAM/pH 9.0", "FM 4-64/2% CHAPS")
            assert found.channel_colours == ("78E90F", "FE0100")
            holds_lazily(path, found.voxels)

    def test_only_the_frames_of_one_position_are_read(self, tmp_path, monkeypatch):
        read = []

        class File:
            def __init__(self, path):
                self.sizes = {"P": 2, "Z": 3, "C": 2, "Y": 10, "X": 12}
                self.dtype = VOXELS.dtype
                self.experiment, self.metadata = [], None
                self.loop_indices = [{"P": p, "Z": z} for p in range(2) for z in range(3)]

            def voxel_size(self):
                return 0.2, 0.2, 1.5

            def read_frame(self, number):
                read.append(number)
                return VOXELS[number // 3, :, number % 3]

            __enter__ = lambda self: self  # noqa: E731
            __exit__ = lambda self, *_: None  # noqa: E731

        monkeypatch.setattr(nd2, "ND2File", File)
        (tmp_path / "a.nd2").write_bytes(b"x")
        np.testing.assert_array_equal(io.read(f"{tmp_path / 'a.nd2'}::1").voxels[0], VOXELS[1])
        assert read == [3, 4, 5]
        read.clear()
        found = io.read(f"{tmp_path / 'a.nd2'}::1", lazy=True).voxels
        np.testing.assert_array_equal(found[0, 1, 2], VOXELS[1, 1, 2])
        assert read == [5]


class TestLsm:
    def test_real_as_tifffile_reads_it(self):
        for path in real("zeiss.lsm"):
            found = io.read(path)
            np.testing.assert_array_equal(found.voxels[0, :, 0], tifffile.imread(path, series=0))
            assert found.grid.pixel_size == pytest.approx((0.41513291, 0.41513291))
            assert found.grid.unit == "um"
            assert found.channel_names == ("Ch1-T1", "ChS1-T2", "Ch2-T3")
            assert found.channel_colours == ("0000FF", "00FF00", "FF0000")

    def test_another_tiff(self, tmp_path):
        tifffile.imwrite(tmp_path / "a.lsm", VOXELS[0, 0], photometric="minisblack")
        with pytest.raises(InputError, match="is no LSM file"):
            io.read(tmp_path / "a.lsm")


def test_oif(tmp_path):
    path = oif(tmp_path / "a.oif", VOXELS[0])
    found = io.read(path)
    np.testing.assert_array_equal(found.voxels[0], VOXELS[0])
    assert found.grid.unit == "um" or found.grid.spacing == 750
    assert found.grid.spacing == pytest.approx(0.75 if found.grid.unit == "um" else 750)
    assert found.channel_names == ("DAPI", "GFP")


class TestImaris:
    def test_padding_is_left_out(self, tmp_path):
        found = io.read(ims(tmp_path / "a.ims", VOXELS))
        np.testing.assert_array_equal(found.voxels, VOXELS)
        assert found.grid.spacing == pytest.approx(1.5)
        assert found.grid.pixel_size == pytest.approx((0.25, 0.25))
        assert found.grid.depths[0] == pytest.approx(10.75)  # the edge of the image is at 10
        assert found.grid.origin == pytest.approx((10.125, 10.125))
        assert (found.channel_names, found.channel_colours) == (("DAPI", "GFP"), ("0000FF", "00FF00"))

    def test_attributes_that_are_texts(self, tmp_path):
        """As some writers store them, with a NUL at the end."""
        path = ims(tmp_path / "a.ims", VOXELS)
        with h5py.File(path, "r+") as file:
            info = file["DataSetInfo/Image"]
            for name in list(info.attrs):
                info.attrs[name] = np.bytes_(b"".join(info.attrs[name]) + b"\0 ")
        assert io.read(path).grid.spacing == pytest.approx(1.5)
        assert io.read(path).grid.pixel_size == pytest.approx((0.25, 0.25))

    def test_voxels_stay_in_the_file(self, tmp_path):
        found = io.read(ims(tmp_path / "a.ims", VOXELS), lazy=True)
        assert is_lazy(found.voxels)
        np.testing.assert_array_equal(found.voxels[1, 1, 1:, 2:7, 3], VOXELS[1, 1, 1:, 2:7, 3])
        np.testing.assert_array_equal(np.asarray(found.voxels), VOXELS)


class TestHdf5:
    def test_a_dataset_is_named(self, tmp_path):
        path = tmp_path / "a.h5"
        with h5py.File(path, "w") as file:
            file["volumes/raw"] = VOXELS[0, 0]
            file["volumes/raw"].attrs["resolution"] = [40.0, 4.0, 4.0]
            file["volumes/raw"].attrs["unit"] = "nm"
            file["labels"] = VOXELS[0, 1]
            file["table"] = np.arange(4)
        assert io.series_of(path) == ["/labels", "/volumes/raw"]
        found = io.read(f"{path}::/volumes/raw")
        np.testing.assert_array_equal(found.voxels[0, 0], VOXELS[0, 0])
        assert (found.grid.spacing, found.grid.pixel_size, found.grid.unit) == (40, (4, 4), "nm")
        np.testing.assert_array_equal(io.read(f"{path}::volumes/raw", lazy=True).voxels[0, 0, 1], VOXELS[0, 0, 1])
        with pytest.raises(InputError, match=r"0 '/labels', 1 '/volumes/raw'; choose one, as in 'a.h5::/labels'"):
            io.read(path)
        for name in ("/nothing", "/table", "/volumes"):
            with pytest.raises(InputError, match=r"a\.h5"):
                io.read(f"{path}::{name}")

    def test_axes_of_ilastik_and_of_the_user(self, tmp_path):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["data"] = VOXELS[0].transpose(1, 2, 3, 0)
            file["data"].attrs["axistags"] = json.dumps({"axes": [{"key": each} for each in "zyxc"]})
            file["data"].attrs["element_size_um"] = [2.0, 0.5, 0.5]
        found = io.read(tmp_path / "a.h5")
        np.testing.assert_array_equal(found.voxels[0], VOXELS[0])
        assert (found.grid.spacing, found.grid.unit) == (2, "um")
        with h5py.File(tmp_path / "b.h5", "w") as file:
            file["data"] = VOXELS[:, 0]
        assert io.read(tmp_path / "b.h5", axes="TZYX").voxels.shape == (2, 1, 3, 10, 12)

    @pytest.mark.parametrize(
        ("size", "words"),
        [
            ([-2, 0.5, 0.5], "('element_size_um') is not a positive number"),
            ("2 um", "not three sizes"),
            ([2, 1], "three"),
        ],
    )
    def test_sizes_that_are_none_are_said(self, tmp_path, size, words):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["data"] = VOXELS[0, 0]
            file["data"].attrs["element_size_um"] = size
        found = io.read(tmp_path / "a.h5")
        assert found.grid.depths is None
        with pytest.raises(MissingSpacingError) as caught:
            api.interpolate(found, method="linear", factor=2)
        assert words in str(caught.value)
        assert "z spacing" in next(note for note in found.notes if words in note)

    @pytest.mark.parametrize(
        ("order", "shape"), [("TCZYX", (2, 2, 3, 10, 12)), ("TZYXC", (2, 3, 10, 12, 2)), ("ZYXC", (3, 10, 12, 2))]
    )
    def test_axes_without_names(self, tmp_path, order, shape):
        """A short last axis is one of channels, as in ilastik's files; five axes are one dataset."""
        with h5py.File(tmp_path / "a.h5", "w") as file:
            kept = VOXELS if "T" in order else VOXELS[0]
            stored = kept.transpose([("TCZYX" if "T" in order else "CZYX").index(axis) for axis in order])
            file.create_dataset("data", data=stored, chunks=True)
            assert stored.shape == shape
        expected = VOXELS if "T" in order else VOXELS[:1]
        for lazy in (False, True):
            found = io.read(tmp_path / "a.h5", lazy=lazy)
            np.testing.assert_array_equal(np.asarray(found.voxels), expected)
            np.testing.assert_array_equal(np.asarray(found.voxels[0, 1, :, 3:5]), expected[0, 1, :, 3:5])
        assert f"{order} is taken" in " ".join(found.notes)

    def test_nothing_to_read(self, tmp_path):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["table"] = np.arange(4)
        with pytest.raises(InputError, match="holds no dataset of numbers with three axes or more"):
            io.read(tmp_path / "a.h5")

    def test_links_out_of_the_file(self, tmp_path):
        with h5py.File(tmp_path / "secret.h5", "w") as file:
            file["raw"] = VOXELS[0, 0]
        (tmp_path / "secret.raw").write_bytes(VOXELS[0, 0].tobytes())
        layout = h5py.VirtualLayout(VOXELS[0, 0].shape, np.uint16)
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "raw", VOXELS[0, 0].shape)
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["linked"] = h5py.ExternalLink("secret.h5", "/raw")
            file["soft"] = h5py.SoftLink("/linked")
            file.create_virtual_dataset("virtual", layout)
            outside = [(str(tmp_path / "secret.raw"), 0, VOXELS[0, 0].nbytes)]
            file.create_dataset("external", VOXELS[0, 0].shape, np.uint16, external=outside)
        for name in ("linked", "soft", "virtual", "external"):
            with pytest.raises(InputError, match=r"lies? in (an)?other file"):
                io.read(f"{tmp_path / 'a.h5'}::{name}")


class TestN5:
    def written(self, path, name="volumes/raw", compression=None):
        spec = {"driver": "n5", "kvstore": {"driver": "file", "path": str(path / name)}}
        spec["metadata"] = {
            "dimensions": [12, 10, 3], "blockSize": [5, 4, 2], "dataType": "uint16",
            "compression": {"type": compression or "gzip"},
        }  # fmt: skip
        tensorstore.open(spec, create=True).result()[:].write(VOXELS[0, 0].transpose()).result()
        return path

    @pytest.mark.parametrize("compression", ["raw", "gzip", "bzip2", "zstd", "xz"])
    def test_as_tensorstore_writes_it(self, tmp_path, compression):
        path = self.written(tmp_path / "a.n5", compression=compression)
        found = io.read(path)
        np.testing.assert_array_equal(found.voxels[0, 0], VOXELS[0, 0])
        lazy = io.read(path, lazy=True).voxels
        np.testing.assert_array_equal(lazy[0, 0, 1:, 3:9, 2:11:3], VOXELS[0, 0, 1:, 3:9, 2:11:3])
        np.testing.assert_array_equal(lazy[0, 0, :, 7, 5], VOXELS[0, 0, :, 7, 5])

    @pytest.mark.parametrize("stored", [False, True])
    def test_lz4_as_java_writes_it(self, tmp_path, stored):
        """Blocks with heads of their own, each packed or stored, and an empty one at the end."""
        path = self.written(tmp_path / "a.n5", compression="raw") / "volumes" / "raw"
        for block in [each for each in path.rglob("*") if each.is_file() and each.name.isdecimal()]:
            content = block.read_bytes()
            packed = content[:16]
            for part in (content[16:40], content[40:], b""):
                data = part if stored or not part else imagecodecs.lz4_encode(part, header=False)
                packed += struct.pack("<8sBiiI", b"LZ4Block", 0x16 if stored else 0x26, len(data), len(part), 0) + data
            block.write_bytes(packed)
        said = path / "attributes.json"
        said.write_text(said.read_text().replace('"raw"', '"lz4"'))
        np.testing.assert_array_equal(io.read(tmp_path / "a.n5").voxels[0, 0], VOXELS[0, 0])
        block.write_bytes(packed[:20] + b"BLOCK" + packed[25:])
        with pytest.raises(InputError, match="a block of it cannot be unpacked"):
            io.read(tmp_path / "a.n5")

    def test_several_and_their_resolution(self, tmp_path):
        path = self.written(self.written(tmp_path / "a.n5"), "c0/s0")
        attributes = path / "c0" / "s0" / "attributes.json"
        said = json.loads(attributes.read_text()) | {"pixelResolution": {"dimensions": [4, 4, 40], "unit": "nm"}}
        attributes.write_text(json.dumps(said))
        with pytest.raises(InputError, match=r"choose one, as in 'a.n5::/c0/s0'"):
            io.read(path)
        grid = io.read(f"{path}::/c0/s0").grid
        assert (grid.spacing, grid.pixel_size, grid.unit) == (40, (4, 4), "nm")
        with pytest.raises(InputError, match="holds no dataset"):
            io.read(f"{path}::../../secret")

    def test_the_transform_of_cosem(self, tmp_path):
        path = self.written(tmp_path / "a.n5", "em/s0")
        attributes = path / "em" / "s0" / "attributes.json"
        words = {"axes": ["z", "y", "x"], "scale": [5.2, 4, 4], "translate": [2.6, 0, 8], "units": ["nm"] * 3}
        said = json.loads(attributes.read_text())
        attributes.write_text(json.dumps(said | {"transform": words}))
        grid = io.read(path).grid
        assert (grid.spacing, grid.pixel_size, grid.unit) == (5.2, (4, 4), "nm")
        assert (grid.depths[0], grid.origin) == (2.6, (0, 8))
        for odd in ({"axes": "zyx"}, {"axes": None}, [], {"axes": ["z"], "scale": ["a"]}):
            attributes.write_text(json.dumps(said | {"transform": odd}))
            assert io.read(path).grid.spacing is None

    def test_without_a_block(self, tmp_path):
        path = self.written(tmp_path / "a.n5")
        for block in [each for each in path.rglob("*") if each.is_file() and each.name.isdecimal()]:
            block.unlink()
        with pytest.raises(InputError, match=r"'/volumes/raw' in 'a\.n5' is empty: none of its blocks is there"):
            io.read(path, lazy=True)


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [("a.lif", "liffile", "microscopes"), ("a.nd2", "nd2", "microscopes"), ("a.czi", "pylibCZIrw", "microscopes"),
     ("a.oib", "oiffile", "microscopes"), ("a.ims", "h5py", "microscopes"), ("a.h5", "h5py", "microscopes"),
     ("a.nrrd", "nrrd", "scanners")],
)  # fmt: skip
def test_a_missing_package_is_named(tmp_path, monkeypatch, name, package, extra):
    for module in list(sys.modules):
        if module == package or module.startswith(f"{package}."):
            monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / name).write_bytes(b"ZISRAWFILE" * 9)
    with pytest.raises(InputError, match=rf'not installed; .* pip install "napari-depth-interp\[{extra}\]"'):
        io.read(tmp_path / name)
