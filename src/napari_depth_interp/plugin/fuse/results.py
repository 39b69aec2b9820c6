"""A fusion in the viewer: its layers, and the command line that repeats it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray

from ...fusion.looks import chessboard
from ...fusion.settings import FuseSettings
from ...run.settings import to_arguments
from ..layers import REAL_KEY, placement, to_layers
from ..layers.appearance import appearance_of, error_appearance, error_limits, unique_name
from .task import Fused


@dataclass(eq=False)
class Shown:
    """One fusion and the layer of its volume."""

    fused: Fused
    layer: Layer

    @property
    def name(self) -> str:
        """Name of the layer."""
        return str(self.layer.name)


def add_fused(viewer: napari.Viewer, fused: Fused, name: str, reference: Layer | None) -> Shown:
    """Add the volume, and hidden below it what is not sure and which stacks reach where; the inputs are hidden."""
    result = fused.result
    for layer in list(viewer.layers):
        layer.visible = False
    title = unique_name(viewer, f"{name} fused")
    covered = viewer.add_labels(
        np.asarray(result.coverage)[0, 0], name=unique_name(viewer, f"{title} coverage"), visible=False, opacity=0.3,
        metadata={REAL_KEY: False}, **placement(result.dataset),
    )  # fmt: skip
    covered.editable = False
    if result.uncertainty is not None:
        unsure = replace(result.dataset, voxels=np.nan_to_num(result.uncertainty))
        add_beside(viewer, result.dataset, unsure.voxels[0, 0], f"{title} uncertainty", {
            **error_appearance(), "contrast_limits": error_limits(unsure), "visible": False,
        })  # fmt: skip
    data, kwargs, _ = to_layers(result.dataset, title)[0]
    kwargs["metadata"] = kwargs["metadata"] | {REAL_KEY: False}
    layer = viewer.add_image(data, **{**kwargs, **appearance_of(reference)})
    viewer.layers.selection.active = layer
    viewer.reset_view()
    return Shown(fused, layer)


def add_beside(viewer: napari.Viewer, dataset: Any, voxels: NDArray[Any], name: str, look: dict[str, Any]) -> Layer:
    """Add voxels on the grid of the volume."""
    return viewer.add_image(
        voxels, name=unique_name(viewer, name), metadata={REAL_KEY: True}, **placement(dataset), **look
    )


def show_overlay(viewer: napari.Viewer, shown: Shown, number: int) -> Layer:
    """Show a registered stack in magenta over the volume in green."""
    stack = shown.fused.result.stacks[number]["name"]
    limits = shown.layer.contrast_limits
    shown.layer.colormap, shown.layer.visible = "green", True
    look = {"colormap": "magenta", "blending": "additive", "contrast_limits": limits}
    values = np.nan_to_num(shown.fused.stacks[number])
    return add_beside(viewer, shown.fused.result.dataset, values, f"{shown.name} with {stack}", look)


def show_chessboard(viewer: napari.Viewer, shown: Shown, number: int) -> Layer:
    """Show fields of a registered stack and of the volume by turns."""
    stack, dataset = shown.fused.result.stacks[number]["name"], shown.fused.result.dataset
    board = chessboard(np.asarray(dataset.voxels[0, 0], np.float32), np.nan_to_num(shown.fused.stacks[number]))
    look = {"contrast_limits": shown.layer.contrast_limits}
    return add_beside(viewer, dataset, board, f"{shown.name} and {stack} by turns", look)


def command_of(
    settings: FuseSettings, paths: Sequence[str | None], name: str, transforms: Path | None, *, score: bool
) -> str:
    """Return the command line that repeats a fusion."""
    files = [path or f"STACK{number}.nii.gz" for number, path in enumerate(paths)]
    output = "_".join(name.split()) + ".nii.gz"
    more = [*(["--transforms", str(transforms)] if transforms else []), *(["--score"] if score else [])]
    return shlex.join(["depth-interp", "fuse", *files, output, *to_arguments(settings), *more])
