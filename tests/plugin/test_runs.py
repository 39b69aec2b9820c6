"""Runs in the real viewer: what comes out, where it lies, how it is repeated."""

import shlex

import nibabel
import numpy as np
import pytest
import tifffile
from controls import find, pick, press, read
from drive import choose, finish, run, said, sparse_tiff
from qtpy.QtWidgets import QApplication, QTableWidget

from command_line import depth_interp
from napari_depth_interp import __version__, interpolate, io
from napari_depth_interp.plugin.layers.view_part import visible_part
from napari_depth_interp.stack.lazy import signature

PLUGIN = "napari-depth-interp"


@pytest.fixture
def stack(widget, tmp_path):
    """The voxels of an open stack of 7 sections."""
    voxels = sparse_tiff(tmp_path / "a.tif")
    widget.stack.open_files([tmp_path / "a.tif"])
    return voxels


def repeat(widget, tmp_path):
    """Copy the chosen run as a command, run it in a process, return the voxels written."""
    press(widget.runs, "Copy as command")
    words = shlex.split(QApplication.clipboard().text())
    assert words[:2] == ["depth-interp", "run"]
    done = depth_interp(*words[1:], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return io.read(tmp_path / words[3]).voxels


class TestResult:
    def test_lies_over_the_input(self, qtbot, viewer, widget, stack):
        source = viewer.layers["a"]
        source.contrast_limits, source.colormap, source.gamma = (100, 20000), "magenta", 0.8
        layer = run(qtbot, widget, factor=4).layers[0]
        assert layer.name == "a linear"
        assert layer.data.shape == (25, 40, 50)
        assert layer.data.dtype == np.uint16
        np.testing.assert_allclose(layer.scale, (0.5, 0.5, 0.5))
        assert layer.axis_labels == ("z", "y", "x")
        assert [str(unit) for unit in layer.units] == ["micrometer"] * 3
        assert viewer.layers.units is not None
        assert tuple(layer.contrast_limits) == (100, 20000)
        assert (layer.colormap.name, layer.gamma) == ("magenta", 0.8)
        for index in ((0, 0, 0), (3, 11, 17), (6, 39, 49)):
            there = layer.world_to_data(source.data_to_world(index))
            np.testing.assert_allclose(there, (4 * index[0], *index[1:]), atol=1e-9)
            assert layer.data[tuple(np.rint(there).astype(int))] == stack[index]
        assert read(widget.bar, "message").startswith("a linear: done in")
        assert viewer.layers.selection.active.name == "a linear"

    @pytest.mark.parametrize("how", ["translate", "rotate", "shear", "affine", "stretch"])
    def test_lies_over_an_input_that_was_moved_or_turned(self, qtbot, viewer, widget, stack, how):
        source = viewer.layers["a"]
        turned = {
            "translate": (5.0, -3.0, 2.0),
            "rotate": np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]]),
            "shear": (0, 0, 0.3),
            "stretch": np.diag([3, 0.5, 0.5, 1]),
            "affine": np.array([[1.5, 0, 0, 4], [0, 1, 0.2, 5], [0, 0, 1, 6], [0, 0, 0, 1.0]]),
        }[how]
        setattr(source, "affine" if how == "stretch" else how, turned)
        done = run(qtbot, widget, factor=2)
        if how == "stretch":  # from 2 x 0.5 x 0.5 um
            assert "6 um apart; 40 x 50 pixels of 0.25 x 0.25 um" in read(widget.stack, "summary")
            assert done.outcome.result.dataset.grid.spacing == 3
        for i in (0, 3, 6):
            there = done.layers[0].data_to_world((2 * i, 11, 17))
            np.testing.assert_allclose(there, source.data_to_world((i, 11, 17)), atol=1e-9)

    def test_a_time_point_of_a_turned_film(self, qtbot, viewer, widget):
        film = np.random.default_rng(0).integers(0, 99, (3, 4, 9, 10), dtype=np.uint8)
        turn = np.eye(5)
        turn[2:4, 2:4], turn[:, 4] = [[0.8, -0.6], [0.6, 0.8]], (0, 4, 5, 6, 1)
        viewer.add_image(film, name="film", scale=(1, 2, 0.5, 0.5), units=("s", "um", "um", "um"), affine=turn)
        done = run(qtbot, widget, factor=2, times="1:2")
        there, expected = (
            layer.data_to_world((*first, *place))[-3:]
            for layer, first, place in ((done.layers[0], (), (4, 3, 5)), (viewer.layers["film"], (1,), (2, 3, 5)))
        )
        np.testing.assert_allclose(there, expected, atol=1e-9)

    def test_holds_its_history(self, qtbot, viewer, widget, stack):
        widget.compute.set_scoring(2)
        layer = run(qtbot, widget, method="cubic", factor=3, seed=8, parameters={"kind": "spline"}).layers[0]
        record = layer.metadata["depth_interp"]
        assert (record["method"], record["seed"], record["config"]["kind"]) == ("cubic", 8, "spline")
        assert record["versions"]["napari-depth-interp"] == __version__
        assert record["input"]["sha256"] == signature(stack[None, None])
        assert record["input"]["file"] == "a.tif"
        assert record["observed"] == list(range(0, 19, 3))
        assert record["scores"]["mean"]["psnr"] > 0
        assert "measured at 2 times your gap" in record["scores"]["protocol"]

    def test_history_is_saved_with_the_layer(self, qtbot, viewer, widget, stack, tmp_path):
        layer = run(qtbot, widget, factor=3).layers[0]
        layer.save(str(tmp_path / "dense.tif"), plugin=PLUGIN)
        [again] = viewer.open(tmp_path / "dense.tif", plugin=PLUGIN)
        assert again.metadata["depth_interp"]["input"]["sha256"] == signature(stack[None, None])
        np.testing.assert_array_equal(again.data, layer.data)

    def test_same_voxels_as_the_library(self, qtbot, widget, stack, tmp_path):
        layer = run(qtbot, widget, method="cubic", factor=5).layers[0]
        expected = interpolate(tmp_path / "a.tif", method="cubic", factor=5).dataset.voxels[0, 0]
        np.testing.assert_array_equal(layer.data, expected)

    def test_two_runs_keep_both(self, qtbot, viewer, widget, stack):
        first, second = run(qtbot, widget), run(qtbot, widget, factor=2)
        assert [first.layers[0].name, second.layers[0].name] == ["a linear", "a linear #2"]
        assert len(viewer.layers["a linear"].data) == 25
        assert len(viewer.layers["a linear #2"].data) == 13

    def test_a_result_can_be_the_next_input(self, qtbot, viewer, widget, stack):
        run(qtbot, widget, factor=2)
        pick(widget.stack, "Layer", "a linear")
        layer = run(qtbot, widget, method="nearest").layers[0]
        assert layer.name == "a linear nearest"
        assert layer.data.shape[0] == 25
        np.testing.assert_allclose(layer.scale[0], 0.5)

    def test_time_points(self, qtbot, viewer, widget, tmp_path):
        voxels = np.random.default_rng(0).integers(0, 999, (2, 4, 9, 10)).astype(np.uint16)
        tifffile.imwrite(
            tmp_path / "t.tif", voxels, imagej=True, resolution=(1, 1),
            metadata={"axes": "TZYX", "spacing": 3.0, "unit": "um", "finterval": 10.0},
        )  # fmt: skip
        widget.stack.open_files([tmp_path / "t.tif"])
        assert "2 time points" in read(widget.stack, "summary")
        layer = run(qtbot, widget, factor=3).layers[0]
        assert layer.data.shape == (2, 10, 9, 10)
        np.testing.assert_allclose(layer.scale, (10.0, 1.0, 1.0, 1.0))
        np.testing.assert_array_equal(layer.data[:, ::3], voxels)
        assert viewer.canvas.overlays.text.text.startswith("result:")

    def test_uncertainty(self, qtbot, slow, viewer, open_widget, tmp_path):
        widget = open_widget()
        sparse_tiff(tmp_path / "a.tif")
        widget.stack.open_files([tmp_path / "a.tif"])
        [result] = run(qtbot, widget, method="slow", preset="fast", factor=2).layers
        press(widget.runs, "Uncertainty")
        uncertainty = viewer.layers["a slow uncertainty"]
        assert uncertainty.data.dtype == np.float32
        np.testing.assert_array_equal(uncertainty.data[::2], 0)
        np.testing.assert_array_equal(uncertainty.data[1::2], 1)
        np.testing.assert_allclose(uncertainty.scale, result.scale)


