"""Which folder, which of its files, and where the results go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
    QWidget,
)

from ...errors import RequestError
from ...run.settings import Settings, describe
from ..qt_helpers import growing_form, say

RESUME, OVERWRITE, REFUSE = "resume", "overwrite", "refuse"
_EXISTING = {
    RESUME: "Go on: skip complete ones",
    OVERWRITE: "Make all anew",
    REFUSE: "Do not touch them",
}


NO_SOURCE = "choose the folder with the stacks"


class FoldersBox(QGroupBox):
    """Edits the two folders and which files of the first one are taken.

    ``changed`` is emitted when another choice of files may follow.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Folders", parent)
        self.source, self.target = QLineEdit(), QLineEdit()
        self.source.setPlaceholderText("folder of stacks")
        self.source.setToolTip("The folder with the stacks. It may be dropped here.")
        self.target.setPlaceholderText("made if it is not there")
        self.target.setToolTip("<qt>The folder for the results. It gets the same names and folders.</qt>")
        self.source.setAccessibleName("Stacks in")
        self.target.setAccessibleName("Results in")
        self._recursive = QCheckBox("Also the folders in it")
        self._patterns = QLineEdit()
        self._patterns.setPlaceholderText("all stacks")
        self._patterns.setToolTip(
            "<qt>Names of the files to take, such as <i>*_raw.tif</i>; several are separated by semicolons, and "
            "<i>!*_mask*</i> leaves files out.</qt>"
        )
        self._existing = QComboBox()
        for name, words in _EXISTING.items():
            self._existing.addItem(words, name)
        self._existing.setToolTip(
            "<qt>What happens with results that are there. A result is complete if it was made of the same input with "
            "the same settings.</qt>"
        )
        self._spacing = QLineEdit()
        self._spacing.setPlaceholderText("as in each file")
        self._spacing.setToolTip(f"<qt>{describe('z_spacing')} It then holds for all files.</qt>")
        self._info = QLabel(NO_SOURCE)
        self._info.setObjectName("summary")
        self._info.setWordWrap(True)
        self.setAcceptDrops(True)
        form = growing_form(self)
        form.addRow("Stacks in", self._with_button(self.source))
        form.addRow("", self._recursive)
        form.addRow("Names", self._patterns)
        form.addRow("Z spacing", self._spacing)
        form.addRow("Results in", self._with_button(self.target))
        form.addRow("Existing results", self._existing)
        form.addRow(self._info)
        for edit in (self.source, self.target, self._patterns, self._spacing):
            edit.textChanged.connect(self._changed)
        self._recursive.toggled.connect(self._changed)
        self._existing.currentIndexChanged.connect(self._changed)

    def choice(self) -> dict[str, Any]:
        """Return the fields of a plan that this box edits.

        Raises
        ------
        RequestError
            If a folder is missing.
        """
        source, target = self.source.text().strip(), self.target.text().strip()
        if not source:
            raise RequestError(NO_SOURCE)
        if not target:
            raise RequestError("choose a folder for the results")
        patterns = (word.strip() for word in self._patterns.text().split(";"))
        existing = self._existing.currentData()
        return {
            "source": Path(source).expanduser(), "target": Path(target).expanduser(),
            "recursive": self._recursive.isChecked(), "patterns": tuple(word for word in patterns if word),
            "resume": existing == RESUME, "overwrite": existing == OVERWRITE,
        }  # fmt: skip

    def set_choice(
        self, source: str | Path = "", target: str | Path = "", *, recursive: bool = False, patterns: str = "",
        existing: str = RESUME,
    ) -> None:  # fmt: skip
        """Show these folders and this choice of files."""
        self.source.setText(str(source))
        self.target.setText(str(target))
        self._recursive.setChecked(recursive)
        self._patterns.setText(patterns)
        self._existing.setCurrentIndex(self._existing.findData(existing))

    def values(self) -> dict[str, Any]:
        """Return the settings that this box edits."""
        return {"z_spacing": self._spacing.text().strip() or None}

    def set_values(self, settings: Settings) -> None:
        """Show these settings."""
        self._spacing.setText(settings.z_spacing or "")

    def show_message(self, text: str, *, problem: bool = False) -> None:
        """Say what was found."""
        say(self._info, text, problem=problem)

    def dragEnterEvent(self, event: Any) -> None:  # noqa: N802
        if any(Path(url.toLocalFile()).is_dir() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: Any) -> None:  # noqa: N802
        folders = [url.toLocalFile() for url in event.mimeData().urls() if Path(url.toLocalFile()).is_dir()]
        self.source.setText(folders[0])
        event.acceptProposedAction()

    def _with_button(self, edit: QLineEdit) -> QHBoxLayout:
        button = QPushButton("Choose…")
        button.clicked.connect(lambda *_: self._ask(edit))
        row = QHBoxLayout()
        row.addWidget(edit, 1)
        row.addWidget(button)
        return row

    def _ask(self, edit: QLineEdit) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Choose a folder", edit.text() or self.source.text())
        if chosen:
            edit.setText(chosen)

    def _changed(self, *_: Any) -> None:
        self.changed.emit()
