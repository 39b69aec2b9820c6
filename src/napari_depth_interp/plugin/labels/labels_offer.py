"""Offering to take an image layer for the labels that it holds."""

from __future__ import annotations

from html import escape
from typing import Any

import napari
import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.notifications import show_warning
from qtpy.QtWidgets import QPushButton, QWidget

from ...errors import DepthInterpError
from ...stack.label_images import looks_like_labels
from ..jobs.messages import for_window
from ..layers import to_dataset
from ..layers.cell_names import elided
from ..layers.label_layers import to_label_layers

_CHARACTERS = 24
"""Of a layer's name on the button; all of it stands in the tip."""


class LabelsOffer(QPushButton):
    """Turns an image layer that looks like labels into a Labels layer; hidden where there is none.

    A label file that is dropped on napari is an image, unless the file says what it is.
    """

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("take_labels")
        self._viewer = viewer
        self._layer: Image | None = None
        self._looked_at: dict[Any, bool] = {}
        self.clicked.connect(self._take)
        self.hide()

    def follow(self, chosen: Labels | None) -> None:
        """Offer the selected image, or where no labels are ``chosen`` the topmost one that looks like labels."""
        others = () if chosen is not None else reversed(self._viewer.layers)
        candidates = (self._viewer.layers.selection.active, *others)
        self._layer = next((each for each in candidates if isinstance(each, Image) and self._looks(each)), None)
        self.setVisible(self._layer is not None)
        if self._layer is not None:
            self.setText(f"Use '{elided(self._layer.name, _CHARACTERS)}' as labels")
            self.setToolTip(
                f"<qt>The image '{escape(self._layer.name)}' looks like labels: whole numbers, and areas of one value. "
                "It becomes a Labels layer, in the same place in the list.</qt>"
            )

    def _looks(self, layer: Image) -> bool:
        if layer.rgb or layer.multiscale or layer.ndim not in (3, 4) or not isinstance(layer.data, np.ndarray):
            return False
        if layer.unique_id not in self._looked_at:
            voxels = layer.data[None, None] if layer.ndim == 3 else layer.data[:, None]
            self._looked_at[layer.unique_id] = voxels.shape[2] > 1 and looks_like_labels(voxels)
        return self._looked_at[layer.unique_id]

    def _take(self) -> None:
        assert self._layer is not None
        try:
            [(data, kwargs, _)] = to_label_layers(to_dataset(self._layer), self._layer.name)
        except DepthInterpError as error:
            show_warning(for_window(error))
            return
        self._put(Labels(data, **kwargs), in_place_of=self._layer)

    def _put(self, labels: Labels, in_place_of: Layer) -> None:
        layers = self._viewer.layers
        place = layers.index(in_place_of)
        layers.remove(in_place_of)
        layers.insert(place, labels)
        layers.selection.active = labels
