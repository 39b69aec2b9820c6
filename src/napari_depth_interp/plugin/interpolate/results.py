"""What a run adds to the viewer: layers in the right place, with their history."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any
from weakref import WeakSet, ref

import napari
from napari.layers import Layer

from ... import io
from ...evaluation.evaluate import MethodScores
from ...report import BASELINE
from ...run.result import RECORD_KEY
from ...run.settings import to_arguments
from ...stack import Dataset
from ...system.amounts import duration
from ..layers import REAL_KEY, to_layers
from ..layers.appearance import appearance_of, error_appearance, error_limits, unique_name, unwrapped
from ..layers.command_input import CommandInput
from ..layers.turned import turn_like
from ..layers.viewer_parts import set_visible
from .task import Outcome

UNCERTAINTY, TRUTH, RESTORED, ERROR = "uncertainty", "truth", "restored", "absolute error"


@dataclass(eq=False)
class Run:
    """One finished run: its outcome, its layers and how it is called.

    ``layers`` are the result, one per channel; ``more`` are those that were asked for since, by what they show.
    ``names`` are those of the channels' layers, ``appearances`` their colours, ``covered`` the layers that were hidden
    because the result lies over them. The input's layers are not kept from being freed.
    """

    name: str
    outcome: Outcome
    names: list[str] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    more: dict[str, list[Layer]] = field(default_factory=dict)
    input: CommandInput = field(default_factory=CommandInput)
    appearances: list[dict[str, Any]] = field(default_factory=list)
    covered: WeakSet[Layer] = field(default_factory=WeakSet)
    given: list[ref[Layer]] = field(default_factory=list)
    freed: bool = False

    def free(self) -> None:
        """Let go of all voxels: the user has removed the result."""
        self.outcome, self.freed = self.outcome.without_voxels(), True

    def parts(self) -> tuple[str, ...]:
        """Return what can be shown beside the result."""
        if self.freed:
            return ()
        uncertain = (UNCERTAINTY,) if self.outcome.result.uncertainty is not None else ()
        return (*uncertain, *((TRUTH, RESTORED, ERROR) if self.outcome.held_out is not None else ()))

    def every_layer(self) -> list[Layer]:
        """Return the result and what was asked for beside it."""
        return [*self.layers, *(layer for part in self.more.values() for layer in part)]

    def sources(self, viewer: napari.Viewer) -> list[Layer]:
        """Return the layers that were run on, if all are still there."""
        found = [layer for each in self.given if (layer := each()) is not None and layer in viewer.layers]
        return found if len(found) == len(self.given) else []

    @property
    def scores(self) -> MethodScores | None:
        """Scores on hidden sections, if the run was scored."""
        held_out = self.outcome.held_out
        return held_out.method if held_out else None

    def command(self) -> str:
        """Return the command line that repeats the run."""
        source = self.input.path or "INPUT.tif"
        settings = self.input.complete(self.outcome.settings)
        suffix = ".nii.gz" if io.kind_at(source) in ("nifti", "dicom") else ".tif"
        output = re.sub(r"[^\w.+-]+", "_", self.name) + suffix
        return shlex.join(["depth-interp", "run", source, output, *to_arguments(settings)])

    def remember_input(self, layer: Layer, *, alone: bool = True) -> None:
        """Keep what the command line needs to know of the input layer, or of all channels of its image."""
        record = self.outcome.result.record
        depths = record["input"]["depths"]
        needed = self.outcome.result.dataset.grid.depths is not None and len(depths) > 1
        found = CommandInput.of(layer, depths if needed else None, record["unit"], record.get("excluded", ()))
        self.input = found if alone else replace(found, channel=None)


def add_result(viewer: napari.Viewer, run: Run, sources: Sequence[Layer], *, over: bool = False) -> None:
    """Add a run's result, in view; what else it made is added when it is asked for.

    Parameters
    ----------
    viewer : Viewer
    run : Run
        Gets the new layers.
    sources : sequence of Layer
        The input layers, one per channel, whose contrast, colours and blending the result takes.
    over : bool
        The result covers a part of the input only, which stays in view.
    """
    run.given = [ref(unwrapped(source)) for source in sources]
    run.appearances = [appearance_of(source) | {"blending": source.blending} for source in sources]
    result, target = run.outcome.result, run.outcome.target
    run.layers += _add(viewer, result.dataset, run, file=None if target is None else target.path)
    if sources:
        turn_like(sources[0], run.layers)
    if over:
        _cover_below(run.layers)
    else:
        run.covered = WeakSet(each for each in map(unwrapped, sources) if each.blending == "additive" and each.visible)
        cover(run)
    viewer.layers.selection.active = run.layers[0]
    run.outcome = run.outcome.without_result()


def _cover_below(layers: Sequence[Layer]) -> None:
    """Let layers hide what lies below them: added to its light they would be too bright."""
    if layers[0].blending == "additive":
        layers[0].blending = "translucent_no_depth"


def cover(run: Run, on: bool = True) -> None:
    """Hide the layers that would be added to the light of the result, or show them again."""
    for layer in run.covered:
        set_visible(layer, not on)


def show_part(viewer: napari.Viewer, run: Run, part: str) -> list[Layer]:
    """Show one of a run's parts, in layers that are made now if they are not there."""
    layers = [layer for layer in run.more.get(part, ()) if layer in viewer.layers]
    if not layers:
        layers = run.more[part] = _make(viewer, run, part)
        if run.layers[0] in viewer.layers:
            turn_like(run.layers[0], layers)
    for layer in layers:
        set_visible(layer, True)
    return layers


