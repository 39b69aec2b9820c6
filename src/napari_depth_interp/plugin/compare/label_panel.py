"""The outcome of a comparison on labels: what the scores say, the tables, and ways out."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import napari
from napari.layers import Layer
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ...evaluation.label_scores import LabelScores
from ...report.labels.conclusions import conclusions
from ...report.labels.sheets import flat
from ...report.labels.tables import best_at, heading, metric_at, worst_labels
from ...report.numbers import number, seconds_in_digits
from ..layers.appearance import unique_name
from ..layers.label_layers import to_label_layers
from ..qt_helpers import in_problem_colour, list_of_rows
from .label_task import LabelOutcome

_PATHS = (
    "mean.dice", "mean.surface", "mean.surface_95", "mean.object_f1", "mean.count_error", "mean.volume_error",
    "total.object_f1", "total.accuracy",
)  # fmt: skip
_MOST = 200
"""Labels in the second table."""
_EMPTY = "Select a Labels layer as the stack: methods for labels are then compared, and their scores stand here."


class LabelScoresPanel(QWidget):
    """Shows one comparison of methods for labels. ``report_wanted`` brings the folder chosen for a report."""

    report_wanted = Signal(object)
    said = Signal(str, bool)

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.outcome: LabelOutcome | None = None
        self._layer: Layer | None = None
        self._command: Callable[[], str] | None = None
        self._build()

    def show_outcome(self, outcome: LabelOutcome, layer: Layer, command: Callable[[], str]) -> None:
        """Show a comparison on a layer; ``command`` gives what repeats it."""
        self.outcome, self._layer, self._command = outcome, layer, command
        scores = outcome.scores
        lines = [f"{scores.describe()[0].upper()}{scores.describe()[1:]}."]
        self._words.setText("<br>".join([*map(html.escape, lines), *map(_coloured, conclusions(scores))]))
        self._fill_methods(scores)
        self._fill_labels(scores)
        for button in self._buttons:
            button.setEnabled(True)

    def _fill_methods(self, scores: LabelScores) -> None:
        values = [flat(each) for each in scores.methods]
        tops = {path: best_at(path, [each[path] for each in values]) for path in _PATHS}
        table, unit = self.methods, scores.stack.get("unit")
        table.setColumnCount(len(_PATHS) + 2)
        table.setHorizontalHeaderLabels(["Method", *(heading(path, unit) for path in _PATHS), "Time (s)"])
        for place, path in enumerate(_PATHS, 1):
            table.horizontalHeaderItem(place).setToolTip(f"<qt>{metric_at(path).help}</qt>")
        table.setRowCount(len(values))
        for row, (each, found) in enumerate(zip(scores.methods, values, strict=True)):
            cells = [(each.method, False), *((number(found[path]), _is(found[path], tops[path])) for path in _PATHS)]
            _fill_row(table, row, [*cells, (seconds_in_digits(each.seconds), False)])
        table.selectRow(0)

    def _fill_labels(self, scores: LabelScores) -> None:
        names = [each.method for each in scores.methods]
        rows = [{row["label"]: row for row in each.labels} for each in scores.methods]
        chosen = worst_labels(scores, _MOST)
        table = self.labels
        table.setColumnCount(2 + len(names))
        table.setHorizontalHeaderLabels(["Label", "Voxels", *(f"Dice, {name}" for name in names)])
        table.setRowCount(len(chosen))
        for place, label in enumerate(chosen):
            dice = [held[label]["dice"] if label in held else None for held in rows]
            best = best_at("mean.dice", dice)
            cells = [(str(label), False), (str(rows[0][label]["voxels"]), False)]
            _fill_row(table, place, [*cells, *((number(value), _is(value, best)) for value in dice)])

    # Ways out

    def add_layers(self, *_: Any) -> None:
        """Add what the method of the chosen row made as a Labels layer."""
        row = self.methods.currentRow()
        if self.outcome is None or self._layer is None or row < 0:
            return
        name = self.outcome.scores.methods[row].method
        for data, kwargs, _ in to_label_layers(self.outcome.restored[name], f"{self._layer.name} {name} restored"):
            kwargs["name"] = unique_name(self._viewer, kwargs["name"])
            self._viewer.add_labels(data, **{key: value for key, value in kwargs.items() if key != "rgb"})

    def copy_command(self, *_: Any) -> None:
        """Put the command line that repeats the comparison on the clipboard."""
        if self._command is not None:
            QApplication.clipboard().setText(self._command())
            self.said.emit("the command is on the clipboard", False)

    def ask_report(self, *_: Any) -> None:
        """Ask for a folder for the report."""
        chosen = QFileDialog.getExistingDirectory(self, "Folder for the report")
        if chosen:
            self.report_wanted.emit(Path(chosen))

    # Building

    def _build(self) -> None:
        self._words = QLabel(_EMPTY)
        self._words.setObjectName("label summary")
        self._words.setWordWrap(True)
        self._words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.methods, self.labels = list_of_rows(["Method"]), list_of_rows(["Label"])
        self.methods.setAccessibleName("Scores of the methods for labels")
        self.labels.setAccessibleName("Dice of each label")
        self.labels.setToolTip("<qt>The labels that the best method restores worst come first.</qt>")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self._words)
        layout.addWidget(self.methods, 1)
        layout.addWidget(self.labels, 2)
        row = QHBoxLayout()
        self._buttons = []
        for text, tip, slot in (
            ("Add as layer", "Add what the method of the chosen row made as a Labels layer.", self.add_layers),
            ("Report on labels…", "Write an HTML report with pictures, CSV and JSON.", self.ask_report),
            ("Copy labels command", "Copy the command line that repeats this comparison.", self.copy_command),
        ):
            button = QPushButton(text)
            button.setToolTip(f"<qt>{tip}</qt>")
            button.setEnabled(False)
            button.clicked.connect(slot)
            row.addWidget(button, 1)
            self._buttons.append(button)
        layout.addLayout(row)


def _coloured(sentence: Any) -> str:
    text = html.escape(sentence.text, quote=False)
    return in_problem_colour(text) if sentence.kind == "bad" else text


def _is(value: float | None, best: float | None) -> bool:
    return best is not None and value is not None and number(value) == number(best)


def _fill_row(table: QTableWidget, row: int, cells: Sequence[tuple[str, bool]]) -> None:
    for column, (text, bold) in enumerate(cells):
        item = QTableWidgetItem(text)
        if column:
            item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if bold:
            font = item.font()
            font.setBold(True)
            item.setFont(font)
        table.setItem(row, column, item)
