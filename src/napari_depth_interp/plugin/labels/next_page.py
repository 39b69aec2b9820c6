"""Where to annotate next, and what is known about the result."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from ..icons import set_icon
from ..qt_helpers import in_problem_colour, take_room
from .task import Advice

_SECTION = Qt.ItemDataRole.UserRole
_EMPTY = "Which section would help most if you annotated it: the one where most voxels are expected to be wrong."


class NextPage(QWidget):
    """Lists the sections to annotate next; ``chosen(section)`` is emitted by a click, ``wanted`` to look for them."""

    wanted = Signal()
    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words = QLabel(_EMPTY)
        self._words.setObjectName("summary")
        self._words.setWordWrap(True)
        self._find = QPushButton("&Where to annotate next")
        set_icon(self._find, "zoom")
        self._find.setToolTip("<qt>Look at all gaps and say which sections to draw on next, the best first.</qt>")
        self._list = QListWidget()
        self._list.setAccessibleName("Sections to annotate next")
        self._list.setToolTip("A click goes to the section.")
        self._list.setWordWrap(True)
        self._list.setSpacing(2)
        take_room(self._list)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self._find)
        layout.addWidget(self._words)
        layout.addWidget(self._list, 1)
        self._find.clicked.connect(self.wanted)
        self._list.currentItemChanged.connect(self._go)
        self._list.itemClicked.connect(self._go)

    def set_ready(self, ready: bool) -> None:
        """Enable the button."""
        self._find.setEnabled(ready)

    def clear(self) -> None:
        """Forget what was found: it is of other labels."""
        self._list.clear()
        self._words.setText(_EMPTY)

    def show_advice(self, advice: Advice, unit: str) -> None:
        """Show what was found."""
        self._list.blockSignals(True)
        self._list.clear()
        for each in advice.suggestions:
            item = QListWidgetItem(
                f"section {each.section}, z = {each.depth:.4g} {unit}".rstrip()
                + f": sets about {each.loss:,.0f} voxels right; {each.reasons}",
                self._list,
            )
            item.setData(_SECTION, each.section)
        self._list.setCurrentRow(-1)
        self._list.blockSignals(False)
        found = "The best first." if advice.suggestions else "No section between annotated ones is left."
        self._words.setText("<br>".join([found, *_warnings(advice.warnings)]))

    def _go(self, item: QListWidgetItem | None, _before: Any = None) -> None:
        if item is not None:
            self.chosen.emit(item.data(_SECTION))


def _warnings(warnings: Sequence[str]) -> list[str]:
    return [in_problem_colour(html.escape(warning)) for warning in warnings]