class TestCommand:
    @pytest.mark.parametrize(
        "settings",
        [
            {"method": "cubic", "factor": 3, "parameters": {"kind": "spline", "overshoot": "keep"}},
            {"method": "linear", "factor": None, "spacing": "0.7um", "dtype": "float32"},
            {"method": "nearest", "factor": None, "isotropic": True, "seed": 5, "threads": 1},
            {"method": "cubic", "factor": 6, "acquisition": "projection:6"},
            {"method": "linear", "factor": 2, "z_spacing": "3um"},
        ],
    )
    def test_gives_the_same_voxels(self, qtbot, widget, stack, tmp_path, settings):
        layer = run(qtbot, widget, **settings).layers[0]
        np.testing.assert_array_equal(repeat(widget, tmp_path)[0, 0], layer.data)

    def test_of_a_changed_scale(self, qtbot, viewer, widget, stack, tmp_path):
        viewer.layers["a"].scale = (3.0, 0.5, 0.5)
        layer = run(qtbot, widget, factor=None, spacing="1um").layers[0]
        assert layer.data.shape[0] == 19
        np.testing.assert_array_equal(repeat(widget, tmp_path)[0, 0], layer.data)

    def test_of_edited_depths(self, qtbot, viewer, widget, stack, tmp_path):
        find(widget.stack, "Section depths", QTableWidget).item(2, 0).setText("4.7")
        layer = run(qtbot, widget, factor=2).layers[0]
        np.testing.assert_array_equal(repeat(widget, tmp_path)[0, 0], layer.data)

    @pytest.mark.parametrize("labels", [None, ["2", "1"] * 5])
    def test_of_a_channel(self, qtbot, viewer, widget, tmp_path, labels):
        voxels = np.random.default_rng(1).integers(0, 9999, (5, 2, 12, 11)).astype(np.uint16)
        tags = {"axes": "ZCYX", "spacing": 2.0, "unit": "um"} | ({"Labels": labels} if labels else {})
        tifffile.imwrite(tmp_path / "two.tif", voxels, imagej=True, resolution=(1, 1), metadata=tags)
        widget.stack.open_files([tmp_path / "two.tif"])
        pick(widget.stack, "Channels", "one")
        for c in (0, 1):
            find(widget.stack, "Layer").setCurrentIndex(c)
            layer = run(qtbot, widget, factor=2).layers[0]
            np.testing.assert_array_equal(layer.data[::2], voxels[:, c])
            np.testing.assert_array_equal(repeat(widget, tmp_path)[0, 0], layer.data)

    def test_of_a_nifti_file_writes_nifti(self, qtbot, widget, tmp_path):
        voxels = np.random.default_rng(2).integers(0, 999, (9, 8, 5)).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(voxels, np.diag([1.0, 1.0, -4.0, 1.0])), tmp_path / "my scan.nii.gz")
        widget.stack.open_files([tmp_path / "my scan.nii.gz"])
        layer = run(qtbot, widget, factor=2).layers[0]
        np.testing.assert_array_equal(repeat(widget, tmp_path)[0, 0], layer.data)
        assert (tmp_path / "my_scan_linear.nii.gz").exists()

    def test_of_a_layer_without_a_file_says_where_to_put_one(self, qtbot, viewer, widget):
        viewer.add_image(np.random.default_rng(0).random((4, 9, 9)), scale=(3, 1, 1), units="um", name="x/y")
        words = shlex.split(run(qtbot, widget, factor=2).command())
        assert words[2:4] == ["INPUT.tif", "x_y_linear.tif"]
        assert words[words.index("--z-spacing") + 1] == "3.0um"


