"""Datasets to napari layers and back, so that no voxel size, unit or history is lost on the way.

A layer made here remembers the dataset it came from (without its voxels) in its metadata. Its
data has the axes of the file, less the channels: (t, z, y, x) or (z, y, x).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.types import LayerData
from napari.utils import Colormap
from numpy.typing import NDArray

from ...errors import InputError
from ...run.result import RECORD_KEY
from ...stack import Dataset, Grid, to_tczyx, without_voxels
from ...stack.colours import COLOUR_NAMES
from ...stack.lazy import LazyVoxels, as_array
from ...stack.units import convert, normalise_unit
from .read_again import path_to_read_again, read_again
from .turned import stretch_of, words_on_turn
from .voxels import in_colour, stand_in, voxels_of

ORIGIN_KEY = "depth_interp_origin"
"""Where a layer's metadata holds its dataset without voxels."""

CHANNEL_KEY = "depth_interp_channel"
"""Where a layer's metadata holds ``--channel`` of the command line; None for a file with one channel."""

IMAGE_KEY = "depth_interp_image"
"""Where the metadata of a layer that is one of several channels holds its :class:`OfImage`."""

REAL_KEY = "depth_interp_real_values"
"""True in the metadata of a layer whose values are to be saved as float32, whatever its file stored."""


_COLOURS = ("green", "magenta", "cyan", "yellow", "red", "blue")
_NAMED = {
    "00FF00": "green", "FF00FF": "magenta", "00FFFF": "cyan", "FFFF00": "yellow", "FF0000": "red", "0000FF": "blue",
    "FFFFFF": "gray",
}  # fmt: skip
"""napari's own colours."""


@dataclass(frozen=True)
class OfImage:
    """Of which image a layer is a channel.

    Attributes
    ----------
    name : str
        Of the image.
    image : str
        The same for all channels of one image, as it was opened or made, and of no other.
    channel : int
        Its place in the file.
    """

    name: str
    image: str
    channel: int


def to_layers(dataset: Dataset, name: str, coarser: Sequence[Dataset] = ()) -> list[LayerData]:
    """Return one image layer per channel; of an RGB image a single one in its colours.

    Parameters
    ----------
    dataset : Dataset
        Voxels that are still in their file stay there: napari reads what it shows.
    name : str
        Name of the layer; channels add theirs.
    coarser : sequence of Dataset
        Coarser resolutions of the same image, for a multiscale layer.

    Returns
    -------
    list of (data, keyword arguments, "image")
        Data (z, y, x), or (t, z, y, x) if the file has time points; the colours of an RGB image are the last axis.
    """
    if dataset.rgb:
        return [_colour_layer(dataset, name, coarser)]
    layers = [_channel_layer(dataset, c, name, coarser) for c in range(dataset.voxels.shape[1])]
    if len(layers) > 1:
        image = uuid.uuid4().hex
        for channel, (_, kwargs, _) in enumerate(layers):
            kwargs["metadata"][IMAGE_KEY] = OfImage(name, image, channel)
    return layers


def _colour_layer(dataset: Dataset, name: str, coarser: Sequence[Dataset]) -> LayerData:
    levels = [np.moveaxis(_shown(each, slice(None)), 1 if _has_time(each) else 0, -1) for each in (dataset, *coarser)]
    kwargs = {"name": name, "metadata": _metadata(dataset, None), "multiscale": bool(coarser), "rgb": True}
    return levels if coarser else levels[0], kwargs | placement(dataset), "image"


def _channel_layer(dataset: Dataset, channel: int, name: str, coarser: Sequence[Dataset]) -> LayerData:
    several = dataset.voxels.shape[1] > 1
    label = dataset.channel_names[channel] if dataset.channel_names else f"channel {channel}"
    alone = _one_channel(dataset, channel) if several else dataset
    levels = [_shown(each, channel) for each in (dataset, *coarser)]
    kwargs = {
        "name": f"{name} {label}" if several else name,
        "metadata": _metadata(alone, _channel_word(dataset, channel) if several else None),
        "multiscale": bool(coarser),
        "rgb": False,  # napari would take 3 columns of pixels for colours
    }
    kwargs |= placement(alone)
    if several:
        kwargs |= {
            "blending": "additive",
            "colormap": _colormap(dataset, channel),
        }
    return levels if coarser else levels[0], kwargs, "image"


