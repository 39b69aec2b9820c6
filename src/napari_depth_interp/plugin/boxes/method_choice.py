"""The list of methods, under headings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from qtpy.QtWidgets import QWidget

from ...errors import RequestError
from ...method import MethodSpec
from ...methods import registry
from ..qt_helpers import GroupedChoice


class MethodChoice(GroupedChoice):
    """A list of methods. All of them are loaded when the list is first looked through: that takes a while.

    Parameters
    ----------
    offered : callable spec -> bool
        Whether a method is in the list.
    """

    def __init__(self, offered: Callable[[MethodSpec], bool], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._offered, self._filled = offered, False

    def choose(self, data: Any) -> None:
        """Choose a method by its name; the first one that can be chosen if it is not offered."""
        before = self.currentData()
        if data == before:
            return
        self.blockSignals(True)
        alone = None if self._filled else self._spec(data)
        if alone is not None:
            self.clear()
            self._add(alone)
        else:
            self.fill()
            super().choose(data)
        self.blockSignals(False)
        if self.currentData() != before:
            self.currentIndexChanged.emit(self.currentIndex())

    def fill(self) -> None:
        """List all methods, and keep the chosen one."""
        if self._filled:
            return
        self._filled = True
        chosen = self.currentData()
        blocked = self.blockSignals(True)
        self.clear()
        for group, members in in_groups(filter(self._offered, registry.specs())).items():
            self.add_group(group)
            for spec in members:
                self._add(spec)
        super().choose(chosen)
        self.blockSignals(blocked)

    def _spec(self, name: str) -> MethodSpec | None:
        try:
            spec = registry.get(name)
        except RequestError:
            return None
        return spec if self._offered(spec) else None

    def _add(self, spec: MethodSpec) -> None:
        self.add(spec.title, spec.name, first_sentence(spec.summary), f"{spec.summary} <i>Time: {spec.cost}.</i>")

    def showPopup(self) -> None:  # noqa: N802
        """Open the list."""
        self.fill()
        super().showPopup()

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802
        """Go through the list by keys."""
        self.fill()
        super().keyPressEvent(event)

    def wheelEvent(self, event: Any) -> None:  # noqa: N802
        """Go through the list by the wheel."""
        self.fill()
        super().wheelEvent(event)


def first_sentence(text: str) -> str:
    """Return what a text says first."""
    return text.split(". ")[0].split("; ")[0].rstrip(".") + "."


def in_groups(specs: Iterable[MethodSpec]) -> dict[str, list[MethodSpec]]:
    """Return the methods under their headings; of those with a heading the order stays."""
    groups: dict[str, list[MethodSpec]] = {}
    for spec in specs:
        groups.setdefault(spec.group, []).append(spec)
    return groups
