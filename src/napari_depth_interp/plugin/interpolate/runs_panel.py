"""The runs so far: a table whose rows show their layers, and a plot of the scores along z."""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import partial
from typing import Any

import napari
import numpy as np
from napari.layers import Layer
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt, Signal
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

from ...report import BASELINE, describe_finding, describe_range, describe_uncertainty, verdicts
from ..boxes.plane_bar import PlaneBar
from ..icons import set_icon
from ..layers import hidden
from ..layers.overlay import CanvasWords
from ..layers.side_by_side import SideBySide
from ..layers.viewer_parts import set_visible
from ..plots import BASELINE_COLOUR, COLOURS, SectionPlot, mean_along_z
from ..preferences import colour
from ..qt_helpers import PROBLEM_COLOUR, list_of_rows
from .results import ERROR, RESTORED, TRUTH, UNCERTAINTY, Run, cover, row_of, show_part

_HEADINGS = ["Run", "Time", "PSNR", "SSIM", "RMSE", "Over linear"]
_EMPTY = "Runs are listed here. Tick <i>Score</i> to see how good they are on your own data."
_PARTS = {
    TRUTH: ("Truth", "The hidden sections as they were recorded."),
    RESTORED: ("Restored", "The hidden sections as the method made them from the kept ones."),
    ERROR: ("Error", "The absolute difference of the two, in the units of the image."),
    UNCERTAINTY: ("Uncertainty", "The error that the method itself expects, in the units of the image."),
}


