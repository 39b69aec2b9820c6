"""A preview is accepted or removed here."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from ..icons import set_icon


class PreviewBar(QWidget):
    """Shown while there is a preview."""

    accepted = Signal()
    removed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        accept, remove = QPushButton("&Accept preview"), QPushButton("Remove preview")
        set_icon(accept, "check")
        set_icon(remove, "delete")
        accept.setToolTip("<qt>Write the preview into the labels, as one undo step.</qt>")
        remove.setToolTip("<qt>Take the preview away; the labels stay as they are.</qt>")
        self._words = QLabel()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._words, 1)
        row.addWidget(accept)
        row.addWidget(remove)
        accept.clicked.connect(self.accepted)
        remove.clicked.connect(self.removed)
        self.hide()

    def offer(self, words: str) -> None:
        """Ask about a preview."""
        self._words.setText(words)
        self.show()
