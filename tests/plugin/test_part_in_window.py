"""Runs on a part of the image: what is in view, a drawn rectangle, typed rows and columns, some time points."""

import shlex

import numpy as np
import pytest
import tifffile
from controls import enter, find, heading, pick, press, read, shows
from drive import choose, finish, opened, run
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from command_line import depth_interp
from napari_depth_interp import evaluate, interpolate, io
from napari_depth_interp.plugin.preferences import remembered_settings
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Dataset

PLUGIN = "napari-depth-interp"


def draw(viewer, *corners, **placed):
    """Draw a rectangle from corner to corner in a new Shapes layer, which is then selected."""
    (top, left), (bottom, right) = corners
    return viewer.add_shapes([[top, left], [top, right], [bottom, right], [bottom, left]], **placed)


def repeat(widget, tmp_path):
    """Copy the chosen run as a command, run it in a process, return what was written."""
    press(widget.runs, "Copy as command")
    words = shlex.split(QApplication.clipboard().text())
    done = depth_interp(*words[1:], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return io.read(tmp_path / words[3])


@pytest.fixture
def layer(widget, tmp_path):
    """A stack of 7 sections of 40 x 50 pixels of 0.5 um, 2 um apart."""
    return opened(widget, tmp_path / "a.tif")


def test_a_rectangle_of_another_scale(qtbot, viewer, widget, layer, tmp_path):
    layer.translate = (0, 3, -4)
    # From (7, 0) to (13, 15) um: rows (7 - 3) / 0.5 = 8 to 20, columns (0 + 4) / 0.5 = 8 to 38.
    draw(viewer, (4.5, 0), (10.5, 7.5), scale=(1, 2), translate=(2.5, 0))
    pick(widget.stack, "Part", "A drawn rectangle")
    assert widget.settings().crop == "8:21,8:39"
    assert heading(widget.stack).endswith("part: 13 x 31 pixels")
    assert "13 x 31 pixels" in read(widget.stack, "summary")
    assert "7 → 25 sections of 13 x 31 pixels" in read(widget.target, "summary")
    done = run(qtbot, widget, factor=4)
    dense = interpolate(tmp_path / "a.tif", method="linear", factor=4).dataset.voxels[0, 0]
    np.testing.assert_array_equal(done.layers[0].data, dense[:, 8:21, 8:39])
    np.testing.assert_allclose(done.layers[0].data_to_world((0, 0, 0)), layer.data_to_world((0, 8, 8)))
    np.testing.assert_allclose(layer.translate, (0, 3, -4))
    assert done.layers[0].metadata["depth_interp"]["crop"] == "8:21,8:39"
    np.testing.assert_array_equal(repeat(widget, tmp_path).voxels[0, 0], done.layers[0].data)


def test_a_rectangle_that_is_moved_selected_or_missing(qtbot, viewer, widget, layer):
    pick(widget.stack, "Part", "A drawn rectangle")
    assert not find(widget.bar, "run").isEnabled()
    assert "File > New Layer > Shapes" in read(widget.stack, "summary")
    shapes = draw(viewer, (2, 2), (6, 8))
    assert widget.stack.layer is layer
    qtbot.waitUntil(lambda: find(widget.bar, "run").isEnabled())
    assert widget.settings().crop == "4:13,4:17"
    shapes.data = [np.add(shapes.data[0], 1)]
    qtbot.waitUntil(lambda: heading(widget.stack).endswith("part: 9 x 13 pixels"))
    assert widget.settings().crop == "6:15,6:19"
    shapes.add_rectangles([[0, 0], [0, 3], [3, 3], [3, 0]])
    assert widget.settings().crop == "0:7,0:7"
    shapes.selected_data = {0}
    assert widget.settings().crop == "6:15,6:19"
    shapes.data = [np.add(shapes.data[0], 500)]
    qtbot.waitUntil(lambda: "lies beside the image 'a'" in read(widget.stack, "summary"))
    viewer.layers.remove(shapes)
    qtbot.waitUntil(lambda: "there is no rectangle" in read(widget.stack, "summary"))
    pick(widget.stack, "Part", "Whole image")
    assert find(widget.bar, "run").isEnabled()
    assert widget.settings().crop is None


def test_a_rectangle_of_one_section_as_the_menu_lets_draw_it(viewer, widget, layer):
    shapes = viewer.add_shapes(ndim=3, scale=layer.scale, units=layer.units)
    shapes.add_rectangles([[3, 7.6, 8], [3, 7.6, 38.4], [3, 20.4, 38.4], [3, 20.4, 8]])
    shapes.add_ellipses([[3, 0, 0], [3, 0, 4], [3, 4, 4], [3, 4, 0]])
    pick(widget.stack, "Part", "A drawn rectangle")
    assert widget.settings().crop == "8:21,8:39"


def test_a_rectangle_in_another_unit(viewer, widget, layer):
    draw(viewer, (2000, 3000), (6000, 8000), units=("nm", "nm"))
    pick(widget.stack, "Part", "A drawn rectangle")
    assert widget.settings().crop == "4:13,6:17"


def test_a_rectangle_over_a_layer_that_was_turned(qtbot, viewer, widget, layer):
    layer.rotate = np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])
    corner = np.array(layer.data_to_world((0, 10, 12)))[1:]
    draw(viewer, corner - 1, corner + 1)
    pick(widget.stack, "Part", "A drawn rectangle")
    done = run(qtbot, widget, factor=2)
    rows, columns = (tuple(map(int, each.split(":"))) for each in widget.settings().crop.split(","))
    assert rows[0] < 10 < rows[1]
    assert columns[0] < 12 < columns[1]
    there = done.layers[0].data_to_world((2, 1, 1))
    np.testing.assert_allclose(there, layer.data_to_world((1, rows[0] + 1, columns[0] + 1)), atol=1e-9)


