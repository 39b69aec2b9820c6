"""What the model is called and may be used for."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGroupBox, QLineEdit, QWidget

from ...models import names as model_names
from ..qt_helpers import growing_form


class ModelBox(QGroupBox):
    """Edits name and licence; the name follows the method until somebody types one."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Model", parent)
        self._own = False
        self._name, self._licence = QLineEdit(), QLineEdit()
        self._name.setToolTip("<qt>Runs find the model under this name, in the list <i>Model</i> of its method.</qt>")
        self._licence.setPlaceholderText("for example CC-BY-4.0")
        self._licence.setToolTip("<qt>Licence that others may use the model under; it is kept in the model.</qt>")
        form = growing_form(self)
        form.addRow("Name", self._name)
        form.addRow("Licence", self._licence)
        self._name.textEdited.connect(self._edited)
        self._name.textChanged.connect(self._changed)

    def name(self) -> str:
        """Return the name of the model."""
        return self._name.text().strip()

    def licence(self) -> str:
        """Return the licence, or an empty text."""
        return self._licence.text().strip()

    def set_name(self, name: str) -> None:
        """Show a name, as if it was typed."""
        self._own = True
        self._name.setText(name)

    def set_licence(self, licence: str) -> None:
        """Show a licence."""
        self._licence.setText(licence)

    def suggest(self, method: str) -> None:
        """Show a free name, unless the user has typed one."""
        if self._own and self.name():
            return
        taken, number = {each.casefold() for each in model_names.known()}, 1
        while f"{method} {number}" in taken:
            number += 1
        if self.name() != f"{method} {number}":
            self._name.setText(f"{method} {number}")

    def forget(self) -> None:
        """Suggest names again: the typed one is taken now."""
        self._own = False

    def _edited(self, *_: Any) -> None:
        self._own = True

    def _changed(self, *_: Any) -> None:
        self.changed.emit()
