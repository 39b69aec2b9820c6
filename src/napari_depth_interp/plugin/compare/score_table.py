"""The table of scores: fills while the methods run, sorts by number, tells the best and what is worse than linear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QItemSelectionModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QColor, QFont
from qtpy.QtWidgets import QAbstractItemView, QTableView, QWidget

from ...evaluation.evaluate import BASELINE, MethodScores
from ..qt_helpers import PROBLEM_COLOUR, take_room
from .columns import Column, Row, best_in, columns_for, title_of

_TEXT_COLUMNS = 2
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


class ScoreModel(QAbstractTableModel):
    """Methods as rows, scores as columns."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._columns: list[Column] = columns_for(None, lpips=False)
        self._arrived: list[MethodScores] = []
        self._rows: list[Row] = []
        self._best: list[float | None] = []
        self._sorted_by = (-1, Qt.SortOrder.AscendingOrder)

    def begin(self, unit: str | None, *, lpips: bool) -> None:
        """Start a new comparison."""
        self.beginResetModel()
        self._columns = columns_for(unit, lpips=lpips)
        self._arrived, self._rows, self._best = [], [], []
        self.endResetModel()

    def add(self, scores: MethodScores) -> None:
        """Add one method."""
        self.beginInsertRows(QModelIndex(), len(self._rows), len(self._rows))
        self._arrived.append(scores)
        self._rows.append(Row(scores, None))
        self.endInsertRows()
        self._compare()

    def complete(self, methods: Sequence[MethodScores]) -> None:
        """Show the same methods with their last scores."""
        self._arrived = list(methods)
        self._compare()

    def names(self) -> list[str]:
        """Return the methods in the order in view."""
        return [row.scores.method for row in self._rows]

    def _compare(self) -> None:
        """Compare all rows with linear interpolation and with each other, and keep the order that was asked for."""
        linear = next((scores for scores in self._arrived if scores.method == BASELINE), None)
        by_name = {scores.method: Row(scores, linear) for scores in self._arrived}
        self._rows = [by_name[row.scores.method] for row in self._rows]
        self._best = [best_in(column, self._rows) for column in self._columns]
        self.sort(*self._sorted_by)
        if self._rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._rows) - 1, len(self._columns) - 1))

    # What Qt asks for

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: N802, B008
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: N802, B008
        return 0 if parent.isValid() else len(self._columns)

    def headerData(self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802
        if orientation != Qt.Orientation.Horizontal:
            return None
        column = self._columns[section]
        return {
            Qt.ItemDataRole.DisplayRole: column.heading,
            Qt.ItemDataRole.ToolTipRole: f"<qt>{column.tip} Click to sort.</qt>",
        }.get(Qt.ItemDataRole(role))

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row, column = self._rows[index.row()], self._columns[index.column()]
        is_text = index.column() < _TEXT_COLUMNS
        if role == Qt.ItemDataRole.DisplayRole:
            return column.text(row)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _LEFT if is_text else _RIGHT
        if role == Qt.ItemDataRole.FontRole:
            font = QFont()
            font.setBold(self._is_best(index))
            return font
        if role == Qt.ItemDataRole.ForegroundRole:
            return QColor(PROBLEM_COLOUR) if "worse" in column.text(row) else None
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(row, column, is_text=is_text, best=self._is_best(index))
        return None

    def _is_best(self, index: QModelIndex) -> bool:
        best = self._best[index.column()] if self._best else None
        return best is not None and self._columns[index.column()].value(self._rows[index.row()]) == best

    def _tip(self, row: Row, column: Column, *, is_text: bool, best: bool) -> str:
        if is_text:
            return "<br>".join([f"<qt>{title_of(row.scores.method)}", *row.scores.warnings]) + "</qt>"
        return f"<qt>{column.tip}{' <b>The best here.</b>' if best else ''}</qt>"

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column's numbers; -1 sorts by arrival. What has no number comes last either way."""
        self._sorted_by = column, order
        places = [scores.method for scores in self._arrived]
        rows = sorted(self._rows, key=lambda row: places.index(row.scores.method))
        if 0 <= column < len(self._columns):
            value = self._columns[column].value
            known = [row for row in rows if value(row) is not None]
            known.sort(key=value, reverse=order == Qt.SortOrder.DescendingOrder)  # type: ignore[arg-type]
            rows = known + [row for row in rows if value(row) is None]
        self._reorder(rows)

    def _reorder(self, rows: list[Row]) -> None:
        self.layoutAboutToBeChanged.emit()
        old = self.persistentIndexList()
        names, places = self.names(), {row.scores.method: i for i, row in enumerate(rows)}
        self._rows = rows
        moved = [self.index(places[names[index.row()]], index.column()) for index in old]
        self.changePersistentIndexList(old, moved)
        self.layoutChanged.emit()


class ScoreTable(QTableView):
    """Shows the model; ``chosen`` is emitted when the chosen rows change."""

    chosen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        take_room(self)
        self.setTabKeyNavigation(False)
        self.scores = ScoreModel(self)
        self.setModel(self.scores)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        if hasattr(header, "setSortIndicatorClearable"):  # not in Qt 5
            header.setSortIndicatorClearable(True)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setSortingEnabled(True)
        self.setMinimumHeight(150)
        self.selectionModel().selectionChanged.connect(lambda *_: self.chosen.emit())
        self.scores.dataChanged.connect(self._fit)
        self.scores.modelReset.connect(self._fit)

    def chosen_names(self) -> list[str]:
        """Return the methods of the chosen rows, in the order in view."""
        names = self.scores.names()
        return [names[index.row()] for index in sorted(self.selectionModel().selectedRows(), key=lambda i: i.row())]

    def choose(self, name: str) -> None:
        """Choose one row."""
        if name in self.scores.names():
            self.selectRow(self.scores.names().index(name))

    def choose_too(self, name: str) -> None:
        """Choose one row more."""
        index = self.scores.index(self.scores.names().index(name), 0)
        flags = QItemSelectionModel.SelectionFlag
        self.selectionModel().select(index, flags.Select | flags.Rows)

    def _fit(self, *_: Any) -> None:
        self.setColumnHidden(_TEXT_COLUMNS - 1, not any(":" in name for name in self.scores.names()))
        self.resizeColumnsToContents()
        self.resizeRowsToContents()
