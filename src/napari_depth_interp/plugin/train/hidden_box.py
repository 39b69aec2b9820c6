"""What is hidden from the network so that it learns to restore it, where the method lets one choose."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGroupBox, QVBoxLayout, QWidget

from ...method import MethodConfig, MethodSpec, model_fields
from ..boxes.config_form import ConfigForm


def hides(spec: MethodSpec) -> list[str]:
    """Return the parameters of a method that say what is hidden: ``json_schema_extra={"hides": True}``."""
    fields = spec.config.model_fields.items()
    return [name for name, field in fields if (field.json_schema_extra or {}) == {"hides": True}]


def others(spec: MethodSpec) -> list[str]:
    """Return the parameters of a training that say something else: no model is taken where one is made."""
    left_out = {*hides(spec), *(["model"] if "model" in model_fields(spec) else [])}
    return [name for name in spec.config.model_fields if name not in left_out]


class HiddenBox(QGroupBox):
    """Edits these parameters of the chosen method."""

    changed = Signal()

    def __init__(self, spec: MethodSpec, default: MethodConfig, parent: QWidget | None = None) -> None:
        super().__init__("What is hidden", parent)
        self._layout = QVBoxLayout(self)
        self._build(spec, default)

    def show_method(self, spec: MethodSpec, default: MethodConfig) -> None:
        """Show the parameters of a method; those of the same method keep what was typed."""
        if self._spec.name == spec.name:
            self._default = default
            return
        self._layout.removeWidget(self._form)
        self._form.hide()
        self._form.deleteLater()
        self._build(spec, default)

    def _build(self, spec: MethodSpec, default: MethodConfig) -> None:
        self._spec, self._default = spec, default
        self._form = ConfigForm(default, fields=hides(spec))
        self._form.changed.connect(self._changed)
        self._layout.addWidget(self._form)
        self.setVisible(bool(hides(spec)))

    def set_values(self, parameters: dict[str, Any]) -> None:
        """Show these values; the others are the default's."""
        own = {name: value for name, value in parameters.items() if name in hides(self._spec)}
        self._form.set_config(self._spec.config(**{**self._default.model_dump(), **own}))

    def values(self) -> dict[str, Any]:
        """Return the parameters that differ from the preset.

        Raises
        ------
        RequestError
            If one does not fit.
        """
        changes = self._form.changes(self._default, self._spec.title)
        return {name: value for name, value in changes.items() if name in hides(self._spec)}

    def _changed(self, *_: Any) -> None:
        self.changed.emit()
