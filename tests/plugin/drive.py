"""Files to open, and what a user does with the widget."""

import numpy as np
import tifffile
from controls import find, press, read
from napari.utils.notifications import notification_manager

from napari_depth_interp.run.settings import make_settings


def sparse_tiff(path, *, sections=7, shape=(40, 50), dtype="uint16", **metadata):
    """Write a smooth ImageJ stack of 2 x 0.5 x 0.5 um that changes from section to section; return its voxels."""
    z, y, x = np.meshgrid(np.arange(sections), np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    waves = 120 + 60 * np.sin(0.9 * z + 0.3 * y) + 50 * np.cos(0.2 * x - 0.7 * z)
    voxels = (waves * (1 if dtype == "uint8" else 100)).astype(dtype)
    tags = {"axes": "ZYX", "spacing": 2.0, "unit": "um"} | metadata
    tags = {name: value for name, value in tags.items() if value is not None}
    tifffile.imwrite(path, voxels, imagej=True, resolution=(2, 2), metadata=tags)
    return voxels


def opened(widget, path, **metadata):
    """Write a smooth stack, open it in the widget, and return its layer."""
    sparse_tiff(path, **metadata)
    widget.stack.open_files([path])
    return widget.stack.layer


def finish(qtbot, widget, timeout=20_000):
    """Wait until the run has ended and the widget has shown it."""
    qtbot.waitUntil(lambda: widget.job is None, timeout=timeout)


def choose(widget, **settings):
    """Set some settings and keep the others."""
    widget.set_settings(make_settings(**{**widget.settings().model_dump(), **settings}))


def run(qtbot, widget, **settings):
    """Run with these settings to the end and return the new run."""
    if settings:
        choose(widget, **settings)
    before = len(widget.runs.runs)
    assert find(widget.bar, "run").isEnabled(), find(widget.bar, "run").toolTip()
    press(widget.bar, "run")
    finish(qtbot, widget)
    assert len(widget.runs.runs) == before + 1, read(widget.bar, "message")
    return widget.runs.runs[-1]


def said(kind=""):
    """Return what napari's notifications have said, of one severity or of all."""
    return [record.message for record in notification_manager.records if kind in str(record.severity)]
