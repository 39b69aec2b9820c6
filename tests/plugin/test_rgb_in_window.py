"""RGB layers through the docks: one run, colours in the result, grey errors."""

import numpy as np
import pytest
from controls import press, read, tick
from drive import finish, run
from scipy.ndimage import gaussian_filter

PLUGIN = "napari-depth-interp"


@pytest.fixture
def stained(viewer):
    """A smooth RGB stack as a layer."""
    rng = np.random.default_rng(0)
    colours = np.stack([gaussian_filter(rng.random((9, 40, 50)), 2) for _ in range(3)], axis=-1)
    voxels = ((colours - colours.min()) / np.ptp(colours) * 255).astype(np.uint8)
    return viewer.add_image(voxels, rgb=True, name="stained", scale=(4, 1, 1), units="um")


def test_a_run_its_parts_and_a_preview(qtbot, viewer, stained, widget):
    assert "uint8, RGB" in read(widget.stack, "summary")
    widget.compute.set_scoring(2)
    [result] = run(qtbot, widget, method="flow", factor=2).layers
    assert result.rgb
    np.testing.assert_array_equal(result.data[::2], stained.data)
    for part in ("Truth", "Error"):
        tick(widget.runs, part)
    assert viewer.layers["stained flow truth"].rgb
    error = viewer.layers["stained flow absolute error"]
    assert (error.rgb, error.data.shape) == (False, (9, 40, 50))
    press(widget.bar, "preview")
    finish(qtbot, widget)
    assert viewer.layers["stained flow preview"].rgb


def test_a_comparison(qtbot, viewer, stained):
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Compare methods")
    widget.methods.set_methods(["linear", "flow"])
    press(widget.bar, "run")
    finish(qtbot, widget)
    widget.scores.table.choose("flow")
    assert viewer.layers["stained flow restored"].rgb
    assert not viewer.layers["stained flow absolute error"].rgb
