"""The annotated sections, each with a tick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGroupBox, QLabel, QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from ..layers.sections import Kind, Status

_SECTION = Qt.ItemDataRole.UserRole


class SectionsBox(QGroupBox):
    """Lists the annotated sections and those that somebody has ticked or not.

    ``ticked(section, counts)`` is emitted when a tick is set or taken away, ``chosen(section)`` when a row is.
    """

    ticked = Signal(int, bool)
    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Annotated sections", parent)
        self._section: int | None = None
        self._counts = False
        self._rows: list[tuple[int, str, bool]] = []
        self._words = QLabel()
        self._words.setObjectName("summary")
        self._words.setWordWrap(True)
        self._list = QListWidget()
        self._list.setSpacing(1)
        self._list.setAccessibleName("Annotated sections")
        self._list.setToolTip(
            "<qt>Sections that hold labels, less those that were filled in. Take a tick away and a section counts no "
            "longer: it is neither used nor changed. A click goes there.</qt>"
        )
        self._list.setMinimumHeight(75)
        self._list.setMaximumHeight(110)
        self._count = QPushButton()
        self._count.setObjectName("count section")
        self._count.setToolTip(
            "<qt>An empty section says that nothing is there; an interpolated one that is right can be kept as it "
            "is.</qt>"
        )
        layout = QVBoxLayout(self)
        for widget in (self._words, self._list, self._count):
            layout.addWidget(widget)
        self._list.itemChanged.connect(self._item_changed)
        self._list.currentItemChanged.connect(self._go)
        self._list.itemClicked.connect(self._go)
        self._count.clicked.connect(self._count_clicked)
        self.show_sections({}, [], "")

    def show_sections(self, statuses: Mapping[int, Status], depths: Sequence[float], unit: str) -> None:
        """Show what the sections are; depths may be unknown."""
        rows = [
            (z, _describe(z, status, depths, unit), status.counts)
            for z, status in statuses.items()
            if status.counts or status.kind in (Kind.ANNOTATED, Kind.CORRECTED)
        ]
        self._words.setText(_summary(statuses))
        if rows == self._rows:
            return
        self._rows = rows
        self._list.blockSignals(True)
        for _ in range(self._list.count() - len(rows)):
            self._list.takeItem(self._list.count() - 1)
        for row, (z, text, counts) in enumerate(rows):
            item = self._list.item(row) or QListWidgetItem(self._list)
            item.setText(text)
            item.setData(_SECTION, z)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if counts else Qt.CheckState.Unchecked)
        self._list.blockSignals(False)

    def show_view(self, section: int | None, *, counts: bool) -> None:
        """Show which section is in view: the button is about it, and its row is the chosen one."""
        self._section, self._counts = section, counts
        self._count.setEnabled(section is not None)
        words = "" if section is None else f" {section}"
        self._count.setText(f"Do not count section{words}" if counts else f"Count section{words} as annotated")
        rows = [z for z, _, _ in self._rows]
        self._list.blockSignals(True)
        self._list.setCurrentRow(rows.index(section) if section in rows else -1)
        self._list.blockSignals(False)

    def _item_changed(self, item: QListWidgetItem) -> None:
        self._rows = []  # the item is no longer as it was
        self.ticked.emit(item.data(_SECTION), item.checkState() == Qt.CheckState.Checked)

    def _go(self, item: QListWidgetItem | None, _before: Any = None) -> None:
        if item is not None:
            self.chosen.emit(item.data(_SECTION))

    def _count_clicked(self) -> None:
        if self._section is not None:
            self.ticked.emit(self._section, not self._counts)


def _describe(z: int, status: Status, depths: Sequence[float], unit: str) -> str:
    place = f"section {z}" + (f", z = {depths[z]:.4g} {unit}".rstrip() if len(depths) else "")
    return f"{place}: {describe_kind(status)}, {count(status.labels, 'label') if status.labels else 'empty'}"


def describe_kind(status: Status) -> str:
    """Return what a section is, in a word or two."""
    if status.kind is Kind.INTERPOLATED and status.counts:
        return "interpolated, kept"
    return str(Kind.ANNOTATED if status.kind is Kind.EMPTY and status.counts else status.kind)


def _summary(statuses: Mapping[int, Status]) -> str:
    counted = [z for z, status in statuses.items() if status.counts]
    made = sum(status.kind is Kind.INTERPOLATED and not status.counts for status in statuses.values())
    gaps = sum(b - a > 1 for a, b in pairwise(counted))
    words = f"{len(counted)} of {len(statuses)} annotated, {made} interpolated, {count(gaps, 'gap')}"
    if len(counted) < 2:
        words += "; draw on two sections or more"
    return words if statuses else ""


def count(number: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{number} {what}{'' if number == 1 else 's'}"
