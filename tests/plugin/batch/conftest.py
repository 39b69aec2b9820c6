"""The widget "Batch folder" with a folder of three stacks."""

import pytest

from batches import fill
from napari_depth_interp.run.settings import make_settings

PLUGIN = "napari-depth-interp"


@pytest.fixture
def source(tmp_path):
    return fill(tmp_path / "in", ["a.tif", "b.tif", "sub/c.tif"])


@pytest.fixture
def target(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def widget(viewer):
    """Docked through the manifest; linear by factor 2."""
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Batch folder")
    widget.set_settings(make_settings(method="linear", factor=2, threads=1))
    return widget


@pytest.fixture
def listed(qtbot, widget, source, target):
    """The widget after it has found the files."""
    widget.folders.set_choice(source, target, recursive=True)
    qtbot.waitUntil(lambda: len(widget.files.table.files.rows) == 3, timeout=10_000)
    return widget
