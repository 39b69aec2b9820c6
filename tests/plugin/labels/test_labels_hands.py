"""Brush and keys on the canvas, as hands use them."""

import numpy as np
import pytest
from controls import press, read
from labelled import finish, open_dock, settled
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMainWindow, QWidget
from vispy.app.backends._qt import QtBaseCanvasBackend

CTRL, SHIFT, LEFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier, Qt.MouseButton.LeftButton


def canvas() -> QWidget:
    """Return napari's canvas, found in its window."""
    window = next(each for each in QApplication.topLevelWidgets() if isinstance(each, QMainWindow) and each.isVisible())
    return next(each for each in window.findChildren(QWidget) if isinstance(each, QtBaseCanvasBackend))


def stroke(qtbot, viewer, dock, section, offset):
    """Paint a short stroke with the mouse, at an offset from the middle of the canvas in pixels of the screen."""
    viewer.dims.set_current_step(0, section)
    QTest.qWait(30)
    surface = canvas()
    start = surface.rect().center() + QPoint(*offset)
    QTest.mouseMove(surface, start)
    QTest.mousePress(surface, LEFT, pos=start)
    for step in range(1, 5):
        QTest.mouseMove(surface, start + QPoint(8 * step, 0))
        QTest.qWait(5)
    QTest.mouseRelease(surface, LEFT, pos=start + QPoint(32, 0))
    settled(qtbot, dock)


@pytest.fixture
def drawn_on(qtbot, shown_viewer):
    """A labels layer with strokes on three sections, over its image, with the dock."""
    viewer = shown_viewer
    viewer.add_image(np.zeros((9, 40, 40)), scale=(2, 0.5, 0.5), units=("um",) * 3, name="image")
    layer = viewer.add_labels(np.zeros((9, 40, 40), "uint8"), scale=(2, 0.5, 0.5), units=("um",) * 3, name="cells")
    dock = open_dock(viewer)
    layer.mode, layer.brush_size = "paint", 6
    QTest.qWait(100)
    for section, offset in ((0, (-60, -40)), (4, (-20, 0)), (8, (20, 40))):
        stroke(qtbot, viewer, dock, section, offset)
    return layer, dock


def held(layer):
    return np.flatnonzero(layer.data.any((1, 2))).tolist()


def test_draw_fill_undo_redo_correct_fill_again(qtbot, shown_viewer, drawn_on):
    layer, dock = drawn_on
    assert held(layer) == [0, 4, 8]
    assert read(dock.sections, "summary") == "3 of 9 annotated, 0 interpolated, 2 gaps"
    drawn = layer.data.copy()
    press(dock.bar, "run")
    finish(qtbot, dock)
    filled = layer.data.copy()
    assert held(layer) == list(range(9))
    QTest.keyClick(canvas(), Qt.Key.Key_Z, CTRL)
    settled(qtbot, dock)
    assert np.array_equal(layer.data, drawn)
    assert "0 interpolated" in read(dock.sections, "summary")
    QTest.keyClick(canvas(), Qt.Key.Key_Z, CTRL | SHIFT)
    settled(qtbot, dock)
    assert np.array_equal(layer.data, filled)
    stroke(qtbot, shown_viewer, dock, 6, (40, -40))
    assert read(dock.sections, "summary") == "4 of 9 annotated, 5 interpolated, 3 gaps"
    corrected = layer.data.copy()
    assert not np.array_equal(corrected, filled)
    press(dock.bar, "run")
    finish(qtbot, dock)
    assert np.flatnonzero((layer.data != corrected).any((1, 2))).tolist() == [5, 7]
    QTest.keyClick(canvas(), Qt.Key.Key_Z, CTRL)
    QTest.keyClick(canvas(), Qt.Key.Key_Z, CTRL)
    settled(qtbot, dock)
    assert np.array_equal(layer.data, filled)
    assert read(dock.sections, "summary") == "3 of 9 annotated, 6 interpolated, 2 gaps"


def test_a_key_fills_the_gap_around_the_view_though_another_dock_is_in_front(qtbot, shown_viewer, drawn_on):
    layer, dock = drawn_on
    _, above = shown_viewer.window.add_plugin_dock_widget("napari-depth-interp", "Batch folder")
    qtbot.waitUntil(lambda: dock.visibleRegion().isEmpty() and not above.visibleRegion().isEmpty())
    shown_viewer.layers.selection.active = layer
    shown_viewer.dims.set_current_step(0, 6)
    QTest.keyClick(canvas(), Qt.Key.Key_I, CTRL | SHIFT)
    finish(qtbot, dock)
    assert held(layer) == [0, 4, 5, 6, 7, 8]
