"""Scores and grey values as curves and points; those along z have a cursor that is the section in view."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

COLOURS = ("#4fa3ff", "#ffb14e", "#7ddc8c", "#ff7a9c", "#c39bff", "#f5e663")
BASELINE_COLOUR = "#a0a0a0"
_SYMBOLS = {"o": "●", "t": "▼", "s": "■", "d": "◆", "+": "✚", "x": "✖", "star": "★"}
"""So that curves can be told apart without colours: pyqtgraph's name and how it looks in a line of text."""
_MANY_POINTS = 60
_PICTURE_WIDTH = 1600
"""Pixels of a saved picture."""

NO_BREAK = "\N{NO-BREAK SPACE}"

Curve = tuple[str, str, Sequence[tuple[float, float]]]
"""(name, colour, points)"""


class Plot(QWidget):
    """Curves with a legend, in the colours of napari's theme.

    What draws is made when there is something to draw: its library takes long to be imported.
    """

    def __init__(self, left: str, bottom: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._plot: Any = None
        self._drawn: list[tuple[Curve, Any]] = []
        self._labels = {"left": left, "bottom": bottom}
        self._tip, self._title = tip, ""
        self._background, self._foreground = "#262930", "#d0d0d0"
        self._names = QLabel()
        self._names.setWordWrap(True)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addWidget(self._names)

    def graph(self) -> Any:
        """Return the pyqtgraph widget that draws, made now if it is not there."""
        if self._plot is None:
            self._make()
        return self._plot

    def _make(self) -> None:
        import pyqtgraph as pg

        plot = self._plot = pg.PlotWidget(axisItems=self._axes())
        plot.setMinimumHeight(130)
        plot.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)  # as high as there is room
        for side in ("left", "bottom"):
            plot.getAxis(side).enableAutoSIPrefix(False)
        plot.getPlotItem().layout.setContentsMargins(0, 0, 0, 5)  # pyqtgraph moves the lowest words so far down
        plot.showGrid(x=True, y=True, alpha=0.2)
        plot.setToolTip(self._tip)
        self._legend = plot.addLegend(offset=(5, 5), labelTextSize="8pt")
        plot.hide()
        self._legend.hide()  # for pictures only: it would lie over the curves
        for menu in (plot.getPlotItem().ctrlMenu, plot.getViewBox().menu):
            menu.setParent(self, menu.windowFlags())  # pyqtgraph leaves them alone in the world when the plot goes
        self._column.addWidget(plot, 1)
        self.set_labels(**self._labels)
        self.set_colours(self._background, self._foreground)

    def _axes(self) -> Any:
        """Return axes of a special kind by side, or None."""
        return None

    def leave(self) -> None:
        """Take apart what draws; the garbage collector would do it in any order, while Qt still lays it out."""
        if self._plot is None:
            return
        plot, self._plot, self._legend = self._plot, None, None
        self._drawn = []
        plot.close()
        plot.deleteLater()

    def hasHeightForWidth(self) -> bool:  # noqa: N802
        """Say no: the names above would make the layout around give the plot more than its share."""
        return False

    def set_colours(self, background: str, foreground: str) -> None:
        """Follow napari's theme."""
        self._background, self._foreground = background, foreground
        if self._plot is None:
            return
        self._plot.setBackground(background)
        for side in ("left", "bottom"):
            axis = self._plot.getAxis(side)
            axis.setPen(foreground)
            axis.setTextPen(foreground)
        self._legend.setLabelTextColor(foreground)
        self.set_title(self._title)

    def set_labels(self, left: str | None = None, bottom: str | None = None) -> None:
        """Say what the axes show."""
        for side, text in (("left", left), ("bottom", bottom)):
            if text is not None:
                self._labels[side] = text
                if self._plot is not None:
                    self._plot.setLabel(side, text)

    def set_title(self, text: str) -> None:
        """Write above the plot, or in its place while there is nothing to draw."""
        self._title = text
        if self._plot is not None:
            self._plot.setTitle(text or None, color=self._foreground, size="9pt")
        if self._plot is None or self._plot.isHidden():
            self._names.setText(text)

    def draw(self, curves: Sequence[Curve]) -> None:
        """Draw these curves instead of the last ones; without any there are no axes, which would show 0 to 1.

        The first ones that are drawn already stay: most often there is one more than before.
        """
        some = any(len(points) for _name, _colour, points in curves)
        if self._plot is None and not some:
            return
        plot = self.graph()
        plot.setVisible(some)
        wanted = [(name, colour, list(points)) for name, colour, points in curves]
        pairs = zip(wanted, self._drawn, strict=False)
        kept = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1][0], pairs))
        for _, item in self._drawn[kept:]:
            plot.removeItem(item)
        symbols = [list(_SYMBOLS)[i % len(_SYMBOLS)] for i in range(len(curves))]
        new = zip(wanted[kept:], symbols[kept:], strict=True)
        self._drawn[kept:] = [(curve, self._plot_curve(*curve, symbol)) for curve, symbol in new]
        self._show_names([(name, colour, symbol) for (name, colour, _), symbol in zip(curves, symbols, strict=True)])

    def _plot_curve(self, name: str, colour: str, points: Sequence[tuple[float, float]], symbol: str) -> Any:
        x, y = [point[0] for point in points], [point[1] for point in points]
        style = {"symbol": symbol, "symbolSize": 6, "symbolBrush": colour, "symbolPen": colour}
        few = len(points) <= _MANY_POINTS
        return self._plot.plot(x, y, pen={"color": colour, "width": 2}, name=name, **(style if few else {}))

    def _show_names(self, names: Sequence[tuple[str, str, str]]) -> None:
        """Write the curves' names above the plot, each with its symbol."""
        words = (
            f"<span style='color: {colour}'>{_SYMBOLS[symbol]}</span>{NO_BREAK}{name.replace(' ', NO_BREAK)}"
            for name, colour, symbol in names
        )
        self._names.setText(f"{NO_BREAK} ".join(words))

    def save(self, path: Path) -> None:
        """Write the plot as a PNG.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        from pyqtgraph.exporters import ImageExporter

        plot = self.graph()
        self._legend.show()
        exporter = ImageExporter(plot.getPlotItem())
        exporter.parameters()["width"] = _PICTURE_WIDTH
        image = exporter.export(toBytes=True)
        self._legend.hide()
        if not image.save(str(path), "PNG"):
            raise OSError(f"'{path}' cannot be written; check the folder and the disk")


class SectionPlot(Plot):
    """A score of each hidden section against its depth, one curve per run.

    ``depth_chosen`` is emitted when the user clicks into the plot or drags the cursor.
    """

    depth_chosen = Signal(float)

    def __init__(self, left: str = "PSNR (dB)", tip: str = "", parent: QWidget | None = None) -> None:
        tip = tip or "Score of each hidden section. Click to move napari's z slider there."
        super().__init__(left, "z", tip, parent)
        self._cursor: Any = None
        self._depth = 0.0

    def _make(self) -> None:
        import pyqtgraph as pg

        super()._make()
        self._cursor = pg.InfiniteLine(self._depth, angle=90, movable=True, pen=pg.mkPen("#ff4444", width=1))
        self._plot.addItem(self._cursor, ignoreBounds=True)
        self._cursor.sigPositionChangeFinished.connect(lambda line: self.depth_chosen.emit(float(line.value())))
        self._plot.scene().sigMouseClicked.connect(self._clicked)

    def leave(self) -> None:
        """Take apart what draws, and the cursor."""
        super().leave()
        self._cursor = None

    def show_curves(self, curves: Sequence[Curve], unit: str) -> None:
        """Draw curves given as (name, colour, [(depth, score) ...])."""
        self.set_labels(bottom=f"z ({unit})")
        self.draw(curves)

    def move_cursor(self, depth: float) -> None:
        """Show the section in view."""
        self._depth = depth
        if self._cursor is not None:
            self._cursor.setValue(depth)

    def _clicked(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return  # of the menu
        position = self._plot.getViewBox().mapSceneToView(event.scenePos())
        self.depth_chosen.emit(float(position.x()))


class TimePlot(Plot):
    """Quality against computing time, one named point per method; time on a logarithmic axis."""

    def __init__(self, left: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(left, "time (s)", tip, parent)
        self._points: list[Any] = []

    def _axes(self) -> Any:
        from .plot_axes import TimeAxis

        return {"bottom": TimeAxis("bottom")}

    def _make(self) -> None:
        super()._make()
        self._plot.getViewBox().setDefaultPadding(0.12)

    def leave(self) -> None:
        """Take apart what draws, and the names beside the points."""
        super().leave()
        self._points = []

    def draw(self, curves: Sequence[Curve]) -> None:
        """Draw each curve's one point (seconds, score), with its name beside it."""
        points = [(name, colour, [(math.log10(x), y) for x, y in found]) for name, colour, found in curves]
        super().draw(points)
        if self._plot is None:
            return
        import pyqtgraph as pg

        self._legend.clear()
        for item in self._points:
            self._plot.removeItem(item)
        self._points = []
        places = [(name, colour, *found[0]) for name, colour, found in points if found]
        middle = (min(x for *_, x, _ in places) + max(x for *_, x, _ in places)) / 2 if places else 0.0
        for name, colour, x, y in places:
            item = pg.TextItem(name, color=colour, anchor=(1.1 if x > middle else -0.1, 0.5))  # inwards
            item.setPos(x, y)
            self._plot.addItem(item, ignoreBounds=True)
            self._points.append(item)

    def _show_names(self, names: Sequence[tuple[str, str, str]]) -> None:
        """Write no names above the plot: they stand beside the points."""
        self._names.hide()


def prepare() -> None:
    """Import what draws; for a thread in which nobody waits for it."""
    importlib.import_module("pyqtgraph")


def mean_along_z(sections: Iterable[Mapping[str, Any]], score: str) -> list[tuple[float, float]]:
    """Return the mean over channels and time points of each hidden section's score, as (depth, score)."""
    by_depth: dict[float, list[float]] = {}
    for row in sections:
        if row[score] is not None:
            by_depth.setdefault(row["z"], []).append(row[score])
    return sorted((z, sum(values) / len(values)) for z, values in by_depth.items())
