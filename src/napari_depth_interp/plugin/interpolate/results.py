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
from ..layers import REAL_KEY, to_layers
from ..layers.appearance import appearance_of, error_appearance, error_limits, turn_like
from ..layers.command_input import CommandInput
from .task import HeldOut, Outcome


@dataclass(eq=False)
class Run:
    """One finished run: its outcome, its layers and how it is called.

    ``layers[0]`` is the result; the others belong to the scoring.
    """

    name: str
    outcome: Outcome
    layers: list[Layer] = field(default_factory=list)
    input: CommandInput = field(default_factory=CommandInput)

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


def add_layers(viewer: napari.Viewer, run: Run, source: Layer | None) -> None:
    """Add a run's layers: the result in view, the scoring's layers hidden.

    Parameters
    ----------
    viewer : Viewer
    run : Run
        Gets the new layers.
    source : Layer or None
        The input layer, whose contrast and colours the result takes, if it is still there.
    """
    appearance = appearance_of(source)
    result = run.outcome.result
    target = run.outcome.target
    file = None if target is None else target.path
    run.layers.append(_add(viewer, result.dataset, run.name, appearance, run, file=file))
    if result.uncertainty is not None:
        uncertain = replace(result.dataset, voxels=result.uncertainty)
        how = error_appearance()
        file = None if target is None else target.uncertainty
        name = f"{run.name} uncertainty"
        run.layers.append(_add(viewer, uncertain, name, how, run, visible=False, real=True, file=file))
    if run.outcome.held_out is not None:
        run.layers += _add_held_out(viewer, run, run.outcome.held_out, appearance)
    if source is not None:
        turn_like(source, run.layers)
    viewer.layers.selection.active = run.layers[0]
    run.outcome = run.outcome.without_voxels()


def _add_held_out(viewer: napari.Viewer, run: Run, held_out: HeldOut, appearance: dict[str, Any]) -> list[Layer]:
    error = held_out.error
    bright = error_appearance() | {"contrast_limits": error_limits(error)}
    appearances = {"truth": appearance, "restored": appearance, "absolute error": bright}
    datasets = {"truth": held_out.truth, "restored": held_out.restored, "absolute error": error}
    return [
        _add(viewer, dataset, f"{run.name} {what}", appearances[what], run, visible=False, real=dataset is error)
        for what, dataset in datasets.items()
    ]


def _add(
    viewer: napari.Viewer,
    dataset: Dataset,
    name: str,
    appearance: dict[str, Any],
    run: Run,
    *,
    visible: bool = True,
    real: bool = False,
    file: Path | None = None,
) -> Layer:
    record = run.outcome.result.dataset.record
    coarser = [] if file is None else io.read_levels(file)[1:]
    [(data, kwargs, _)] = to_layers(replace(dataset, record=record), name, coarser)
    kwargs["metadata"] = kwargs["metadata"] | {RECORD_KEY: dict(record[RECORD_KEY]), REAL_KEY: real}
    return viewer.add_image(data, **{**kwargs, **appearance, "visible": visible})


def row_of(run: Run) -> list[str]:
    """Return a run's cells: name, seconds, pooled PSNR, mean SSIM, pooled RMSE and gain over linear."""
    seconds = run.outcome.result.seconds
    time = "-" if seconds is None else f"{seconds:.2g}"
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
