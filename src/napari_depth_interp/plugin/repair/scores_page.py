"""The scores of all sections along z, one curve per kind of damage, over the threshold of that kind."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ...damage.examination import Examination
from ...damage.kinds import KINDS
from ..icons import set_icon
from ..plots import BASELINE_COLOUR, COLOURS, Curve, SectionPlot
from ..qt_helpers import add_choice, let_shrink

_ALL = "all"
_MOST = 5.0
"""Times the threshold above which all kinds together are not drawn: one black section would flatten everything."""
_TIP = "Above 1 a section is called damaged. Click to move napari's z slider there."


class ScoresPage(QWidget):
    """Shows an examination; ``depth_chosen`` by a click, ``export_clicked`` for the table as CSV.

    ``copy_clicked``: the command line is to be put on the clipboard.
    """

    depth_chosen = Signal(float)
    export_clicked = Signal()
    copy_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._examination: Examination | None = None
        self._depths: list[float] = []
        self._unit = ""
        self._kinds = QComboBox()
        self._kinds.setAccessibleName("Kind of damage")
        self._kinds.setToolTip("<qt>Which kind of damage is drawn.</qt>")
        let_shrink(self._kinds, 8)
        self._words = QLabel("Press Find damaged sections, in Set up.")
        self._words.setObjectName("summary")
        self._words.setWordWrap(True)
        self.plot = SectionPlot("score / threshold", _TIP)
        self._export = QPushButton("Save table…")
        self._export.setToolTip("<qt>Write a row per section as CSV: what was found and done, all scores.</qt>")
        self._export.clicked.connect(lambda *_: self.export_clicked.emit())
        copy = QPushButton("Copy as command")
        set_icon(copy, "copy_to_clipboard")
        copy.setToolTip("<qt>Put the command line that repairs the chosen sections on the clipboard.</qt>")
        copy.clicked.connect(lambda *_: self.copy_clicked.emit())
        row = QHBoxLayout()
        row.addWidget(self._export)
        row.addWidget(copy)
        layout = QVBoxLayout(self)
        layout.addWidget(self._kinds)
        layout.addWidget(self._words)
        layout.addWidget(self.plot, 1)
        layout.addLayout(row)
        self._kinds.currentIndexChanged.connect(self._draw)
        self.plot.depth_chosen.connect(self.depth_chosen)
        self.clear()

    def clear(self) -> None:
        """Show nothing: another stack is looked at."""
        self.show_examination(None, [], "")

    def show_examination(self, examination: Examination | None, depths: list[float], unit: str) -> None:
        """Show what was found."""
        self._examination, self._depths, self._unit = examination, depths, unit
        chosen = self._kinds.currentData()
        self._kinds.blockSignals(True)
        self._kinds.clear()
        add_choice(self._kinds, "All kinds", _ALL, "<qt>Far above the threshold: drawn at five times it.</qt>")
        for name in examination.scores if examination is not None else ():
            add_choice(self._kinds, KINDS[name].title, name, f"<qt>Score: {KINDS[name].score}.</qt>")
        self._kinds.setCurrentIndex(max(0, self._kinds.findData(chosen)))
        self._kinds.blockSignals(False)
        for control in (self._kinds, self._export):
            control.setEnabled(examination is not None)
        self._draw()

    def _draw(self, *_: Any) -> None:
        examination, chosen = self._examination, self._kinds.currentData()
        if examination is None:
            self._words.setText("Press Find damaged sections, in Set up.")
            self.plot.show_curves([], self._unit)
            return
        names = _over(examination) if chosen == _ALL else [str(chosen)]
        most = _MOST if chosen == _ALL else np.inf
        curves = [self._curve(examination, *each, most) for each in zip(names, cycle(COLOURS), strict=False)]
        limit = [(self._depths[0], 1.0), (self._depths[-1], 1.0)] if self._depths else []
        self.plot.show_curves([*curves, ("threshold", BASELINE_COLOUR, limit)], self._unit)
        self._words.setText(_sentence(examination, None if chosen == _ALL else names[0]))

    def _curve(self, examination: Examination, name: str, colour: str, most: float) -> Curve:
        ratios = examination.scores[name] / examination.thresholds[name]
        points = [(z, min(float(v), most)) for z, v in zip(self._depths, ratios, strict=True) if np.isfinite(v)]
        return name, colour, points


def _over(examination: Examination) -> list[str]:
    """Return the kinds of damage that reach the threshold anywhere; all of them if none does."""
    limits = examination.thresholds
    return [k for k, v in examination.scores.items() if np.nanmax(v, initial=0.0) >= limits[k]] or list(limits)


def _sentence(examination: Examination, name: str | None) -> str:
    """Say what is drawn: of one kind, or of all."""
    if name is None:
        found = len({each.index for each in examination.found})
        return f"{found} of {examination.count} sections are suspected. Drawn are the kinds that reach the threshold."
    kind, found = KINDS[name], len({each.index for each in examination.found if each.kind == name})
    return f"Score: {kind.score}; threshold {examination.thresholds[name]:.3g}; suspected: {found}."
