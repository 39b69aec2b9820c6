"""The validation section in the viewer: its panels beside one another, renewed in place."""

from __future__ import annotations

from typing import Any

import napari
import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from ...progress import TrainingPoint
from ..layers import REAL_KEY
from ..layers.appearance import unique_name
from ..layers.overlay import CanvasWords

_GAP = 2
"""Pixels between two panels."""


class Picture:
    """One layer beside what is in the viewer, for the pictures of one training."""

    def __init__(self, viewer: napari.Viewer, name: str) -> None:
        self._viewer, self._name = viewer, name
        self.layer: Image | None = None
        self._words = CanvasWords(viewer)
        viewer.layers.events.removed.connect(self._removed)

    def leave(self) -> None:
        """Take the words out of the canvas; the layer stays."""
        self._words.clear()
        self._viewer.layers.events.removed.disconnect(self._removed)

    def show(self, look: TrainingPoint) -> None:
        """Show (Y, X) or (panels, Y, X), with words on what it is; a layer that the user has removed stays away."""
        picture, captions = look.picture, look.captions
        assert picture is not None
        panels = picture if picture.ndim == 3 else picture[None]
        image = arranged(panels)
        if self.layer is None:
            self.layer = self._add(image, panels)
            self.layer.events.visible.connect(self._hidden)
            self._viewer.reset_view()
        elif self.layer in self._viewer.layers:
            self.layer.data = image
        self.layer.metadata["panels"] = list(captions)
        if self.layer in self._viewer.layers and self.layer.visible:
            order = "top to bottom" if is_stacked(picture.shape) else "left to right"
            lines = [f"validation, step {look.step}", look.place, f"{order}: {', '.join(captions)}"]
            self._words.write("\n".join(filter(None, lines)), at="bottom_left")  # short lines: napari breaks none

    def _hidden(self, _event: Any) -> None:
        if self.layer is not None and not self.layer.visible:
            self._words.clear()

    def _removed(self, event: Any) -> None:
        if self.layer == event.value:
            self._words.clear()

    def _add(self, image: NDArray[Any], panels: NDArray[Any]) -> Image:
        low, high = np.percentile(panels[-1], (0.5, 99.5))  # of the truth, which stays the same
        limits = (float(low), float(high)) if high > low else None
        chosen = self._viewer.layers.selection.active
        layer = self._viewer.add_image(
            image,
            name=unique_name(self._viewer, self._name),
            contrast_limits=limits,
            metadata={REAL_KEY: False},
            **self._place(image),
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
