"""Looking at a stack along z, y or x, or in 3-D: each way keeps its camera."""

from __future__ import annotations

from typing import Any

import napari

from .viewer_parts import camera_of, grid_of

XY, XZ, YZ, SPACE = "XY", "XZ", "YZ", "3-D"
_ORDERS = {XY: (0, 1, 2), XZ: (1, 0, 2), YZ: (2, 1, 0), SPACE: (0, 1, 2)}
"""The axes z, y, x in the order in which napari shows them, the last two (in 3-D: all) on the canvas."""
_HIDDEN = {XZ: 1, YZ: 2}


class Planes:
    """Turns the viewer, and brings each plane back as it was left.

    XZ and YZ go through the middle of what was in view; XY shows the section that was in view before.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        self._viewer = viewer
        self._cameras: dict[Any, dict[str, Any]] = {}
        self._turned = False

    def now(self) -> str | None:
        """Return which plane the viewer shows; None if it is another one, or there are fewer than three axes."""
        dims = self._viewer.dims
        if dims.ndim < 3:
            return None
        if dims.ndisplay == 3:
            return SPACE
        order = tuple(axis - dims.ndim + 3 for axis in dims.order[-3:])
        return next((plane for plane in (XY, XZ, YZ) if _ORDERS[plane] == order), None)

    def show(self, plane: str) -> None:
        """Show a plane, or all in 3-D."""
        dims, before = self._viewer.dims, self.now()
        if dims.ndim < 3 or plane == before:
            return
        self._turned = True
        center = camera_of(self._viewer).center
        self._cameras[self._key(before)] = self._camera()
        first = dims.ndim - 3
        if before == XY and plane in _HIDDEN:
            axis = _HIDDEN[plane]
            dims.set_point(first + axis, float(center[axis]))
        point = tuple(dims.point)
        dims.order = (
            *range(first),
            *(first + axis for axis in _ORDERS[plane]),
        )
        dims.ndisplay = 3 if plane == SPACE else 2
        for name, value in self._cameras.get(self._key(plane), {}).items():
            setattr(camera_of(self._viewer), name, value)
        dims.point = point  # napari takes the middle of what was in view in 3-D

    def leave(self) -> None:
        """Look along z again, if the view was turned here."""
        if self._turned and self._viewer.dims.ndim >= 3:
            self.show(XY)

    def _camera(self) -> dict[str, Any]:
        camera = camera_of(self._viewer)
        return {"center": tuple(camera.center), "zoom": camera.zoom, "angles": tuple(camera.angles)}

    def _key(self, plane: str | None) -> tuple[str | None, bool]:
        """Return what a camera belongs to: cells are smaller than the canvas."""
        return plane, bool(grid_of(self._viewer).enabled)