def _make(viewer: napari.Viewer, run: Run, part: str) -> list[Layer]:
    outcome = run.outcome
    if part == UNCERTAINTY:
        assert outcome.result.uncertainty is not None
        file = None if outcome.target is None else outcome.target.uncertainty
        dataset = replace(outcome.result.dataset, voxels=outcome.result.uncertainty)
        return _add(viewer, dataset, run, part, glow=error_appearance(), file=file)
    assert outcome.held_out is not None
    if part == ERROR:
        error = outcome.held_out.error
        return _add(viewer, error, run, part, glow=error_appearance() | {"contrast_limits": error_limits(error)})
    dataset = outcome.held_out.truth if part == TRUTH else outcome.held_out.restored
    return _add(viewer, dataset, run, part)


def _add(
    viewer: napari.Viewer,
    dataset: Dataset,
    run: Run,
    part: str = "",
    *,
    glow: dict[str, Any] | None = None,
    file: Path | None = None,
) -> list[Layer]:
    """Add a layer per channel; ``glow`` is how values look that are no grey values, such as errors."""
    record, real = run.outcome.result.dataset.record, glow is not None
    dataset = dataset.grey() if real else dataset  # an error of colours is no colour
    coarser = [] if file is None else io.read_levels(file)[1:]
    layers: list[Layer] = []
    made = to_layers(replace(dataset, record=record), run.name, coarser)
    for (data, kwargs, _), name, appearance in zip_longest(made, run.names[: len(made)], run.appearances[: len(made)]):
        kwargs["metadata"] = kwargs["metadata"] | {RECORD_KEY: dict(record[RECORD_KEY]), REAL_KEY: real}
        kwargs["name"] = unique_name(viewer, f"{name or kwargs['name']} {part}".rstrip())
        layer = viewer.add_image(data, **{**kwargs, **(glow or appearance or {})})
        layer.colorbar.visible = real and not layers  # the same for all channels
        layers.append(layer)
    if part:
        _cover_below(layers)
    return layers


def row_of(run: Run) -> list[str]:
    """Return a run's cells: name, time, pooled PSNR, mean SSIM, pooled RMSE and gain over linear."""
    seconds = run.outcome.result.seconds
    time = "-" if seconds is None else duration(seconds)
    if run.scores is None or run.outcome.held_out is None:
        return [run.name, time, "-", "-", "-", "not scored"]
    pooled, mean = run.scores.volume, run.scores.mean
    cells = [_number(pooled["psnr"], ".2f"), _number(mean["ssim"], ".3f"), _number(pooled["rmse"], ".4g")]
    return [run.name, time, *cells, _gain(run, run.outcome.held_out.gain)]


def _gain(run: Run, gain: float | None) -> str:
    if run.outcome.settings.method == BASELINE and run.outcome.settings.enhance is None:
        return "baseline"
    if gain is None:
        return "-"
    return f"{gain:+.2f} dB" + (" worse" if gain < 0 else "")


def _number(value: float | None, how: str) -> str:
    return "-" if value is None else format(value, how)
