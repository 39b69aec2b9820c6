"""What a run adds to the viewer: layers in the right place, with their history."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from typing import Any

import napari
import numpy as np
from napari.layers import Image, Layer

from ...evaluate import MethodScores
from ...report import BASELINE
from ...result import RECORD_KEY
from ...settings import to_arguments
from ...stack import Dataset
from ..layers import to_layers
from ..preferences import preference
from .task import HeldOut, Outcome


@dataclass(eq=False)
class Run:
    """One finished run: its outcome, its layers and how it is called.

    ``layers[0]`` is the result; the others belong to the scoring.
    """

    name: str
    outcome: Outcome
    layers: list[Layer] = field(default_factory=list)
    input_path: str | None = None
    input_channel: int | None = None

    @property
    def scores(self) -> MethodScores | None:
        """Scores on hidden sections, if the run was scored."""
        held_out = self.outcome.held_out
        return held_out.method if held_out else None

    def command(self) -> str:
        """Return the command line that repeats the run."""
        source = self.input_path or "INPUT.tif"
        settings = self.outcome.settings
        if self.input_channel is not None:
            settings = settings.model_copy(update={"channel": str(self.input_channel)})
        return shlex.join(
            ["depth-interp", "run", source, f"{self.name}.tif".replace(" ", "_"), *to_arguments(settings)]
        )


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
    look = _look_of(source)
    result = run.outcome.result
    run.layers.append(_add(viewer, result.dataset, run.name, look, run))
    if result.uncertainty is not None:
        uncertain = replace(result.dataset, voxels=result.uncertainty)
        run.layers.append(_add(viewer, uncertain, f"{run.name} uncertainty", _error_look(), run, visible=False))
    if run.outcome.held_out is not None:
        run.layers += _add_held_out(viewer, run, run.outcome.held_out, look)
    viewer.layers.selection.active = run.layers[0]


def _add_held_out(viewer: napari.Viewer, run: Run, held_out: HeldOut, look: dict[str, Any]) -> list[Layer]:
    error = held_out.error
    looks = {"truth": look, "restored": look, "absolute error": _error_look() | {"contrast_limits": _limits(error)}}
    datasets = {"truth": held_out.truth, "restored": held_out.restored, "absolute error": error}
    return [
        _add(viewer, dataset, f"{run.name} {what}", looks[what], run, visible=False)
        for what, dataset in datasets.items()
    ]


def _limits(error: Dataset) -> tuple[float, float]:
    """Return contrast limits from a part of the voxels: enough to see by, and quick."""
    few = error.voxels.reshape(-1)[:: max(1, error.voxels.size // 100_000)]
    return 0.0, float(np.percentile(few, 99.5)) or 1.0


def _add(
    viewer: napari.Viewer, dataset: Dataset, name: str, look: dict[str, Any], run: Run, *, visible: bool = True
) -> Layer:
    record = run.outcome.result.dataset.record
    [(data, kwargs, _)] = to_layers(replace(dataset, record=record), name)
    kwargs["metadata"] = kwargs["metadata"] | {RECORD_KEY: dict(record[RECORD_KEY])}
    return viewer.add_image(data, **{**kwargs, **look, "visible": visible})


def _look_of(source: Layer | None) -> dict[str, Any]:
    if not isinstance(source, Image):
        return {}
    return {"contrast_limits": source.contrast_limits, "colormap": source.colormap, "gamma": source.gamma}


def _error_look() -> dict[str, Any]:
    return {"colormap": preference("error_colormap")}


def unique_name(viewer: napari.Viewer, wanted: str) -> str:
    """Return a name that no layer has: an existing layer of that name would lose its data."""
    taken = {layer.name for layer in viewer.layers}
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted} #{number}", number + 1
    return name


def row_of(run: Run) -> list[str]:
    """Return a run's cells: name, seconds, PSNR, SSIM, RMSE and gain over linear."""
    seconds = run.outcome.result.seconds
    time = "-" if seconds is None else f"{seconds:.2g}"
    if run.scores is None or run.outcome.held_out is None:
        return [run.name, time, "-", "-", "-", "not scored"]
    mean = run.scores.mean
    cells = [_number(mean["psnr"], ".2f"), _number(mean["ssim"], ".3f"), _number(mean["rmse"], ".4g")]
    return [run.name, time, *cells, _gain(run, run.outcome.held_out.gain)]


def _gain(run: Run, gain: float | None) -> str:
    if run.outcome.settings.method == BASELINE:
        return "baseline"
    if gain is None:
        return "-"
    return f"{gain:+.2f} dB" + (" worse" if gain < 0 else "")


def _number(value: float | None, how: str) -> str:
    return "-" if value is None else format(value, how)
