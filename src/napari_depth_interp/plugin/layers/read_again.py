"""Layers that another reader opened without spacing or unit: what their file says of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from ... import io
from ...errors import DepthInterpError, InputError
from ...stack import Dataset
from ...stack.units import normalise_unit
from .turned import stretch_of
from .voxels import in_colour


def path_to_read_again(layer: Image | Labels) -> Path | None:
    """Return the file of a layer that another reader opened without its spacing."""
    path = layer.source.path
    unsaid = layer.scale[-3] == 1 and normalise_unit(layer.units[-3]) is None  # pixels may have a size all the same
    if path is None or io.format_of(path) is None or not (unsaid or np.allclose(layer.scale, 1)):
        return None
    if not np.allclose(stretch_of(layer), 1):  # its sizes stand in its affine matrix
        return None
    return Path(path)


def read_again(layer: Image | Labels, voxels: NDArray[Any]) -> Dataset | None:
    """Return what the file says about voxels that another reader has loaded."""
    path = path_to_read_again(layer)
    if path is None:
        return None
    try:
        dataset = io.read(path)
    except DepthInterpError:
        return None
    if not in_colour(layer) and dataset.voxels.shape[1] > 1 and dataset.voxels.size == voxels.size:
        raise InputError(
            f"'{layer.name}' holds {dataset.voxels.shape[1]} channels in one layer, because another reader opened it; "
            "open or drop the file here: each channel then gets its own layer"
        )
    if dataset.voxels.shape[2:] != voxels.shape[2:] or dataset.voxels.shape[0] != voxels.shape[0]:
        return None
    shown, size = layer.scale[-2:], dataset.grid.pixel_size
    if not np.allclose(shown, 1) and (size is None or not np.allclose(shown, size, rtol=1e-3)):
        return None  # somebody has said otherwise since
    note = f"spacing and unit were read again from {path.name}"
    if in_colour(layer):
        same = dataset.rgb and dataset.voxels.shape == voxels.shape
        return replace(dataset, voxels=voxels, notes=(*dataset.notes, note)) if same else None
    axes = "TZYX" if voxels.shape[0] > 1 else "ZYX"
    bare = replace(dataset, voxels=voxels, axes=axes, channel_names=(), channel_colours=(), rgb=False)
    return replace(bare, notes=(*dataset.notes, note))
