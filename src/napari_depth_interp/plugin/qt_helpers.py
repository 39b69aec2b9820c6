"""Small things of which the boxes are made, so that they look and behave alike."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractScrollArea,
    QComboBox,
    QFormLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStyledItemDelegate,
    QTableWidget,
    QWidget,
)

from . import shortcuts
from .icons import set_icon

PROBLEM_COLOUR = "#e0803a"
"""Of words about what is wrong, or worse than linear interpolation; readable on dark and on light."""
PROBLEM = f"color: {PROBLEM_COLOUR};"


def say(label: QLabel, text: str, *, problem: bool = False, rich: bool = False) -> None:
    """Show a text in a label; only ``rich`` text has tags, so that names of files may look like some."""
    label.setTextFormat(Qt.TextFormat.RichText if rich else Qt.TextFormat.PlainText)
    label.setText(text)
    label.setStyleSheet(PROBLEM if problem else "")


def show_row(form: QFormLayout, field: QWidget, shown: bool) -> None:
    """Show or hide a row of a form."""
    if hasattr(form, "setRowVisible"):
        form.setRowVisible(field, shown)
    else:  # Qt 5
        for widget in (field, form.labelForField(field)):
            widget.setVisible(shown)


def in_problem_colour(text: str) -> str:
    """Return rich text."""
    return f"<span style='color: {PROBLEM_COLOUR}'>{text}</span>"


def with_key(tip: str, does: str) -> str:
    """Return a tool tip with the keys of an action, as the user has set them."""
    return f"<qt>{tip} <i>{shortcuts.key_of(does)}</i></qt>"


def growing_form(parent: QWidget | None = None) -> QFormLayout:
    """Return a form whose fields take the width that there is, and stand below their labels where it is too little."""
    form = QFormLayout(parent)
    form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return form


def add_choice(box: QComboBox, text: str, data: Any, tip: str) -> None:
    """Add an entry with a tool tip of its own."""
    box.addItem(text, data)
    box.setItemData(box.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)


def pin_button() -> QPushButton:
    """Return the button that keeps a layer, with an open lock or a closed one."""
    button = QPushButton("Pin")
    button.setCheckable(True)
    button.setToolTip("<qt>Keep this layer, whatever is selected in the list of layers.</qt>")
    set_icon(button, "lock_open")
    button.toggled.connect(lambda on: set_icon(button, "lock" if on else "lock_open"))
    return button


class GroupedChoice(QComboBox):
    """A list of choices under headings; opened, it says of each in one line what it is."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        let_shrink(self, 8)
        self.view().setItemDelegate(_OneLine(self))
        self.view().setMinimumWidth(560)
        self.view().setTextElideMode(Qt.TextElideMode.ElideRight)

    def add_group(self, title: str) -> None:
        """Begin another group."""
        self.addItem(title)
        heading = self.model().item(self.count() - 1)
        heading.setFlags(Qt.ItemFlag.NoItemFlags)
        font = heading.font()
        font.setBold(True)
        heading.setFont(font)

    def add(self, text: str, data: Any, line: str, tip: str) -> None:
        """Add a choice to the last group: what it is in one line, and in its tool tip whole."""
        add_choice(self, text, data, f"<qt>{tip}</qt>")
        self.setItemData(self.count() - 1, line, _LINE)

    def choose(self, data: Any) -> None:
        """Choose by what an entry stands for; the first entry that can be chosen if there is none."""
        places = (i for i in range(self.count()) if self.itemData(i) is not None)
        self.setCurrentIndex(max(self.findData(data), next(places, 0) if self.findData(data) < 0 else 0))


_LINE = Qt.ItemDataRole.UserRole + 1


class _OneLine(QStyledItemDelegate):
    def initStyleOption(self, option: Any, index: Any) -> None:  # noqa: N802
        super().initStyleOption(option, index)
        line = index.data(_LINE)
        if line:
            option.text = f"    {option.text}: {line[0].lower()}{line[1:]}"


def let_shrink(box: QComboBox, characters: int) -> None:
    """Let a list be narrower than its longest entry, so that the dock can be."""
    box.setMinimumContentsLength(characters)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)


def list_of_rows(headings: Sequence[str]) -> QTableWidget:
    """Return a table of which one row is chosen, and none edited; the first column takes the width that is left."""
    table = QTableWidget(0, len(headings))
    table.setHorizontalHeaderLabels(list(headings))
    table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
    table.setSelectionMode(QTableWidget.SelectionMode.SingleSelection)
    table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
    take_room(table)
    table.setTabKeyNavigation(False)  # Tab goes on to the next control; the arrows go through the rows
    table.verticalHeader().hide()
    table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    return table


def take_room(view: QAbstractScrollArea) -> None:
    """Let a list or a text be as high as there is room, and two rows at least; by itself it asks for much more."""
    view.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
    view.setMinimumHeight(90)


def tab_after(before: QWidget, made_later: QWidget) -> None:
    """Let the Tab key go through a widget right after another one: by itself it puts what is made later at the end."""
    window = made_later.window()  # that of a list of choices is another one
    stops = [each for each in (made_later, *made_later.findChildren(QWidget)) if each.window() is window]
    for first, second in pairwise([before, *filter(_is_stop, stops)]):
        QWidget.setTabOrder(first, second)


def _is_stop(widget: QWidget) -> bool:
    return bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus) and widget.focusProxy() is None
