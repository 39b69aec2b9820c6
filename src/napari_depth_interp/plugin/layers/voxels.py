"""What a layer shows, in memory or read in parts."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from ...errors import InputError
from ...stack.lazy import LazyVoxels
from ...stack.masks import in_memory


def stand_in(layer: Image | Labels) -> NDArray[Any]:
    """Return as many voxels as a layer has, all of them 0, in no memory."""
    data = layer.data[0] if layer.multiscale else layer.data
    return np.broadcast_to(np.zeros((), data.dtype), data.shape)


def in_colour(layer: Image | Labels) -> bool:
    """Return whether a layer shows colours."""
    return isinstance(layer, Image) and bool(layer.rgb)


def voxels_of(layer: Image | Labels) -> NDArray[Any] | LazyVoxels:
    """Return what a layer shows: an array, or, where the voxels are elsewhere, what reads them.

    They are not read here: that can take long, and the window would stand still.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    if not isinstance(data, np.ndarray):
        return LazyVoxels(data)
    try:
        return in_memory(data)
    except InputError as error:
        raise InputError(f"'{layer.name}' cannot be used: {error}") from error
