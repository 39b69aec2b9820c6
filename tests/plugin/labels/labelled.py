"""A disc that is drawn on some sections, and waiting for the dock."""

import numpy as np
from controls import pick
from qtpy.QtTest import QTest

PLUGIN = "napari-depth-interp"


def disc(shape=(24, 24), centre=(12, 12), radius=5):
    """Return a mask."""
    y, x = np.indices(shape)
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def drawn(sections=(0, 4, 8), count=9, label=1, dtype="uint8"):
    """Return labels (z, y, x) with a disc that grows on some sections, nothing on the others."""
    data = np.zeros((count, 24, 24), dtype)
    for z in sections:
        data[z][disc(radius=4 + z / 2)] = label
    return data


def settled(qtbot, dock):
    """Wait until the dock has looked at what was drawn."""
    QTest.qWait(1)  # napari tells of a stroke when it has ended
    qtbot.waitUntil(lambda: not dock.watch.busy, timeout=5000)


def finish(qtbot, dock):
    """Wait until the job has ended and the dock has shown what it made."""
    qtbot.waitUntil(lambda: dock.job is None, timeout=20_000)
    settled(qtbot, dock)


def open_dock(viewer):
    """Dock the widget through the manifest, with a quick method."""
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Interpolate labels")
    pick(widget.method, "Method", "shape")
    return widget
