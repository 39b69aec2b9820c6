"""Writers that napari calls: spacing, unit and history go into the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from napari.types import FullLayerData

from .. import io
from ..errors import OutputError
from ..stack import Dataset
from .layers import is_real, to_dataset
from .layers.label_layers import with_history

_KNOWN = ("name", "metadata", "scale", "translate", "rotate", "shear", "affine", "units", "axis_labels", "multiscale")
"""What a layer is made of again, of all that napari hands over."""


def write_image(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write one image layer as TIFF or NIfTI, by the suffix of ``path``."""
    io.write(path, _dataset(data, meta), overwrite=True, float_output=is_real(meta.get("metadata", {})))
    return [path]


def write_images(path: str, layers: Sequence[FullLayerData]) -> list[str]:
    """Write several image layers of one shape as the channels of one file.

    Raises
    ------
    OutputError
        If the layers differ in shape or position.
    """
    if len(layers) == 1:
        return write_image(path, *layers[0][:2])
    datasets = [_dataset(data, meta) for data, meta, _kind in layers]
    for dataset, (_data, meta, _kind) in zip(datasets, layers, strict=True):
        if dataset.rgb:
            raise OutputError(f"layer '{meta['name']}' is an RGB image and fills a file of its own; save it alone")
    first = datasets[0]
    for dataset, (_data, meta, _kind) in zip(datasets, layers, strict=True):
        if dataset.voxels.shape != first.voxels.shape or not _same_place(dataset, first):
            raise OutputError(
                f"layer '{meta['name']}' has another shape or spacing than '{layers[0][1]['name']}'; "
                "save them one by one"
            )
    together = replace(
        first,
        voxels=np.concatenate([dataset.voxels for dataset in datasets], axis=1),
        channel_names=_channel_names(datasets, layers),
        channel_colours=tuple(each.channel_colours[0] for each in datasets if each.channel_colours)
        if all(each.channel_colours for each in datasets)
        else (),
        axes="TCZYX" if first.voxels.shape[0] > 1 else "CZYX",
    )
    io.write(
        path,
        together,
        overwrite=True,
        float_output=any(is_real(meta.get("metadata", {})) for _data, meta, _kind in layers),
    )
    return [path]


def write_labels(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write one labels layer as TIFF, NIfTI or OME-Zarr, with which of its sections are annotated."""
    layer = Labels(data, **{key: meta[key] for key in _KNOWN if key in meta})
    io.write(path, io.loaded(with_history(layer)), overwrite=True)
    return [path]


def _channel_names(datasets: Sequence[Dataset], layers: Sequence[FullLayerData]) -> tuple[str, ...]:
    """Return the names that the channels had in their file, or those of the layers if that is not possible."""
    names = [name for dataset in datasets for name in dataset.channel_names]
    if len(set(names)) == len(datasets) == len(names):
        return tuple(names)
    return tuple(str(meta["name"]) for _data, meta, _kind in layers)


def _dataset(data: Any, meta: dict[str, Any]) -> Dataset:
    """Rebuild the layer that napari has taken apart."""
    return io.loaded(to_dataset(Image(data, **{key: meta[key] for key in (*_KNOWN, "rgb") if key in meta})))


def _same_place(one: Dataset, other: Dataset) -> bool:
    a, b = one.grid, other.grid
    same_depths = a.depths is None and b.depths is None
    if a.depths is not None and b.depths is not None:
        same_depths = bool(np.allclose(a.depths, b.depths))
    same_pixels: bool = (a.pixel_size, a.unit, a.origin) == (b.pixel_size, b.unit, b.origin)
    return same_depths and same_pixels
