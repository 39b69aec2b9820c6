"""How well each stack fits: figures, and buttons that show it in the viewer."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QTableWidgetItem, QVBoxLayout, QWidget

from ...fusion.result import described
from ..qt_helpers import in_problem_colour, list_of_rows

_HEADINGS = ("Stack", "Moved", "Turned", "Correlation", "Fit", "Held out")
_TIPS = (
    "The reference comes first.",
    "How far the middle of the stack was moved.",
    "By how many degrees it was turned.",
    "With the mean of the other stacks, before and after the registration.",
    "Difference of what is seen of the result from the sections, over their noise: 1 is as good as can be.",
    "Held-out sections: by how many dB they are predicted better than by the average.",
)


_FRAME = 24
"""Pixels of the table beside its rows: frame and the bar that scrolls it sideways."""
_INDENT = 12
"""Pixels."""


class QualityPage(QWidget):
    """A row for each stack; ``overlay_clicked`` and ``chessboard_clicked`` carry the number of the chosen one."""

    overlay_clicked = Signal(int)
    chessboard_clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._table = list_of_rows(_HEADINGS)
        self._table.setAccessibleName("Quality of the stacks")
        self._table.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        for column, tip in enumerate(_TIPS):
            self._table.horizontalHeaderItem(column).setToolTip(f"<qt>{tip}</qt>")
        self._words = QLabel("Fuse the stacks; how well each of them fits is shown here.")
        self._words.setObjectName("quality")
        self._words.setWordWrap(True)
        self._overlay, self._board = QPushButton("&Overlay"), QPushButton("Chess&board")
        self._overlay.setToolTip(
            "<qt>Show the chosen stack in magenta over the fused volume in green: what fits is white.</qt>"
        )
        self._board.setToolTip(
            "<qt>Show fields of the chosen stack and of the fused volume by turns: edges go on across the fields where "
            "the stack is well registered.</qt>"
        )
        buttons = QHBoxLayout()
        buttons.addWidget(self._overlay)
        buttons.addWidget(self._board)
        layout = QVBoxLayout(self)
        layout.addWidget(self._table)
        layout.addLayout(buttons)
        layout.addWidget(self._words)
        layout.addStretch(1)
        self._overlay.clicked.connect(lambda *_: self.overlay_clicked.emit(self._row()))
        self._board.clicked.connect(lambda *_: self.chessboard_clicked.emit(self._row()))
        self._set_ready(False)

    def show_stacks(self, stacks: Sequence[dict[str, Any]], unit: str | None, warnings: Sequence[str]) -> None:
        """Show what is known of each stack, and what to beware of."""
        self._table.setRowCount(len(stacks))
        for row, stack in enumerate(stacks):
            for column, text in enumerate(_cells(stack, unit or "")):
                self._table.setItem(row, column, QTableWidgetItem(text))
        self._table.selectRow(min(1, len(stacks) - 1))
        self._table.resizeColumnsToContents()
        rows = sum(self._table.rowHeight(row) for row in range(len(stacks)))
        self._table.setFixedHeight(rows + self._table.horizontalHeader().height() + _FRAME)
        beware = [f"<p>{in_problem_colour(html.escape(each))}</p>" for each in warnings]
        self._words.setText("".join([*map(_line, described(stacks, unit)), *beware]))
        self._set_ready(bool(stacks))

    def _row(self) -> int:
        return max(0, int(self._table.currentRow()))

    def _set_ready(self, ready: bool) -> None:
        for button in (self._overlay, self._board):
            button.setEnabled(ready)


def _line(line: str) -> str:
    """Return a line about a stack; what more is known of it stands below, further to the right."""
    return f"<div style='margin-left: {_INDENT if line.startswith(' ') else 0}px'>{html.escape(line.strip())}</div>"


def _cells(stack: dict[str, Any], unit: str) -> list[str]:
    move = stack["registration"]
    moved = ["reference", "-"] if move is None else [f"{move['shift']:.2f} {unit}".strip(), f"{move['angle']:.2f}°"]
    before, after = stack["correlation_before"], stack["correlation"]
    then = "-" if math.isnan(before) else f"{before:.2f}"
    gain = f"{stack['held_out']['gain_db']:+.1f} dB" if "held_out" in stack else "-"
    return [stack["name"], *moved, f"{then} → {after:.2f}", f"{stack['consistency']['ratio']:.2f}", gain]
