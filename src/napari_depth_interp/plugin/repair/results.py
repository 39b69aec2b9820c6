"""A repair in the viewer: its layers, what is saved of it, the command line and the table that belong to it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import napari
from napari.layers import Layer

from ... import io
from ...damage.result import RepairResult
from ...damage.settings import RepairSettings
from ...errors import OutputError
from ...run.settings import to_arguments
from ...stack import Dataset, without_voxels
from ..layers import REAL_KEY, to_dataset, to_layers
from ..layers.appearance import appearance_of, unique_name
from ..layers.channels import joined
from ..layers.turned import turn_like


@dataclass(frozen=True, eq=False)
class Given:
    """What a job works on; ``data`` tells whether it was changed meanwhile."""

    name: str
    layers: Sequence[Layer]
    data: Sequence[Any]

    @classmethod
    def of(cls, name: str, layers: Sequence[Layer]) -> Given:
        """Note what is worked on now."""
        return cls(name, layers, [layer.data for layer in layers])

    def changed(self, viewer: napari.Viewer) -> bool:
        """Return whether a layer was removed or given other voxels."""
        pairs = zip(self.layers, self.data, strict=True)
        return any(layer not in viewer.layers or layer.data is not data for layer, data in pairs)


@dataclass(eq=False)
class Repaired:
    """One repair: what it was, and its layers, one per channel. Its voxels belong to the layers."""

    name: str
    result: RepairResult
    layers: list[Layer] = field(default_factory=list)


def add_repaired(viewer: napari.Viewer, result: RepairResult, name: str, sources: Sequence[Layer]) -> Repaired:
    """Add a layer per channel, which look as the input does and lie over it; the input stays.

    Where channels are added to each other's light the input is hidden.
    """
    title = unique_name(viewer, f"{name} repaired")
    layers: list[Layer] = []
    for number, (data, kwargs, _) in enumerate(to_layers(result.dataset, title)):
        source = sources[number] if number < len(sources) else None
        look = appearance_of(source) | ({} if source is None else {"blending": source.blending})
        kwargs["name"] = unique_name(viewer, kwargs["name"])
        kwargs["metadata"] = kwargs["metadata"] | {REAL_KEY: False}  # made by a dock: not followed as the next input
        layers.append(viewer.add_image(data, **{**kwargs, **look}))
    if sources:
        turn_like(sources[0], layers)
    for source in sources:
        source.visible = source.visible and source.blending != "additive"
    viewer.layers.selection.active = layers[0]
    return Repaired(title, replace(result, dataset=without_voxels(result.dataset)), layers)


def dataset_to_save(viewer: napari.Viewer, repaired: Repaired, path: Path, *, overwrite: bool) -> Dataset:
    """Return what has to be written to save a repair.

    Raises
    ------
    OutputError
        If a layer of it is gone, or a file is there that is not to be replaced.
    """
    if any(layer not in viewer.layers for layer in repaired.layers):
        raise OutputError(f"the layer of '{repaired.name}' was removed; repair again, then save")
    io.check_output(path, overwrite=overwrite)
    dataset = joined([to_dataset(layer) for layer in repaired.layers], repaired.layers)
    return replace(dataset, record=repaired.result.dataset.record)


def command_of(settings: RepairSettings, source: str | None, name: str) -> str:
    """Return the command line that repeats a repair."""
    path = source or "INPUT.tif"
    suffix = ".nii.gz" if io.format_of(path) == "nifti" else ".tif"
    output = re.sub(r"[^\w.+-]+", "_", name) + suffix
    return shlex.join(["depth-interp", "repair", path, output, *to_arguments(settings)])
