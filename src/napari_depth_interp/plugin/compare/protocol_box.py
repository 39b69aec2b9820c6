"""How sections are hidden, and on which range of intensities they are scored."""

from __future__ import annotations

from typing import Any

import napari
from napari.layers import Image, Layer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QGroupBox, QLabel, QLineEdit, QSpinBox, QWidget

from ...errors import DepthInterpError, RequestError
from ...evaluation.holdout import Protocol
from ...stack import Dataset
from ..boxes.data_range import DataRangeEdit
from ..layers import adopt
from ..layers.watch import LayerListWatch
from ..qt_helpers import growing_form, let_shrink, show_row

_KINDS = {
    "keep_every": (
        "Keep one section in a few",
        "Hides the sections in between and restores them from the kept ones. Measures at that many times your gap, so "
        "your real result, made from all sections, is better.",
    ),
    "hold_out": (
        "Hide chosen sections",
        "Hides only these sections, counted from 0, and restores them from all others.",
    ),
    "leave_one_out": (
        "Leave one out",
        "Hides each inner section in turn, with all others kept. Every method runs once per section: slow for methods "
        "that train. Measures at twice your gap.",
    ),
    "projection": (
        "Means of n sections",
        "Averages every n sections of this dense stack, as a Bessel beam does, and restores the sections behind the "
        "means.",
    ),
    "sr4": (
        "Means of 4 x 4 x 4 voxels",
        "Averages 4 x 4 x 4 voxels of this dense stack and restores the voxels: super-resolution along all three axes.",
    ),
    "reference": (
        "Compare with a reference layer",
        "Hides nothing: fills in this stack and compares with a denser layer of the same scene.",
    ),
}

_EVERY = {False: "Keep one section in", True: "Sections in one image"}
"""What the number means, by whether images are projections."""


class ProtocolBox(QGroupBox):
    """Edits the protocol with its parameter, and the data range."""

    changed = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__("Protocol", parent)
        self._viewer = viewer
        self._kind = QComboBox()
        for kind, (title, _) in _KINDS.items():
            self._kind.addItem(title, kind)
        let_shrink(self._kind, 16)
        self._kind.setToolTip("<qt>How sections whose truth is known are hidden from the methods.</qt>")
        self._kind.setAccessibleName("Protocol")
        self._every = QSpinBox()
        self._every.setObjectName("every")
        self._every.setRange(2, 100)
        self._sections = QLineEdit()
        self._sections.setPlaceholderText("for example 3, 7, 9")
        self._reference = QComboBox()
        let_shrink(self._reference, 8)
        self._words = QLabel()
        self._words.setObjectName("summary")
        self._words.setWordWrap(True)
        self._range = DataRangeEdit()
        self._build()
        self._layer_list = LayerListWatch(viewer, self._refresh_layers)
        self._refresh_layers()
        self._kind_chosen()

    def leave(self) -> None:
        """Follow the viewer no longer."""
        self._layer_list.leave()

    def protocol(self) -> Protocol:
        """Return the protocol.

        Raises
        ------
        RequestError
            If the list of sections is no list of numbers.
        """
        kind = self._kind.currentData()
        if kind in ("keep_every", "projection"):
            return Protocol(kind, every=self._every.value())
        if kind == "hold_out":
            return Protocol(kind, sections=self._hidden_sections())
        return Protocol(kind)

    def set_protocol(self, protocol: Protocol) -> None:
        """Show a protocol."""
        self._kind.setCurrentIndex(self._kind.findData(protocol.kind))
        if protocol.every is not None:
            self._every.setValue(protocol.every)
        self._sections.setText(", ".join(map(str, protocol.sections)))

    def data_range(self) -> tuple[float, float] | None:
        """Return low and high, or None for automatic.

        Raises
        ------
        RequestError
            If the text is no pair of numbers.
        """
        return self._range.value()

    @property
    def reference_layer(self) -> Layer | None:
        """The layer to compare with, if that is the protocol."""
        if self._kind.currentData() != "reference":
            return None
        chosen = self._reference.currentData()
        return next((layer for layer in self._viewer.layers if layer.unique_id == chosen), None)

    def reference(self) -> Dataset | None:
        """Return the reference, if that is the protocol.

        Raises
        ------
        DepthInterpError
            If there is no layer, or none that can be compared with.
        """
        if self._kind.currentData() != "reference":
            return None
        layer = self.reference_layer
        if layer is None:
            raise DepthInterpError("there is no layer to compare with; open the dense stack of the same scene")
        return adopt(layer)  # so that its file is read again once, not at every key

    def _hidden_sections(self) -> tuple[int, ...]:
        words = self._sections.text().replace(",", " ").split()
        if not words:
            raise RequestError("no sections to hide; type their numbers, counted from 0, for example 3, 7, 9")
        try:
            return tuple(map(int, words))
        except ValueError:
            raise RequestError(
                f"'{self._sections.text()}' is not a list of sections; type for example 3, 7, 9"
            ) from None

    def _build(self) -> None:
        form = growing_form(self)
        form.addRow(self._kind)
        form.addRow(_EVERY[False], self._every)
        form.addRow("Sections", self._sections)
        form.addRow("Reference layer", self._reference)
        form.addRow(self._words)
        form.addRow("Data range", self._range)
        self._form = form
        self._kind.currentIndexChanged.connect(self._kind_chosen)
        for signal in (self._every.valueChanged, self._sections.textChanged, self._range.textChanged):
            signal.connect(self._changed)
        self._reference.currentIndexChanged.connect(self._changed)

    def _kind_chosen(self, *_: Any) -> None:
        kind = self._kind.currentData()
        self._words.setText(_KINDS[kind][1])
        self._form.labelForField(self._every).setText(_EVERY[kind == "projection"])
        show_row(self._form, self._every, kind in ("keep_every", "projection"))
        show_row(self._form, self._sections, kind == "hold_out")
        show_row(self._form, self._reference, kind == "reference")
        self.changed.emit()

    def _changed(self, *_: Any) -> None:
        self.changed.emit()

    def _refresh_layers(self) -> None:
        chosen = self._reference.currentData()
        self._reference.blockSignals(True)
        self._reference.clear()
        for layer in self._viewer.layers:
            if isinstance(layer, Image) and not layer.rgb:
                self._reference.addItem(layer.name, layer.unique_id)
        self._reference.setCurrentIndex(max(0, self._reference.findData(chosen)))
        self._reference.blockSignals(False)
        if self._reference.currentData() != chosen:
            self.changed.emit()
