"""Which of several stacks in a file is open: scenes, images, positions, series, datasets."""

from __future__ import annotations

from typing import Any

from napari.layers import Layer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QWidget

from ..layers.series import SERIES_KEY
from ..qt_helpers import let_shrink

_TIP = (
    "<qt>The file of this layer holds several stacks (scenes, images, positions, series). Choosing another one opens "
    "it as further layers; on the command line it is FILE::NAME.</qt>"
)


class SeriesChoice(QWidget):
    """Is shown where the file of the chosen layer holds several stacks; ``chosen`` names what is to be opened."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._file = ""
        self._names = QComboBox()
        self._names.setAccessibleName("Series")
        self._names.setToolTip(_TIP)
        let_shrink(self._names, 8)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(QLabel("Series"))
        row.addWidget(self._names, 1)
        self.hide()
        self._names.activated.connect(self._choose)

    def follow(self, layer: Layer | None) -> None:
        """Show the stacks of the file that a layer is from."""
        known = None if layer is None else layer.metadata.get(SERIES_KEY)
        self.setVisible(known is not None)
        if known is None:
            return
        self._file = known.file
        self._names.clear()
        self._names.addItems(list(known.names))
        self._names.setCurrentIndex(known.index)
        self._open = known.index

    def _choose(self, index: int, *_: Any) -> None:
        if index != self._open:
            self._names.setCurrentIndex(self._open)  # the layer that is chosen next says what is open
            self.chosen.emit(f"{self._file}::{index}")