def test_what_is_in_view_is_read_when_run_is_pressed(qtbot, shown_viewer, tmp_path):
    viewer = shown_viewer
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN)
    choose(widget, method="linear", factor=4)
    layer = opened(widget, tmp_path / "a.tif", shape=(200, 240))
    viewer.dims.set_point(0, 0.0)
    pick(widget.stack, "Part", "What is in view")
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 50, 60), 40
    qtbot.waitUntil(lambda: 2 < np.ptp(np.asarray(layer.corner_pixels)[:, -1]) < 100, timeout=5000)
    (top, left), (bottom, right) = np.asarray(layer.corner_pixels)[:, -2:]
    size = f"part: {bottom - top + 1} x {right - left + 1} pixels"
    qtbot.waitUntil(lambda: heading(widget.stack).endswith(size))
    press(widget.bar, "run")
    finish(qtbot, widget)
    [done] = widget.runs.runs
    np.testing.assert_array_equal(done.layers[0].data[::4], layer.data[:, top : bottom + 1, left : right + 1])
    np.testing.assert_allclose(done.layers[0].translate[1:], (top * 0.5, left * 0.5))
    assert done.outcome.settings.crop == f"{top}:{bottom + 1},{left}:{right + 1}"
    np.testing.assert_array_equal(repeat(widget, tmp_path).voxels[0, 0], done.layers[0].data)


def test_time_points(qtbot, viewer, widget, layer, tmp_path):
    assert not shows(widget.stack, "Time points")
    voxels = np.random.default_rng(0).integers(0, 999, (4, 4, 9, 10)).astype(np.uint16)
    metadata = {"axes": "TZYX", "spacing": 3.0, "unit": "um", "finterval": 10.0}
    tifffile.imwrite(tmp_path / "t.tif", voxels, imagej=True, resolution=(1, 1), metadata=metadata)
    widget.stack.open_files([tmp_path / "t.tif"])
    assert shows(widget.stack, "Time points")
    enter(widget.stack, "Time points", "1:3")
    assert heading(widget.stack).endswith("time points 1:3")
    done = run(qtbot, widget, factor=3)
    np.testing.assert_array_equal(done.layers[0].data[:, ::3], voxels[1:3])
    np.testing.assert_array_equal(repeat(widget, tmp_path).voxels[:, 0], done.layers[0].data)
    enter(widget.stack, "Time points", "9")
    assert not find(widget.bar, "run").isEnabled()
    assert "the image has time points 0 to 4; correct 'Time points'" in read(widget.stack, "summary")
    enter(widget.stack, "Time points", "3")
    assert run(qtbot, widget, factor=3).layers[0].data.shape == (10, 9, 10)


def test_typed_saved_and_loaded(qtbot, viewer, widget, layer, tmp_path):
    assert not shows(widget.stack, "Rows and columns")
    pick(widget.stack, "Part", "Rows and columns")
    enter(widget.stack, "Rows and columns", "5:15,")
    assert not find(widget.bar, "run").isEnabled()
    assert "the crop '5:15,' is not known; give rows and columns" in read(widget.stack, "summary")
    enter(widget.stack, "Rows and columns", "5:15,10:30")
    widget.save_settings(str(tmp_path / "s.yaml"))
    widget.compute.set_scoring(2)
    held_out = run(qtbot, widget).outcome.held_out
    np.testing.assert_array_equal(held_out.truth.voxels[0, 0], layer.data[:, 5:15, 10:30])
    assert held_out.error.grid.origin == (2.5, 5.0)
    assert (remembered_settings().crop, remembered_settings().times) == (None, None)
    pick(widget.stack, "Part", "Whole image")
    assert widget.settings().crop is None
    widget.load_settings(str(tmp_path / "s.yaml"))
    assert widget.settings().crop == "5:15,10:30"
    widget.set_settings(make_settings(factor=2, method="linear"))
    assert widget.settings().crop is None


