"""Icons of napari's own set, in the colour of the words beside them whatever the theme."""

from __future__ import annotations

from functools import cache

from napari.resources import get_colorized_svg, get_icon_path
from qtpy.QtCore import QByteArray, QEvent, QObject, QRectF, QSize, Qt
from qtpy.QtGui import QIcon, QPainter, QPalette, QPixmap
from qtpy.QtSvg import QSvgRenderer
from qtpy.QtWidgets import QAbstractButton

_SIDE, _WIDE = 12, 16
"""Pixels of an icon beside words, and of the room that it has in their line."""
_FINER = 3
"""Pixels that are drawn for each of them, for screens with more."""
_NAME = "napari_icon"
_RECOLOURED = (QEvent.Type.Polish, QEvent.Type.StyleChange, QEvent.Type.PaletteChange)


def set_icon(button: QAbstractButton, name: str) -> None:
    """Give a button an icon of napari, by the name of its file; it is drawn anew when the theme changes."""
    if button.property(_NAME) is None:
        button.setIconSize(QSize(_WIDE, _SIDE))
        button.installEventFilter(_follower())
    button.setProperty(_NAME, name)
    _draw(button)


def _draw(button: QAbstractButton) -> None:
    icon = _icon(button.property(_NAME), *(_colour(button, group) for group in _GROUPS))
    if button.icon().cacheKey() != icon.cacheKey():
        button.setIcon(icon)


_GROUPS = (QPalette.ColorGroup.Active, QPalette.ColorGroup.Disabled)


def _colour(button: QAbstractButton, group: QPalette.ColorGroup) -> str:
    return str(button.palette().color(group, QPalette.ColorRole.ButtonText).name())


@cache
def _icon(name: str, colour: str, disabled: str) -> QIcon:
    icon = QIcon()
    for each, mode in ((colour, QIcon.Mode.Normal), (disabled, QIcon.Mode.Disabled)):
        icon.addPixmap(_pixmap(name, each), mode)
    return icon


def _pixmap(name: str, colour: str) -> QPixmap:
    pixmap = QPixmap(_WIDE * _FINER, _SIDE * _FINER)
    pixmap.fill(Qt.GlobalColor.transparent)
    where = QRectF((_WIDE - _SIDE) / 2 * _FINER, 0, _SIDE * _FINER, _SIDE * _FINER)
    painter = QPainter(pixmap)
    QSvgRenderer(QByteArray(get_colorized_svg(get_icon_path(name), color=colour).encode())).render(painter, where)
    painter.end()
    return pixmap


class _Follower(QObject):
    """Draws icons anew when the style has given their button other colours."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        if event is not None and event.type() in _RECOLOURED and isinstance(watched, QAbstractButton):
            _draw(watched)
        return False


@cache
def _follower() -> _Follower:
    return _Follower()
