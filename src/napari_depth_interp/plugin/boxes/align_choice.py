"""Whether and how sections are aligned, to choose from a list."""

from __future__ import annotations

from qtpy.QtWidgets import QComboBox, QWidget

from ...run.settings import StackSettings, describe

_KINDS = {"no": "none", "sideways": "translation", "sideways and turned": "rigid"}


class AlignChoice(QComboBox):
    """Chooses none, translation or rigid; the tip is what the settings say about it."""

    def __init__(self, model: type[StackSettings], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        for text, kind in _KINDS.items():
            self.addItem(text, kind)
        self.setToolTip(f"<qt>{describe('align', model)}</qt>")

    def value(self) -> str:
        """Return none, translation or rigid."""
        return str(self.currentData())