def test_each_layer_keeps_what_was_typed_and_the_rectangle_holds_for_all(viewer, widget, layer):
    viewer.add_image(np.zeros((4, 30, 30), np.uint8), name="b", scale=(2, 1, 1), units=("um",) * 3)
    pick(widget.stack, "Layer", "a")
    pick(widget.stack, "Part", "Rows and columns")
    enter(widget.stack, "Rows and columns", "5:15,10:30")
    pick(widget.stack, "Layer", "b")
    assert widget.settings().crop is None
    pick(widget.stack, "Layer", "a")
    assert widget.settings().crop == "5:15,10:30"
    draw(viewer, (2, 2), (6, 8))
    pick(widget.stack, "Part", "A drawn rectangle")
    assert widget.settings().crop == "4:13,4:17"
    pick(widget.stack, "Layer", "b")
    assert widget.settings().crop == "2:7,2:9"


def test_the_preview_is_of_the_view_whatever_the_part(qtbot, viewer, widget, layer):
    pick(widget.stack, "Part", "Rows and columns")
    enter(widget.stack, "Rows and columns", "5:15,10:30")
    viewer.dims.set_point(0, 0.0)
    press(widget.bar, "preview")
    finish(qtbot, widget)
    np.testing.assert_array_equal(viewer.layers["a linear preview"].data[0], layer.data[0])


def test_methods_are_compared_on_the_part(qtbot, viewer, layer):
    _, compare = viewer.window.add_plugin_dock_widget(PLUGIN, "Compare methods")
    pick(compare.stack, "Part", "Rows and columns")
    enter(compare.stack, "Rows and columns", "5:25,10:30")
    assert "20 x 20 pixels" in read(compare.stack, "summary")
    compare.methods.set_methods(["linear", "cubic"])
    press(compare.bar, "run")
    finish(qtbot, compare)
    scored = compare.scores.comparison.scores.methods
    cut = Dataset.from_array(layer.data[:, 5:25, 10:30], z_spacing=2, pixel_size=(0.5, 0.5), unit="um")
    assert [each.mean for each in scored] == [
        each.mean for each in evaluate(cut, ["linear", "cubic"], keep_every=2).methods
    ]
    press(compare.scores, "Copy as command")
    assert "--crop 5:25,10:30" in QApplication.clipboard().text()
    assert layer.translate.tolist() == [0, 0, 0]


def test_a_rectangle_drawn_by_mouse(qtbot, shown_viewer, tmp_path):
    """From File > New Layer > Shapes to the run: the rectangle goes from one place on the canvas to another."""
    viewer = shown_viewer
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Depth interpolation")
    layer = opened(widget, tmp_path / "a.tif")
    qtbot.wait(100)  # the canvas makes room for the dock
    viewer.reset_view()
    pick(widget.stack, "Part", "A drawn rectangle")
    assert "there is no rectangle" in read(widget.stack, "summary")
    viewer.add_shapes(ndim=3, scale=layer.scale, units=layer.units).mode = "add_rectangle"
    canvas = viewer.__wrapped__.window._qt_viewer.canvas.native
    middle, zoom = QPoint(canvas.width() // 2, canvas.height() // 2), viewer.scene.camera.zoom
    reach = QPoint(round(5 * zoom), round(3 * zoom))  # 5 um to the right and 3 um down, 10 and 6 pixels
    qtbot.mouseMove(canvas, middle - reach)
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=middle - reach)
    for share in (-0.5, 0.0, 0.5, 1.0):
        held = QMouseEvent(
            QEvent.Type.MouseMove, QPointF(middle + reach * share), QPointF(canvas.mapToGlobal(middle + reach * share)),
            Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier,
        )  # fmt: skip
        QApplication.sendEvent(canvas, held)
        qtbot.wait(20)
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=middle + reach)
    qtbot.waitUntil(lambda: widget.settings().crop is not None)  # the dock has seen it
    (top, bottom), (left, right) = (map(int, part.split(":")) for part in widget.settings().crop.split(","))
    assert (bottom - top, right - left) == (pytest.approx(12, abs=2), pytest.approx(20, abs=2))
    assert ((top + bottom) / 2, (left + right) / 2) == (pytest.approx(20, abs=2), pytest.approx(25, abs=2))
    size = f"{bottom - top} x {right - left} pixels"
    qtbot.waitUntil(lambda: size in read(widget.stack, "summary"))  # written a moment after the last move
    result = run(qtbot, widget).layers[0]
    np.testing.assert_array_equal(result.data[:: (len(result.data) - 1) // 6], layer.data[:, top:bottom, left:right])
