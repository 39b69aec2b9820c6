"""Results and images that are too large for the memory, made small: streamed to a file, opened lazily."""

import dask
import dask.array
import numpy as np
import pytest
from controls import find, press, read, shows, tick
from drive import choose, finish, run, said, sparse_tiff
from qtpy.QtWidgets import QFileDialog

from napari_depth_interp import interpolate, io
from napari_depth_interp.plugin.interpolate import output_box
from napari_depth_interp.plugin.layers import to_dataset
from napari_depth_interp.run.result import Result
from napari_depth_interp.stack import Dataset
from napari_depth_interp.stack.lazy import is_lazy

PLUGIN = "napari-depth-interp"


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch):
    """What has 100 kB is large; Dask computes where it is called."""
    monkeypatch.setattr(io, "LARGE_BYTES", 10**5)
    monkeypatch.setattr(output_box, "LARGE_BYTES", 10**6)
    with dask.config.set(scheduler="synchronous"):
        yield


def image(path, shape=(2, 9, 700, 60)):
    """Write an OME-Zarr with 2 channels and two resolutions; return its voxels."""
    voxels = np.random.default_rng(0).integers(0, 999, shape).astype(np.uint16)
    io.write(path, Dataset.from_array(voxels, axes="CZYX", z_spacing=2.0, pixel_size=(0.5, 0.5), unit="um"))
    return voxels


class TestReader:
    def test_a_large_image_opens_lazily_with_its_resolutions(self, viewer, tmp_path):
        voxels = image(tmp_path / "big.ome.zarr")
        first, second = viewer.open(str(tmp_path / "big.ome.zarr"), plugin=PLUGIN)
        assert (first.name, second.name) == ("big channel 0", "big channel 1")
        for number, layer in enumerate((first, second)):
            assert layer.multiscale
            assert [level.shape for level in layer.data] == [(9, 700, 60), (9, 350, 30)]
            assert all(isinstance(level, dask.array.Array) for level in layer.data)
            np.testing.assert_array_equal(layer.data[0].compute(), voxels[number])
            np.testing.assert_allclose(layer.scale, (2.0, 0.5, 0.5))
            assert [str(unit) for unit in layer.units] == ["micrometer"] * 3

    def test_a_small_one_opens_at_once(self, viewer, tmp_path, monkeypatch):
        monkeypatch.setattr(io, "LARGE_BYTES", 10**9)
        voxels = image(tmp_path / "small.zarr")
        first, _ = viewer.open(str(tmp_path / "small.zarr"), plugin=PLUGIN)
        assert first.name == "small channel 0"
        assert isinstance(first.data, np.ndarray)
        np.testing.assert_array_equal(first.data, voxels[0])

    def test_a_lazy_layer_is_a_lazy_stack(self, viewer, tmp_path):
        voxels = image(tmp_path / "big.ome.zarr")
        _, second = viewer.open(str(tmp_path / "big.ome.zarr"), plugin=PLUGIN)
        dataset = to_dataset(second)
        assert is_lazy(dataset.voxels)
        assert dataset.voxels.shape == (1, 1, 9, 700, 60)
        np.testing.assert_array_equal(dataset.voxels[0, 0, 4], voxels[1, 4])
        np.testing.assert_allclose(dataset.grid.depths, np.arange(9) * 2.0)

    def test_it_is_saved_plane_by_plane(self, viewer, tmp_path):
        voxels = image(tmp_path / "big.ome.zarr")
        viewer.open(str(tmp_path / "big.ome.zarr"), plugin=PLUGIN)
        for name in ("again.zarr", "again.tif"):
            viewer.layers.save(str(tmp_path / name), plugin=PLUGIN)
            np.testing.assert_array_equal(io.read(tmp_path / name).voxels[0], voxels)


