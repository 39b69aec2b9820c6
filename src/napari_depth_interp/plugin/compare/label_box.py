"""Which methods for labels take part, and the image that the labels were drawn on."""

from __future__ import annotations

from typing import Any

import napari
from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QGroupBox, QWidget

from ...errors import RequestError
from ...labels.methods import registry
from ...stack import Dataset
from ..layers import adopt
from ..layers.watch import LayerListWatch
from ..qt_helpers import growing_form, let_shrink


class LabelMethodsBox(QGroupBox):
    """Edits the list of methods for labels, and the image layer that they may look at."""

    changed = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__("Methods for labels", parent)
        self._viewer = viewer
        self._methods: dict[str, QCheckBox] = {}
        self._images = QComboBox()
        self._images.setToolTip("<qt>The image that the labels were drawn on. Some methods look at it.</qt>")
        let_shrink(self._images, 8)
        form = growing_form(self)
        for spec in registry.SPECS.values():
            box = QCheckBox(spec.title)
            box.setChecked(not spec.needs_image)
            box.setToolTip(f"<qt>{spec.summary}</qt>")
            box.toggled.connect(self._changed)
            form.addRow(box)
            self._methods[spec.name] = box
        form.addRow("Image of the labels", self._images)
        self._images.currentIndexChanged.connect(self._changed)
        self._layer_list = LayerListWatch(viewer, self._refresh)
        self._refresh()

    def leave(self) -> None:
        """Follow the viewer no longer."""
        self._layer_list.leave()

    def methods(self) -> tuple[str, ...]:
        """Return the methods in their order.

        Raises
        ------
        RequestError
            If there are none, or one needs an image and none is chosen.
        """
        names = tuple(name for name, box in self._methods.items() if box.isChecked())
        if not names:
            raise RequestError("there is no method to compare; tick some")
        blind = [name for name in names if registry.get(name).needs_image and self.layer is None]
        if blind:
            raise RequestError(f"{blind[0]} looks at the image that the labels were drawn on; choose its layer")
        return names

    @property
    def layer(self) -> Image | None:
        """The chosen image layer, or None."""
        chosen = self._images.currentData()
        return next(
            (each for each in self._viewer.layers if each.unique_id == chosen and isinstance(each, Image)), None
        )

    def image(self) -> Dataset | None:
        """Return the image, if one is chosen; errors as :func:`adopt`."""
        return None if self.layer is None else adopt(self.layer)

    def _refresh(self) -> None:
        chosen = self._images.currentData()
        self._images.blockSignals(True)
        self._images.clear()
        self._images.addItem("None", None)
        for layer in self._viewer.layers:
            if isinstance(layer, Image):
                self._images.addItem(layer.name, layer.unique_id)
        self._images.setCurrentIndex(max(0, self._images.findData(chosen)))
        self._images.blockSignals(False)
        if self._images.currentData() != chosen:
            self.changed.emit()

    def _changed(self, *_: Any) -> None:
        self.changed.emit()
