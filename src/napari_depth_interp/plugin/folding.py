"""A heading that folds away what is rarely changed, and says what is set in it."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QPushButton, QSizePolicy, QVBoxLayout, QWidget

from .icons import set_icon
from .qt_helpers import tab_after


class Fold(QWidget):
    """A heading with a content that is hidden until it is clicked; what is hidden takes no focus.

    Parameters
    ----------
    title : str
        Of the heading.
    content : QWidget, optional
    build : callable, optional
        Completes the content when it is first shown: a dock opens faster without what is folded away.
    """

    def __init__(
        self,
        title: str,
        content: QWidget | None = None,
        build: Callable[[], object] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._title, self._set = title, ""
        self._build: Callable[[], object] | None = None
        self._content: QWidget | None = None
        self.heading = QPushButton()
        self.heading.setCheckable(True)
        self.heading.setFlat(True)
        self.heading.setAccessibleName(title)
        self.heading.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)  # long words are cut
        self.heading.setStyleSheet("QPushButton { text-align: left; padding: 3px 6px; }")
        self.heading.toggled.connect(self._toggled)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(3)
        self._column.addWidget(self.heading)
        if content is not None:
            self.set_content(content, build)
        self._show_heading()

    @property
    def is_open(self) -> bool:
        """Whether the content is shown."""
        return self.heading.isChecked()

    def set_content(self, content: QWidget, build: Callable[[], object] | None = None) -> None:
        """Put another content in the place of the last one; ``build`` completes it when it is first shown."""
        old, self._content, self._build = self._content, content, build
        self._column.addWidget(content)
        self._complete()
        content.setVisible(self.is_open)
        if old is not None:
            old.hide()  # it may live on until the event loop is idle
            old.deleteLater()
        tab_after(self.heading, content)

    def unfold(self, on: bool = True) -> None:
        """Show the content, or hide it."""
        self.heading.setChecked(on)

    def say(self, what: str) -> None:
        """Say in the heading what is set in the content; nothing if all is as usual."""
        self._set = what
        self._show_heading()

    def _complete(self) -> None:
        if self._build is not None and self._content is not None and self.is_open:
            build, self._build = self._build, None
            build()
            tab_after(self.heading, self._content)

    def _toggled(self, on: bool) -> None:
        self._complete()
        if self._content is not None:
            self._content.setVisible(on)
        self._show_heading()

    def _show_heading(self) -> None:
        words = f"{self._title}: {self._set}" if self._set else self._title
        set_icon(self.heading, "down_arrow" if self.is_open else "right_arrow")
        self.heading.setText(words)
        self.heading.setToolTip(words)
