"""Layers that are channels of one image: which they are, what they are called together, and as one dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.layers import Image, Layer
from numpy.typing import NDArray

from ...stack import Dataset
from ...stack.lazy import LazyVoxels, as_array, is_lazy
from . import CHANNEL_KEY, IMAGE_KEY


def channels_of(viewer: napari.Viewer, layer: Layer) -> list[Layer]:
    """Return all channels of the image that a layer is a channel of, in the order of the file; else the layer alone.

    Layers made by this plugin remember their image. Others are channels of one image if they come from the same file
    or sample, lie in the same place and some are added to the light of the others, as napari does with channels.
    """
    if not isinstance(layer, Image) or layer.rgb:
        return [layer]
    mark = layer.metadata.get(IMAGE_KEY)
    alike = [each for each in viewer.layers if isinstance(each, Image) and not each.rgb and _is_alike(each, layer)]
    if mark is None:
        found = [each for each in alike if _is_from_elsewhere(each) and _origin(each) == _origin(layer)]
        return found if layer in found and any(each.blending == "additive" for each in found) else [layer]
    first: dict[int, Layer] = {mark.channel: layer}  # a layer may have been duplicated
    for each in alike:
        other = each.metadata.get(IMAGE_KEY)
        if other is not None and other.image == mark.image:
            first.setdefault(other.channel, each)
    return [first[channel] for channel in sorted(first)]


def name_of(layers: Sequence[Layer]) -> str:
    """Return what some channels are called together: as their file; a layer alone keeps its name."""
    if len(layers) == 1:
        return str(layers[0].name)
    mark, source = layers[0].metadata.get(IMAGE_KEY), layers[0].source
    if mark is not None:
        return str(mark.name)
    return Path(source.path).stem if source.path else str(source.sample[-1])


def joined(parts: Sequence[Dataset], layers: Sequence[Layer]) -> Dataset:
    """Return channels as one dataset.

    Parameters
    ----------
    parts : sequence of Dataset
        One channel each, of the same shape, as :func:`~napari_depth_interp.plugin.layers.to_dataset` gives them.
    layers : sequence of Layer
        Where they come from: they name channels of which no file does.
    """
    if len(parts) == 1:
        return parts[0]
    names = tuple(name for part in parts for name in part.channel_names)
    if not names and not any(IMAGE_KEY in layer.metadata for layer in layers):
        names = tuple(str(layer.name) for layer in layers)
    colours = tuple(colour for part in parts for colour in part.channel_colours)
    return replace(
        parts[0],
        voxels=_joined_voxels([part.voxels for part in parts]),
        axes=parts[0].axes.replace("Z", "CZ"),
        channel_names=names if len(names) == len(parts) else (),
        channel_colours=colours if len(colours) == len(parts) else (),
    )


def same_file(one: Layer, other: Layer) -> bool:
    """Whether two layers are channels of one file, so that what is known of one holds for the other."""
    return one.source.path is not None and one.source.path == other.source.path and one.data.shape == other.data.shape


def _joined_voxels(channels: Sequence[Any]) -> NDArray[Any]:
    """Return (T, C, Z, Y, X): what shows one voxel everywhere takes no memory, what is in a file stays there."""
    if all(not any(each.strides) for each in channels if isinstance(each, np.ndarray)) and not is_lazy(channels[0]):
        times, _, *rest = channels[0].shape
        return np.broadcast_to(np.zeros((), channels[0].dtype), (times, len(channels), *rest))
    if not any(map(is_lazy, channels)):
        return np.concatenate(channels, axis=1)
    import dask.array

    parts = [dask.array.from_array(each, chunks=each.chunks, asarray=True) for each in channels]
    return as_array(LazyVoxels(dask.array.concatenate(parts, axis=1)))


def _is_alike(one: Layer, other: Layer) -> bool:
    """Whether two layers have the same number and type of voxels, and the same place."""
    placed = all(
        np.allclose(getattr(one, name), getattr(other, name))
        for name in ("scale", "translate")
        if one.ndim == other.ndim
    )
    return placed and _shape(one) == _shape(other) and one.dtype == other.dtype and one.units == other.units


def _shape(layer: Layer) -> tuple[int, ...]:
    return tuple((layer.data[0] if layer.multiscale else layer.data).shape)


def _is_from_elsewhere(layer: Layer) -> bool:
    """Whether another plugin has opened a layer."""
    return CHANNEL_KEY not in layer.metadata and any(_origin(layer))


def _origin(layer: Layer) -> tuple[Any, Any]:
    return layer.source.path, layer.source.sample
