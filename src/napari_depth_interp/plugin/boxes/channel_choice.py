"""Whether all channels of an image are run together, or the chosen layer alone."""

from __future__ import annotations

from typing import Any

import napari
from napari.layers import Layer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QWidget

from ..layers.channels import channels_of, name_of
from ..qt_helpers import add_choice, let_shrink

ALL, ONE = "all", "one"
_TIPS = {
    ALL: "One run for all channels: a result for each, in its colours, and one row in the table of runs. Whether they "
    "share what a method finds out is set under <i>More settings</i>, <i>Share fit</i>.",
    ONE: "The chosen layer alone.",
}


class ChannelChoice(QWidget):
    """Is shown where the chosen layer is one of several channels; then all of them are meant unless the user says no.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    changed = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._known: list[Layer] = []
        self._kind = QComboBox()
        self._kind.setAccessibleName("Channels")
        self._kind.setToolTip(f"<qt>{_TIPS[ALL]}</qt>")
        let_shrink(self._kind, 8)
        for kind, tip in _TIPS.items():
            add_choice(self._kind, "", kind, f"<qt>{tip}</qt>")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(QLabel("Channels"))
        row.addWidget(self._kind, 1)
        self.hide()
        self._kind.currentIndexChanged.connect(self._chosen)

    def follow(self, layer: Layer | None) -> bool:
        """Look for the other channels of a layer; return whether other layers are meant than before."""
        before = self.layers()
        self._known = [] if layer is None else channels_of(self._viewer, layer)
        self._layer = layer
        self.setVisible(len(self._known) > 1)
        if layer is not None and len(self._known) > 1:
            self._kind.setItemText(0, f"All {len(self._known)} of {name_of(self._known)}")
            self._kind.setItemText(1, f"Only {layer.name}")
        return self.layers() != before

    def layers(self) -> list[Layer]:
        """Return the layers that are meant: all channels in the order of the file, or the chosen layer."""
        if len(self._known) > 1 and self._kind.currentData() == ONE:
            return [self._layer]
        return list(self._known)

    def _chosen(self, *_: Any) -> None:
        self.changed.emit()
