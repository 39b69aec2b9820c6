"""Grey values along z through a point of the image: truth and all methods."""

from __future__ import annotations

from typing import Any

import napari
import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from ..layers import placement
from ..plots import Curve
from .colours import colour_of
from .columns import label
from .results import Comparison, ResultLayers, each_volume
from .task import Restored

PAUSE = 50
"""Milliseconds between two profiles while the mouse moves."""


class Pointer(QObject):
    """Follows the mouse over the canvas; ``moved`` brings the point in the world."""

    moved = Signal(object)

    def __init__(self, viewer: napari.Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.point: tuple[float, ...] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE)
        self._timer.timeout.connect(self._emit_moved)
        viewer.mouse_move_callbacks.append(self._follow)
        viewer.mouse_drag_callbacks.append(self._follow)

    def leave(self) -> None:
        """Follow the mouse no longer."""
        self._timer.stop()
        for callbacks in (self._viewer.mouse_move_callbacks, self._viewer.mouse_drag_callbacks):
            if self._follow in callbacks:
                callbacks.remove(self._follow)

    def _follow(self, _viewer: Any, event: Any) -> None:
        self.point = tuple(map(float, event.position))
        if not self._timer.isActive():
            self._timer.start()

    def _emit_moved(self) -> None:
        self.moved.emit(self.point)


def profile_at(
    comparison: Comparison, layers: ResultLayers, point: tuple[float, ...], foreground: str
) -> tuple[list[Curve], str] | None:
    """Return the curves through a point of the world, and where that is; None outside the image.

    Parameters
    ----------
    comparison : Comparison
    layers : ResultLayers
    point : tuple of float
        (..., z, y, x) in the world.
    foreground : str
        Colour of the truth.
    """
    if not comparison.scored or len(point) < 3:
        return None
    truth = comparison.truth()
    height, width = truth.voxels.shape[-2:]
    time, row, column = _voxel(comparison, layers, point)
    if not (0 <= row < height and 0 <= column < width and 0 <= time < truth.voxels.shape[0]):
        return None
    depths = truth.stack().depths
    curves: list[Curve] = []
    for name, restored in each_volume(comparison):
        values = _values(restored, time, row, column)
        if values is not None:
            curves.append((label(name), colour_of(comparison, name), _points(depths, values)))
    curves.append(("truth", foreground, _points(depths, truth.voxels[time, 0, :, row, column])))
    return curves, f"row {row}, column {column}"


def _values(restored: Restored, time: int, row: int, column: int) -> NDArray[Any] | None:
    """Return a method's values along z; None outside of what it restored."""
    voxels = restored.dataset.voxels
    if voxels.shape[-2:] == restored.trial.visible.voxels.shape[-2:]:
        row, column = row // restored.trial.in_plane, column // restored.trial.in_plane
    if row >= voxels.shape[-2] or column >= voxels.shape[-1]:
        return None
    return voxels[time, 0, :, row, column]


def _voxel(comparison: Comparison, layers: ResultLayers, point: tuple[float, ...]) -> tuple[int, int, int]:
    """Return time point, row and column of the truth at a point of the world."""
    layer = layers.get("", "truth")
    if layer is not None:
        place = layer.world_to_data(point[-layer.ndim :])
    else:  # not made yet: where it will be
        there = placement(comparison.truth())
        axes = len(there["scale"])
        place = (np.array(point[-axes:]) - there["translate"]) / there["scale"]
    time = round(place[0]) if len(place) > 3 else 0
    return time, round(place[-2]), round(place[-1])


def _points(depths: NDArray[np.float64], values: NDArray[Any]) -> list[tuple[float, float]]:
    return [(float(z), float(value)) for z, value in zip(depths, values, strict=True)]
