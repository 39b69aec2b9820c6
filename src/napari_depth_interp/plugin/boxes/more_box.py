"""Settings that no other box edits: a form made from the model, so that a new setting is in the window at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from pydantic import ValidationError
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ...errors import RequestError
from ...run.settings import Settings, explain_validation
from ..folding import Fold
from ..jobs.settings_widget import SettingsBox
from .config_form import ConfigForm, is_editable


class MoreSettingsBox(QWidget):
    """Edits some settings, folded away; its title names those that are not as usual.

    Parameters
    ----------
    fields : collection of str
        The settings to edit.
    """

    changed = Signal()

    def __init__(self, fields: Collection[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._form = ConfigForm(Settings(), fields=fields, later=True)
        self._fold = Fold("More settings", self._form, self._form.build)
        self._fold.setObjectName("more settings")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._fold)
        self._form.changed.connect(self._changed)

    @classmethod
    def beside(cls, boxes: Sequence[SettingsBox], not_used: Collection[str] = ()) -> MoreSettingsBox:
        """Return a box for all settings that these boxes leave and that a form can show, less those of no use."""
        left_to = {*not_used, *(name for box in boxes for name in box.values())}
        fields = Settings.model_fields.items()
        return cls([name for name, field in fields if name not in left_to and is_editable(field.annotation)])

    def values(self) -> dict[str, Any]:
        """Return the settings that this box edits.

        Raises
        ------
        RequestError
            If a value does not fit.
        """
        try:
            shown = self._form.config()
        except ValidationError as error:
            raise RequestError(f"the settings do not fit: {explain_validation(error)}") from error
        return {name: getattr(shown, name) for name in self._form.fields}

    def set_values(self, settings: Settings) -> None:
        """Show these settings."""
        self._form.set_config(settings)
        self._show_title()

    def _changed(self) -> None:
        self._show_title()
        self.changed.emit()

    def _show_title(self) -> None:
        usual = Settings()
        try:
            changed = [name for name, value in self.values().items() if value != getattr(usual, name)]
        except RequestError:
            return
        titles = (Settings.model_fields[name].title or name.replace("_", " ") for name in changed)
        self._fold.say(", ".join(titles).lower())
