"""The plots: scores along z, along a gap and against time, and grey values along z."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import napari
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QTabWidget, QVBoxLayout, QWidget

from ...evaluation.evaluate import MethodScores
from ...metrics import metric_of
from ..plots import Curve, Plot, SectionPlot, TimePlot, mean_along_z
from .colours import colour_of
from .columns import label
from .profile import Pointer, profile_at
from .results import Comparison, ResultLayers

_SCORES = {"psnr": "volume", "ssim": "mean", "mae": "volume"}
"""Scores that can be drawn, and which of their averages stands for a whole method."""


class PlotsPanel(QWidget):
    """Four plots in tabs. Those along z have napari's section in view as their cursor."""

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._comparison: Comparison | None = None
        self._layers: ResultLayers | None = None
        self._score = QComboBox()
        for name in _SCORES:
            self._score.addItem(metric_of(name).heading, name)
        self._score.setToolTip("The score that the plots show.")
        self._score.setAccessibleName("Score in the plots")
        self._score.currentIndexChanged.connect(self.draw)
        self.sections = SectionPlot()
        self.gap = Plot("", "place in the gap", "Mean score at each place between two visible sections.")
        self.time = TimePlot("", "Score of each method against its computing time.")
        self.profile = SectionPlot("grey value", "Grey values along z at the mouse. Click to move the z slider there.")
        self.pointer = Pointer(viewer, self)
        self.pointer.moved.connect(self._mouse_moved)
        self._build()
        for plot in (self.sections, self.profile):
            plot.depth_chosen.connect(self._go_to)
        for event, slot in self._followed():
            event.connect(slot)
        self._follow_theme()

    def leave(self) -> None:
        """Follow the viewer no longer."""
        self.pointer.leave()
        for event, slot in self._followed():
            event.disconnect(slot)

    def begin(self, comparison: Comparison, layers: ResultLayers) -> None:
        """Show another comparison."""
        self._comparison, self._layers = comparison, layers
        self.draw()

    def draw(self, *_: Any) -> None:
        """Draw what is known."""
        comparison = self._comparison
        if comparison is None:
            return
        name = self._score.currentData()
        metric = metric_of(name)
        unit = {"": "", "dB": " (dB)"}.get(metric.unit, f" ({metric.unit})")
        for plot in (self.sections, self.gap, self.time):
            plot.set_labels(left=f"{metric.heading}{unit}")
        scores = {each: scored.scores for each, scored in comparison.scored.items()}
        self.sections.show_curves(self._curves(scores, name, _along_z), comparison.unit or "no unit")
        self.gap.draw(self._curves(scores, name, _along_gap))
        self.time.draw(self._curves(scores, name, _against_time))
        self.draw_profile()
        self._section_changed()

    def save(self, path: Path) -> None:
        """Write the plot in view as a PNG.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        self._tabs.currentWidget().save(path)

    def _curves(self, scores: Mapping[str, MethodScores], name: str, points: Any) -> list[Curve]:
        assert self._comparison is not None
        return [
            (label(method), colour_of(self._comparison, method), points(each, name)) for method, each in scores.items()
        ]

    def _build(self) -> None:
        self._tabs = QTabWidget()
        self._tabs.setObjectName("plots")
        self._tabs.addTab(self.sections, "Along z")
        self._tabs.addTab(self.gap, "In a gap")
        self._tabs.addTab(self.time, "Time")
        self._tabs.addTab(self.profile, "Grey values")
        self._tabs.setCornerWidget(self._score, Qt.Corner.TopRightCorner)
        self._tabs.currentChanged.connect(self._tab_chosen)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._tabs)

    def _tab_chosen(self, *_: Any) -> None:
        self._score.setEnabled(self._tabs.currentWidget() is not self.profile)
        self.draw_profile()

    # The profile

    def _mouse_moved(self, _point: Any) -> None:
        self.draw_profile()

    def draw_profile(self) -> None:
        """Draw the grey values at the mouse, if they are in view."""
        if self._comparison is None or self._layers is None or self._tabs.currentWidget() is not self.profile:
            return
        point = self.pointer.point
        theme = get_theme(self._viewer.theme)
        found = None if point is None else profile_at(self._comparison, self._layers, point, str(theme.text))
        curves, where = found or ([], "move the mouse over the image")
        self.profile.show_curves(curves, self._comparison.unit or "no unit")
        self.profile.set_title(where)

    # Following the viewer

    def _followed(self) -> tuple[tuple[Any, Any], ...]:
        return (self._viewer.dims.events.point, self._section_changed), (self._viewer.events.theme, self._follow_theme)

    def _go_to(self, depth: float) -> None:
        if self._viewer.dims.ndim >= 3:
            self._viewer.dims.set_point(self._viewer.dims.ndim - 3, depth)

    def _section_changed(self, _event: Any = None) -> None:
        if self._viewer.dims.ndim >= 3:
            for plot in (self.sections, self.profile):
                plot.move_cursor(float(self._viewer.dims.point[-3]))

    def _follow_theme(self, _event: Any = None) -> None:
        theme = get_theme(self._viewer.theme)
        for plot in (self.sections, self.gap, self.time, self.profile):
            plot.set_colours(str(theme.background), str(theme.text))


def _along_z(scores: MethodScores, name: str) -> list[tuple[float, float]]:
    return mean_along_z(scores.sections, name)


def _along_gap(scores: MethodScores, name: str) -> list[tuple[float, float]]:
    rows = [(row["position"], row[name]) for row in scores.gap_curve]
    return [(float(place), float(value)) for place, value in rows if place is not None and value is not None]


def _against_time(scores: MethodScores, name: str) -> list[tuple[float, float]]:
    value = getattr(scores, _SCORES[name]).get(name)
    return [] if value is None else [(max(scores.seconds, 1e-3), value)]
