"""What is filled in, where, and where the result goes."""

from __future__ import annotations

from typing import Any

from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QGroupBox, QWidget

from ..qt_helpers import add_choice, growing_form

ALL, SELECTED = "all", "selected"
AROUND, EVERYWHERE = "around", "everywhere"
HERE, NEW = "here", "new"


class FillBox(QGroupBox):
    """Chooses labels, gaps and the layer that is written into."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Fill", parent)
        self._watched: Labels | None = None
        self._labels, self._gaps, self._into = QComboBox(), QComboBox(), QComboBox()
        add_choice(self._labels, "All labels", ALL, "Every identifier in the layer.")
        add_choice(self._labels, "The selected label", SELECTED, "The one that is painted with; all others stay.")
        self._labels.setToolTip(
            "<qt>Which labels are filled in. With one label, the sections that hold it count as annotated.</qt>"
        )
        add_choice(self._gaps, "All gaps", EVERYWHERE, "All gaps whose annotated sections have changed.")
        add_choice(self._gaps, "The gap around the view", AROUND, "Between the annotated sections around the view.")
        self._gaps.setToolTip("<qt>Between which annotated sections labels are filled in.</qt>")
        add_choice(self._into, "This layer, one undo step", HERE, "Ctrl+Z takes the whole fill back.")
        add_choice(self._into, "A new layer", NEW, "This layer stays as it is.")
        self._into.setToolTip("<qt>Where the result is written. Annotated sections are never changed.</qt>")
        form = growing_form(self)
        for title, box in (("Labels", self._labels), ("Gaps", self._gaps), ("Write into", self._into)):
            form.addRow(title, box)
            box.setAccessibleName(title)
            box.currentIndexChanged.connect(self.changed)

    def follow(self, layer: Labels | None) -> None:
        """Follow the selected label of this layer and of no other."""
        if self._watched is not None:
            self._watched.events.selected_label.disconnect(self._label_selected)
        self._watched = layer
        if layer is not None:
            layer.events.selected_label.connect(self._label_selected)
        self._label_selected()

    def _label_selected(self, _event: Any = None) -> None:
        words = "" if self._watched is None else f": {self._watched.selected_label}"
        self._labels.setItemText(self._labels.findData(SELECTED), f"The selected label{words}")
        if self._labels.currentData() == SELECTED:
            self.changed.emit()

    def only(self) -> tuple[int, ...] | None:
        """Return the identifiers to fill; None: all."""
        if self._labels.currentData() == ALL or self._watched is None:
            return None
        return (int(self._watched.selected_label),)

    @property
    def around_view(self) -> bool:
        """Whether only the gap around the view is filled."""
        return bool(self._gaps.currentData() == AROUND)

    @property
    def into_new(self) -> bool:
        """Whether the result goes into a new layer."""
        return bool(self._into.currentData() == NEW)

    def write_here(self) -> None:
        """Write the next fill into the layer itself."""
        self._into.setCurrentIndex(self._into.findData(HERE))
