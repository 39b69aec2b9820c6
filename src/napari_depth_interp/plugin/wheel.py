"""The mouse wheel scrolls a panel; it edits a control only where the control has the focus."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QScrollBar,
    QTabBar,
    QWidget,
)

_EDITED = (QAbstractSpinBox, QComboBox, QAbstractSlider, QTabBar)
"""What Qt lets the wheel change, with or without the focus."""
_LEAVES = (QAbstractButton, QLabel, QLineEdit)
"""What takes neither the wheel nor anything to hold: each event of what is watched costs time."""


class WheelGuard(QObject):
    """Watches a widget and all that is in it, also what is put in later."""

    _waits = False

    def watch(self, widget: QWidget) -> None:
        """Guard a widget and what is in it from when it is shown: until then thousands of other events come."""
        if widget.isVisible():
            self._watch_all(widget)
        else:
            self._waits = True
            widget.installEventFilter(self)

    def _watch_all(self, widget: QWidget) -> None:
        for each in (widget, *widget.findChildren(QWidget)):
            if not isinstance(each, _LEAVES):
                each.installEventFilter(self)
            _focus_by_click(each)

    def _watch_newest(self, parent: QObject) -> None:
        """Guard what was just put in: asked of its parent, as PyQt may take the event for an older one's wrapper."""
        children = parent.children()
        if children and isinstance(children[-1], QWidget):
            self._watch_all(children[-1])

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802
        """Hand the wheel on to what the control lies in, unless the control has the focus."""
        kind = event.type()
        if self._waits:
            if kind == QEvent.Type.Show:
                self._waits = False
                self._watch_all(watched)
        elif kind == QEvent.Type.ChildAdded:
            self._watch_newest(watched)
        elif kind == QEvent.Type.Polish and isinstance(watched, QWidget):
            _focus_by_click(watched)  # it may have been made only in part when it was added
        elif kind == QEvent.Type.Wheel and _is_edited(watched) and not _has_focus(watched):
            event.ignore()
            return True
        return False


def _is_edited(widget: QObject) -> bool:
    return isinstance(widget, _EDITED) and not isinstance(widget, QScrollBar)


def _has_focus(widget: Any) -> bool:
    focus = QApplication.focusWidget()
    return focus is not None and (focus is widget or bool(widget.isAncestorOf(focus)))


def _focus_by_click(widget: QWidget) -> None:
    """Let no wheel give the focus: Qt would do so before it sends the event."""
    if widget.focusPolicy() == Qt.FocusPolicy.WheelFocus:
        widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
