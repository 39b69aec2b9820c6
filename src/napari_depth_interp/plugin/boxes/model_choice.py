"""The field for a trained model: those of the method, none, or a folder somewhere else."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QToolButton, QWidget

from ...method import MethodSpec, model_fields
from ...models import card as model_card
from ...models import library
from ...system.amounts import size_in_words
from ..qt_helpers import add_choice, let_shrink
from .config_form import Editor

_NONE = "None"


class ModelListSignal(QObject):
    """Tells every list of models when there are others."""

    changed = Signal()


@cache
def model_list() -> ModelListSignal:
    """Return the one signal for all lists of models."""
    return ModelListSignal()


class ModelChoice(QWidget):
    """A list of the models of one method, with a button for a folder that is not among them."""

    value_changed = Signal()

    def __init__(self, method: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._method = method
        self._box = QComboBox()
        let_shrink(self._box, 5)
        browse = QToolButton()
        browse.setText("…")
        browse.setAccessibleName("Browse for a model")
        browse.setToolTip("<qt>Choose the folder of a model that is not in the list.</qt>")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box, 1)
        layout.addWidget(browse)
        self.refresh()
        self._box.currentIndexChanged.connect(self._changed)
        browse.clicked.connect(self._ask)
        model_list().changed.connect(self.refresh)

    def value(self) -> Path | None:
        """Return the name of a model, a folder, or None."""
        given = self._box.currentData()
        return None if given is None else Path(given)

    def set_value(self, value: Path | None) -> None:
        """Show a model; one that is not in the list is added to it."""
        index = 0 if value is None else self._box.findData(str(value))
        if index < 0:
            add_choice(self._box, Path(str(value)).name, str(value), str(value))
            index = self._box.count() - 1
        self._box.setCurrentIndex(index)

    def refresh(self) -> None:
        """List the models that are there now, and keep the chosen one."""
        chosen = self.value() if self._box.count() else None
        self._box.blockSignals(True)
        self._box.clear()
        self._box.addItem(_NONE, None)
        for each in library.entries(self._method):
            assert each.about is not None
            tip = f"<qt>{model_card.score_of(each.about.record)}, {size_in_words(each.size)}</qt>"
            add_choice(self._box, each.name, each.name, tip)
        self.set_value(chosen)
        self._box.blockSignals(False)

    def _changed(self, *_: Any) -> None:
        self.value_changed.emit()

    def _ask(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose the folder of a model", "")
        if folder:
            self.set_value(Path(folder))


def model_editors(spec: MethodSpec) -> dict[str, Editor]:
    """Return the editors of a method's parameters that take a model."""
    return {name: _editor(method) for name, method in model_fields(spec).items()}


def _editor(method: str) -> Editor:
    choice = ModelChoice(method)
    return Editor(choice, choice.value, choice.set_value, choice.value_changed)
