"""Icons of napari's own set, in the colour of the words of its theme."""

from __future__ import annotations

import napari
from napari.resources import get_colorized_svg, get_icon_path
from napari.settings import get_settings
from napari.utils.theme import get_theme
from qtpy.QtCore import QByteArray, QRectF, QSize, Qt
from qtpy.QtGui import QIcon, QPainter, QPixmap
from qtpy.QtSvg import QSvgRenderer
from qtpy.QtWidgets import QAbstractButton, QWidget

_SIDE, _WIDE = 12, 16
"""Pixels of an icon beside words, and of the room that it has in their line."""
_FINER = 3
"""Pixels that are drawn for each of them, for screens with more."""
_FAINT = 0.4
"""How much is left of an icon whose button cannot be pressed, as of its words."""
_NAME = "napari_icon"


def set_icon(button: QAbstractButton, name: str) -> None:
    """Give a button an icon of napari, by the name of its file."""
    if button.property(_NAME) == name:
        return
    button.setProperty(_NAME, name)
    button.setIconSize(QSize(_WIDE, _SIDE))
    viewer = napari.current_viewer()
    _draw(button, get_settings().appearance.theme if viewer is None else viewer.theme)


def follow_theme(widget: QWidget, theme: str) -> None:
    """Draw all icons in a widget in the colour of a theme."""
    for button in widget.findChildren(QAbstractButton):
        if button.property(_NAME):
            _draw(button, theme)


def _draw(button: QAbstractButton, theme: str) -> None:
    words = str(get_theme(theme).text.as_hex())
    icon = QIcon()
    icon.addPixmap(_pixmap(button.property(_NAME), words, 1.0), QIcon.Mode.Normal)
    icon.addPixmap(_pixmap(button.property(_NAME), words, _FAINT), QIcon.Mode.Disabled)
    button.setIcon(icon)


def _pixmap(name: str, colour: str, opacity: float) -> QPixmap:
    pixmap = QPixmap(_WIDE * _FINER, _SIDE * _FINER)
    pixmap.fill(Qt.GlobalColor.transparent)
    where = QRectF((_WIDE - _SIDE) / 2 * _FINER, 0, _SIDE * _FINER, _SIDE * _FINER)
    painter = QPainter(pixmap)
    painter.setOpacity(opacity)
    QSvgRenderer(QByteArray(get_colorized_svg(get_icon_path(name), color=colour).encode())).render(painter, where)
    painter.end()
    return pixmap
