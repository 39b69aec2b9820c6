"""Which layers are fused: a list with ticks, the first ticked one the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.layers import Image, Layer
from napari.utils.transforms import Affine
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QGroupBox,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ... import io
from ...stack import Dataset
from ..layers import REAL_KEY, to_dataset
from ..layers.watch import LayerListWatch
from ..preferences import remember_folder, remembered_folder
from ..qt_helpers import say

_TO_WORLD = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], float)
"""From the axes of the viewer (z, y, x) to those of the world (x, y, z)."""


class StacksBox(QGroupBox):
    """The layers that are ticked, in the order of the list; ``changed`` when that changes."""

    changed = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__("Stacks", parent)
        self._viewer = viewer
        self._list = QListWidget()
        self._list.setAccessibleName("Stacks to fuse")
        self._list.setToolTip(
            "<qt>Tick two or more stacks of one specimen, taken from different sides. The first ticked one is the "
            "reference: the result lies as it does and has its grey values. Drag to change the order.</qt>"
        )
        self._list.setDragDropMode(QListWidget.DragDropMode.InternalMove)
        self._list.setMaximumHeight(120)
        self._open = QPushButton("&Open stacks…")
        self._open.setToolTip("Open files that say how they lie in space: NIfTI, DICOM, NRRD, MetaImage.")
        self._words = QLabel()
        self._words.setObjectName("stacks summary")
        self._words.setWordWrap(True)
        layout = QVBoxLayout(self)
        for widget in (self._list, self._open, self._words):
            layout.addWidget(widget)
        self._open.clicked.connect(self._ask)
        self._list.itemChanged.connect(self._edited)
        self._list.model().rowsMoved.connect(self._edited)
        self._watch = LayerListWatch(viewer, self._fill)
        self._fill()

    def leave(self) -> None:
        """Let go of the viewer."""
        self._watch.leave()

    @property
    def layers(self) -> list[Layer]:
        """The ticked layers, the reference first."""
        items = [self._list.item(row) for row in range(self._list.count())]
        names = [item.text() for item in items if item.checkState() == Qt.CheckState.Checked]
        return [self._viewer.layers[name] for name in names if name in self._viewer.layers]

    def datasets(self) -> list[Dataset]:
        """Return what the ticked layers show.

        Raises
        ------
        InputError
            If a layer holds no grey values.
        """
        return [to_dataset(layer) for layer in self.layers]

    def say(self, text: str, *, problem: bool = False) -> None:
        """Say what would be fused, or why it cannot be."""
        say(self._words, text, problem=problem)

    def _fill(self) -> None:
        """Show the image layers; those of scanners' files are ticked when they come."""
        known = {self._list.item(row).text(): self._list.item(row).checkState() for row in range(self._list.count())}
        order = {name: row for row, name in enumerate(known)}
        layers = [layer for layer in self._viewer.layers if _is_stack(layer)]
        layers.sort(key=lambda layer: order.get(layer.name, len(order)))
        self._list.blockSignals(True)
        self._list.clear()
        for layer in layers:
            item = QListWidgetItem(layer.name)
            ticked = Qt.CheckState.Checked if affine_in_file(layer) is not None else Qt.CheckState.Unchecked
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(known.get(layer.name, ticked))
            self._list.addItem(item)
        self._list.blockSignals(False)
        self._edited()

    def _edited(self, *_: Any) -> None:
        self.changed.emit()

    def _ask(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Open stacks of one specimen", str(remembered_folder()))
        if paths:
            remember_folder(Path(paths[0]).parent)
            for path in paths:
                self._viewer.open(path, plugin="napari-depth-interp")


def _is_stack(layer: Layer) -> bool:
    """Whether a layer may be fused: an image that this dock has not made."""
    return isinstance(layer, Image) and layer.ndim == 3 and not layer.rgb and REAL_KEY not in layer.metadata


def affine_in_file(layer: Layer) -> NDArray[np.float64] | None:
    """Return where the file of a layer says that it lies; None where it does not."""
    from ..layers import ORIGIN_KEY

    origin = layer.metadata.get(ORIGIN_KEY)
    return io.affine(origin) if isinstance(origin, Dataset) else None


def affine_in_viewer(layer: Layer) -> NDArray[np.float64]:
    """Return where a layer lies in the viewer: its scale, position, rotation, shear and affine."""
    own = Affine(scale=layer.scale, translate=layer.translate, rotate=layer.rotate, shear=layer.shear)
    whole = layer.affine.affine_matrix @ own.affine_matrix
    return np.asarray(_TO_WORLD @ whole, np.float64)


def affines_of(layers: list[Layer]) -> list[NDArray[np.float64] | None]:
    """Return where each layer lies: as the files say if all do, else as they lie in the viewer."""
    if all(affine_in_file(layer) is not None for layer in layers):
        return [None] * len(layers)
    return [affine_in_viewer(layer) for layer in layers]
