"""The suspected sections: each beside its neighbours, with the choice what is done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from qtpy.QtCore import QPoint, QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPen, QPixmap
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGroupBox,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ...damage.settings import RepairSettings
from ...run.settings import describe
from ..qt_helpers import PROBLEM_COLOUR, add_choice, growing_form, let_shrink, list_of_rows, say
from .task import SIDE, Strip

REPAIR, KEEP, GAP = "repair", "keep", "gap"
_CHOICES = {
    REPAIR: ("Repair", "Make it anew, fill the lost part, or correct it, as the words beside say."),
    KEEP: ("Keep", "Leave the section as it is."),
    GAP: ("Leave a gap", "Leave the section out of the result; the depths of the others stay."),
}
_HEIGHT = 268
"""Pixels: two lines of words and four rows."""
_CHOICE_WIDTH = 124
"""Pixels of the list of choices in a row."""
_BETWEEN = 2
"""Pixels between two thumbnails."""
_INDEX = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class Suspect:
    """What is said of a section: ``words`` in the list, ``tip`` beside it; ``choice`` until somebody chooses.

    ``short`` stands in the canvas.
    """

    index: int
    words: str
    tip: str
    choice: str
    short: str


class SuspectsBox(QGroupBox):
    """Lists sections with thumbnails and a choice.

    ``chosen(section)`` when a row is selected, ``changed`` when another thing is to be done, ``add_clicked`` when the
    section in view is to be listed, too.
    """

    chosen = Signal(int)
    changed = Signal()
    add_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Suspected sections", parent)
        self._choices: dict[int, QComboBox] = {}
        self._words = QLabel()
        self._words.setObjectName("summary")
        self._words.setWordWrap(True)
        self._table = list_of_rows(["Section", "Neighbours", "What to do"])
        self._table.setAccessibleName("Suspected sections")
        self._table.setToolTip("<qt>A click goes to the section. It is framed, between its two neighbours.</qt>")
        self._table.setWordWrap(True)
        self._table.verticalHeader().setDefaultSectionSize(SIDE + 10)
        for column, width in ((1, 3 * SIDE + 2 * _BETWEEN + 2), (2, _CHOICE_WIDTH)):
            self._table.horizontalHeader().setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            self._table.setColumnWidth(column, width)
        self._add = QPushButton("Add the section in view")
        self._add.setObjectName("add section")
        self._add.setToolTip("<qt>List a section that was not found: it is then made anew.</qt>")
        self._gaps = QCheckBox("Also several in a row")
        self._gaps.setToolTip(f"<qt>{describe('gaps', RepairSettings)}</qt>")
        self._align = QComboBox()
        for text, kind in (("no", "none"), ("sideways", "translation"), ("sideways and turned", "rigid")):
            self._align.addItem(text, kind)
        self._align.setToolTip(f"<qt>{describe('align', RepairSettings)}</qt>")
        form = growing_form()
        form.addRow("Align sections", self._align)
        layout = QVBoxLayout(self)
        for widget in (self._build_list(), self._add, self._gaps):
            layout.addWidget(widget)
        layout.addLayout(form)
        self._table.itemSelectionChanged.connect(self._selected)
        self._add.clicked.connect(lambda *_: self.add_clicked.emit())
        self._gaps.toggled.connect(lambda *_: self.changed.emit())
        self._align.currentIndexChanged.connect(lambda *_: self.changed.emit())

    def _build_list(self) -> QWidget:
        """Return words and table; they share one place, so that longer words leave what is below where it is."""
        place = QWidget()
        place.setMinimumHeight(_HEIGHT)
        column = QVBoxLayout(place)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._words)
        column.addWidget(self._table, 1)
        return place

    @property
    def sections(self) -> list[int]:
        """The sections that are listed."""
        return sorted(self._choices)

    @property
    def gaps(self) -> bool:
        """Whether neighbours are made anew, too."""
        return self._gaps.isChecked()

    @property
    def align(self) -> str:
        """How all sections are aligned afterwards: none, translation or rigid."""
        return str(self._align.currentData())

    def those(self, choice: str) -> list[int]:
        """Return the sections for which this is chosen."""
        return [index for index, box in sorted(self._choices.items()) if box.currentData() == choice]

    def show_suspects(self, suspects: Mapping[int, Suspect], strips: Mapping[int, Strip]) -> None:
        """Show these sections; of those that are listed already the choice stays."""
        kept = {index: str(box.currentData()) for index, box in self._choices.items()}
        self._table.blockSignals(True)
        self._table.setRowCount(0)
        self._table.setRowCount(len(suspects))
        self._choices = {}
        for row, (index, suspect) in enumerate(sorted(suspects.items())):
            item = QTableWidgetItem(suspect.words)
            item.setData(_INDEX, index)
            item.setToolTip(f"<qt>{suspect.tip}</qt>")
            self._table.setItem(row, 0, item)
            self._table.setCellWidget(row, 1, _picture(strips[index]))
            self._choices[index] = self._choice(index, kept.get(index, suspect.choice))
            self._table.setCellWidget(row, 2, self._choices[index])
        self._table.blockSignals(False)

    def describe(self, suspects: Mapping[int, Suspect]) -> None:
        """Show other words beside the same sections."""
        for row in range(self._table.rowCount()):
            item = self._table.item(row, 0)
            suspect = suspects.get(item.data(_INDEX))
            if suspect is not None:
                item.setText(suspect.words)
                item.setToolTip(f"<qt>{suspect.tip}</qt>")

    def say(self, text: str, *, problem: bool = False) -> None:
        """Say what the list holds."""
        say(self._words, text, problem=problem)

    def set_ready(self, ready: bool) -> None:
        """Let sections be added: there is a stack."""
        self._add.setEnabled(ready)

    def select(self, index: int) -> None:
        """Select the row of a section, if it has one."""
        rows = [row for row in range(self._table.rowCount()) if self._table.item(row, 0).data(_INDEX) == index]
        self._table.blockSignals(True)
        if rows:
            self._table.selectRow(rows[0])
        else:
            self._table.clearSelection()
        self._table.blockSignals(False)

    def _choice(self, index: int, chosen: str) -> QComboBox:
        box = QComboBox()
        let_shrink(box, 9)
        for name, (text, tip) in _CHOICES.items():
            add_choice(box, text, name, f"<qt>{tip}</qt>")
        box.setCurrentIndex(max(0, box.findData(chosen)))
        box.setAccessibleName(f"What to do with section {index}")
        box.currentIndexChanged.connect(lambda *_: self.changed.emit())
        return box

    def _selected(self, *_: Any) -> None:
        rows = self._table.selectionModel().selectedRows()
        if rows:
            self.chosen.emit(int(self._table.item(rows[0].row(), 0).data(_INDEX)))


def _picture(strip: Strip) -> QLabel:
    """Return the three thumbnails side by side, the middle one framed."""
    label = QLabel()
    label.setPixmap(pixmap_of(strip))
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)  # a click belongs to the row
    return label


def pixmap_of(strip: Strip) -> QPixmap:
    """Draw thumbnails side by side, the middle one framed."""
    rows, columns = strip.shape[1:]
    size = QSize(columns, rows).scaled(SIDE, SIDE, Qt.AspectRatioMode.KeepAspectRatio).expandedTo(QSize(1, 1))
    step = size.width() + _BETWEEN
    pixmap = QPixmap(3 * step - _BETWEEN, size.height())
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    for place, plane in enumerate(strip):
        image = QImage(np.ascontiguousarray(plane).tobytes(), columns, rows, columns, QImage.Format.Format_Grayscale8)
        painter.drawImage(QRect(QPoint(place * step, 0), size), image)
    painter.setPen(QPen(QColor(PROBLEM_COLOUR), 2))
    painter.drawRect(step + 1, 1, size.width() - 2, size.height() - 2)
    painter.end()
    return pixmap
