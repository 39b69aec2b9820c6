"""Buttons that turn the view: XY, XZ, YZ, 3-D."""

from __future__ import annotations

from functools import partial
from typing import Any

import napari
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from ..icons import set_icon
from ..layers.planes import SPACE, XY, XZ, YZ, Planes

_TIPS = {
    XY: "The sections as they were recorded.",
    XZ: "Across the sections, through the middle of what is in view. The slider then goes through y.",
    YZ: "Across the sections, through the middle of what is in view. The slider then goes through x.",
    SPACE: "The whole stack in space. Each way to look keeps its own camera.",
}


class PlaneBar(QWidget):
    """Shows which plane is in view, and changes it for all cells of the canvas.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._planes = viewer, Planes(viewer)
        self._buttons: dict[str, QPushButton] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(3)
        row.addWidget(QLabel("View:"))
        for plane, tip in _TIPS.items():
            button = self._buttons[plane] = QPushButton(plane)
            button.setCheckable(True)
            if plane == "3-D":
                set_icon(button, "3D")
            button.setToolTip(f"<qt>{tip}</qt>")
            button.clicked.connect(partial(self._clicked, plane))
            row.addWidget(button, 1)
        for event in self._followed():
            event.connect(self._show_now)
        self._show_now()

    def leave(self) -> None:
        """Follow the viewer no longer, and look at it as before."""
        for event in self._followed():
            event.disconnect(self._show_now)
        self._planes.leave()

    def _followed(self) -> tuple[Any, ...]:
        events = self._viewer.dims.events
        return events.order, events.ndisplay, events.ndim

    def _clicked(self, plane: str, _on: bool = True) -> None:
        self._planes.show(plane)
        self._show_now()

    def _show_now(self, _event: Any = None) -> None:
        now = self._planes.now()
        for plane, button in self._buttons.items():
            button.setChecked(plane == now)
            button.setEnabled(self._viewer.dims.ndim >= 3)
