"""``depth-interp demo --view``: the demonstration's files in napari."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..demo import DemoStack
from ..errors import DepthInterpError


def view_demo(out: Path, stacks: Sequence[DemoStack]) -> None:
    """Open the sparse and dense stacks of a demonstration and wait until the window is closed.

    Raises
    ------
    DepthInterpError
        If no Qt binding is installed.
    """
    try:
        import qtpy  # noqa: F401
    except Exception as error:  # qtpy raises its own kinds
        raise DepthInterpError(
            'the viewer needs a Qt binding, and none is installed; pip install "napari-depth-interp[all]"'
        ) from error
    import napari

    viewer = napari.Viewer(title="depth-interp demo")
    for stack in stacks:
        for path in sorted(out.glob(f"{stack.name}_*{stack.suffix}")):
            viewer.open(str(path), plugin="napari-depth-interp", visible=False)
    viewer.layers[-1].visible = True
    napari.run()
