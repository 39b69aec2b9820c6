"""Looking across the sections, in 3-D, and at input and result beside each other."""

import numpy as np
import pytest
from controls import find, press, tick
from drive import opened, run
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

PLUGIN = "napari-depth-interp"


@pytest.fixture
def done(qtbot, viewer, widget, tmp_path):
    """A finished run on a stack of 7 sections of 40 x 50 pixels of 0.5 um, 2 um apart."""
    opened(widget, tmp_path / "a.tif")
    return run(qtbot, widget, factor=4)


def pressed(widget):
    return [name for name in ("XY", "XZ", "YZ", "3-D") if find(widget, name).isChecked()]


def visible(viewer):
    return [layer.name for layer in viewer.layers if layer.visible]


class TestPlanes:
    def test_they_go_through_the_middle_of_what_is_in_view(self, viewer, widget, done):
        viewer.scene.camera.center = (0, 6, 15)
        ways = (("XZ", (1, 0, 2), 1, 6), ("XY", (0, 1, 2), None, 0), ("YZ", (2, 1, 0), 2, 15))
        for plane, order, axis, place in ways:
            press(widget.runs, plane)
            assert viewer.dims.order == order
            assert pressed(widget.runs) == [plane]
            assert axis is None or viewer.dims.point[axis] == pytest.approx(place, abs=0.5)

    def test_each_keeps_its_camera(self, viewer, widget, done):
        camera = viewer.scene.camera
        camera.center, camera.zoom = (0, 7, 12), 9.0
        press(widget.runs, "3-D")
        assert viewer.dims.ndisplay == 3
        assert camera.zoom == pytest.approx(9.0)
        camera.angles, camera.zoom = (10, 20, 30), 5.0
        press(widget.runs, "XY")
        assert (viewer.dims.ndisplay, camera.zoom) == (2, pytest.approx(9.0))
        np.testing.assert_allclose(camera.center[-2:], (7, 12))
        press(widget.runs, "XZ")
        press(widget.runs, "3-D")
        assert camera.zoom == pytest.approx(5.0)
        np.testing.assert_allclose(camera.angles, (10, 20, 30))
        press(widget.runs, "XY")

    def test_the_section_stays(self, viewer, widget, done):
        viewer.dims.set_point(0, 5.0)
        for name in ("Beside input", "XZ", "3-D", "XY"):
            press(widget.runs, name)
        assert viewer.dims.point[0] == 5.0

    def test_the_buttons_follow_the_viewer(self, viewer, widget, done):
        viewer.dims.ndisplay = 3
        assert pressed(widget.runs) == ["3-D"]
        viewer.dims.ndisplay = 2
        viewer.dims.order = (1, 2, 0)
        assert pressed(widget.runs) == []
        viewer.dims.order = (0, 1, 2)
        assert pressed(widget.runs) == ["XY"]

    def test_across_the_sections_none_is_named(self, viewer, widget, done):
        assert "section" in viewer.canvas.overlays.text.text
        press(widget.runs, "XZ")
        assert not viewer.canvas.overlays.text.visible
        press(widget.runs, "XY")
        assert viewer.canvas.overlays.text.visible

    def test_a_closed_dock_leaves_the_view_as_it_was(self, viewer, widget, done):
        press(widget.runs, "YZ")
        press(widget.runs, "Beside input")
        viewer.window.remove_dock_widget(widget)
        assert (viewer.dims.order, viewer.canvas.grid.enabled) == ((0, 1, 2), False)


class TestBesideTheInput:
    def test_input_and_result_and_nothing_else(self, qtbot, viewer, widget, done):
        second = run(qtbot, widget, method="cubic", factor=2)
        camera = viewer.scene.camera.zoom
        press(widget.runs, "Beside input")
        assert visible(viewer) == ["a", "a cubic"]
        assert viewer.canvas.grid.enabled
        press(widget.runs, "Beside input")
        assert visible(viewer) == ["a", "a cubic"]
        assert not viewer.canvas.grid.enabled
        assert viewer.scene.camera.zoom == pytest.approx(camera)
        assert second.layers[0].visible

    def test_flat_images_stand_below_each_other_and_high_ones_side_by_side(self, viewer, widget, done):
        press(widget.runs, "Beside input")
        press(widget.runs, "XZ")
        assert viewer.canvas.grid.actual_shape(viewer.layers) == (2, 1)
        press(widget.runs, "YZ")
        assert viewer.canvas.grid.actual_shape(viewer.layers) == (1, 2)
        press(widget.runs, "Beside input")
        press(widget.runs, "XY")

    def test_a_part_that_is_shown_meanwhile_gets_a_cell(self, qtbot, viewer, widget, tmp_path):
        opened(widget, tmp_path / "a.tif")
        widget.compute.set_scoring(2)
        run(qtbot, widget, factor=2)
        press(widget.runs, "Beside input")
        tick(widget.runs, "Error")
        error = viewer.layers["a linear absolute error"]
        assert visible(viewer) == ["a", "a linear", error.name]
        assert error.name_overlay.visible
        tick(widget.runs, "Error", on=False)
        assert visible(viewer) == ["a", "a linear"]
        assert not error.name_overlay.visible
        press(widget.runs, "Beside input")
        assert not viewer.canvas.grid.enabled

    def test_a_removed_layer_ends_it(self, viewer, widget, done):
        press(widget.runs, "Beside input")
        viewer.layers.remove("a")
        assert not viewer.canvas.grid.enabled
        assert not find(widget.runs, "Beside input").isEnabled()

    def test_a_removed_run_ends_it(self, viewer, widget, done):
        press(widget.runs, "Beside input")
        press(widget.runs, "Remove run")
        assert not viewer.canvas.grid.enabled


