"""Whether the sections are enhanced before new ones are made, and how."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QLabel, QVBoxLayout, QWidget

from ...method import MethodConfig
from ...methods import registry
from ...run.settings import Settings, describe
from ..boxes.config_form import ConfigForm
from ..folding import Fold
from ..qt_helpers import add_choice

_NONE = "No: take the sections as they are"


class EnhanceBox(QWidget):
    """Chooses an enhancing method, or none; the form is made from the method's config."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._form: ConfigForm | None = None
        self._preset = Settings().preset
        self._methods = QComboBox()
        self._methods.addItem(_NONE, None)
        self._methods.setToolTip(f"<qt>{describe('enhance')}</qt>")
        self._methods.setAccessibleName("Enhance the sections first")
        self._note = QLabel("<i>The result will hold no section as it was recorded.</i>")
        self._note.setWordWrap(True)
        self._parameters = Fold("Parameters")
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self._methods, self._note, self._parameters):
            column.addWidget(widget)
        self._fold = Fold("Enhancement", inner, self._fill)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._fold)
        self._methods.currentIndexChanged.connect(self._method_chosen)
        self._method_chosen()

    def values(self) -> dict[str, Any]:
        """Return the settings that this box edits; parameters only where they differ from the preset.

        Raises
        ------
        RequestError
            If a parameter does not fit.
        """
        name = self._methods.currentData()
        if name is None or self._form is None:
            return {"enhance": None, "enhance_parameters": {}}
        changes = self._form.changes(self._default(name), registry.get(name).title)
        return {"enhance": name, "enhance_parameters": changes}

    def set_values(self, settings: Settings) -> None:
        """Show these settings."""
        self._preset = settings.preset
        if settings.enhance is not None:
            self._fill()
        self._methods.setCurrentIndex(max(0, self._methods.findData(settings.enhance)))
        self._method_chosen()
        if self._form is not None and settings.enhance is not None:
            default = self._default(settings.enhance)
            self._form.set_config(type(default)(**{**default.model_dump(), **settings.enhance_parameters}))

    def _fill(self) -> None:
        """List the methods, which have to be loaded for that, once they are needed."""
        for spec in registry.specs() if self._methods.count() == 1 else []:
            if spec.enhances:
                add_choice(self._methods, f"First {spec.title}", spec.name, spec.summary)

    def follow_preset(self, preset: Any) -> None:
        """Show the parameters of another preset, which belongs to the method that makes the sections."""
        if preset != self._preset:
            self._preset = preset
            name = self._methods.currentData()
            if name is not None and self._form is not None:
                self._form.set_config(self._default(name))

    def _default(self, name: str) -> MethodConfig:
        spec = registry.get(name)
        return spec.config(**spec.presets.get(self._preset, {}))

    def _method_chosen(self, *_: Any) -> None:
        name = self._methods.currentData()
        for widget in (self._note, self._parameters):
            widget.setVisible(name is not None)
        self._fold.say("" if name is None else registry.get(name).title)
        self._form = None if name is None else ConfigForm(self._default(name), later=True)
        if self._form is not None:
            self._parameters.set_content(self._form, self._form.build)
            self._parameters.unfold(False)
            self._form.changed.connect(self.changed)
        self.changed.emit()
