"""Which method, with which preset and parameters."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QGroupBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ...errors import RequestError
from ...method import MethodConfig, MethodSpec, Preset
from ...methods import registry
from ...run.settings import DEFAULT_METHOD, Settings, describe
from ..folding import Fold
from .config_form import ConfigForm
from .method_choice import MethodChoice, first_sentence
from .model_choice import model_editors


class MethodBox(QGroupBox):
    """Edits method, preset and parameters; the form is made from the method's config.

    Parameters
    ----------
    offered : callable spec -> bool, optional
        Whether a method can be chosen. Default: all can.
    first : str
        The method that is shown first.
    shown : callable spec -> parameters, optional
        Those to edit; the others stay as the preset has them. Default: all.
    """

    changed = Signal()

    def __init__(
        self,
        parent: QWidget | None = None,
        *,
        offered: Callable[[MethodSpec], bool] = lambda _spec: True,
        first: str = DEFAULT_METHOD,
        shown: Callable[[MethodSpec], Collection[str]] | None = None,
    ) -> None:
        super().__init__("Method", parent)
        self._shown = shown or (lambda spec: spec.config.model_fields)
        self._form: ConfigForm | None = None
        self._wanted_preset = "balanced"  # kept for methods without presets
        self._methods = MethodChoice(offered)
        self._methods.choose(first)
        self._methods.setToolTip(f"<qt>{describe('method').replace('`', '')}</qt>")
        self._methods.setAccessibleName("Method")
        self._summary = QLabel()
        self._summary.setObjectName("summary")
        self._summary.setWordWrap(True)
        self._presets = QComboBox()
        self._presets.setAccessibleName("Preset")
        self._fold = Fold("Parameters")
        self._fold.setObjectName("parameters")
        self._restore = QPushButton("Restore defaults")
        self._restore.setToolTip("Set all parameters of this method back to those of the preset.")
        self._restore.clicked.connect(self.restore_defaults)
        row = QHBoxLayout()
        row.addWidget(self._methods, 3)
        row.addWidget(self._presets, 2)
        layout = QVBoxLayout(self)
        layout.addLayout(row)
        layout.addWidget(self._summary)
        layout.addWidget(self._fold)
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
        self._methods.choose(settings.method)
        self._show_presets()
        assert self._form is not None
        self._form.set_config(self.spec.config(**{**self.default().model_dump(), **settings.parameters}))
        self._say_changes()

    def restore_defaults(self, *_: Any) -> None:
        """Show the parameters of the preset."""
        if self._form is not None:
            self._form.set_config(self.default())
            self._form_changed()

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
        self._summary.setText(first_sentence(spec.summary))
        self._summary.setToolTip(f"<qt>{spec.summary} <i>Time: {spec.cost}.</i></qt>")
        self._presets.setToolTip(f"<qt>{describe('preset')} <i>Time: {spec.cost}.</i></qt>")
        self._show_presets()
        self._presets.setVisible(bool(spec.presets))
        shown = self._shown(spec)
        self._show_form(ConfigForm(self.default(), fields=shown, editors=lambda: model_editors(spec), later=True))
        self._fold.setVisible(bool(shown))
        self._say_changes()
        self.changed.emit()

    def _show_form(self, form: ConfigForm) -> None:
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(form)
        layout.addWidget(self._restore)
        self._fold.set_content(inner, form.build)
        form.changed.connect(self._form_changed)
        self._form = form

    def _form_changed(self) -> None:
        self._say_changes()
        self.changed.emit()

    def _say_changes(self) -> None:
        """Name in the heading the parameters that are not as the preset has them."""
        assert self._form is not None
        try:
            changes = self._form.changes(self.default(), self.spec.title)
        except RequestError:
            return
        fields = self.spec.config.model_fields
        self._fold.say(", ".join((fields[name].title or name).lower() for name in changes))
