"""What a run adds to the viewer: layers in the right place, with their history."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

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
from ..layers.appearance import appearance_of, error_appearance, error_limits, turn_like
from ..layers.command_input import CommandInput
from .task import Outcome

UNCERTAINTY, TRUTH, RESTORED, ERROR = "uncertainty", "truth", "restored", "absolute error"


@dataclass(eq=False)
class Run:
    """One finished run: its outcome, its layers and how it is called.

    ``layers[0]`` is the result; ``more`` are the layers that were asked for since, by what they show.
    """

    name: str
    outcome: Outcome
    layers: list[Layer] = field(default_factory=list)
    more: dict[str, Layer] = field(default_factory=dict)
    input: CommandInput = field(default_factory=CommandInput)
    appearance: dict[str, Any] = field(default_factory=dict)
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
        return [*self.layers, *self.more.values()]

    @property
    def scores(self) -> MethodScores | None:
        """Scores on hidden sections, if the run was scored."""
        held_out = self.outcome.held_out
        return held_out.method if held_out else None

    def command(self) -> str:
        """Return the command line that repeats the run."""
        source = self.input.path or "INPUT.tif"
        settings = self.input.complete(self.outcome.settings)
        suffix = ".nii.gz" if io.format_of(source) == "nifti" else ".tif"
        output = re.sub(r"[^\w.+-]+", "_", self.name) + suffix
        return shlex.join(["depth-interp", "run", source, output, *to_arguments(settings)])

    def remember_input(self, layer: Layer) -> None:
        """Keep what the command line needs to know of the input layer."""
        record = self.outcome.result.record
        depths = record["input"]["depths"]
        needed = self.outcome.result.dataset.grid.depths is not None and len(depths) > 1
        self.input = CommandInput.of(layer, depths if needed else None, record["unit"])


def add_result(viewer: napari.Viewer, run: Run, source: Layer | None) -> None:
    """Add a run's result, in view; what else it made is added when it is asked for.

    Parameters
    ----------
    viewer : Viewer
    run : Run
        Gets the new layer.
    source : Layer or None
        The input layer, whose contrast and colours the result takes, if it is still there.
    """
    run.appearance = appearance_of(source)
    result, target = run.outcome.result, run.outcome.target
    file = None if target is None else target.path
    run.layers.append(_add(viewer, result.dataset, run.name, run.appearance, run, file=file))
    if source is not None:
        turn_like(source, run.layers)
    viewer.layers.selection.active = run.layers[0]
    run.outcome = run.outcome.without_result()


def show_part(viewer: napari.Viewer, run: Run, part: str) -> Layer:
    """Show one of a run's parts, in a layer that is made now if it is not there."""
    layer = run.more.get(part)
    if layer is None or layer not in viewer.layers:
        layer = run.more[part] = _make(viewer, run, part)
        if run.layers[0] in viewer.layers:
            turn_like(run.layers[0], [layer])
    layer.visible = True
    return layer


def _make(viewer: napari.Viewer, run: Run, part: str) -> Layer:
    outcome, name = run.outcome, f"{run.name} {part}"
    if part == UNCERTAINTY:
        assert outcome.result.uncertainty is not None
        file = None if outcome.target is None else outcome.target.uncertainty
        dataset = replace(outcome.result.dataset, voxels=outcome.result.uncertainty)
        return _add(viewer, dataset, name, error_appearance(), run, real=True, file=file)
    assert outcome.held_out is not None
    if part == ERROR:
        error = outcome.held_out.error
        bright = error_appearance() | {"contrast_limits": error_limits(error)}
        return _add(viewer, error, name, bright, run, real=True)
    dataset = outcome.held_out.truth if part == TRUTH else outcome.held_out.restored
    return _add(viewer, dataset, name, run.appearance, run)


def _add(
    viewer: napari.Viewer,
    dataset: Dataset,
    name: str,
    appearance: dict[str, Any],
    run: Run,
    *,
    real: bool = False,
    file: Path | None = None,
) -> Layer:
    record = run.outcome.result.dataset.record
    dataset = dataset.grey() if real else dataset  # an error of colours is no colour
    coarser = [] if file is None else io.read_levels(file)[1:]
    [(data, kwargs, _)] = to_layers(replace(dataset, record=record), name, coarser)
    kwargs["metadata"] = kwargs["metadata"] | {RECORD_KEY: dict(record[RECORD_KEY]), REAL_KEY: real}
    layer = viewer.add_image(data, **{**kwargs, **appearance})
    layer.colorbar.visible = real
    return layer


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
