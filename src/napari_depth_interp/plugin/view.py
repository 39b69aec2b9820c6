"""``depth-interp demo --view``: the demonstration's files in napari."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ..demo import DemoStack
from ..errors import DepthInterpError
from ..system.optional import install_line


def check_viewer() -> None:
    """Raise a :class:`DepthInterpError` if no window can be opened: no Qt binding, or no screen."""
    try:
        import qtpy  # noqa: F401

        if find_spec("napari") is None:
            raise ModuleNotFoundError("napari")
    except Exception as error:  # qtpy raises its own kinds
        raise DepthInterpError(
            f"the viewer needs napari and a Qt binding, which are not installed: {install_line('all')}"
        ) from error
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform == "linux" and not any(os.environ.get(name) for name in screens):
        raise DepthInterpError("the viewer needs a screen, and there is none (DISPLAY is not set); leave --view out")


def view_demo(out: Path, stacks: Sequence[DemoStack]) -> None:
    """Open the sparse and dense stacks of a demonstration and wait until the window is closed."""
    import napari

    from .preferences import PLUGIN

    viewer = napari.Viewer(title="depth-interp demo")
    for stack in stacks:
        for path in sorted(out.glob(f"{stack.name}_*{stack.suffix}")):
            viewer.open(str(path), plugin=PLUGIN, visible=False)
    viewer.layers[-1].visible = True
    napari.run()
