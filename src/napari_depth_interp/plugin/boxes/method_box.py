"""Which method, with which preset and parameters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QGroupBox, QLabel, QPushButton, QVBoxLayout, QWidget
from superqt import QCollapsible

from ...method import MethodConfig, MethodSpec, Preset
from ...methods import registry
from ...run.settings import DEFAULT_METHOD, Settings, describe
from ..qt_helpers import add_choice, tab_after
from .config_form import ConfigForm
from .model_choice import model_editors


class MethodBox(QGroupBox):
    """Edits method, preset and parameters; the form is made from the method's config.

    Parameters
    ----------
    specs : sequence of MethodSpec, optional
        To choose from. Default: all.
    shown : callable spec -> parameters, optional
        Those to edit; the others stay as the preset has them. Default: all.
    """

    changed = Signal()

    def __init__(
        self,
        parent: QWidget | None = None,
        *,
        specs: Sequence[MethodSpec] | None = None,
        shown: Callable[[MethodSpec], Collection[str]] | None = None,
    ) -> None:
        super().__init__("Method", parent)
        self._shown = shown or (lambda spec: spec.config.model_fields)
        self._form: ConfigForm | None = None
        self._wanted_preset = "balanced"  # kept for methods without presets
        self._methods = QComboBox()
        for spec in registry.specs() if specs is None else specs:
            add_choice(self._methods, spec.title, spec.name, spec.summary)
        self._methods.setCurrentIndex(max(0, self._methods.findData(DEFAULT_METHOD)))
        self._methods.setToolTip(f"<qt>{describe('method').replace('`', '')}</qt>")
        self._methods.setAccessibleName("Method")
        self._summary = QLabel()
        self._summary.setObjectName("summary")
        self._summary.setWordWrap(True)
        self._presets = QComboBox()
        self._presets.setToolTip(f"<qt>{describe('preset')}</qt>")
        self._preset_row = QWidget()
        row = QFormLayout(self._preset_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.addRow("preset", self._presets)
        self._collapsible = QCollapsible("Parameters")
        self._collapsible.setObjectName("parameters")
        self._collapsible.layout().setContentsMargins(0, 0, 0, 0)
        self._restore = QPushButton("Restore defaults")
        self._restore.setToolTip("Set all parameters of this method back to those of the preset.")
        self._restore.clicked.connect(self.restore_defaults)
        layout = QVBoxLayout(self)
        for widget in (self._methods, self._summary, self._preset_row, self._collapsible):
            layout.addWidget(widget)
        self._methods.currentIndexChanged.connect(self._method_chosen)
        self._presets.currentTextChanged.connect(self._preset_chosen)
        self._method_chosen()

    @property
    def spec(self) -> MethodSpec:
        """The chosen method."""
        return registry.get(self._methods.currentData())

    @property
    def preset(self) -> Preset:
        """The chosen preset; for a method without presets the one chosen last."""
        preset: Preset = self._preset()
        return preset

    def values(self) -> dict[str, Any]:
        """Return the settings that this box edits; parameters only where they differ from the preset.

        Raises
        ------
        RequestError
            If a parameter does not fit.
        """
        assert self._form is not None
        changes = self._form.changes(self.default(), self.spec.title)
        return {"method": self.spec.name, "preset": self._preset(), "parameters": changes}

    def set_values(self, settings: Settings) -> None:
        """Show these settings."""
        self._wanted_preset = settings.preset
        self._methods.setCurrentIndex(max(0, self._methods.findData(settings.method)))
        self._show_presets()
        assert self._form is not None
        self._form.set_config(self.spec.config(**{**self.default().model_dump(), **settings.parameters}))

    def restore_defaults(self, *_: Any) -> None:
        """Show the parameters of the preset."""
        if self._form is not None:
            self._form.set_config(self.default())
            self.changed.emit()

    def _preset_chosen(self, preset: str) -> None:
        self._wanted_preset = preset
        self.restore_defaults()

    def _show_presets(self) -> None:
        """Offer the method's presets and choose the wanted one, if there are any."""
        self._presets.blockSignals(True)
        self._presets.clear()
        self._presets.addItems(list(self.spec.presets))
        offered = self._wanted_preset if self._wanted_preset in self.spec.presets else Settings().preset
        self._presets.setCurrentIndex(max(0, self._presets.findText(offered)))
        self._presets.blockSignals(False)

    def _preset(self) -> Any:
        return self._presets.currentText() or self._wanted_preset

    def default(self) -> MethodConfig:
        """Return the parameters of the chosen preset."""
        return self.spec.config(**self.spec.presets.get(self._preset(), {}))

    def _method_chosen(self, *_: Any) -> None:
        spec = self.spec
        self._summary.setText(f"{spec.summary} <i>Time: {spec.cost}.</i>")
        self._show_presets()
        self._preset_row.setVisible(bool(spec.presets))
        shown = self._shown(spec)
        self._show_form(ConfigForm(self.default(), fields=shown, editors=model_editors(spec)))
        self._collapsible.setVisible(bool(shown))
        self.changed.emit()

    def _show_form(self, form: ConfigForm) -> None:
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(form)
        layout.addWidget(self._restore)
        old, expanded = self._collapsible.content(), self._collapsible.isExpanded()
        self._collapsible.setContent(inner)
        (self._collapsible.expand if expanded else self._collapsible.collapse)(animate=False)
        if old is not None:
            old.hide()  # it may live on until the event loop is idle
            old.deleteLater()
        tab_after(self._collapsible.toggleButton(), inner)
        form.changed.connect(self.changed)
        self._form = form
