"""Which part of the image is worked on: all of it, what is in view, a drawn rectangle; all time points or some.

And which sections are left out of it, to be made anew.
"""

from __future__ import annotations

from typing import Any

import napari
from napari.layers import Layer
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QLineEdit, QWidget

from ...errors import RequestError
from ...run.settings import Settings, describe
from ...stack import Dataset
from ...stack.part import crop_text
from ..layers.view_part import drawn_part, pixel_counts, visible_part
from ..qt_helpers import add_choice

WHOLE, VIEW, DRAWN, TYPED = "whole", "view", "drawn", "typed"
_CHOICES = {
    WHOLE: ("Whole image", "All rows and columns."),
    VIEW: ("What is in view", "The rows and columns that the viewer shows when you press Run."),
    DRAWN: (
        "A drawn rectangle",
        "The selected rectangle of a Shapes layer, or the last that was drawn: File &gt; New Layer &gt; Shapes.",
    ),
    TYPED: ("Rows and columns", "Typed, as in 100:400,50:300."),
}
_LOOK_EVERY = 300
"""Milliseconds between two looks at what is in view or drawn."""


class PartChoice(QWidget):
    """Adds rows to a form: the part, the time points of a layer that has some, and the sections that are left out.

    ``changed`` is emitted when another part is meant, be it that the view or the rectangle was moved.
    """

    changed = Signal()

    def __init__(self, viewer: napari.Viewer, form: QFormLayout, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.hide()  # the form shows the fields
        self._viewer, self._form = viewer, form
        self._layer: Layer | None = None
        self._seen: str | None = None
        self._kind = QComboBox()
        for kind, (text, tip) in _CHOICES.items():
            add_choice(self._kind, text, kind, f"<qt>{tip}</qt>")
        self._kind.setToolTip("<qt>Work on a part of the image only; the result lies over it.</qt>")
        self._kind.setAccessibleName("Part")
        self._typed, self.times, self._exclude = QLineEdit(), QLineEdit(), QLineEdit()
        self._typed.setToolTip(f"<qt>{describe('crop')}</qt>")
        self._typed.setPlaceholderText("for example 100:400,50:300")
        self.times.setToolTip(f"<qt>{describe('times')}</qt>")
        self.times.setPlaceholderText("all; for example 0:3")
        self._exclude.setToolTip(f"<qt>{describe('exclude')}</qt>")
        self._exclude.setPlaceholderText("none; or 12,40-41")
        form.addRow("Part", self._kind)
        form.addRow("Rows and columns", self._typed)
        form.addRow("Time points", self.times)
        form.addRow("Exclude sections", self._exclude)
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_EVERY)
        self._timer.timeout.connect(self._look)
        self._kind.currentIndexChanged.connect(self._kind_chosen)
        for line in (self._typed, self.times, self._exclude):
            line.textChanged.connect(lambda *_: self.changed.emit())
        self.follow(None, None)

    def leave(self) -> None:
        """Look at the viewer no longer."""
        self._timer.stop()

    @property
    def kind(self) -> str:
        """Which of the choices is shown."""
        return str(self._kind.currentData())

    def follow(self, layer: Layer | None, dataset: Dataset | None) -> None:
        """Take another layer, and ask for time points where it has some."""
        self._layer = layer
        several = dataset is not None and dataset.voxels.shape[0] > 1
        self._show_row(self._typed, self.kind == TYPED)
        self._show_row(self.times, several or bool(self.times.text()))

    def values(self, layer: Layer | None) -> dict[str, str | None]:
        """Return the settings that say this of a layer; the crop is None where there is no rectangle."""
        try:
            crop = self._crop(layer)
        except RequestError:
            crop = None
        lines = {"times": self.times, "exclude": self._exclude}
        return {"crop": crop, **{name: line.text().strip() or None for name, line in lines.items()}}

    def check(self) -> None:
        """Raise a :class:`RequestError` where a drawn rectangle is asked for and there is none."""
        self._crop(self._layer)

    def typed(self) -> dict[str, str | None]:
        """Return the settings that belong to one layer: not what is in view, nor a rectangle, which lie over all."""
        values = self.values(None)
        return values if self.kind == TYPED else values | {"crop": None}

    def show_settings(self, settings: Settings, *, keep: bool = False) -> None:
        """Show these settings; ``keep`` goes on with what is in view or drawn."""
        self.times.setText(settings.times or "")
        self._exclude.setText(settings.exclude or "")
        if (keep and self.kind in (VIEW, DRAWN)) or settings.crop == self.values(self._layer)["crop"]:
            return
        if settings.crop is not None:
            self._typed.setText(settings.crop)
        self._kind.setCurrentIndex(self._kind.findData(WHOLE if settings.crop is None else TYPED))

    def words(self, dataset: Dataset | None) -> list[str]:
        """Return what is set, for a heading; ``dataset`` is the part."""
        values, words = self.values(self._layer), []
        if values["crop"] is not None and dataset is not None:
            words.append(f"{dataset.voxels.shape[3]} x {dataset.voxels.shape[4]} pixels")
        words += [f"time points {values['times']}"] if values["times"] else []
        return [*words, f"without {values['exclude']}"] if values["exclude"] else words

    def _crop(self, layer: Layer | None) -> str | None:
        if self.kind == TYPED:
            return self._typed.text().strip() or None
        if self.kind == WHOLE or layer is None:
            return None
        rows, columns = visible_part(layer) if self.kind == VIEW else drawn_part(self._viewer, layer)
        whole = crop_text(*(slice(0, count) for count in pixel_counts(layer)))
        return None if crop_text(rows, columns) == whole else crop_text(rows, columns)

    def _kind_chosen(self, *_: Any) -> None:
        if self.kind in (VIEW, DRAWN):
            self._timer.start()
        else:
            self._timer.stop()
        self._show_row(self._typed, self.kind == TYPED)
        self._seen = self._now()
        self.changed.emit()

    def _look(self) -> None:
        now = self._now()
        if now != self._seen:
            self._seen = now
            self.changed.emit()

    def _now(self) -> str | None:
        try:
            return self._crop(self._layer)
        except RequestError as error:
            return str(error)

    def _show_row(self, field: QLineEdit, on: bool) -> None:
        field.setVisible(on)
        label = self._form.labelForField(field)
        if label is not None:
            label.setVisible(on)