class TestPreview:
    def test_fills_one_gap(self, qtbot, viewer, widget, stack):
        viewer.dims.set_point(0, 5.0)  # between sections 2 and 3
        press(widget.bar, "preview")
        finish(qtbot, widget)
        layer = viewer.layers["a linear preview"]
        assert layer.data.shape == (5, 40, 50)
        np.testing.assert_array_equal(layer.data[[0, -1]], stack[[2, 3]])
        assert layer.translate[0] == 4.0
        assert widget.runs.runs == []

    def test_the_gap_is_found_by_section_where_the_layer_has_no_spacing(self, qtbot, viewer, widget, tmp_path):
        voxels = sparse_tiff(tmp_path / "b.tif", spacing=None)
        widget.stack.open_files([tmp_path / "b.tif"])
        choose(widget, z_spacing="3um")
        viewer.dims.set_point(0, 5.0)  # section 5 as long as the layer is drawn with 1 um
        press(widget.bar, "preview")
        finish(qtbot, widget)
        np.testing.assert_array_equal(viewer.layers["b linear preview"].data[[0, -1]], voxels[[5, 6]])

    def test_linear_is_shown_until_the_method_has_trained(self, qtbot, viewer, widget, stack):
        seen = []
        viewer.layers.events.inserted.connect(lambda event: seen.append(event.value.name))
        choose(widget, method="section_sr", parameters={"training_steps": 10, "channels": 8, "blocks": 1}, threads=1)
        press(widget.bar, "preview")
        finish(qtbot, widget)
        assert seen == ["a linear preview", "a section_sr preview"]
        assert [layer.name for layer in viewer.layers] == ["a", "a section_sr preview"]

    def test_takes_what_is_in_view(self, qtbot, shown_viewer, tmp_path):
        viewer = shown_viewer
        _, widget = viewer.window.add_plugin_dock_widget(PLUGIN)
        voxels = sparse_tiff(tmp_path / "a.tif", shape=(200, 240))
        widget.stack.open_files([tmp_path / "a.tif"])
        viewer.dims.set_point(0, 0.0)
        viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 50, 60), 40
        layer = viewer.layers["a"]
        qtbot.waitUntil(lambda: 2 < np.ptp(np.asarray(layer.corner_pixels)[:, -1]) < 100, timeout=5000)
        (top, left), (bottom, right) = np.asarray(layer.corner_pixels)[:, -2:]
        press(widget.bar, "preview")
        finish(qtbot, widget)
        preview = viewer.layers["a linear preview"]
        assert preview.data.shape[1:] == (bottom - top + 1, right - left + 1)
        np.testing.assert_array_equal(preview.data[0], voxels[0, top : bottom + 1, left : right + 1])
        np.testing.assert_allclose(preview.translate[1:], (top * 0.5, left * 0.5))
        assert preview.data[0].size < voxels[0].size / 4

    def test_the_next_preview_takes_the_place_of_the_last(self, qtbot, viewer, widget, stack):
        before = len(viewer.layers)
        for _ in range(3):
            press(widget.bar, "preview")
            finish(qtbot, widget)
        assert len(viewer.layers) == before + 1
        viewer.layers.remove("a linear preview")
        press(widget.bar, "preview")
        finish(qtbot, widget)
        assert "a linear preview" in viewer.layers

    def test_only_the_time_point_in_view(self, qtbot, viewer, widget):
        voxels = np.arange(3 * 4 * 20 * 20, dtype=np.uint16).reshape(3, 4, 20, 20)
        viewer.add_image(voxels, name="film", scale=(1, 2, 0.5, 0.5), units=("second", "um", "um", "um"))
        pick(widget.stack, "Layer", "film")
        viewer.dims.set_current_step(0, 2)
        press(widget.bar, "preview")
        finish(qtbot, widget)
        preview = viewer.layers["film linear preview"].data
        assert preview.ndim == 3
        np.testing.assert_array_equal(
            preview[0], voxels[2, np.flatnonzero((voxels[2] == preview[0][None]).all((1, 2)))[0]]
        )

    def test_only_the_time_point_in_view_beside_a_finer_film(self, qtbot, viewer, widget):
        voxels = np.arange(3 * 4 * 20 * 20, dtype=np.uint16).reshape(3, 4, 20, 20)
        units = ("second", "um", "um", "um")
        viewer.add_image(voxels, name="film", scale=(10, 2, 0.5, 0.5), units=units)
        viewer.add_image(np.zeros((30, 4, 20, 20), np.uint8), name="finer", scale=(1, 2, 0.5, 0.5), units=units)
        pick(widget.stack, "Layer", "film")
        viewer.dims.set_point((0, 1), (20.0, 0.0))
        press(widget.bar, "preview")
        finish(qtbot, widget)
        np.testing.assert_array_equal(viewer.layers["film linear preview"].data[0], voxels[2, 0])

    def test_takes_what_is_in_view_of_a_coarser_level(self, viewer):
        levels = [np.zeros((4, 200, 160), np.uint8), np.zeros((4, 100, 80), np.uint8)]
        layer = viewer.__wrapped__.add_image(levels, multiscale=True)
        layer._data_level = 1
        layer.corner_pixels = np.array([[0, 10, 20], [0, 49, 39]])
        assert visible_part(layer) == (slice(20, 100), slice(40, 80))

    @pytest.mark.parametrize("target", [{"spacing": "0.7um"}, {"isotropic": True}, {"acquisition": "projection:4"}])
    def test_every_kind_of_target(self, qtbot, viewer, widget, stack, target):
        choose(widget, **{"factor": None} | target)
        press(widget.bar, "preview")
        finish(qtbot, widget)
        assert "a linear preview" in viewer.layers, read(widget.bar, "message")
        assert not said("warning")


def test_removed_layers_free_their_memory(qtbot, viewer, widget, stack):
    """The list of runs keeps what a run was, not its voxels."""
    widget.compute.set_scoring(2)
    done = run(qtbot, widget, method="cubic")
    viewer.layers.remove(done.layers[0])
    kept = [
        done.outcome.result.dataset,
        *(getattr(done.outcome.held_out, name) for name in ("truth", "restored", "error")),
    ]
    assert all(dataset.voxels.strides == (0,) * 5 for dataset in kept)
