"""The table of files: one row per file, from waiting to done."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from ...batch import FileRecord, State
from ..jobs.messages import name_fields
from ..qt_helpers import PROBLEM_COLOUR, take_room

_COLOURS = {State.FAILED: PROBLEM_COLOUR, State.DONE: "#5cb85c", State.RUNNING: "#4aa3df"}
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True)
class _Column:
    heading: str
    tip: str
    text: Callable[[FileRecord, float], str]
    right: bool = False


def _number(value: float | None, how: str) -> str:
    return "" if value is None else format(value, how)


def _gain(row: FileRecord) -> str:
    return _number(row.gain_over_linear_db, "+.2f").replace("-0.00", "0.00").replace("+0.00", "0.00")


def remark(row: FileRecord) -> str:
    """Return why a file failed or was skipped, or what the method warns of, in the words of the window."""
    return name_fields(row.reason or "; ".join(row.warnings))


_COLUMNS = (
    _Column("File", "Path below the folder.", lambda row, _: row.file.replace("\n", "\N{RETURN SYMBOL}")),
    _Column(
        "State", "What has become of it.",
        lambda row, fraction: f"{row.state} {fraction:.0%}" if row.state == State.RUNNING else str(row.state),
    ),
    _Column("Time (s)", "From reading to writing.", lambda row, _: _number(row.seconds, ".1f"), True),
    _Column("PSNR", "Of all hidden sections together, in dB.", lambda row, _: _number(row.psnr, ".2f"), True),
    _Column("Gain", "PSNR above linear interpolation, in dB.", lambda row, _: _gain(row), True),
    _Column(
        "Remark", "Why it failed or was skipped, or what the method warns of.",
        lambda row, _: remark(row),
    ),
)  # fmt: skip
_SCORES = (3, 4)


class FilesModel(QAbstractTableModel):
    """Files as rows."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[FileRecord] = []
        self._fractions: list[float] = []
        self._places: dict[str, int] = {}

    def begin(self, rows: Sequence[FileRecord]) -> None:
        """Show other files."""
        self.beginResetModel()
        self.rows = list(rows)
        self._fractions = [0.0] * len(self.rows)
        self._places = {row.file: place for place, row in enumerate(self.rows)}
        self.endResetModel()

    def update(self, row: FileRecord, fraction: float) -> None:
        """Show what has become of a file."""
        place = self._places.get(row.file)
        if place is None:  # of a folder that had not been looked through yet
            place = len(self.rows)
            self.beginInsertRows(QModelIndex(), place, place)
            self.rows.append(row)
            self._fractions.append(fraction)
            self._places[row.file] = place
            self.endInsertRows()
        self.rows[place], self._fractions[place] = row, fraction
        self.dataChanged.emit(self.index(place, 0), self.index(place, len(_COLUMNS) - 1))

    # What Qt asks for

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: N802, B008
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: N802, B008
        return 0 if parent.isValid() else len(_COLUMNS)

    def headerData(self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802
        if orientation != Qt.Orientation.Horizontal:
            return None
        column = _COLUMNS[section]
        shown = {Qt.ItemDataRole.DisplayRole: column.heading, Qt.ItemDataRole.ToolTipRole: column.tip}
        return shown.get(Qt.ItemDataRole(role))

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row, column = self.rows[index.row()], _COLUMNS[index.column()]
        text = column.text(row, self._fractions[index.row()])
        if role == Qt.ItemDataRole.DisplayRole:
            return text
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"<qt>{html.escape(text, quote=False)}</qt>" if text else None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if column.right else _LEFT
        if role == Qt.ItemDataRole.ForegroundRole and index.column() in (1, len(_COLUMNS) - 1):
            colour = _COLOURS.get(row.state)
            return QColor(colour) if colour and (index.column() == 1 or row.state == State.FAILED) else None
        return None


class FilesTable(QTableView):
    """Shows the model; ``wanted`` is emitted with the row of a double click, ``picked`` when another row is chosen."""

    wanted = Signal(object)
    picked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        take_room(self)
        self.setTabKeyNavigation(False)
        self.files = FilesModel(self)
        self.setModel(self.files)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setToolTip("Double click a file to open it and its result.")
        self.setAccessibleName("Files")
        self.setWordWrap(False)
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        header.setStretchLastSection(True)
        for column, width in enumerate((190, 76, 64, 50, 48)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Interactive)
            header.resizeSection(column, width)
        self.show_scores(False)
        self.selectionModel().selectionChanged.connect(lambda *_: self.picked.emit())
        self.files.dataChanged.connect(lambda *_: self.picked.emit())
        self.doubleClicked.connect(lambda index: self.wanted.emit(self.files.rows[index.row()]))

    def show_scores(self, shown: bool) -> None:
        """Show or hide the columns of scores."""
        for column in _SCORES:
            self.setColumnHidden(column, not shown)
        self.horizontalHeader().resizeSection(0, 126 if shown else 190)

    def chosen(self) -> FileRecord | None:
        """Return the row that is chosen."""
        found = self.selectionModel().selectedRows()
        return self.files.rows[found[0].row()] if found else None
