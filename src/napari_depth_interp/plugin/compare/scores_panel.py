"""The outcome: what the scores say, the table, which layers are in view, the plots, and ways out."""

from __future__ import annotations

from functools import partial
from typing import Any

import napari
from napari.layers import Layer
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QScrollArea,
    QSlider,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from ...evaluation.evaluate import BASELINE, Scores
from ...report.conclusions import conclusions, describe_range
from ..boxes.plane_bar import PlaneBar
from ..icons import set_icon
from ..jobs.messages import name_fields
from ..layers import hidden
from ..layers.overlay import CanvasWords
from ..layers.side_by_side import SideBySide
from ..preferences import colour
from ..qt_helpers import with_key
from .columns import label
from .exports import Exports
from .plots_panel import PlotsPanel
from .results import PARTS, Comparison, ResultLayers
from .score_table import ScoreTable
from .score_words import PART_TIPS, coloured, psnr_of, sentence
from .task import Scored
from .views import Blend, Flicker

_EMPTY = "The scores appear here while the methods run. Click a row to see what a method made of your stack."


class ScoresPanel(QWidget):
    """Shows one comparison. ``report_wanted`` brings the folder that the user chose for a report."""

    report_wanted = Signal(object)
    said = Signal(str, bool)

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.comparison: Comparison | None = None
        self.layers: ResultLayers | None = None
        self._shown: str | None = None
        self.side_by_side = SideBySide(viewer)
        self.flicker = Flicker(viewer, self)
        self.flicker.stopped.connect(self._stop_views)
        self.blend = Blend(viewer)
        self.table = ScoreTable()
        self.table.chosen.connect(self._rows_chosen)
        self.plots = PlotsPanel(viewer)
        self.exports = Exports(self, self.plots.save)
        self.exports.report_wanted.connect(self.report_wanted)
        self.exports.said.connect(self.said)
        self._in_canvas = CanvasWords(viewer)
        for event in self._turned():
            event.connect(self._section_changed)
        self._build()
        self._update()

    def _turned(self) -> tuple[Any, ...]:
        dims = self._viewer.dims.events
        return dims.point, dims.order, dims.ndisplay

    def leave(self) -> None:
        """Follow the viewer no longer, and leave it as it was found."""
        self._end_views()
        self._planes.leave()
        for event in self._turned():
            event.disconnect(self._section_changed)
        self._in_canvas.clear()
        self.plots.leave()

    def begin(self, comparison: Comparison) -> None:
        """Show another comparison; the layers of the last one stay, hidden."""
        self._end_views()
        if self.layers is not None:
            self.layers.hide()
        self.comparison, self.layers, self._shown = comparison, ResultLayers(self._viewer, comparison), None
        self.table.scores.begin(comparison.unit, lpips=comparison.question.lpips is not None)
        self.plots.begin(comparison, self.layers)
        self._words.setText(sentence(comparison.question.protocol.describe()))
        self._update()

    def add(self, scored: Scored) -> None:
        """Add one method."""
        assert self.comparison is not None
        self.comparison.scored[scored.scores.method] = scored
        self.table.scores.add(scored.scores)
        self.plots.draw()
        self._update()

    def complete(self, scores: Scores) -> None:
        """Show what all scores together say."""
        assert self.comparison is not None
        self.comparison.complete(scores)
        self.table.scores.complete(scores.methods)
        lines = [sentence(f"{scores.protocol.describe()}; data range {describe_range(scores)}")]
        lines += [coloured(self._named(sentence.text), sentence.kind) for sentence in conclusions(scores)]
        self._words.setText("<br>".join(lines))
        self.plots.draw()
        self._update()

    def _named(self, text: str) -> str:
        """Return a sentence with the methods as people write them."""
        assert self.comparison is not None
        for name in sorted(self.comparison.scored, key=len, reverse=True):
            text = text.replace(name, label(name))
        return name_fields(text)

    def show_side_by_side(self, on: bool) -> None:
        """Press or release the button "Side by side"."""
        self._side.setChecked(on)

    def copy_command(self) -> None:
        """Put the command line that repeats the comparison on the clipboard."""
        if self.comparison is not None:
            QApplication.clipboard().setText(self.comparison.command())
            self.said.emit("the command is on the clipboard", False)

    # Which layers are in view

    def _rows_chosen(self) -> None:
        self._update()
        if self.side_by_side.is_on:
            self.side_by_side.show(self._layers_side_by_side())
        elif self.flicker.is_on:
            self._flicker_on()
        elif self.blend.is_on:
            self._blend_on()
        else:
            self._show_chosen()

    def _chosen(self) -> str | None:
        """Return the method of the row that was clicked last."""
        names = self.table.chosen_names()
        row = self.table.currentIndex().row()
        current = self.table.scores.names()[row] if 0 <= row < self.table.scores.rowCount() else None
        return current if current in names else next(iter(names), None)

    def _choose_one(self) -> None:
        """Choose the row with the highest PSNR if none is chosen."""
        if self._chosen() is None and self.comparison is not None and self.comparison.scored:
            every = [each.scores for each in self.comparison.scored.values()]
            self.table.choose_too(max(every, key=lambda each: psnr_of(each)).method)

    def _show_chosen(self, *_: Any) -> None:
        name = self._chosen()
        if name is None or self.layers is None or self._another_view():
            return
        self._shown = name
        self.layers.show([name], {part: box.isChecked() for part, box in self._parts.items()})
        self._section_changed()
        self.plots.draw_profile()

    def _layers_side_by_side(self) -> list[Layer]:
        assert self.layers is not None
        names = self.table.chosen_names() or self.table.scores.names()
        found = [self.layers.ensure("", "truth"), *(self.layers.ensure(name, "restored") for name in names)]
        return [layer for layer in found if layer is not None]

    def _side_by_side_clicked(self, on: bool) -> None:
        self._stop_views(keep=self._side)
        if on and self.layers is not None:
            self.side_by_side.show(self._layers_side_by_side())
            self._to_hidden()
        self._update()

    def _flicker_clicked(self, on: bool) -> None:
        self._stop_views(keep=self._flicker)
        if on:
            self._choose_one()
            self._flicker_on()
        self._update()

    def _flicker_on(self) -> None:
        name = self._chosen()
        if self.layers is None or name is None:
            return
        truth, result = self.layers.ensure("", "truth"), self.layers.ensure(name, "restored")
        if truth is not None and result is not None:
            self.flicker.show(truth, result)
            self._to_hidden()

    def _blend_clicked(self, on: bool) -> None:
        self._stop_views(keep=self._blend)
        if on:
            self._choose_one()
            self._blend_on()
            self._to_hidden()
        self._update()

    def _blend_on(self, *_: Any) -> None:
        """Blend truth, the chosen method and, if it was compared, linear interpolation."""
        name = self._chosen()
        if self.layers is None or self.comparison is None or name is None or not self._blend.isChecked():
            return
        names = [name, *([BASELINE] if name != BASELINE and BASELINE in self.comparison.scored else [])]
        found = [self.layers.ensure("", "truth"), *(self.layers.ensure(each, "restored") for each in names)]
        shown = [layer for layer in found if layer is not None]
        self.blend.show(shown, self._mix.value() / self._mix.maximum() * (len(shown) - 1))
        self._mix_end.setText("Linear" if len(shown) > 2 else label(name))

    def _another_view(self) -> bool:
        return self.side_by_side.is_on or self.flicker.is_on or self.blend.is_on

    def _to_hidden(self) -> None:
        """Show a section that was hidden: the kept ones are equal in all methods."""
        if self.comparison is not None:
            hidden.go_to_nearest(self._viewer, self.comparison.hidden_depths())

    def step_hidden(self, direction: int) -> None:
        """Show the next hidden section (1), or the one before (-1)."""
        if self.comparison is not None:
            hidden.step(self._viewer, self.comparison.hidden_depths(), direction)

    def toggle_flicker(self) -> None:
        """Press or release the button "Flicker"."""
        if self._flicker.isEnabled():
            self._flicker.toggle()

    def _section_changed(self, *_: Any) -> None:
        """Say in the canvas whether the section in view was hidden."""
        depth = hidden.depth_in_view(self._viewer)
        shown = self.layers is not None and any(layer.visible for layer in self.layers.own())
        if self.comparison is None or self.layers is None or not shown or self.flicker.is_on or depth is None:
            self._in_canvas.clear()
            return
        words, was_hidden = self.comparison.describe_section(depth)
        words = "\n".join([words, *self.layers.of_colour_bars()])
        self._in_canvas.write(words, colour("new_colour" if was_hidden else "observed_colour"), at="bottom_left")

    def _stop_views(self, *, keep: QPushButton | None = None) -> None:
        """Bring the viewer back to what it showed before, or to the row chosen since; ``keep`` is not released."""
        self._end_views(keep)
        if self._chosen() != self._shown:
            self._show_chosen()
        self._update()

    def _end_views(self, keep: QPushButton | None = None) -> None:
        own = [] if self.layers is None else self.layers.own()
        self.side_by_side.stop(own)
        self.flicker.stop(own)
        self.blend.stop(own)
        for button in (self._side, self._flicker, self._blend):
            if button is not keep:
                button.blockSignals(True)
                button.setChecked(False)
                button.blockSignals(False)

    def _update(self) -> None:
        self._section_changed()
        some = self.comparison is not None and bool(self.comparison.scored)
        for button in (self._side, self._flicker, self._blend):
            button.setEnabled(some)
        for widget in (self._mix_start, self._mix, self._mix_end):
            widget.setVisible(self._blend.isChecked())
        for button in self._steps:
            button.setEnabled(some)
        for box in self._parts.values():
            box.setEnabled(not self._another_view())
        self._export.setEnabled(some)
        self._copy.setEnabled(self.comparison is not None)
        self.exports.offer(self.comparison)

    # Building

    def _build(self) -> None:
        self._words = QLabel(_EMPTY)
        self._words.setObjectName("summary")
        self._words.setWordWrap(True)
        self._words.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        scroll = QScrollArea()
        scroll.setWidget(self._words)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setMinimumHeight(48)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setChildrenCollapsible(False)
        for widget, share in ((scroll, 0), (self._build_table(), 1), (self.plots, 2)):
            split.addWidget(widget)
            split.setStretchFactor(split.count() - 1, share)
        split.setSizes([112, 230, 280])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(split, 1)
        layout.addLayout(self._build_ways_out())

    def _build_table(self) -> QWidget:
        self.table.setToolTip(
            "<qt>Click a row to see that method's layers; Ctrl-click for several side by side. Bold: the best of the "
            "column.</qt>"
        )
        self.table.setAccessibleName("Scores of the methods")
        self._parts: dict[str, QCheckBox] = {}
        boxes = QHBoxLayout()
        boxes.addWidget(QLabel("In view:"))
        for part in PARTS:
            box = QCheckBox("Error" if part == "absolute error" else part.capitalize())
            box.setChecked(part != "truth")
            box.setToolTip(f"<qt>{PART_TIPS[part]}</qt>")
            box.toggled.connect(self._show_chosen)
            boxes.addWidget(box)
            self._parts[part] = box
        boxes.addStretch(1)
        holder = QWidget()
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.table, 1)
        column.addLayout(boxes)
        column.addLayout(self._build_views())
        return holder

    def _build_views(self) -> QVBoxLayout:
        self._side, self._flicker = QPushButton("Side by side"), QPushButton("Flicker")
        self._blend = QPushButton("Blend")
        set_icon(self._side, "canvas-grid-view")
        self._blend.setToolTip(
            "<qt>Truth, the chosen method (else the best) and linear interpolation, faded by the slider below.</qt>"
        )
        self.side_by_side.explain(self._side, "Truth and the chosen methods (all, if none is chosen), each in a cell.")
        self._flicker.setToolTip(
            with_key("Truth and the chosen method (else the best) by turns: what differs, moves.", "flicker")
        )
        row = QHBoxLayout()
        views = (self._side_by_side_clicked, self._flicker_clicked, self._blend_clicked)
        for button, slot in zip((self._side, self._flicker, self._blend), views, strict=True):
            button.setCheckable(True)
            button.toggled.connect(slot)
            row.addWidget(button, 1)
        column = QVBoxLayout()
        column.addLayout(row)
        self._planes = PlaneBar(self._viewer)
        column.addWidget(self._planes)
        column.addLayout(self._build_steps())
        return column

    def _build_steps(self) -> QHBoxLayout:
        """Return the slider of the blend between the buttons that go from one hidden section to the next."""
        self._mix_start, self._mix_end, self._mix = (
            QLabel("Truth"),
            QLabel("Linear"),
            QSlider(Qt.Orientation.Horizontal),
        )
        self._mix.setRange(0, 200)
        self._mix.setAccessibleName("Blend of truth, method and linear")
        self._mix.setToolTip("<qt>Left: truth; middle: the chosen method; right: linear interpolation.</qt>")
        self._mix.valueChanged.connect(self._blend_on)
        row = QHBoxLayout()
        self._steps = []
        for text, direction, does in (("Previous hidden", -1, "previous_hidden"), ("Next hidden", 1, "next_hidden")):
            button = QPushButton(text)
            set_icon(button, "left_arrow" if direction < 0 else "right_arrow")
            if direction > 0:
                button.setLayoutDirection(Qt.LayoutDirection.RightToLeft)  # the arrow stands on the side it points to
            which = "before" if direction < 0 else "after"
            button.setToolTip(with_key(f"Show the hidden section {which} the one in view.", does))
            button.clicked.connect(partial(self._step_clicked, direction))
            self._steps.append(button)
            row.addWidget(button, 1)
        for place, widget in enumerate((self._mix_start, self._mix, self._mix_end), 1):
            row.insertWidget(place, widget)
        return row

    def _step_clicked(self, direction: int, *_: Any) -> None:
        self.step_hidden(direction)

    def _build_ways_out(self) -> QHBoxLayout:
        self._export = QPushButton("Export")
        self._export.setToolTip("Save scores, the plot in view, or a report.")
        menu = QMenu(self)
        self.exports.fill(menu)
        self._export.setMenu(menu)
        self._copy = QPushButton("Copy as command")
        set_icon(self._copy, "copy_to_clipboard")
        self._copy.setToolTip("<qt>Copy the command line that repeats this comparison.</qt>")
        self._copy.clicked.connect(self.copy_command)
        row = QHBoxLayout()
        for button in (self._export, self._copy):
            row.addWidget(button, 1)
        return row
