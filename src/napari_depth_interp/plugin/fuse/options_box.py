"""How stacks are fused: forms made from the settings and from the parameters of the method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...errors import RequestError
from ...fusion.configs import CONFIGS
from ...fusion.settings import FuseSettings
from ...run.settings import explain_validation
from ..boxes.config_form import ConfigForm, Editor
from ..folding import Fold
from ..preferences import preference
from ..qt_helpers import let_shrink

_FIRST = ("method", "registration", "profile", "thickness", "spacing")
_LENGTHS = {"thickness": "as in the files", "spacing": "smallest pixel of all stacks"}
"""Those that the stacks give, and what stands there until there are stacks."""
_MORE = ("unchecked", "dtype", "threads", "seed")
_TITLES = {
    "least_squares": "Least squares", "in_plane": "Least squares, in-plane prior", "field": "Continuous field",
    "average": "Average",
}  # fmt: skip


class OptionsBox(QGroupBox):
    """Edits the settings of a fusion; ``changed`` when one has changed."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("How", parent)
        self._method = QComboBox()
        for name in CONFIGS:
            self._method.addItem(_TITLES[name], name)
        let_shrink(self._method, 8)
        editor = Editor(self._method, self._method.currentData, self._choose, self._method.currentIndexChanged)
        self._lengths = {name: QLineEdit() for name in _LENGTHS}
        own = {"method": editor, **{name: _length_editor(line) for name, line in self._lengths.items()}}
        self._first = ConfigForm(FuseSettings(), fields=_FIRST, editors=lambda: own)
        self.show_usual()
        self._parameters = QVBoxLayout()
        holder = QWidget()
        holder.setLayout(self._parameters)
        self._parameters.setContentsMargins(0, 0, 0, 0)
        self._forms: dict[str, ConfigForm] = {}
        self._none = QLabel("The average has no parameters.")
        self._parameters.addWidget(self._none)
        for name, kind in CONFIGS.items():
            if kind.model_fields:
                self._forms[name] = ConfigForm(kind(), later=True)
                self._parameters.addWidget(self._forms[name])
                self._forms[name].changed.connect(self._edited)
        self._score = QCheckBox("Score whole &stacks")
        self._score.setToolTip(
            "<qt>Leave each stack out, predict it from the others and say how well; takes longer.</qt>"
        )
        self._transforms = QLineEdit()
        self._more = ConfigForm(FuseSettings(), fields=_MORE, later=True)
        layout = QVBoxLayout(self)
        folds = Fold("Parameters", holder, self._build_forms), Fold("More settings", self._more, self._more.build)
        for part in (self._first, self._folder_row(), self._score, *folds):
            layout.addWidget(part)
        for form in (self._first, self._more):
            form.changed.connect(self._edited)
        self._edited()

    def _folder_row(self) -> QWidget:
        """Return the field for a folder of transforms, and the button that chooses one."""
        row, label, browse = QWidget(), QLabel("&Transforms"), QPushButton("…")
        tip = (
            "<qt>Folder of transforms that were saved with an earlier result, or edited: they are taken, and nothing "
            "is registered. Empty: the stacks are registered.</qt>"
        )
        self._transforms.setPlaceholderText("registered here")
        self._transforms.setAccessibleName("Transforms")
        browse.setAccessibleName("Choose transforms")
        browse.setMaximumWidth(36)
        for each in (label, self._transforms, browse):
            each.setToolTip(tip)
        label.setBuddy(self._transforms)
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        for each in (label, self._transforms, browse):
            layout.addWidget(each)
        self._transforms.textChanged.connect(self._edited)
        browse.clicked.connect(self._choose_transforms)
        return row

    def _choose_transforms(self, *_: Any) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder of transforms", self._transforms.text())
        if chosen:
            self._transforms.setText(chosen)

    def _build_forms(self) -> None:
        for form in self._forms.values():
            form.build()

    def show_usual(self, **lengths: str) -> None:
        """Show what is used where no thickness and no voxel size (``spacing``) is given."""
        for name, line in self._lengths.items():
            line.setPlaceholderText(lengths.get(name, _LENGTHS[name]))

    def _choose(self, name: str) -> None:
        self._method.setCurrentIndex(self._method.findData(name))

    @property
    def scores(self) -> bool:
        """Whether whole stacks are left out, too."""
        return self._score.isChecked()

    @property
    def transforms(self) -> Path | None:
        """The folder of transforms to take, if there is one."""
        text = self._transforms.text().strip()
        return Path(text).expanduser() if text else None

    def set_values(self, settings: FuseSettings) -> None:
        """Show these settings; parameters of the method stay."""
        self._first.set_config(settings)
        self._more.set_config(settings)

    def values(self) -> dict[str, Any]:
        """Return the settings that this box edits.

        Raises
        ------
        RequestError
            If a value does not fit.
        """
        try:
            first, more = self._first.config(), self._more.config()
        except ValidationError as error:
            raise RequestError(f"the settings do not fit: {explain_validation(error)}") from error
        shown = {name: getattr(first, name) for name in _FIRST} | {name: getattr(more, name) for name in _MORE}
        method = str(shown["method"])
        form = self._forms.get(method)
        parameters = form.changes(CONFIGS[method](), method) if form else {}
        return {**shown, "parameters": parameters, "device": preference("device")}

    def _edited(self, *_: Any) -> None:
        chosen = self._method.currentData()
        for name, form in self._forms.items():
            form.setVisible(name == chosen)
        self._none.setVisible(chosen not in self._forms)
        self.changed.emit()


def _length_editor(line: QLineEdit) -> Editor:
    return Editor(line, lambda: line.text().strip() or None, lambda text: line.setText(text or ""), line.textChanged)
