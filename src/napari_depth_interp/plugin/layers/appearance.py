"""How new layers look: their names, colours and contrast."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import napari
import numpy as np
from napari.layers import Image, Layer

from ...stack import Dataset
from ..preferences import preference


def unique_name(viewer: napari.Viewer, wanted: str, also: Iterable[str] = ()) -> str:
    """Return a name that no layer has, nor is it among ``also``: a layer of that name would lose its data."""
    taken = {*(layer.name for layer in viewer.layers), *also}
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted} #{number}", number + 1
    return name


def unwrapped(layer: Layer) -> Layer:
    """Return the layer itself: a plugin is given a proxy, made anew each time."""
    return getattr(layer, "__wrapped__", layer)


def appearance_of(source: Layer | None) -> dict[str, Any]:
    """Return contrast, colours and gamma of an image layer; an RGB layer has its colours in its voxels."""
    if not isinstance(source, Image) or source.rgb:
        return {}
    return {"contrast_limits": source.contrast_limits, "colormap": source.colormap, "gamma": source.gamma}


def error_appearance() -> dict[str, Any]:
    """Return the colours of errors and uncertainties."""
    return {"colormap": preference("error_colormap")}


def error_limits(error: Dataset) -> tuple[float, float]:
    """Return contrast limits from a part of the voxels: enough to see by, and quick."""
    few = error.voxels.reshape(-1)[:: max(1, error.voxels.size // 100_000)]
    return 0.0, float(np.percentile(few, 99.5)) or 1.0
