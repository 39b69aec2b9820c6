"""A stack with damaged sections, and the dock that looks at it."""

from functools import cache

import numpy as np
from controls import pick
from scipy.ndimage import gaussian_filter

PLUGIN = "napari-depth-interp"
MISSING, COPY, TORN = 4, 9, 13
"""The damaged sections."""


@cache
def sound():
    """Return a stack of 18 sections in which structure goes on from section to section."""
    rng = np.random.default_rng(3)
    voxels = gaussian_filter(rng.normal(size=(18, 48, 56)), (2.0, 2.5, 2.5))
    voxels = 1000 + 400 * voxels / voxels.std() + rng.normal(0, 8, voxels.shape)
    return np.clip(voxels, 1, None).astype(np.uint16)


def damaged():
    """Return it with a black section, a copy of its neighbour, and one of which a part is black."""
    voxels = sound().copy()
    voxels[MISSING] = 0
    voxels[COPY] = voxels[COPY - 1]
    voxels[TORN, 10:30, 12:40] = 0
    return voxels


def open_dock(viewer):
    """Dock the widget through the manifest, with a quick method."""
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Repair sections")
    pick(dock.method, "Method", "linear")
    return dock


def finish(qtbot, dock):
    """Wait until the job has ended and the dock has shown what it made."""
    qtbot.waitUntil(lambda: dock.job is None, timeout=60_000)