def test_the_colour_bar_is_explained(qtbot, viewer, widget, tmp_path):
    opened(widget, tmp_path / "a.tif")
    widget.compute.set_scoring(2)
    run(qtbot, widget, factor=2)
    viewer.dims.set_point(0, 0.0)
    tick(widget.runs, "Error")
    assert viewer.dims.point[0] == 2.0  # in a kept section the error is 0
    lines = viewer.canvas.overlays.text.text.strip().split("\n")
    assert lines == ["result: observed section, z = 2 um", "colour bar: absolute error in grey values"]
    tick(widget.runs, "Error", on=False)
    assert "colour bar" not in viewer.canvas.overlays.text.text


def test_the_colour_bar_leaves_room_in_a_small_cell(qtbot, shown_viewer, tmp_path):
    """As the canvas draws it: with words, at most a third of the cell's width and a third of its height."""
    _, widget = shown_viewer.window.add_plugin_dock_widget(PLUGIN, "Depth interpolation")
    opened(widget, tmp_path / "a.tif")
    widget.compute.set_scoring(2)
    run(qtbot, widget, factor=2)
    tick(widget.runs, "Error")
    bar = shown_viewer.layers["a linear absolute error"].colorbar
    before = bar.size, bar.font_size
    press(widget.runs, "Beside input")
    qtbot.wait(200)
    canvas = shown_viewer.__wrapped__.window._qt_viewer.canvas
    width, height = canvas.view.canvas.size
    rows, columns = shown_viewer.canvas.grid.actual_shape(shown_viewer.layers)
    drawn = canvas._layer_overlay_to_visual[shown_viewer.layers["a linear absolute error"].__wrapped__][bar]
    assert drawn.x_size <= width / columns / 3
    assert drawn.y_size <= height / rows / 3
    press(widget.runs, "Beside input")
    assert (bar.size, bar.font_size) == before


def test_the_wheel_zooms_all_cells_together(qtbot, shown_viewer, tmp_path):
    _, widget = shown_viewer.window.add_plugin_dock_widget(PLUGIN, "Depth interpolation")
    opened(widget, tmp_path / "a.tif")
    run(qtbot, widget, factor=4)
    widget.show_page(widget.runs)
    qtbot.wait(50)
    for name in ("Beside input", "XZ"):
        button = find(widget.runs, name)
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.wait(100)
    canvas = shown_viewer.__wrapped__.window._qt_viewer.canvas
    before = shown_viewer.scene.camera.zoom
    middle = QPointF(canvas.native.width() / 4, canvas.native.height() / 4)  # of the first cell
    event = QWheelEvent(
        middle, QPointF(canvas.native.mapToGlobal(middle.toPoint())), QPoint(0, 0), QPoint(0, 240),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    qtbot.mouseMove(canvas.native, middle.toPoint() - QPoint(3, 3))
    qtbot.mouseMove(canvas.native, middle.toPoint())
    qtbot.wait(50)
    QApplication.sendEvent(canvas.native, event)
    qtbot.waitUntil(lambda: shown_viewer.scene.camera.zoom > before * 1.1)
    first, second = (camera._view.camera.rect.width for camera in canvas.grid_cameras[:2])
    assert first == pytest.approx(second)  # each cell reckons its own: the last bit may differ


def test_names_fit_their_cells_however_these_are_turned(qtbot, shown_viewer, tmp_path):
    _, widget = shown_viewer.window.add_plugin_dock_widget(PLUGIN, "Depth interpolation")
    name = "of_which_the_name_is_much_longer_than_half_of_the_canvas_is_wide"
    opened(widget, tmp_path / f"{name}.tif")
    run(qtbot, widget, factor=4)
    window = shown_viewer.__wrapped__.window
    window._qt_window.resize(1280, 800)
    QApplication.processEvents()
    canvas = window._qt_viewer.canvas
    source = shown_viewer.layers[name].__wrapped__

    def words():
        return canvas._layer_overlay_to_visual[source][source.name_overlay].node.text

    press(widget.runs, "Beside input")  # below each other
    qtbot.waitUntil(lambda: "…" in words())
    below = len(words())
    press(widget.runs, "YZ")  # beside each other
    qtbot.waitUntil(lambda: "…" in words() and len(words()) < below)
    beside = len(words())
    press(widget.runs, "XZ")  # below each other
    qtbot.waitUntil(lambda: "…" in words() and len(words()) > beside)
    wide = len(words())
    window._qt_window.resize(900, 650)  # the names follow the canvas
    qtbot.waitUntil(lambda: "…" in words() and len(words()) < wide)