class RunsPanel(QWidget):
    """Lists runs; the chosen one's layers are in view and its sections are told apart in the canvas.

    ``chosen_changed`` brings whether there is a chosen run.
    """

    chosen_changed = Signal(bool)

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.runs: list[Run] = []
        self._removed: tuple[int, Run, list[Layer]] | None = None
        self._in_canvas = CanvasWords(viewer)
        self._words = QLabel(_EMPTY)
        self._words.setObjectName("summary")
        self._words.setWordWrap(True)
        self._table = list_of_rows(_HEADINGS)
        self._table.setToolTip(
            "<qt>Click a row to see the layers of that run. PSNR (dB) and RMSE of all hidden sections together, "
            "SSIM as their mean, and the PSNR above linear interpolation.</qt>"
        )
        self._table.setAccessibleName("Runs")
        self._table.itemSelectionChanged.connect(self._row_chosen)
        self.plot = SectionPlot()
        self.plot.depth_chosen.connect(self._go_to)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self._build_list(), 1)
        layout.addLayout(self._build_parts())
        layout.addLayout(self._build_view())
        layout.addLayout(self._build_actions())
        layout.addWidget(self.plot, 2)
        for event, slot in self._followed():
            event.connect(slot)
        self._follow_theme()

    def _build_list(self) -> QWidget:
        """Return words and table; they share one place, so that longer words leave the buttons below where they are."""
        place = QWidget()
        column = QVBoxLayout(place)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._words)
        column.addWidget(self._table, 1)
        return place

    def _build_parts(self) -> QHBoxLayout:
        self._parts: dict[str, QPushButton] = {}
        row = QHBoxLayout()
        row.setSpacing(3)
        row.addWidget(QLabel("Show:"))
        for part, (text, tip) in _PARTS.items():
            button = self._parts[part] = QPushButton(text)
            button.setCheckable(True)
            button.setEnabled(False)
            button.setToolTip(f"<qt>{tip}</qt>")
            button.clicked.connect(partial(self.show_part, part))
            row.addWidget(button, 1)
        return row

    def _build_view(self) -> QHBoxLayout:
        self.side_by_side = SideBySide(self._viewer)
        self._planes = PlaneBar(self._viewer)
        self._side = QPushButton("Beside input")
        self._side.setCheckable(True)
        set_icon(self._side, "canvas-grid-view")
        self._side.setEnabled(False)
        tip = "Input and result, each in a cell; they are zoomed, moved and turned together."
        self.side_by_side.explain(self._side, tip)
        self._side.toggled.connect(self._side_toggled)
        row = QHBoxLayout()
        row.setSpacing(3)
        row.addWidget(self._planes, 3)
        row.addWidget(self._side, 2)
        return row

    def _build_actions(self) -> QHBoxLayout:
        self._copy, self._remove = QPushButton("Copy as command"), QPushButton("Remove run")
        self._undo = QPushButton("Undo remove")
        set_icon(self._copy, "copy_to_clipboard")
        set_icon(self._remove, "delete")
        self._copy.setToolTip("<qt>Copy the command line that repeats the chosen run exactly.</qt>")
        self._remove.setToolTip("<qt>Take the chosen run and all its layers away.</qt>")
        self._undo.setToolTip("<qt>Bring back the run that was removed last.</qt>")
        row = QHBoxLayout()
        row.setSpacing(3)
        actions = ((self._copy, self.copy_command), (self._remove, self.remove), (self._undo, self.take_back))
        for button, slot in actions:
            button.setEnabled(False)
            button.clicked.connect(slot)
            row.addWidget(button, 1)
        return row

    def leave(self) -> None:
        """Follow the viewer no longer, and take the words out of its canvas."""
        for event, slot in self._followed():
            event.disconnect(slot)
        for run in self.runs:
            self._follow_visible(run, False)
        self._planes.leave()
        self.side_by_side.stop()
        self._in_canvas.clear()

    def _follow_visible(self, run: Run, on: bool = True) -> None:
        for layer in run.layers:
            event = layer.events.visible
            (event.connect if on else event.disconnect)(self._section_changed)

    def _followed(self) -> tuple[tuple[Any, Any], ...]:
        dims = self._viewer.dims.events
        followed = tuple((event, self._section_changed) for event in (dims.point, dims.ndisplay, dims.order))
        removed = (self._viewer.layers.events.removed, self._layer_removed)
        return (*followed, removed, (self._viewer.events.theme, self._follow_theme))

    @property
    def chosen(self) -> Run | None:
        """The run of the chosen row."""
        row = self._table.currentRow()
        return self.runs[row] if 0 <= row < len(self.runs) and self._table.selectedItems() else None

    def add(self, run: Run) -> None:
        """List a run and choose it."""
        self._removed = None
        self._insert(len(self.runs), run)

    def _insert(self, row: int, run: Run) -> None:
        self.runs.insert(row, run)
        self._follow_visible(run)
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
        self._update_actions()

    def remove(self, *_: Any) -> None:
        """Take away the chosen run and its layers; it can be taken back until the next one is listed."""
        run = self.chosen
        if run is None:
            return
        self._side.setChecked(False)
        row, layers = self.runs.index(run), self._in_viewer(run.every_layer())
        self._removed = row, run, layers
        self._follow_visible(run, False)
        del self.runs[row]
        self._table.removeRow(row)
        with hidden.section_kept(self._viewer):
            for layer in layers:
                self._viewer.layers.remove(layer)
        cover(run, False)
        self._draw()
        if not self.runs:
            self._words.setText(_EMPTY)
        self._update_actions()

    def take_back(self, *_: Any) -> None:
        """Bring back the run that was removed last, with its layers."""
        if self._removed is None:
            return
        row, run, layers = self._removed
        self._removed = None
        with hidden.section_kept(self._viewer):
            for layer in layers:
                self._viewer.add_layer(layer)
        cover(run)
        self._insert(row, run)

    def _layer_removed(self, event: Any) -> None:
        """With the last layer of a result go those that were shown beside it, and their memory."""
        for run in self.runs:
            own = any(layer == event.value for layer in run.layers)  # one of them may be napari's proxy
            if own and not self._in_viewer(run.layers):
                for layer in self._in_viewer(run.every_layer()):
                    self._viewer.layers.remove(layer)
                run.more.clear()
                run.free()
                cover(run, False)
        self._update_actions()
        self._section_changed()

    def _in_viewer(self, layers: Sequence[Layer]) -> list[Layer]:
        return [layer for layer in layers if layer in self._viewer.layers]

    def show_part(self, part: str, on: bool = True) -> None:
        """Show or hide a part of the chosen run."""
        run = self.chosen
        if run is None:
            return
        if on:
            show_part(self._viewer, run, part)
            if part == ERROR and run.scores is not None:  # it is 0 in kept sections
                hidden.go_to_nearest(self._viewer, [row["z"] for row in run.scores.sections])
        else:
            for layer in run.more.get(part, ()):
                set_visible(layer, False)
        if self.side_by_side.is_on:
            self._show_cells()
        self._update_actions()
        self._section_changed()

    def _show_cells(self) -> None:
        """Show input, result and the parts in view in cells; channels share one unless there are parts."""
        pair, run = self._pair(), self.chosen
        more = [] if run is None else [each for layers in run.more.values() for each in self._in_viewer(layers)]
        parts = [layer for layer in more if layer.visible]
        self.side_by_side.show([*pair, *parts], 1 if parts else len(pair) // 2)

    def _update_actions(self) -> None:
        """Offer what the chosen run has."""
        run = self.chosen
        for button in (self._copy, self._remove):
            button.setEnabled(run is not None)
        self._undo.setEnabled(self._removed is not None)
        self._side.setEnabled(bool(self._pair()))
        if self._side.isChecked() and not self._pair():
            self._side.setChecked(False)
        for part, button in self._parts.items():
            button.setEnabled(run is not None and part in run.parts())
            layers = [] if run is None else self._in_viewer(run.more.get(part, ()))
            button.setChecked(any(layer.visible for layer in layers))
        self.chosen_changed.emit(run is not None)

    def copy_command(self) -> None:
        """Put the chosen run's command line on the clipboard."""
        if self.chosen is not None:
            QApplication.clipboard().setText(self.chosen.command())

    def _pair(self) -> list[Layer]:
        """Return the input and the result of the chosen run; nothing if one of them is gone."""
        run = self.chosen
        before = [] if run is None else run.sources(self._viewer)
        after = [] if run is None else self._in_viewer(run.layers)
        return [*before, *after] if before and len(before) == len(after) else []

    def _side_toggled(self, on: bool) -> None:
        if on and self._pair():
            self._show_cells()
        else:
            self.side_by_side.stop()
        self._update_actions()
        self._section_changed()

    def _row_chosen(self) -> None:
        run = self.chosen
        if self.side_by_side.is_on:
            self._side.setChecked(False)  # the cells are of another run
        if run is None:
            self._update_actions()
            return
        for other in self.runs:
            for layer in self._in_viewer(other.every_layer()):
                set_visible(layer, layer in run.layers or (layer.visible and other is run))
        if run.outcome.held_out is not None:
            scores = run.outcome.held_out.scores
            words = [f"{scores.protocol.describe()}; data range {describe_range(scores)}", *verdicts(scores)]
            words += describe_uncertainty(scores)
        else:
            words = ["not scored"]
        findings = [describe_finding(each) for each in run.outcome.result.record.get("findings", ())]
        words += [f"the result, from all sections: {found}" for found in findings if found]
        self._words.setText(f"<b>{html.escape(run.name)}</b>: {html.escape('. '.join(words))}.")
        self._update_actions()
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
                points = mean_along_z(scores.sections, "psnr")
                colour = BASELINE_COLOUR if is_baseline else COLOURS[i % len(COLOURS)]
                curves.append((BASELINE if is_baseline else run.name, colour, points))
        self.plot.show_curves(curves, unit)

    # The section in view

    def _go_to(self, depth: float) -> None:
        hidden.go_to(self._viewer, depth)

    def step_hidden(self, direction: int) -> None:
        """Show the next hidden section of the chosen run (1), or the one before (-1)."""
        scores = None if self.chosen is None else self.chosen.scores
        if scores is not None:
            hidden.step(self._viewer, [row["z"] for row in scores.sections], direction)

    def _section_changed(self, _event: Any = None) -> None:
        depth = hidden.depth_in_view(self._viewer)
        if depth is not None:
            self.plot.move_cursor(depth)
        run = self.chosen
        shown = run is not None and any(layer.visible for layer in self._in_viewer(run.layers))
        if run is None or not shown or depth is None:
            self._in_canvas.clear()
            return
        words, observed = describe_section(run, depth)
        at = "bottom_left" if self.side_by_side.is_on else "top_left"  # the names of the cells are above
        words = "\n".join([words, *self._of_colour_bar(run)])
        self._in_canvas.write(words, colour("observed_colour" if observed else "new_colour"), at=at)

    def _of_colour_bar(self, run: Run) -> list[str]:
        """Say what the colour bar in view is of, and in which unit: napari's has no words."""
        bars = [layer for layer in self._in_viewer(run.every_layer()) if layer.visible and layer.colorbar.visible]
        parts = [part for part, layers in run.more.items() if any(layer in bars for layer in layers)]
        return [f"colour bar: {' and '.join(parts)} in grey values"] if parts else []

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
    changed = "enhanced" if result.is_enhanced[index] else "moved" if result.is_moved[index] else "new"
    kind = "observed" if observed else changed
    return f"result: {kind} section, z = {depths[index]:.5g} {unit}", observed
