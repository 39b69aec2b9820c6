"""The widget "Compare methods" in the real viewer."""

import pytest
from compared import TITLE
from drive import sparse_tiff

PLUGIN = "napari-depth-interp"


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
