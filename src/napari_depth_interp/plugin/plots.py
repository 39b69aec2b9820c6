"""Scores along z, with a cursor that is the section in view."""

from __future__ import annotations

from collections.abc import Sequence

import pyqtgraph as pg
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

COLOURS = ("#4fa3ff", "#ffb14e", "#7ddc8c", "#ff7a9c", "#c39bff", "#f5e663")
BASELINE_COLOUR = "#a0a0a0"


class SectionPlot(QWidget):
    """PSNR of each hidden section against its depth, one curve per run.

    ``depth_chosen`` is emitted when the user clicks into the plot or drags the cursor.
    """

    depth_chosen = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._plot = pg.PlotWidget()
        self._plot.setMinimumHeight(150)
        self._plot.setLabel("left", "PSNR (dB)")
        self._plot.showGrid(x=True, y=True, alpha=0.2)
        self._plot.setToolTip("Score of each hidden section. Click to move napari's z slider there.")
        self._legend = self._plot.addLegend(offset=(5, 5), labelTextSize="8pt")
        self._cursor = pg.InfiniteLine(angle=90, movable=True, pen=pg.mkPen("#ff4444", width=1))
        self._plot.addItem(self._cursor, ignoreBounds=True)
        self._cursor.sigPositionChangeFinished.connect(lambda line: self.depth_chosen.emit(float(line.value())))
        self._plot.scene().sigMouseClicked.connect(self._clicked)
        for menu in (self._plot.getPlotItem().ctrlMenu, self._plot.getViewBox().menu):
            menu.setParent(self, menu.windowFlags())  # pyqtgraph leaves them alone in the world when the plot goes
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._plot)

    def set_colours(self, background: str, foreground: str) -> None:
        """Follow napari's theme."""
        self._plot.setBackground(background)
        for side in ("left", "bottom"):
            axis = self._plot.getAxis(side)
            axis.setPen(foreground)
            axis.setTextPen(foreground)
        self._legend.setLabelTextColor(foreground)

    def show_curves(self, curves: Sequence[tuple[str, str, Sequence[tuple[float, float]]]], unit: str) -> None:
        """Draw curves given as (name, colour, [(depth, PSNR) ...])."""
        for item in list(self._plot.listDataItems()):
            self._plot.removeItem(item)
        self._plot.setLabel("bottom", f"z ({unit})")
        for name, colour, points in curves:
            x, y = [depth for depth, _ in points], [score for _, score in points]
            pen = pg.mkPen(colour, width=2)
            self._plot.plot(x, y, pen=pen, symbol="o", symbolSize=5, symbolBrush=colour, symbolPen=None, name=name)

    def move_cursor(self, depth: float) -> None:
        """Show the section in view."""
        self._cursor.setValue(depth)

    def _clicked(self, event: object) -> None:
        position = self._plot.getViewBox().mapSceneToView(event.scenePos())
        self.depth_chosen.emit(float(position.x()))