class TestStreaming:
    @pytest.fixture
    def stack(self, widget, tmp_path):
        voxels = sparse_tiff(tmp_path / "a.tif", sections=5, shape=(600, 70))
        widget.stack.open_files([tmp_path / "a.tif"])
        choose(widget, method="linear", factor=4)
        return voxels

    def test_a_large_result_goes_to_the_file_that_is_asked_for(
        self, qtbot, viewer, widget, stack, tmp_path, monkeypatch
    ):
        asked = []
        monkeypatch.setattr(
            QFileDialog, "getSaveFileName",
            lambda *words: asked.append(words) or (str(tmp_path / "dense"), "OME-Zarr (*.ome.zarr)"),
        )  # fmt: skip
        words = read(widget.output, "summary")
        assert words.startswith("1.4 MB go to a file, as does all above 1.0 MB, or above half of the ")
        done = run(qtbot, widget)
        assert len(asked) == 1
        layer = done.layers[0]
        assert layer.multiscale
        assert [level.shape for level in layer.data] == [(17, 600, 70), (9, 300, 35)]
        expected = interpolate(tmp_path / "a.tif", method="linear", factor=4)
        np.testing.assert_array_equal(layer.data[0].compute(), np.asarray(expected))
        np.testing.assert_array_equal(Result.load(tmp_path / "dense.ome.zarr").dataset.voxels[0, 0, ::4], stack)
        np.testing.assert_allclose(layer.scale, (0.5, 0.5, 0.5))
        assert viewer.layers.units is not None
        viewer.dims.set_point(0, 4.0)
        assert "observed section" in viewer.canvas.overlays.text.text
        assert not read(widget.output, "File for the result")

    def test_a_result_that_became_small_again_needs_no_file(self, qtbot, widget, stack):
        assert widget.output.needs_file
        choose(widget, factor=2)
        assert not find(widget.output, "Stream to a file").isChecked()
        assert not widget.output.needs_file

    def test_no_file_no_run(self, widget, stack, monkeypatch):
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *words: ("", ""))
        press(widget.bar, "run")
        assert widget.job is None
        assert "choose one to run" in read(widget.bar, "message")

    def test_a_small_result_may_go_to_a_file_too(self, qtbot, widget, tmp_path):
        sparse_tiff(tmp_path / "a.tif")
        widget.stack.open_files([tmp_path / "a.tif"])
        assert not shows(widget.output, "File for the result")
        widget.output.set_file(str(tmp_path / "dense.ome.tif"))
        layer = run(qtbot, widget, method="linear", factor=2).layers[0]
        assert layer.data.shape == (13, 40, 50)
        assert io.read(tmp_path / "dense.ome.tif").voxels.shape == (1, 1, 13, 40, 50)
        assert not find(widget.output, "Stream to a file").isChecked()
        assert run(qtbot, widget, method="linear", factor=2).layers[0].data.shape == (13, 40, 50)

    @pytest.mark.parametrize("name", ["dense.nii", "dense", "missing/dense.zarr", "a.tif"])
    def test_a_bad_name_is_said_and_nothing_runs(self, widget, stack, tmp_path, name):
        widget.output.set_file(str(tmp_path / name))
        press(widget.bar, "run")
        assert widget.job is None
        assert any(word in read(widget.bar, "message") for word in ("cannot be written", "does not exist", "exists"))

    def test_uncertainty_scores_and_cancel(self, qtbot, slow, widget, stack, tmp_path):
        widget.output.set_file(str(tmp_path / "dense.ome.zarr"))
        choose(widget, method="slow", preset="best")
        press(widget.bar, "run")
        qtbot.wait(300)
        widget.cancel()
        finish(qtbot, widget)
        assert {each.name for each in tmp_path.iterdir()} == {"a.tif"}
        widget.compute.set_scoring(2)
        done = run(qtbot, widget, method="slow", preset="fast")
        assert {each.name for each in tmp_path.iterdir()} == {
            "a.tif", "dense.ome.zarr", "dense-uncertainty.ome.zarr",
        }  # fmt: skip
        tick(widget.runs, "Uncertainty")
        assert all(layer.multiscale for layer in done.every_layer())
        assert len(done.every_layer()) == 2
        assert Result.load(tmp_path / "dense.ome.zarr").record["scores"]["mean"]["psnr"] is not None
        assert not [text for text in said() if "Traceback" in text]


class TestEstimate:
    def test_it_is_shown_until_something_changes(self, qtbot, widget, tmp_path):
        sparse_tiff(tmp_path / "a.tif")
        widget.stack.open_files([tmp_path / "a.tif"])
        choose(widget, method="linear", factor=3)
        press(widget.output, "Estimate time and memory")
        finish(qtbot, widget)
        assert read(widget.output, "summary").startswith("about ")
        assert "in memory (measured" in read(widget.output, "summary")
        assert read(widget.bar, "message").startswith("estimate: about ")
        choose(widget, factor=5)
        assert read(widget.output, "summary") == ""
        press(widget.output, "Estimate time and memory")
        finish(qtbot, widget)
        tick(widget.output, "Stream to a file")
        assert read(widget.output, "summary") == ""
        assert len(widget.viewer.layers) == 1

    def test_one_that_comes_too_late_is_not_shown(self, qtbot, widget, tmp_path):
        sparse_tiff(tmp_path / "a.tif")
        widget.stack.open_files([tmp_path / "a.tif"])
        choose(widget, method="linear", factor=3)
        press(widget.output, "Estimate time and memory")
        choose(widget, factor=5)
        finish(qtbot, widget)
        assert read(widget.output, "summary") == ""
        assert "estimate again" in read(widget.bar, "message")

    def test_without_a_stack_it_says_so(self, widget):
        press(widget.output, "Estimate time and memory")
        assert widget.job is None
        assert "no image layer" in read(widget.bar, "message")

    def test_what_does_not_fit_is_told(self, qtbot, widget, tmp_path, monkeypatch):
        from napari_depth_interp.run import estimate

        sparse_tiff(tmp_path / "a.tif")
        widget.stack.open_files([tmp_path / "a.tif"])
        monkeypatch.setattr(estimate, "free_memory", lambda: 1000)
        press(widget.output, "Estimate time and memory")
        finish(qtbot, widget)
        assert "it does not fit" in read(widget.output, "summary")
        assert "e0803a" in find(widget.output, "summary").styleSheet()


def test_a_preview_of_a_large_stack_reads_what_lies_around_the_gap(qtbot, viewer, widget):
    read_sections = set()

    def noted(block, block_info=None):
        read_sections.add(block_info[0]["array-location"][0][0])
        return block

    voxels = np.random.default_rng(0).integers(0, 200, (60, 40, 50), dtype=np.uint8)
    lazy = dask.array.from_array(voxels, chunks=(1, 40, 50)).map_blocks(noted, dtype=np.uint8, meta=voxels[:0])
    viewer.add_image(lazy, name="large", scale=(2, 1, 1), units=("um",) * 3, contrast_limits=(0, 200))
    viewer.dims.set_point(0, 61.0)
    choose(widget, method="cubic", factor=2)
    read_sections.clear()
    press(widget.bar, "preview")
    finish(qtbot, widget)
    preview = viewer.layers["large cubic preview"]
    np.testing.assert_array_equal(preview.data[[0, -1]], voxels[[30, 31]])
    expected = np.asarray(interpolate(voxels, method="cubic", factor=2, z_spacing=2.0).dataset.voxels[0, 0, 61])
    np.testing.assert_array_equal(preview.data[1], expected)
    assert len(read_sections) <= 18
