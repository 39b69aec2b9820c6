"""The widget "Compare methods" in the real viewer."""

import pytest
from compared import PLUGIN, TITLE, Finished
from drive import sparse_tiff


@pytest.fixture
def widget(viewer):
    """A fresh widget with fast methods."""
    _dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, TITLE)
    widget.methods.set_methods(["linear", "cubic", "nearest"])
    return widget


@pytest.fixture
def stack(widget, tmp_path):
    """Nine sections of 2 x 0.5 x 0.5 um, opened in the widget."""
    voxels = sparse_tiff(tmp_path / "a.tif", sections=9)
    widget.stack.open_files([tmp_path / "a.tif"])
    return voxels


@pytest.fixture
def finished(request, qtbot, slow, _shared_viewer, tmp_path_factory):
    """A function that returns the finished comparison of these methods; the next test of the file finds it open."""
    asked = []

    def open_one(*methods):
        folder = tmp_path_factory.mktemp("compared")
        key = (request.path, methods)
        asked.append(_shared_viewer.keep(key, lambda viewer: Finished(qtbot, viewer, folder, methods)))
        return asked[0]

    yield open_one
    called = getattr(request.node, "rep_call", None)  # there is none if something failed before
    if called is None or called.failed:
        _shared_viewer.close()
    elif asked and not asked[0].put_back():
        _shared_viewer.tidy()
