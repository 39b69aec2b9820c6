"""RGB stacks and stacks of several channels on the command line."""

import numpy as np
import pytest
import tifffile

from command_line import run_json, succeed, write_imagej
from napari_depth_interp import io
from napari_depth_interp.run.result import Result
from napari_depth_interp.simulate import simulate


@pytest.fixture(scope="module")
def rgb(tmp_path_factory):
    """A stained section series as Fiji saves it, and its voxels (z, y, x, colour)."""
    grey = simulate("vessels", shape=(7, 40, 36), voxel_size=(2.0, 0.5, 0.5)).observed.voxels[0, 0].astype(float)
    stain = np.clip(grey / np.percentile(grey, 99.5), 0, 1)[..., None] * [0.9, 1.4, 0.4]
    voxels = np.rint(240 * np.exp(-stain)).astype(np.uint8)
    path = tmp_path_factory.mktemp("rgb") / "in.tif"
    options = {"axes": "ZYXS", "spacing": 2.0, "unit": "um"}
    tifffile.imwrite(path, voxels, imagej=True, photometric="rgb", resolution=(2, 2), metadata=options)
    return path, voxels


@pytest.mark.parametrize("method", ["linear", "flow"])
@pytest.mark.parametrize("name", ["out.tif", "out.ome.tif", "out.ome.zarr"])
def test_a_run_gives_colours_back(rgb, tmp_path, method, name):
    source, voxels = rgb
    printed = run_json("run", source, tmp_path / name, "--factor", 2, "--method", method)
    assert printed["shape"] == [3, 13, 40, 36]
    result = Result.load(tmp_path / name)
    assert (result.axes, result.dtype, result.spacing, result.unit) == ("ZYXS", np.uint8, 1.0, "um")
    np.testing.assert_array_equal(np.asarray(result)[::2], voxels)
    assert ("shared_fit" in result.record) == (method == "flow")
    if name.endswith(".tif"):
        with tifffile.TiffFile(tmp_path / name) as tif:
            assert (tif.series[0].axes, tif.series[0].shape) == ("ZYXS", (13, 40, 36, 3))
        np.testing.assert_array_equal(tifffile.imread(tmp_path / name), np.asarray(result))


def test_one_colour(rgb, tmp_path):
    source, voxels = rgb
    succeed("run", source, tmp_path / "out.tif", "--factor", 2, "--channel", "green")
    found = io.read(tmp_path / "out.tif")
    assert not found.rgb
    np.testing.assert_array_equal(found.voxels[0, 0, ::2], voxels[..., 1])


def test_each_colour_is_scored_and_alpha_is_not(rgb, tmp_path):
    source, voxels = rgb
    with_alpha = tmp_path / "alpha.tif"
    alpha = np.full_like(voxels[..., :1], 255)
    tifffile.imwrite(with_alpha, np.concatenate([voxels, alpha], -1), photometric="rgb", extrasamples=["unassalpha"])
    common = ("--keep-every", 2, "--methods", "linear,flow")
    plain = run_json("evaluate", source, *common)
    again = run_json("evaluate", with_alpha, *common, "--z-spacing", "2um")
    for one, other in zip(plain["methods"], again["methods"], strict=True):
        assert {row["channel"] for row in one["sections"]} == {0, 1, 2}
        assert one["volume"]["psnr"] == pytest.approx(other["volume"]["psnr"])


def test_all_channels_of_fluorescence_in_one_run(tmp_path):
    voxels = np.random.default_rng(0).integers(0, 999, (5, 3, 24, 20)).astype(np.uint16)
    source = write_imagej(tmp_path / "in.tif", voxels, axes="ZCYX", Labels=["DAPI", "actin", "tubulin"] * 5)
    results = {}
    for share in ("auto", "yes"):
        out = tmp_path / f"{share}.tif"
        options = ("--factor", 2, "--method", "flow", "--share-fit", share)
        assert run_json("run", source, out, *options)["shape"] == [3, 9, 24, 20]
        results[share] = io.read(out)
        assert results[share].channel_names == ("DAPI", "actin", "tubulin")
        np.testing.assert_array_equal(results[share].voxels[0, :, ::2], voxels.transpose(1, 0, 2, 3))
    assert "shared_fit" not in results["auto"].record["depth_interp"]
    assert results["yes"].record["depth_interp"]["shared_fit"] == "mean"
