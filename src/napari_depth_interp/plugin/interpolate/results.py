"""What a run adds to the viewer: layers in the right place, with their history."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field, replace
from typing import Any

import napari
import numpy as np
from napari.layers import Image, Layer
from napari.utils.transforms import Affine

from ... import io
from ...evaluate import MethodScores
from ...report import BASELINE
from ...result import RECORD_KEY
from ...settings import to_arguments
from ...stack import Dataset
from ..layers import CHANNEL_KEY, ORIGIN_KEY, REAL_KEY, to_layers
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
    input_channel: str | None = None
    input_spacing: str | None = None

    @property
    def scores(self) -> MethodScores | None:
        """Scores on hidden sections, if the run was scored."""
        held_out = self.outcome.held_out
        return held_out.method if held_out else None

    def command(self) -> str:
        """Return the command line that repeats the run."""
        source = self.input_path or "INPUT.tif"
        settings = self.outcome.settings.model_copy(update={"channel": self.input_channel})
        if settings.z_spacing is None and settings.depths is None:
            settings = settings.model_copy(update={"z_spacing": self.input_spacing})
        suffix = ".nii.gz" if io.format_of(source) == "nifti" else ".tif"
        output = re.sub(r"[^\w.+-]+", "_", self.name) + suffix
        return shlex.join(["depth-interp", "run", source, output, *to_arguments(settings)])

    def remember_input(self, layer: Layer) -> None:
        """Keep what the command line needs to know of the input layer."""
        self.input_path, self.input_channel = layer.source.path, layer.metadata.get(CHANNEL_KEY)
        origin = layer.metadata.get(ORIGIN_KEY)
        used, unit = self.outcome.result.record["input"]["depths"], self.outcome.result.record["unit"]
        in_file = None if origin is None else origin.grid.depths
        if in_file is None or not np.allclose(np.diff(in_file), np.diff(used), rtol=1e-6, atol=0):
            self.input_spacing = f"{used[1] - used[0]!r}{unit or ''}"  # the user has changed the layer's scale


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
        how = _error_look()
        run.layers.append(_add(viewer, uncertain, f"{run.name} uncertainty", how, run, visible=False, real=True))
    if run.outcome.held_out is not None:
        run.layers += _add_held_out(viewer, run, run.outcome.held_out, look)
    if source is not None:
        _turn_like(source, run.layers)
    viewer.layers.selection.active = run.layers[0]
    run.outcome = run.outcome.without_voxels()


def _add_held_out(viewer: napari.Viewer, run: Run, held_out: HeldOut, look: dict[str, Any]) -> list[Layer]:
    error = held_out.error
    error_look = _error_look() | {"contrast_limits": _limits(error)}
    looks = {"truth": look, "restored": look, "absolute error": error_look}
    datasets = {"truth": held_out.truth, "restored": held_out.restored, "absolute error": error}
    return [
        _add(viewer, dataset, f"{run.name} {what}", looks[what], run, visible=False, real=dataset is error)
        for what, dataset in datasets.items()
    ]


def _limits(error: Dataset) -> tuple[float, float]:
    """Return contrast limits from a part of the voxels: enough to see by, and quick."""
    few = error.voxels.reshape(-1)[:: max(1, error.voxels.size // 100_000)]
    return 0.0, float(np.percentile(few, 99.5)) or 1.0


def _add(
    viewer: napari.Viewer,
    dataset: Dataset,
    name: str,
    look: dict[str, Any],
    run: Run,
    *,
    visible: bool = True,
    real: bool = False,
) -> Layer:
    record = run.outcome.result.dataset.record
    [(data, kwargs, _)] = to_layers(replace(dataset, record=record), name)
    kwargs["metadata"] = kwargs["metadata"] | {RECORD_KEY: dict(record[RECORD_KEY]), REAL_KEY: real}
    return viewer.add_image(data, **{**kwargs, **look, "visible": visible})


def _turn_like(source: Layer, layers: list[Layer]) -> None:
    """Turn the layers as the user has turned the source, so that they lie over it."""
    turn = Affine(scale=np.ones(source.ndim), rotate=source.rotate, shear=source.shear)
    if np.allclose(turn.linear_matrix, np.eye(source.ndim)) and np.allclose(
        source.affine.affine_matrix, np.eye(source.ndim + 1)
    ):
        return
    for layer in layers:
        shift = layer.translate - source.translate
        layer.translate = source.translate + turn.linear_matrix @ shift
        layer.rotate, layer.shear, layer.affine = source.rotate, source.shear, source.affine


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
    """Return a run's cells: name, seconds, pooled PSNR, mean SSIM, pooled RMSE and gain over linear."""
    seconds = run.outcome.result.seconds
    time = "-" if seconds is None else f"{seconds:.2g}"
    if run.scores is None or run.outcome.held_out is None:
        return [run.name, time, "-", "-", "-", "not scored"]
    pooled, mean = run.scores.volume, run.scores.mean
    cells = [_number(pooled["psnr"], ".2f"), _number(mean["ssim"], ".3f"), _number(pooled["rmse"], ".4g")]
    return [run.name, time, *cells, _gain(run, run.outcome.held_out.gain)]


def _gain(run: Run, gain: float | None) -> str:
    if run.outcome.settings.method == BASELINE:
        return "baseline"
    if gain is None:
        return "-"
    return f"{gain:+.2f} dB" + (" worse" if gain < 0 else "")


def _number(value: float | None, how: str) -> str:
    return "-" if value is None else format(value, how)
