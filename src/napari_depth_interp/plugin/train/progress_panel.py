"""What a training shows while it runs: loss and validation as curves, and how the model stands in words."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import napari
import numpy as np
from napari.utils.theme import get_theme
from qtpy.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from ...models.card import verdict
from ...progress import TrainingPoint
from ..plots import BASELINE_COLOUR, COLOURS, Curve, Plot
from ..qt_helpers import in_problem_colour
from .picture import is_stacked

_POINTS = 400
"""Points of the loss curve that are drawn: each is the mean of as many steps as needed."""
_MEMORY = 0.9
"""Share of the last value in the smoothed loss."""
_UNITS = {"psnr": "PSNR (dB)", "ssim": "SSIM"}


class ProgressPanel(QWidget):
    """Draws the curves of one training."""

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._title, self._caption = "", ""
        self.losses: list[float] = []
        self.validations: list[dict[str, float]] = []
        """One per validation: ``step`` and the scores."""
        self._words = QLabel("The loss, and the score on data that is held back, appear here while a model is trained.")
        self._words.setObjectName("summary")
        self._words.setWordWrap(True)
        self.loss = Plot("loss", "step", "What the training makes small, averaged over neighbouring steps.")
        self.validation = Plot("PSNR (dB)", "step", "Score on data that is held back from the training.")
        self.show_picture = QCheckBox("Show a validation section in the viewer")
        self.show_picture.setChecked(True)
        self.show_picture.setToolTip(
            "<qt>A layer with a section of the held-back data, as the network makes it now; renewed at each "
            "validation.</qt>"
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self._words)
        layout.addWidget(self.show_picture)
        layout.addWidget(self.loss, 1)
        layout.addWidget(self.validation, 1)
        viewer.events.theme.connect(self._follow_theme)
        self._follow_theme()

    def leave(self) -> None:
        """Follow the viewer no longer."""
        self._viewer.events.theme.disconnect(self._follow_theme)

    def begin(self, title: str, history: Mapping[str, Sequence[Any]]) -> None:
        """Draw another training, from what it has shown before."""
        self._title, self._caption = title, ""
        self.losses = [float(value) for value in history.get("losses", ())]
        self.validations = [dict(validation) for validation in history.get("validation", ())]
        self._words.setText(f"<b>{html.escape(title)}</b>")
        self.show_picture.setEnabled(True)
        self._draw()

    def add(self, points: Sequence[TrainingPoint]) -> None:
        """Draw more steps."""
        if not points:
            return
        self.losses += [point.loss for point in points]
        self._caption = next((describe_picture(point) for point in points if point.captions), self._caption)
        self.validations += [{"step": point.step, **point.scores} for point in points if point.scores]
        self._draw()

    def say_unvalidated(self, why: str) -> None:
        """Say why there is no score: nothing is held back."""
        self._words.setText(
            f"<b>{html.escape(self._title)}</b>: "
            + in_problem_colour(f"nothing is held back to check it on: {html.escape(why)}")
        )
        self.show_picture.setEnabled(False)

    def _draw(self) -> None:
        points = averaged(self.losses, _POINTS)
        self.loss.draw([("loss", BASELINE_COLOUR, points), ("smoothed", COLOURS[0], smoothed(points))])
        curves = self._validation_curves()
        self.validation.setVisible(bool(curves))
        self.validation.draw(curves)
        if self.validations:
            first = _scores(self.validations[-1])[0]
            self.validation.set_labels(left=_UNITS.get(first, first))
            best = max(self.validations, key=lambda validation: validation[_scores(validation)[0]])
            words = f"<b>{html.escape(self._title)}</b>: best so far {verdict(best)} (step {best['step']:.0f})"
            self._words.setText(f"{words}. {self._caption}" if self.show_picture.isChecked() else words)

    def _validation_curves(self) -> list[Curve]:
        """Return the deciding score and those beside it on the same scale, such as linear interpolation's."""
        if not self.validations:
            return []
        first = _scores(self.validations[-1])[0]
        shown = [name for name in _scores(self.validations[-1]) if name == first or name.startswith(f"{first}_")]
        curves: list[Curve] = []
        for number, name in enumerate(shown):
            points = [
                (validation["step"], validation[name])
                for validation in self.validations
                if np.isfinite(validation.get(name, np.nan))
            ]
            label = "this network" if number == 0 else name.removeprefix(f"{first}_")
            curves.append((label, BASELINE_COLOUR if number else COLOURS[1], points))
        return curves

    def _follow_theme(self, _event: Any = None) -> None:
        theme = get_theme(self._viewer.theme)
        for plot in (self.loss, self.validation):
            plot.set_colours(str(theme.background), str(theme.text))


def describe_picture(point: TrainingPoint) -> str:
    """Say what the panels of a validation section are, in the order in which they stand in the viewer."""
    assert point.picture is not None
    order = "from top to bottom" if is_stacked(point.picture.shape) else "from left to right"
    which = f" ({point.place})" if point.place else ""
    return f"In the viewer{which}, {order}: {', '.join(point.captions)}."


def _scores(validation: Mapping[str, float]) -> list[str]:
    return [name for name in validation if name != "step"]


def averaged(values: Sequence[float], most: int) -> list[tuple[float, float]]:
    """Return at most so many points (step, mean) of a curve; what is not finite is left out."""
    size = max(1, -(-len(values) // most))
    found = []
    for start in range(0, len(values), size):
        part = np.asarray(values[start : start + size], float)
        part = part[np.isfinite(part)]
        if part.size:
            found.append((start + (size + 1) / 2, float(part.mean())))
    return found


def smoothed(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return an exponential moving average of a curve, without the pull of its start towards zero."""
    found, mean, weight = [], 0.0, 0.0
    for x, y in points:
        mean, weight = _MEMORY * mean + (1 - _MEMORY) * y, _MEMORY * weight + 1 - _MEMORY
        found.append((x, mean / weight))
    return found
