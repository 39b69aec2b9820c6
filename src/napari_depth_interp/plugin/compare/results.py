"""A comparison in the viewer: its layers, made when they are first looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import napari
import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray

from ...evaluation.evaluate import BASELINE, Scores
from ...run.result import RECORD_KEY
from ...stack import Dataset
from ..layers import REAL_KEY, to_layers
from ..layers.appearance import appearance_of, error_appearance, error_limits, unique_name
from ..layers.command_input import CommandInput
from ..layers.turned import turn_like
from ..layers.viewer_parts import set_visible
from .columns import label
from .command import command_of
from .task import Question, Restored, Scored

PARTS = ("truth", "restored", "absolute error", "uncertainty")
"""What can be shown of a method; the truth is the same for all."""

_REAL = ("absolute error", "uncertainty")
"""Differences of grey values, which have a colour bar."""
_GLOW = 0.5
"""Opacity of errors and uncertainties, so that the image below can be seen."""
_EXPECTED = "blue"
"""Colours of uncertainties, told apart from those of errors where both glow; the same scale."""


class Comparison:
    """What is known of one comparison, which may still run.

    Parameters
    ----------
    question : Question
    layer : Layer
        The input, whose name, contrast and colours the new layers take.
    reference : Layer or None
    """

    def __init__(self, question: Question, layer: Layer, reference: Layer | None) -> None:
        self.question = question
        self.title = layer.name
        self.scored: dict[str, Scored] = {}
        self.scores: Scores | None = None
        self.appearance = appearance_of(layer)
        grid = question.truth.grid if question.reference is None else question.dataset.grid
        self.unit = grid.unit
        self.layer = layer
        self._reference_path = None if reference is None else reference.source.path
        depths = [] if grid.depths is None else grid.depths.tolist()
        self._input = CommandInput.of(layer, depths, grid.unit)

    def complete(self, scores: Scores) -> None:
        """Take in the scores of all methods, compared with each other."""
        self.scores = scores
        for each in scores.methods:
            self.scored[each.method] = replace(self.scored[each.method], scores=each)

    def command(self, report: str | None = None) -> str:
        """Return the command line that repeats the comparison."""
        return command_of(self.question, self._input, self._reference_path, report)

    def hidden_depths(self) -> list[float]:
        """Return the depths of the sections that were hidden and scored, so far."""
        return sorted({row["z"] for each in self.scored.values() for row in each.scores.sections})

    def describe_section(self, depth: float) -> tuple[str, bool]:
        """Return what the section nearest to a depth is, in words, and whether it was hidden."""
        depths = next(iter(self.scored.values())).restored.dataset.grid.depths if self.scored else None
        if depths is None:
            return "", False
        at = float(depths[np.abs(depths - depth).argmin()])
        was_hidden = any(abs(at - each) < 1e-6 * max(1.0, abs(at)) for each in self.hidden_depths())
        return f"{'hidden' if was_hidden else 'kept'} section, z = {at:.5g} {self.unit or ''}", was_hidden

    def restored(self, name: str) -> Restored:
        """Return what a method made."""
        return self.scored[name].restored

    def truth(self) -> Dataset:
        """Return the true sections at the depths of the restored ones (a view where they follow each other)."""
        any_one = next(iter(self.scored.values())).restored
        truth = self.question.truth
        at = any_one.truth_at
        follow = len(at) and at[-1] - at[0] + 1 == len(at)
        sections = slice(int(at[0]), int(at[-1]) + 1) if follow else at
        grid = truth.grid if self.question.reference is None else any_one.dataset.grid
        grid = replace(grid, depths=any_one.dataset.grid.depths)
        return replace(truth, voxels=truth.voxels[:, :, sections], grid=grid)

    def on_truth_grid(self, name: str, voxels: NDArray[Any]) -> Dataset:
        """Return voxels of a method's result as a dataset with the pixels of the truth."""
        restored, truth = self.restored(name), self.truth()
        whole = restored.on_truth_grid(voxels)
        if whole is voxels:
            return replace(restored.dataset, voxels=voxels)
        return replace(restored.dataset, voxels=whole, grid=replace(truth.grid, depths=restored.dataset.grid.depths))

    def error(self, name: str) -> Dataset:
        """Return the absolute difference to the truth as float32."""
        found = self.on_truth_grid(name, self.restored(name).dataset.voxels)
        rows, columns = found.voxels.shape[-2:]
        truth = self.truth().voxels[..., :rows, :columns]
        error = found.voxels.astype(np.float32)
        np.subtract(error, truth, out=error, casting="unsafe")
        return replace(found, voxels=np.abs(error, out=error))


