"""Datasets to napari layers and back, so that no voxel size, unit or history is lost on the way.

A layer made here remembers the dataset it came from (without its voxels) in its metadata. Its
data has the axes of the file, less the channels: (t, z, y, x) or (z, y, x).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Layer
from napari.types import LayerData
from numpy.typing import NDArray

from .. import io
from ..errors import DepthInterpError, InputError
from ..result import RECORD_KEY
from ..stack import Dataset, Grid
from ..units import normalise_unit

ORIGIN_KEY = "depth_interp_origin"
"""Where a layer's metadata holds its dataset without voxels."""

CHANNEL_KEY = "depth_interp_channel"
"""Where a layer's metadata holds which channel of its file it is; None for a file with one channel."""


def to_layers(dataset: Dataset, name: str) -> list[LayerData]:
    """Return one image layer per channel.

    Parameters
    ----------
    dataset : Dataset
    name : str
        Name of the layer; channels add theirs.

    Returns
    -------
    list of (data, keyword arguments, "image")
        Data (z, y, x), or (t, z, y, x) if the file has time points.
    """
    return [_channel_layer(dataset, c, name) for c in range(dataset.voxels.shape[1])]


def _channel_layer(dataset: Dataset, channel: int, name: str) -> LayerData:
    several = dataset.voxels.shape[1] > 1
    label = dataset.channel_names[channel] if dataset.channel_names else f"channel {channel}"
    alone = dataset.select_channel(str(channel)) if several else dataset
    voxels = alone.voxels[:, 0] if _has_time(alone) else alone.voxels[0, 0]
    kwargs = {
        "name": f"{name} {label}" if several else name,
        "metadata": _metadata(alone, channel if several else None),
    }
    kwargs |= placement(alone)
    if several:
        kwargs |= {
            "blending": "additive",
            "colormap": ["green", "magenta", "cyan", "yellow", "red", "blue"][channel % 6],
        }
    return voxels, kwargs, "image"


def placement(dataset: Dataset) -> dict[str, Any]:
    """Return where a layer stands in the world: scale, translate, units and axis labels.

    Uneven sections are drawn with their median gap: napari knows even spacing only.
    """
    grid = dataset.grid
    rows, columns = grid.pixel_size or (1.0, 1.0)
    first = 0.0 if grid.depths is None else float(grid.depths[0])
    unit = grid.unit or "pixel"
    time = (
        [(dataset.time_step or 1.0, 0.0, "second" if dataset.time_step else "pixel", "t")] if _has_time(dataset) else []
    )
    axes = [
        *time,
        (grid.spacing or 1.0, first, unit, "z"),
        (rows, grid.origin[0], unit, "y"),
        (columns, grid.origin[1], unit, "x"),
    ]
    scale, translate, units, labels = zip(*axes, strict=True)
    return {"scale": scale, "translate": translate, "units": units, "axis_labels": labels}


def to_dataset(layer: Layer) -> Dataset:
    """Return the dataset that an image layer shows.

    A layer of this plugin gives all it knows. Of a layer that napari's own reader opened, the
    file is read again for its spacing and unit. Any other layer gives its scale; a z scale of
    exactly 1 pixel means that the spacing is not known.

    Raises
    ------
    InputError
        If the layer is no grey-value image of 3 or 4 axes.
    """
    if not isinstance(layer, Image):
        raise InputError(
            f"'{layer.name}' is a {type(layer).__name__} layer and holds no grey values; choose an Image layer "
            "(labels cannot be blended: interpolate the image that they were drawn on)"
        )
    if layer.rgb:
        raise InputError(f"'{layer.name}' is an RGB image; split it into channels or convert it to grey first")
    data = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    if data.ndim not in (3, 4):
        raise InputError(f"'{layer.name}' has {data.ndim} axes; choose a layer with the axes (z, y, x) or (t, z, y, x)")
    voxels = data[None, None] if data.ndim == 3 else data[:, None]
    return replace(_origin(layer, voxels), voxels=voxels)


def adopt(layer: Layer) -> Dataset:
    """Return the dataset of a layer; if its file had to be read again, put the layer where the file says.

    Raises
    ------
    InputError
        As :func:`to_dataset`.
    """
    dataset = to_dataset(layer)
    if ORIGIN_KEY not in layer.metadata and _reread_path(layer) is not None and dataset.grid.spacing:
        layer.metadata[ORIGIN_KEY] = _without_voxels(dataset)
        for name, value in placement(dataset).items():
            setattr(layer, name, value[-layer.ndim :])
    return dataset


def _origin(layer: Image, voxels: NDArray[Any]) -> Dataset:
    """Return what is known about the layer's voxels, from the best source there is."""
    origin = layer.metadata.get(ORIGIN_KEY)
    if isinstance(origin, Dataset) and origin.voxels.shape == voxels.shape:
        return _moved(origin, layer)
    from_file = _read_again(layer, voxels)
    return from_file if from_file is not None else _from_scale(layer, voxels)


def _moved(origin: Dataset, layer: Image) -> Dataset:
    """Follow a scale that the user has changed since the layer was made."""
    expected = placement(origin)["scale"][-3:]
    if np.allclose(layer.scale[-3:], expected):
        return origin
    z, y, x = (float(size) for size in layer.scale[-3:])
    spaced = origin.with_z_spacing(z)
    return replace(spaced, grid=replace(spaced.grid, pixel_size=(y, x)))


def _reread_path(layer: Image) -> Path | None:
    """Return the file of a layer that another reader opened without its spacing."""
    path = layer.source.path
    if path is None or io.format_of(path) is None or not np.allclose(layer.scale, 1):
        return None
    return Path(path)


def _read_again(layer: Image, voxels: NDArray[Any]) -> Dataset | None:
    """Return what the file says about voxels that another reader has loaded."""
    path = _reread_path(layer)
    if path is None:
        return None
    try:
        dataset = io.read(path)
    except DepthInterpError:
        return None
    if dataset.voxels.shape[2:] != voxels.shape[2:]:
        return None
    note = f"spacing and unit were read again from {path.name}"
    axes = "TZYX" if voxels.shape[0] > 1 else "ZYX"
    return Dataset(voxels, dataset.grid, axes=axes, source=dataset.source, notes=(*dataset.notes, note))


def _from_scale(layer: Image, voxels: NDArray[Any]) -> Dataset:
    z, y, x = (float(size) for size in layer.scale[-3:])
    unit = normalise_unit(layer.units[-1])
    known = unit is not None or z != 1.0
    depths = np.arange(voxels.shape[2], dtype=np.float64) * z + float(layer.translate[-3])
    pixel_size = (y, x) if unit is not None or (y, x) != (1.0, 1.0) else None
    grid = Grid(depths if known else None, pixel_size, unit, (float(layer.translate[-2]), float(layer.translate[-1])))
    return Dataset(voxels, grid, axes="TZYX" if voxels.shape[0] > 1 else "ZYX")


def _metadata(dataset: Dataset, channel: int | None) -> dict[str, Any]:
    record = {RECORD_KEY: dict(dataset.record[RECORD_KEY])} if RECORD_KEY in dataset.record else {}
    return {ORIGIN_KEY: _without_voxels(dataset), CHANNEL_KEY: channel, **record}


def _without_voxels(dataset: Dataset) -> Dataset:
    """Return the dataset with one voxel shown everywhere: all that is known, and no memory held."""
    hollow = np.broadcast_to(np.zeros((), dataset.voxels.dtype), dataset.voxels.shape)
    return replace(dataset, voxels=hollow)


def _has_time(dataset: Dataset) -> bool:
    return int(dataset.voxels.shape[0]) > 1
