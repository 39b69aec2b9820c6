"""Removing layers does not end napari with a segmentation fault."""

import numpy as np
from drive import opened
from qtpy.QtGui import QOpenGLContext
from vispy.gloo import gl

PLUGIN = "napari-depth-interp"
_PLACES = 16
"""Vertex arrays that every OpenGL has."""


def arrays_on(viewer):
    """Return the vertex arrays that are on after the last drawing."""
    canvas = viewer.__wrapped__.window._qt_viewer.canvas.native
    canvas.makeCurrent()
    enabled = 0x8622  # GL_VERTEX_ATTRIB_ARRAY_ENABLED, which vispy does not name
    found = [place for place in range(_PLACES) if gl.glGetVertexAttrib(place, enabled)]
    canvas.doneCurrent()
    return found


def test_no_vertex_array_stays_on_after_a_drawing(qtbot, shown_viewer, tmp_path):
    viewer = shown_viewer
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Depth interpolation")
    layer = opened(widget, tmp_path / "a.tif")
    for _ in range(3):
        for name in "bcd":
            viewer.add_image(np.asarray(layer.data), name=name, scale=layer.scale).colorbar.visible = True
        qtbot.wait(50)
        assert arrays_on(viewer) == []
        viewer.layers.selection = set(viewer.layers) - {layer}
        viewer.layers.remove_selected()  # and with them their buffers
        qtbot.wait(50)
    assert list(viewer.layers) == [layer]


def test_what_is_removed_is_deleted_by_the_context_that_drew_it(qtbot, shown_viewer, tmp_path, monkeypatch):
    viewer = shown_viewer
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Depth interpolation")
    layer = opened(widget, tmp_path / "a.tif")
    canvas = viewer.__wrapped__.window._qt_viewer.canvas.native
    delete, contexts = gl.glDeleteProgram, []

    def told(handle):
        contexts.append(QOpenGLContext.currentContext())
        delete(handle)

    monkeypatch.setattr(gl, "glDeleteProgram", told)
    viewer.add_image(np.asarray(layer.data), name="b", scale=layer.scale).colorbar.visible = True
    qtbot.wait(50)
    viewer.layers.remove("b")
    qtbot.wait(50)
    canvas.update()  # one layer and no words: the program that was drawn with last
    qtbot.wait(50)
    assert contexts
    assert {each is canvas.context() for each in contexts} == {True}