class ResultLayers:
    """Adds and shows the layers of a comparison. Layers that the user removes are made again when asked for."""

    def __init__(self, viewer: napari.Viewer, comparison: Comparison) -> None:
        self._viewer = viewer
        self._comparison = comparison
        self._layers: dict[tuple[str, str], Layer] = {}
        self._error_limits: tuple[float, float] | None = None

    def own(self) -> list[Layer]:
        """Return the layers that are still there."""
        return [layer for layer in self._layers.values() if layer in self._viewer.layers]

    def get(self, name: str, part: str) -> Layer | None:
        """Return a layer if it is there; the truth belongs to the method ``""``."""
        layer = self._layers.get(("" if part == "truth" else name, part))
        return layer if layer is not None and layer in self._viewer.layers else None

    def ensure(self, name: str, part: str) -> Layer | None:
        """Return a layer, made now if it is not there; None where a method gives no uncertainty."""
        layer = self.get(name, part)
        if layer is None:
            made = self._make(name, part)
            if made is not None:
                layer = self._add(*made)
                self._layers["" if part == "truth" else name, part] = layer
                self._put_below_later_parts(layer, name, part)
        return layer

    def _put_below_later_parts(self, layer: Layer, name: str, part: str) -> None:
        """Move a layer that was made again below those that lie over it."""
        over = PARTS[PARTS.index(part) + 1 :]
        later = [
            other
            for (method, kind), other in self._layers.items()
            if other in self._viewer.layers and kind in over and (part == "truth" or method == name)
        ]
        if later:
            lowest = min(self._viewer.layers.index(other) for other in later)
            self._viewer.layers.move(self._viewer.layers.index(layer), lowest)

    def show(self, names: Sequence[str], parts: Mapping[str, bool]) -> None:
        """Show these parts of these methods, and hide the other layers of the comparison."""
        wanted = {("" if part == "truth" else name, part) for name in names for part in PARTS if parts[part]}
        for name, part in wanted:
            self.ensure(name, part)
        for key, layer in self._layers.items():
            if layer in self._viewer.layers:
                set_visible(layer, key in wanted)
        first = self.get(names[0], "restored") if names else None
        if first is not None:
            self._viewer.layers.selection.active = first

    def of_colour_bars(self) -> list[str]:
        """Say what the colour bars in view are of, and in which unit: napari's have no words."""
        shown = {part for (_, part), layer in self._layers.items() if layer in self.own() and layer.visible}
        parts = [part for part in PARTS if part in shown and part in _REAL]
        return [f"colour bar: {' and '.join(parts)} in grey values"] if parts else []

    def hide(self) -> None:
        """Hide all layers of the comparison."""
        for layer in self.own():
            set_visible(layer, False)

    def _make(self, name: str, part: str) -> tuple[str, str, Dataset, dict[str, Any]] | None:
        comparison = self._comparison
        if part == "truth":
            return "truth", part, comparison.truth(), comparison.appearance
        restored = comparison.restored(name)
        if part == "restored":
            return f"{label(name)} {part}", part, restored.dataset, comparison.appearance
        if part == "uncertainty":
            if restored.uncertainty is None:
                return None
            uncertain = replace(restored.dataset, voxels=restored.uncertainty)
            limits = self._limits(name, comparison.error(name))
            appearance = {"colormap": _EXPECTED, "blending": "additive", "opacity": _GLOW, "contrast_limits": limits}
            return f"{label(name)} {part}", part, uncertain, appearance
        error = comparison.error(name)
        appearance = error_appearance() | {
            "blending": "additive",
            "opacity": _GLOW,
            "contrast_limits": self._limits(name, error),
        }
        return f"{label(name)} {part}", part, error, appearance

    def _limits(self, name: str, error: Dataset) -> tuple[float, float]:
        """Return the same limits for all methods, so that their errors can be compared by eye."""
        if self._error_limits is None:
            known = BASELINE if BASELINE in self._comparison.scored else name
            self._error_limits = error_limits(error if known == name else self._comparison.error(known))
        return self._error_limits

    def _add(self, what: str, part: str, dataset: Dataset, appearance: dict[str, Any]) -> Layer:
        name = unique_name(self._viewer, f"{self._comparison.title} {what}")
        real = part in _REAL
        dataset = dataset.grey() if real else dataset  # an error of colours is no colour
        [(data, kwargs, _)] = to_layers(dataset, name)
        kwargs["metadata"] = kwargs["metadata"] | {REAL_KEY: real}
        if part == "truth":
            kwargs["metadata"].pop(RECORD_KEY, None)
        layer = self._viewer.add_image(data, **{**kwargs, **appearance, "visible": False})
        layer.colorbar.visible = real
        turn_like(self._comparison.layer, [layer])
        return layer


def each_volume(comparison: Comparison) -> Iterator[tuple[str, Restored]]:
    """Yield the methods' results in the order in which they were made."""
    for name, scored in comparison.scored.items():
        yield name, scored.restored
