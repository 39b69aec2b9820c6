"""Writing TIFF: ImageJ hyperstacks where they can say it all, otherwise OME-TIFF."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from ..errors import OutputError
from ..stack import Dataset, Grid
from .ome import is_linear, ome_metadata

RECORD_PREFIX = "napari-depth-interp: "
"""In an ImageJ file the record is the line of the image info that begins so."""

_IMAGEJ_DTYPES = ("uint8", "uint16", "float32")
_OME_DTYPES = ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64")
_CLASSIC_BYTES = 2**32 - 2**26  # leaves 64 MiB of the 4 GiB for the descriptions


def write(path: Path, dataset: Dataset, *, float_output: bool) -> None:
    """Write a dataset uncompressed, plane by plane.

    Parameters
    ----------
    path : Path
        ``.ome.tif`` and ``.ome.tiff`` give OME-TIFF, ``.btf`` OME-TIFF as BigTIFF; others an ImageJ
        hyperstack if the type is uint8, uint16 or float32, the depths are even and 4 GB suffice.
    dataset : Dataset
        float16 is written as float32, and 64-bit integers as 32-bit ones where these can hold them,
        for lack of such types in OME.
    float_output : bool
        Write float32 whatever the type.

    Raises
    ------
    OutputError
        If no type of the format holds the values.
    """
    dtype = np.dtype(np.float32) if float_output else _output_dtype(dataset.voxels)
    times, channels, sections, height, width = dataset.voxels.shape
    record = _record_text(dataset)
    size = dataset.voxels.size * dtype.itemsize + 512 * times * channels * sections
    imagej = size < _CLASSIC_BYTES and _fits_imagej(path, dataset, dtype)
    metadata = _imagej_metadata(dataset, record) if imagej else ome_metadata(dataset, record)
    options: dict[str, Any] = {}
    if imagej and dataset.grid.pixel_size is not None:
        y, x = dataset.grid.pixel_size
        options["resolution"] = (1 / x, 1 / y)
    big = not imagej and (size >= _CLASSIC_BYTES or path.suffix.lower() == ".btf")
    with tifffile.TiffWriter(path, imagej=imagej, ome=not imagej, bigtiff=big) as writer:
        writer.write(
            _planes(dataset.voxels, dtype),
            shape=(times, sections, channels, height, width),
            dtype=dtype,
            photometric="minisblack",
            metadata=metadata,
            **options,
        )


def check(dataset: Dataset, _grid: Grid, *, float_output: bool = False) -> None:
    """Raise an :class:`OutputError` if TIFF has no type for the voxels; it holds any grid."""
    if not float_output:
        _output_dtype(dataset.voxels)


def _planes(voxels: NDArray[Any], dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """Planes in the order T, Z, C, each converted on its own: no copy of the whole."""
    for time in voxels:
        for section in range(time.shape[1]):
            for channel in time:
                yield np.ascontiguousarray(channel[section], dtype=dtype)


def _output_dtype(voxels: NDArray[Any]) -> np.dtype[Any]:
    if voxels.dtype.name in _OME_DTYPES:
        return np.dtype(voxels.dtype.name)  # in the byte order of this machine
    if voxels.dtype == np.float16:
        return np.dtype(np.float32)
    if voxels.dtype.kind in "iu":
        low, high = int(voxels.min()), int(voxels.max())
        kinds = ("uint32", "int32") if voxels.dtype.kind == "u" else ("int32", "uint32")
        for dtype in map(np.dtype, kinds):
            if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
                return dtype
        raise OutputError(
            f"TIFF holds integers of 32 bits and the values go from {low} to {high}; write them as float32, or rescale"
        )
    raise OutputError(f"TIFF has no type for {voxels.dtype} voxels; convert them to float32 or float64 first")


def _record_text(dataset: Dataset) -> str | None:
    """The record as one line of ASCII."""
    if not dataset.record:
        return None
    try:
        return json.dumps(dict(dataset.record))
    except (TypeError, ValueError) as error:
        raise OutputError(f"the record of the dataset cannot be written as JSON: {error}") from error


def _fits_imagej(path: Path, dataset: Dataset, dtype: np.dtype[Any]) -> bool:
    if path.name.lower().endswith((".ome.tif", ".ome.tiff", ".btf")):
        return False
    return dtype.name in _IMAGEJ_DTYPES and _pixels_fit_imagej(dataset.grid) and _depths_fit_imagej(dataset.grid)


def _pixels_fit_imagej(grid: Grid) -> bool:
    if grid.pixel_size is None:  # the resolution tags would say 1
        return grid.unit is None and grid.origin == (0.0, 0.0)
    if grid.unit is None and grid.pixel_size == (1.0, 1.0):  # in ImageJ's eyes not calibrated
        return False
    return all(1e-5 < size < 1e5 for size in grid.pixel_size)  # as fractions of 32-bit integers


def _depths_fit_imagej(grid: Grid) -> bool:
    if grid.depths is None:
        return True
    return len(grid.depths) > 1 and is_linear(grid.depths)


def _imagej_metadata(dataset: Dataset, record: str | None) -> dict[str, Any]:
    grid, (times, channels, sections) = dataset.grid, dataset.voxels.shape[:3]
    metadata: dict[str, Any] = {"axes": "TZCYX", "mode": "composite" if channels > 1 else "grayscale"}
    if grid.unit is not None:
        metadata["unit"] = "micron" if grid.unit == "um" else grid.unit  # ImageJ descriptions are ASCII
    if grid.depths is not None:
        gap = (grid.depths[-1] - grid.depths[0]) / (sections - 1)
        spacing = metadata["spacing"] = float(f"{gap:.12g}")  # without the noise of subtracting depths
        if grid.depths[0]:
            metadata["zorigin"] = float(-grid.depths[0] / spacing)
    for axis, position, size in zip("yx", grid.origin, grid.pixel_size or (), strict=False):
        if position:
            metadata[f"{axis}origin"] = float(-position / size)
    if dataset.time_step is not None:
        metadata["finterval"] = dataset.time_step
    if dataset.channel_names:  # ImageJ shows one label per image
        metadata["Labels"] = list(dataset.channel_names) * (times * sections)
    if record is not None:
        metadata["Info"] = RECORD_PREFIX + record
    return metadata
