"""Which method for labels, with which parameters."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QGroupBox, QLabel, QVBoxLayout, QWidget

from ...labels.method import LabelMethodSpec
from ...labels.methods import registry
from ...labels.settings import LabelSettings
from ...run.settings import describe
from ..boxes.config_form import ConfigForm, is_editable
from ..boxes.method_choice import first_sentence
from ..folding import Fold
from ..qt_helpers import add_choice, let_shrink


class LabelMethodBox(QGroupBox):
    """Edits method and parameters; the form is made from the method's config."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Method", parent)
        self._form: ConfigForm | None = None
        self._methods = QComboBox()
        let_shrink(self._methods, 8)
        for spec in registry.SPECS.values():
            add_choice(self._methods, spec.title, spec.name, f"<qt>{spec.summary}</qt>")
        self._methods.setCurrentIndex(max(0, self._methods.findData(LabelSettings.model_fields["method"].default)))
        self._methods.setToolTip(f"<qt>{describe('method', LabelSettings)}</qt>")
        self._methods.setAccessibleName("Method")
        self._summary = QLabel()
        self._summary.setObjectName("summary")
        self._summary.setWordWrap(True)
        self._fold = Fold("Parameters")
        self._fold.setObjectName("parameters")
        layout = QVBoxLayout(self)
        for widget in (self._methods, self._summary, self._fold):
            layout.addWidget(widget)
        self._methods.currentIndexChanged.connect(self._method_chosen)
        self._method_chosen()

    @property
    def spec(self) -> LabelMethodSpec:
        """The chosen method."""
        return registry.get(self._methods.currentData())

    def values(self) -> dict[str, Any]:
        """Return the settings that this box edits; parameters only where they are not the usual ones.

        Raises
        ------
        RequestError
            If a parameter does not fit.
        """
        assert self._form is not None
        return {"method": self.spec.name, "parameters": self._form.changes(self.spec.config(), self.spec.title)}

    def _method_chosen(self, *_: Any) -> None:
        spec = self.spec
        self._summary.setText(first_sentence(spec.summary))
        self._summary.setToolTip(f"<qt>{spec.summary}</qt>")
        fields = [name for name, field in spec.config.model_fields.items() if is_editable(field.annotation)]
        self._form = ConfigForm(spec.config(), fields=fields, later=True)
        self._form.changed.connect(self._form_changed)
        self._fold.set_content(self._form, self._form.build)
        self._fold.setVisible(bool(fields))
        self._form_changed()

    def _form_changed(self) -> None:
        assert self._form is not None
        fields = self.spec.config.model_fields
        changes = self._form.changes(self.spec.config(), self.spec.title)
        self._fold.say(", ".join((fields[name].title or name).lower() for name in changes))
        self.changed.emit()
