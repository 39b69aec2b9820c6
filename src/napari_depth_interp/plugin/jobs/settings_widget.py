"""What the dock widgets share whose boxes show settings: how these are remembered, loaded and saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QWidget

from ...errors import DepthInterpError
from ...methods import registry
from ...run.request import resolve_method
from ...run.settings import Settings, load_settings, make_settings, save_settings
from ...run.targets import SAME_GRID, check_enhancer
from ...stack import Acquisition
from .. import preferences
from .job_widget import JobWidget
from .messages import for_window

_YAML = "Settings (*.yaml *.yml)"


def check_known(settings: Settings) -> None:
    """Refuse settings that no box could show.

    Raises
    ------
    RequestError
        If a method, parameter or acquisition is not known.
    """
    resolve_method(settings.method, settings.preset, settings.parameters)
    if settings.enhance is not None:
        check_enhancer(resolve_method(settings.enhance, settings.preset, settings.enhance_parameters)[0])
    Acquisition.parse(settings.acquisition or "slice")


class SettingsBox(Protocol):
    """A box that edits some of the settings."""

    def values(self) -> dict[str, Any]:
        """Return the settings that this box edits."""

    def set_values(self, settings: Settings) -> None:
        """Show these settings."""


class SettingsWidget(JobWidget):
    """A dock widget whose boxes show settings; a subclass makes ``settings_boxes``."""

    subcommand: ClassVar[str]
    """Of ``depth-interp``, which reads the same settings."""
    not_used: ClassVar[tuple[str, ...]] = ()
    """Settings that mean nothing here."""
    settings_boxes: Sequence[SettingsBox]

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._unedited: dict[str, Any] = {}

    def settings(self) -> Settings:
        """Return what the boxes show.

        Raises
        ------
        RequestError
            If a value does not fit.
        """
        values = dict(self._unedited)
        for box in self.settings_boxes:
            values |= box.values()
        if registry.get(values["method"]).enhances:
            values |= SAME_GRID
        return make_settings(**values)

    def set_settings(self, settings: Settings) -> None:
        """Show these settings, and keep those that no box edits: they hold for the next run.

        Raises
        ------
        RequestError
            If a value does not fit; nothing has changed then.
        """
        check_known(settings)
        edited = {*self.not_used, *(name for box in self.settings_boxes for name in box.values())}
        self._unedited = {name: value for name, value in dict(settings).items() if name not in edited}
        for box in self.settings_boxes:
            box.set_values(settings)

    def unused(self, _settings: Settings) -> str:
        """Return what is to be said about settings that this widget cannot use."""
        return ""

    def show_first(self) -> None:
        """Show the settings of the last run, or those of the Preferences page."""
        try:
            self.set_settings(preferences.remembered_settings())
        except DepthInterpError:  # remembered by another version, or with a package that is no longer installed
            self.set_settings(preferences.default_settings())

    def load_settings(self, path: str) -> None:
        """Read settings that a widget, the command line or a person has written."""
        try:
            settings = make_settings(**load_settings(path))
            self.set_settings(settings)
        except DepthInterpError as error:
            self.bar.say(for_window(error), problem=True)
        else:
            self.bar.say(f"settings read from {path}{self.unused(settings)}")

    def save_settings(self, path: str) -> None:
        """Write the settings as the YAML that the command line reads with ``--settings``."""
        try:
            save_settings(path, self.settings())
        except DepthInterpError as error:
            self.bar.say(for_window(error), problem=True)
        else:
            self.bar.say(f"settings saved in {path}")

    def settings_buttons(self) -> QWidget:
        """Return a row of buttons that load and save."""
        load, save = QPushButton("Load settings…"), QPushButton("Save settings…")
        load.setToolTip("<qt>Read a YAML file of settings, from here or for the command line.</qt>")
        command = f"<i>depth-interp {self.subcommand} --settings</i>"
        save.setToolTip(f"<qt>Write these settings as the YAML that {command} reads.</qt>")
        load.clicked.connect(self._ask_load)
        save.clicked.connect(self._ask_save)
        buttons = QWidget()
        row = QHBoxLayout(buttons)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(load)
        row.addWidget(save)
        return buttons

    def _ask_load(self, *_: Any) -> None:
        path, _filter = QFileDialog.getOpenFileName(self, "Load settings", "", _YAML)
        if path:
            self.load_settings(path)

    def _ask_save(self, *_: Any) -> None:
        path, _filter = QFileDialog.getSaveFileName(self, "Save settings", "depth-interp.yaml", _YAML)
        if path:
            self.save_settings(path)
