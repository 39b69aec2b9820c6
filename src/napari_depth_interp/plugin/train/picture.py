"""The validation section in the viewer: its panels beside one another, renewed in place."""

from __future__ import annotations

from typing import Any

import napari
import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from ..layers.appearance import unique_name

_GAP = 2
"""Pixels between two panels."""


class Picture:
    """One layer beside what is in the viewer, for the pictures of one training."""

    def __init__(self, viewer: napari.Viewer, name: str) -> None:
        self._viewer, self._name = viewer, name
        self.layer: Image | None = None

    def show(self, picture: NDArray[Any], captions: tuple[str, ...]) -> None:
        """Show (Y, X) or (panels, Y, X); a layer that the user has removed stays away."""
        panels = picture if picture.ndim == 3 else picture[None]
        image = arranged(panels)
        if self.layer is None:
            self.layer = self._add(image, panels)
            self._viewer.reset_view()
        elif self.layer in self._viewer.layers:
            self.layer.data = image
        self.layer.metadata["panels"] = list(captions)

    def _add(self, image: NDArray[Any], panels: NDArray[Any]) -> Image:
        low, high = np.percentile(panels[-1], (0.5, 99.5))  # of the truth, which stays the same
        limits = (float(low), float(high)) if high > low else None
        chosen = self._viewer.layers.selection.active
        layer = self._viewer.add_image(
            image, name=unique_name(self._viewer, self._name), contrast_limits=limits, **self._place(image)
        )
        if chosen is not None:
            self._viewer.layers.selection.active = chosen
        return layer

    def _place(self, image: NDArray[Any]) -> dict[str, Any]:
        """Return where the layer stands: right of all others, as high as they are, in their unit."""
        layers = list(self._viewer.layers)
        if not layers:
            return {}
        (top, left), (bottom, right) = np.asarray(self._viewer.layers.extent.world)[:, -2:]
        scale = float(bottom - top) / image.shape[0] or 1.0
        place: dict[str, Any] = {"scale": (scale, scale), "translate": (top, right + 0.05 * (right - left))}
        units = layers[0].units[-2:]
        return place | {"units": units, "axis_labels": layers[0].axis_labels[-2:]}


def is_stacked(shape: tuple[int, ...]) -> bool:
    """Return whether panels of a shape (..., Y, X) stand one under the other: those that are wider than high do."""
    return shape[-1] > shape[-2]


def arranged(panels: NDArray[Any]) -> NDArray[np.float32]:
    """Return panels (N, Y, X) as one image, one under the other or side by side, apart by a dark gap."""
    axis = 0 if is_stacked(panels.shape) else 1
    gap = np.full([_GAP if i == axis else size for i, size in enumerate(panels.shape[1:])], np.nanmin(panels))
    parts = [part for panel in panels for part in (panel, gap)][:-1]
    return np.concatenate(parts, axis).astype(np.float32)
