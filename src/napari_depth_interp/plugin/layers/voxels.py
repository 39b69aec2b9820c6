"""What a layer shows, in memory or read in parts."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from ... import io
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
    """Return what a layer shows: an array, or, of a large layer whose voxels are elsewhere, what reads them."""
    data = layer.data[0] if layer.multiscale else layer.data
    size = int(np.prod(data.shape, dtype=object)) * np.dtype(data.dtype).itemsize
    if isinstance(data, np.ndarray) or size <= io.LARGE_BYTES:
        try:
            return in_memory(data)
        except InputError as error:
            raise InputError(f"'{layer.name}' cannot be used: {error}") from error
    return LazyVoxels(data)
