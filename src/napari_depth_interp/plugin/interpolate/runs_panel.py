"""The runs so far: a table whose rows show their layers, and a plot of the scores along z."""

from __future__ import annotations

import html
from typing import Any

import napari
import numpy as np
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ...report import BASELINE, describe_finding, describe_uncertainty, verdicts
from ..layers.overlay import CanvasWords
from ..plots import BASELINE_COLOUR, COLOURS, SectionPlot
from ..preferences import colour
from ..qt_helpers import PROBLEM_COLOUR, list_of_rows
from .results import Run, row_of

_HEADINGS = ["run", "time (s)", "PSNR", "SSIM", "RMSE", "over linear"]


class RunsPanel(QWidget):
    """Lists runs; the chosen one's layers are in view and its sections are told apart in the canvas."""

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.runs: list[Run] = []
        self._in_canvas = CanvasWords(viewer)
        self._words = QLabel("Runs are listed here. Tick <i>Score</i> to see how good they are on your own data.")
        self._words.setObjectName("summary")
        self._words.setWordWrap(True)
        self._table = list_of_rows(_HEADINGS)
        self._table.setToolTip(
            "<qt>Click a row to see the layers of that run. PSNR (dB) and RMSE of all hidden sections together, "
            "SSIM as their mean, and the PSNR above linear interpolation.</qt>"
        )
        self._table.setAccessibleName("Runs")
        self._table.itemSelectionChanged.connect(self._row_chosen)
        self._copy = QPushButton("Copy as command")
        self._copy.setToolTip("<qt>Copy the command line that repeats the chosen run exactly.</qt>")
        self._copy.setEnabled(False)
        self._copy.clicked.connect(self.copy_command)
        self.plot = SectionPlot()
        self.plot.depth_chosen.connect(self._go_to)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self._words)
        layout.addWidget(self._table, 1)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self._copy)
        layout.addLayout(row)
        layout.addWidget(self.plot, 2)
        for event, slot in self._followed():
            event.connect(slot)
        self._follow_theme()

    def leave(self) -> None:
        """Follow the viewer no longer, and take the words out of its canvas."""
        for event, slot in self._followed():
            event.disconnect(slot)
        for run in self.runs:
            run.layers[0].events.visible.disconnect(self._section_changed)
        self._in_canvas.clear()

    def _followed(self) -> tuple[tuple[Any, Any], ...]:
        dims = self._viewer.dims.events
        changed = (dims.point, dims.ndisplay, self._viewer.layers.events.removed)
        return (*((event, self._section_changed) for event in changed), (self._viewer.events.theme, self._follow_theme))

    @property
    def chosen(self) -> Run | None:
        """The run of the chosen row."""
        row = self._table.currentRow()
        return self.runs[row] if 0 <= row < len(self.runs) and self._table.selectedItems() else None

    def add(self, run: Run) -> None:
        """List a run and choose it."""
        self.runs.append(run)
        run.layers[0].events.visible.connect(self._section_changed)
        row = self._table.rowCount()
        self._table.insertRow(row)
        for column, text in enumerate(row_of(run)):
            item = QTableWidgetItem(text)
            item.setToolTip(text)
            if column:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            if "worse" in text:
                item.setForeground(QColor(PROBLEM_COLOUR))
            self._table.setItem(row, column, item)
        self._draw()
        self._table.selectRow(row)

    def copy_command(self) -> None:
        """Put the chosen run's command line on the clipboard."""
        if self.chosen is not None:
            QApplication.clipboard().setText(self.chosen.command())

    def _row_chosen(self) -> None:
        run = self.chosen
        self._copy.setEnabled(run is not None)
        if run is None:
            return
        for other in self.runs:
            for layer in other.layers:
                if layer in self._viewer.layers and other is not run:
                    layer.visible = False
        for layer in run.layers[:1]:
            if layer in self._viewer.layers:
                layer.visible = True
        if run.outcome.held_out is not None:
            scores = run.outcome.held_out.scores
            low, high = scores.data_range[0]
            words = [f"{scores.protocol.describe()}; data range {low:g} to {high:g}", *verdicts(scores)]
            words += describe_uncertainty(scores)
        else:
            words = ["not scored"]
        findings = [describe_finding(each) for each in run.outcome.result.record.get("findings", ())]
        words += [f"the result, from all sections: {found}" for found in findings if found]
        self._words.setText(f"<b>{html.escape(run.name)}</b>: {html.escape('. '.join(words))}.")
        self._section_changed()

    def _draw(self) -> None:
        curves = []
        baseline_drawn = False
        unit = "no unit"
        for i, run in enumerate(self.runs):
            held_out = run.outcome.held_out
            if held_out is None:
                continue
            unit = held_out.truth.grid.unit or unit
            for scores in held_out.scores.methods:
                is_baseline = scores.method == BASELINE
                if is_baseline and baseline_drawn:
                    continue
                baseline_drawn |= is_baseline
                points = [(row["z"], row["psnr"]) for row in scores.sections if row["psnr"] is not None]
                colour = BASELINE_COLOUR if is_baseline else COLOURS[i % len(COLOURS)]
                curves.append((BASELINE if is_baseline else run.name, colour, points))
        self.plot.show_curves(curves, unit)

    # The section in view

    def _go_to(self, depth: float) -> None:
        if self._viewer.dims.ndim >= 3:
            self._viewer.dims.set_point(self._viewer.dims.ndim - 3, depth)

    def _section_changed(self, _event: Any = None) -> None:
        if self._viewer.dims.ndim < 3:
            return
        depth = float(self._viewer.dims.point[-3])
        self.plot.move_cursor(depth)
        run = self.chosen
        shown = run is not None and bool(run.layers) and run.layers[0] in self._viewer.layers and run.layers[0].visible
        if run is None or not shown or self._viewer.dims.ndisplay != 2:
            self._in_canvas.clear()
            return
        words, observed = describe_section(run, depth)
        self._in_canvas.write(words, colour("observed_colour" if observed else "new_colour"))

    def _follow_theme(self, _event: Any = None) -> None:
        theme = get_theme(self._viewer.theme)
        self.plot.set_colours(str(theme.background), str(theme.text))


def describe_section(run: Run, depth: float) -> tuple[str, bool]:
    """Return what the result's section nearest to a depth is, in words, and whether it is an observed one."""
    result = run.outcome.result
    depths = result.dataset.counted().stack().depths
    index = int(np.abs(depths - depth).argmin())
    observed = bool(result.is_observed[index])
    unit = result.dataset.grid.unit or ""
    kind = "observed" if observed else "enhanced" if result.is_enhanced[index] else "new"
    return f"result: {kind} section, z = {depths[index]:.5g} {unit}", observed
