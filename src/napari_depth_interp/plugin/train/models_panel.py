"""The models on this machine: a table, what the chosen one is, and what can be done with it."""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QInputDialog,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QTableWidgetItem,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from ...errors import DepthInterpError
from ...models import card as model_card
from ...models import library
from ...models import names as model_names
from ...system.amounts import size_in_words
from ..boxes.model_choice import model_list
from ..icons import set_icon
from ..jobs.messages import for_window
from ..qt_helpers import list_of_rows, take_room

_HEADINGS = ["Model", "Method", "Score", "Size", "State"]
_FILES = "Models (*.zip)"


class ModelsPanel(QWidget):
    """Lists models.

    ``resume_wanted`` gives the name of a training that shall go on, ``use_wanted`` the method and the name of a model.
    """

    resume_wanted = Signal(str)
    use_wanted = Signal(str, str)
    said = Signal(str, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: list[library.Entry] = []
        self._busy = ""
        self._where = QLabel()
        self._where.setWordWrap(True)
        self._where.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._table = list_of_rows(_HEADINGS)
        self._table.setToolTip("<qt>Models that runs can use by name: those trained here, and those imported.</qt>")
        self._table.setAccessibleName("Models")
        self._details = QTextBrowser()
        self._details.setAccessibleName("About the model")
        take_room(self._details)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self._where)
        layout.addWidget(self._table, 2)
        layout.addWidget(self._details, 2)
        layout.addLayout(self._build_buttons())
        self._table.itemSelectionChanged.connect(self._row_chosen)
        model_list().changed.connect(self.refresh)
        self.refresh()

    @property
    def chosen(self) -> library.Entry | None:
        """The model of the chosen row."""
        row = self._table.currentRow()
        return self._entries[row] if 0 <= row < len(self._entries) and self._table.selectedItems() else None

    def choose(self, name: str) -> None:
        """Choose a model by name."""
        names = [each.name for each in self._entries]
        if name in names:
            self._table.selectRow(names.index(name))

    def set_busy(self, name: str) -> None:
        """Say which model is being trained (none: ``""``): nothing is done to that one."""
        self._busy = name
        self.refresh()

    def refresh(self) -> None:
        """List what is there now."""
        chosen = self.chosen.name if self.chosen else ""
        self._entries = library.entries()
        self._where.setText(
            f"Models are kept in {html.escape(str(model_names.home()))}"
            if self._entries
            else "Models that you train or import are listed here."
        )
        self._table.blockSignals(True)
        self._table.setRowCount(len(self._entries))
        for row, each in enumerate(self._entries):
            for column, text in enumerate(self._cells(each)):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                self._table.setItem(row, column, item)
        self._table.clearSelection()
        self._table.blockSignals(False)
        self.choose(chosen)
        self._row_chosen()

    # What can be done

    def rename(self, new: str) -> None:
        """Give the chosen model another name."""
        self._do(lambda name: library.rename(name, new), f"called {new} now")
        self.choose(new)

    def remove(self) -> None:
        """Delete the chosen model."""
        self._do(library.remove, "removed")

    def export(self, path: Path) -> None:
        """Write the chosen model as one file; an existing one is replaced, the dialog has asked."""
        self._do(lambda name: library.export(name, path, overwrite=True), f"exported to {path}")

    def import_model(self, path: Path, name: str) -> None:
        """Take in a model from a file."""
        try:
            found = library.import_model(path, name)
        except DepthInterpError as error:
            self.said.emit(for_window(error), True)
            return
        model_list().changed.emit()
        self.choose(found.name)
        self.said.emit(f"imported {found.name}", False)

    def _do(self, action: Callable[[str], Any], done: str) -> None:
        entry = self.chosen
        if entry is None:
            return
        try:
            action(entry.name)
        except DepthInterpError as error:
            self.said.emit(for_window(error), True)
            return
        model_list().changed.emit()
        self.said.emit(f"{entry.name}: {done}", False)

    # Asking

    def _ask_rename(self) -> None:
        if self.chosen is not None:
            name, sure = QInputDialog.getText(
                self, "Rename a model", "New name", QLineEdit.EchoMode.Normal, self.chosen.name
            )
            if sure and name != self.chosen.name:
                self.rename(name.strip())

    def _ask_remove(self) -> None:
        if self.chosen is None:
            return
        question = f"Delete the model '{self.chosen.name}'? Nothing can bring it back but an exported file."
        if QMessageBox.question(self, "Remove a model", question) == QMessageBox.StandardButton.Yes:
            self.remove()

    def _ask_export(self) -> None:
        if self.chosen is not None:
            path, _ = QFileDialog.getSaveFileName(self, "Export a model", f"{self.chosen.name}.zip", _FILES)
            if path:
                self.export(Path(path))

    def _ask_import(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Import a model", "", _FILES)
        if not path:
            return
        name, sure = QInputDialog.getText(
            self, "Import a model", "Its name here", QLineEdit.EchoMode.Normal, Path(path).stem
        )
        if sure:
            self.import_model(Path(path), name.strip())

    def _ask_resume(self) -> None:
        if self.chosen is not None:
            self.resume_wanted.emit(self.chosen.name)

    def _ask_use(self) -> None:
        entry = self.chosen
        if entry is not None and entry.about is not None:
            self.use_wanted.emit(entry.about.method, entry.name)

    # Showing

    def _cells(self, entry: library.Entry) -> list[str]:
        about = entry.about
        state = "in training" if entry.name == self._busy else entry.state
        size = size_in_words(entry.size) if entry.size else "-"
        return [
            entry.name,
            about.method if about else "-",
            model_card.score_of(about.record) if about else "-",
            size,
            state,
        ]

    def _row_chosen(self) -> None:
        entry = self.chosen
        free = entry is not None and entry.name != self._busy
        for button in (self._rename, self._remove):
            button.setEnabled(free)
        ready = free and entry is not None and entry.state == "ready"
        for button in (self._use, self._export):
            button.setEnabled(ready)
        self._resume.setEnabled(free and not self._busy and entry is not None and entry.state == "unfinished")
        self._details.setVisible(entry is not None)  # an empty half of the page says nothing
        if entry is None:
            return
        pairs = model_card.describe(entry)
        rows = "".join(
            f"<tr><td><b>{heading}</b>&nbsp;&nbsp;</td><td>{html.escape(text)}</td></tr>" for heading, text in pairs
        )
        self._details.setHtml(f"<table>{rows}</table>")

    def _build_buttons(self) -> QGridLayout:
        grid = QGridLayout()
        for number, (name, text, tip, slot) in enumerate(
            (
                ("_use", "Use this model", "Choose it in the dock Depth interpolation.", self._ask_use),
                ("_resume", "Resume", "Go on with an unfinished training, exactly where it was.", self._ask_resume),
                ("_rename", "Rename…", "Give the model another name.", self._ask_rename),
                ("_remove", "Remove…", "Delete the model.", self._ask_remove),
                ("_import", "Import…", "Take in a model that somebody exported.", self._ask_import),
                ("_export", "Export…", "Write the model as one file, for another machine.", self._ask_export),
            )
        ):
            button = QPushButton(text)
            button.setToolTip(f"<qt>{tip}</qt>")
            button.clicked.connect(slot)
            if name == "_remove":
                set_icon(button, "delete")
            setattr(self, name, button)
            grid.addWidget(button, number // 3, number % 3)
        return grid

    _use: QPushButton
    _resume: QPushButton
    _rename: QPushButton
    _remove: QPushButton
    _import: QPushButton
    _export: QPushButton