def _colormap(dataset: Dataset, channel: int) -> str | Colormap:
    """Return the colour that the file gives a channel, from black; else one of six in turn."""
    if not dataset.channel_colours:
        return _COLOURS[channel % len(_COLOURS)]
    word = dataset.channel_colours[channel]
    brightest = [int(word[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    return _NAMED.get(word) or Colormap([[0, 0, 0, 1], [*brightest, 1]], name=f"#{word}")


def _shown(dataset: Dataset, channel: int | slice) -> Any:
    """Return the voxels of one channel as a layer takes them, (z, y, x) or (t, z, y, x); lazy ones as a dask array.

    Of several channels, c is before z.
    """
    voxels = dataset.voxels[:, channel] if _has_time(dataset) else dataset.voxels[0, channel]
    if not isinstance(voxels, LazyVoxels):
        return voxels
    import dask.array

    return dask.array.from_array(voxels, chunks=voxels.chunks, asarray=True)


def _one_channel(dataset: Dataset, channel: int) -> Dataset:
    """Return one channel by its place: a channel may be named "1" without being number 1."""
    return replace(
        dataset,
        voxels=dataset.voxels[:, channel : channel + 1],
        channel_names=dataset.channel_names[channel : channel + 1],
        channel_colours=dataset.channel_colours[channel : channel + 1],
        axes=dataset.axes.replace("C", ""),
    )


def _channel_word(dataset: Dataset, channel: int) -> str:
    """Return what ``--channel`` takes for a channel: its index, or its name where a name looks like the index."""
    return dataset.channel_names[channel] if str(channel) in dataset.channel_names else str(channel)


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


def is_real(metadata: Mapping[str, Any]) -> bool:
    """Return whether a layer's values are real numbers, such as errors, and are not to be rounded in a file."""
    return bool(metadata.get(REAL_KEY)) or metadata.get(RECORD_KEY, {}).get("dtype") == "float32"


def to_dataset(layer: Layer) -> Dataset:
    """Return the dataset that an image layer shows.

    A layer of this plugin gives all it knows. Of a layer that napari's own reader opened, the
    file is read again for its spacing and unit. Any other layer gives its scale; a z scale of
    exactly 1 pixel means that the spacing is not known.

    Raises
    ------
    InputError
        If the layer is no image of grey values or colours with 3 or 4 axes.
    """
    if not isinstance(layer, Image):
        advice = " (the dock 'Interpolate labels' fills in labels)" if isinstance(layer, Labels) else ""
        raise InputError(
            f"'{layer.name}' is a {type(layer).__name__} layer and holds no grey values; choose an Image layer{advice}"
        )
    return _dataset_of(layer)


def labels_dataset(layer: Layer) -> Dataset:
    """Return the dataset that a labels layer shows; what is known of it is found as for an image.

    Raises
    ------
    InputError
        If the layer is no labels layer with 3 or 4 axes.
    """
    if not isinstance(layer, Labels):
        raise InputError(
            f"'{layer.name}' is a {type(layer).__name__} layer and holds no labels; choose a Labels layer (a right "
            "click on the layer offers 'Convert to Labels')"
        )
    return _dataset_of(layer)


def grid_of(layer: Image | Labels) -> Grid:
    """Return where the voxels of an image or labels layer lie; they are not read.

    Raises
    ------
    InputError
        As :func:`to_dataset`.
    """
    if ORIGIN_KEY not in layer.metadata and path_to_read_again(layer) is not None:
        return (adopt_labels(layer) if isinstance(layer, Labels) else adopt(layer)).grid
    return _dataset_of(layer, read=False).grid


def _dataset_of(layer: Image | Labels, *, read: bool = True) -> Dataset:
    data = voxels_of(layer) if read else stand_in(layer)
    if layer.ndim not in (3, 4):
        raise InputError(
            f"'{layer.name}' has {layer.ndim} axes; choose a layer with the axes (z, y, x) or (t, z, y, x)"
        )
    order = _AXES[layer.ndim, in_colour(layer)]
    if isinstance(data, LazyVoxels):
        voxels = as_array(LazyVoxels(data, [None if axis not in order else order.index(axis) for axis in "tczyx"]))
    else:
        voxels = to_tczyx(data, order.upper())
    found = _origin(layer, voxels)
    return replace(found, voxels=voxels, notes=(*found.notes, *words_on_turn(layer)))


_AXES = {(3, False): "zyx", (4, False): "tzyx", (3, True): "zyxc", (4, True): "tzyxc"}
"""Axes of a layer's data, by its number of axes in the viewer and whether it has colours."""


def adopt(layer: Layer) -> Dataset:
    """Return the dataset of a layer; if its file had to be read again, put the layer where the file says.

    Raises
    ------
    InputError
        As :func:`to_dataset`.
    """
    return _adopted(layer, to_dataset(layer))


def adopt_labels(layer: Labels) -> Dataset:
    """Return the dataset of a labels layer, as :func:`adopt` does that of an image."""
    return _adopted(layer, labels_dataset(layer))


def _adopted(layer: Image | Labels, dataset: Dataset) -> Dataset:
    if ORIGIN_KEY not in layer.metadata and path_to_read_again(layer) is not None:
        layer.metadata[ORIGIN_KEY] = without_voxels(dataset)
        place(layer, dataset)
    return dataset


def place(layer: Layer, dataset: Dataset) -> None:
    """Put a layer where its dataset says."""
    for name, value in placement(dataset).items():
        setattr(layer, name, value[-layer.ndim :])


def _origin(layer: Image | Labels, voxels: NDArray[Any]) -> Dataset:
    """Return what is known about the layer's voxels, from the best source there is."""
    origin = layer.metadata.get(ORIGIN_KEY)
    if isinstance(origin, Dataset) and origin.voxels.shape == voxels.shape:
        return _moved(origin, layer)
    from_file = read_again(layer, voxels)
    return from_file if from_file is not None else _from_scale(layer, voxels)


def _moved(origin: Dataset, layer: Image | Labels) -> Dataset:
    """Follow a scale, position or unit that the user has changed since the layer was made."""
    expected = placement(origin)
    scale, start, unit, _ = _lengths(layer)
    same_scale = np.allclose(scale, expected["scale"][-3:], rtol=1e-6, atol=0)
    same_start = np.allclose(start, expected["translate"][-3:], rtol=1e-6, atol=1e-9 * max(scale))
    if same_scale and same_start and unit == origin.grid.unit:
        return origin
    grid = origin.grid
    if grid.depths is not None:
        depths = start[0] + (grid.depths - grid.depths[0]) * (scale[0] / expected["scale"][-3])  # uneven gaps stay so
    elif unit is not None or scale[0] != 1.0:
        depths = start[0] + np.arange(origin.voxels.shape[2]) * scale[0]
    else:
        depths = None
    pixel_size = grid.pixel_size if same_scale else (scale[1], scale[2])
    return replace(origin, grid=replace(grid, depths=depths, pixel_size=pixel_size, unit=unit, origin=start[1:]))


_Lengths = tuple[float, float, float]


def _lengths(layer: Image | Labels) -> tuple[_Lengths, _Lengths, str | None, tuple[bool, ...]]:
    """Return voxel size and place (z, y, x) of a layer in one unit, that unit, and which axes have one of their own.

    The size is that in the viewer, where an affine matrix may stretch the layer.

    Raises
    ------
    InputError
        If a scale is negative: the results of a mirrored layer would lie elsewhere.
    """
    if (layer.scale[-3:] <= 0).any():
        sizes = ", ".join(f"{each:g}" for each in layer.scale[-3:])
        raise InputError(f"'{layer.name}' has the scale {sizes}, which mirrors it; make it positive, or turn the data")
    units = [normalise_unit(each) for each in layer.units[-3:]]
    unit = next((each for each in reversed(units) if each is not None), None)
    factors = [1.0 if each is None or unit is None else convert(1.0, each, unit) for each in units]
    sizes = layer.scale[-3:] * stretch_of(layer)
    z, y, x = (float(size) * factor for size, factor in zip(sizes, factors, strict=True))
    first, top, left = (float(place) * factor for place, factor in zip(layer.translate[-3:], factors, strict=True))
    return (z, y, x), (first, top, left), unit, tuple(each is not None for each in units)


def _from_scale(layer: Image | Labels, voxels: NDArray[Any]) -> Dataset:
    (z, y, x), start, unit, has_unit = _lengths(layer)
    known = has_unit[0] or (unit is None and z != 1.0)
    depths = np.arange(voxels.shape[2], dtype=np.float64) * z + start[0]
    pixel_size = (y, x) if all(has_unit[1:]) or (unit is None and (y, x) != (1.0, 1.0)) else None
    grid = Grid(depths if known else None, pixel_size, unit, start[1:])
    time_step = _time_step(layer) if voxels.shape[0] > 1 else None
    axes = "TZYX" if voxels.shape[0] > 1 else "ZYX"
    if in_colour(layer):
        names = COLOUR_NAMES[: voxels.shape[1]]
        return Dataset(voxels, grid, axes=f"{axes}C", channel_names=names, rgb=True, time_step=time_step)
    return Dataset(voxels, grid, axes=axes, time_step=time_step)


def _time_step(layer: Image | Labels) -> float | None:
    """Return the seconds from one time point to the next, if the layer's first axis has a unit of time."""
    unit = layer.units[0]
    return float((float(layer.scale[0]) * unit).to("second").magnitude) if unit.is_compatible_with("second") else None


def _metadata(dataset: Dataset, channel: str | None) -> dict[str, Any]:
    record = {RECORD_KEY: dict(dataset.record[RECORD_KEY])} if RECORD_KEY in dataset.record else {}
    return {ORIGIN_KEY: without_voxels(dataset), CHANNEL_KEY: channel, **record}


def _has_time(dataset: Dataset) -> bool:
    return int(dataset.voxels.shape[0]) > 1
