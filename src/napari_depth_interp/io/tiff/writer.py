"""Writing TIFF: ImageJ hyperstacks where they can say it all, otherwise OME-TIFF."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import tifffile
from numpy.typing import NDArray

from ...errors import OutputError
from ...progress import Progress, Report, silent
from ...stack import Dataset, Grid
from ...stack.lazy import is_lazy, planes_of
from ..calibration import thickness_text
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
    times, channels, sections = dataset.voxels.shape[:3]
    record = _record_text(dataset.record)
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
            _planes(dataset, dtype),
            **_layout(dataset, dataset.voxels.shape),
            dtype=dtype,
            metadata=metadata,
            **options,
        )


def _layout(dataset: Dataset, shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the shape for tifffile, and what its planes are: grey, or pixels of red, green and blue."""
    times, channels, sections, height, width = shape
    if not dataset.rgb:
        return {"shape": (times, sections, channels, height, width), "photometric": "minisblack"}
    alpha = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    shape = (times, sections, 1, height, width, channels)
    return {"shape": shape, "photometric": "rgb", "planarconfig": "contig", **alpha}


def check(dataset: Dataset, _grid: Grid, *, float_output: bool = False) -> None:
    """Raise an :class:`OutputError` if TIFF has no type for the voxels; it holds any grid."""
    if not float_output:
        _output_dtype(dataset.voxels)


def open_sink(path: Path, dataset: Dataset, shape: tuple[int, ...], dtype: np.dtype[Any]) -> TiffSink:
    """Return what takes the blocks of a result; see :class:`~napari_depth_interp.io.streaming.Sink`."""
    return TiffSink(path, dataset, shape, dtype)


class TiffSink:
    """An uncompressed OME-TIFF whose voxels are written in any order; BigTIFF where 4 GB do not suffice.

    Raises
    ------
    OutputError
        If TIFF has no such type.
    """

    chunk_grid = None

    def __init__(self, path: Path, dataset: Dataset, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.dtype = _streamed_dtype(dtype)
        times, channels, sections = shape[:3]
        self._shape, self._samples = shape, channels if dataset.rgb else 1
        self._path, self._mark = path, f"record-{secrets.token_hex(8)}"
        # Of the dataset only what stands in the description is looked at; the history is known at the end.
        empty = np.broadcast_to(np.zeros((), self.dtype), shape)
        described = replace(dataset, voxels=empty, axes="TCZYX", record={})
        size = int(np.prod(shape, dtype=object)) * self.dtype.itemsize + 512 * times * channels * sections
        big = size >= _CLASSIC_BYTES or path.suffix.lower() == ".btf"
        with tifffile.TiffWriter(path, ome=True, bigtiff=big) as writer:
            placed = writer.write(
                **_layout(dataset, shape),
                dtype=self.dtype,
                metadata=ome_metadata(described, self._mark),
                returnoffset=True,
            )
        assert placed is not None
        self._offset = placed[0]

    def write(self, time: int, channel: int, sections: slice, rows: slice, columns: slice, block: NDArray[Any]) -> None:
        """Write a (z, y, x) block."""
        _, channels, count, height, width = self._shape
        left, right, _ = columns.indices(width)
        top, _, _ = rows.indices(height)
        block = np.ascontiguousarray(block, self.dtype)
        pieces = block.reshape(len(block), 1, -1) if right - left == width else block
        planes, sample = (1, channel) if self._samples > 1 else (channels, None)
        with self._path.open("rb+", buffering=0) as file:
            for z, section in zip(range(count)[sections], pieces, strict=True):
                plane = (time * count + z) * planes + (channel if sample is None else 0)
                for number, row in enumerate(section):
                    pixel = (plane * height + top + number) * width + left
                    place = self._offset + pixel * self._samples * self.dtype.itemsize
                    _write_at(file, row.data if sample is None else self._mixed(file, place, row, sample), place)

    def _mixed(self, file: FileIO, place: int, row: NDArray[Any], sample: int) -> memoryview:
        """Return the pixels at a place of the file with one of their colours from ``row``."""
        pixels = np.empty((len(row), self._samples), self.dtype)
        buffer, read = pixels.reshape(-1).view(np.uint8).data, 0
        file.seek(place)
        while read < len(buffer) and (more := file.readinto(buffer[read:])):
            read += more
        buffer[read:] = bytes(len(buffer) - read)  # the file may end before what has been written last
        pixels[:, sample] = row
        return pixels.data

    def finish(self, record: Mapping[str, Any], report: Report = silent) -> None:
        """Write the history in its place in the OME-XML."""
        text = _record_text(record) or "{}"
        xml = str(tifffile.tiffcomment(self._path))
        tifffile.tiffcomment(self._path, xml.replace(self._mark, escape(text)).encode())
        report(Progress(1.0))


def _write_at(file: FileIO, data: memoryview, offset: int) -> None:
    data = data.cast("B")
    file.seek(offset)
    while data:  # a single call writes 2 GB at most
        data = data[file.write(data) :]


def _streamed_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type in the file; that of 64-bit integers depends on values that are not known yet."""
    if dtype == np.float16:
        return np.dtype(np.float32)
    if dtype.name not in _OME_DTYPES:
        raise OutputError(f"TIFF has no type for {dtype} voxels; write .ome.zarr, or float32")
    return np.dtype(dtype.name)


def _planes(dataset: Dataset, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """Planes in the order T, Z, C, each converted on its own: no copy of the whole. Colours lie side by side."""
    voxels = dataset.voxels
    if dataset.rgb:
        for time in voxels:
            for section in range(time.shape[1]):
                yield np.stack([np.asarray(channel[section], dtype=dtype) for channel in time], axis=-1)
        return
    if is_lazy(voxels) and voxels.shape[1] == 1:
        yield from (np.ascontiguousarray(plane, dtype=dtype) for plane in planes_of(voxels))
        return
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
            f"TIFF holds integers of 32 bits and the values go from {low} to {high}; write .ome.zarr "
            "instead, or grey values as float32"
        )
    raise OutputError(f"TIFF has no type for {voxels.dtype} voxels; convert them to float32 or float64 first")


def _record_text(record: Mapping[str, Any]) -> str | None:
    """The record as one line of ASCII."""
    if not record:
        return None
    try:
        return json.dumps(dict(record))
    except (TypeError, ValueError) as error:
        raise OutputError(f"the record of the dataset cannot be written as JSON: {error}") from error


def _fits_imagej(path: Path, dataset: Dataset, dtype: np.dtype[Any]) -> bool:
    if path.name.lower().endswith((".ome.tif", ".ome.tiff", ".btf")):
        return False
    if dataset.rgb and (dtype != np.uint8 or dataset.voxels.shape[1] == 4):  # ImageJ knows 24-bit colours only
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


def _imagej_channels(dataset: Dataset) -> dict[str, Any]:
    """Return names and colours of the channels; ImageJ shows one label per image."""
    times, channels, sections = dataset.voxels.shape[:3]
    found: dict[str, Any] = {}
    if dataset.rgb:
        return found
    if dataset.channel_names:
        found["Labels"] = list(dataset.channel_names) * (times * sections)
    if dataset.channel_colours and channels > 1:
        found["LUTs"] = [_table(each) for each in dataset.channel_colours]
    return found


def _table(colour: str) -> NDArray[np.uint8]:
    """Return ImageJ's table of a colour: a ramp from black, (3, 256)."""
    brightest = np.array([[int(colour[i : i + 2], 16)] for i in (0, 2, 4)])
    return np.asarray(np.rint(brightest * np.arange(256) / 255), np.uint8)


def _imagej_metadata(dataset: Dataset, record: str | None) -> dict[str, Any]:
    grid, (_, channels, sections) = dataset.grid, dataset.voxels.shape[:3]
    metadata: dict[str, Any] = {"axes": "TZCYX", "mode": "composite" if channels > 1 else "grayscale"}
    if dataset.rgb:
        metadata = {"axes": "TZCYXS"}
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
    metadata |= _imagej_channels(dataset)
    thick = thickness_text(grid)
    lines = [] if thick is None else [f"Slice Thickness: {thick}"]
    lines += [] if record is None else [RECORD_PREFIX + record]
    if lines:
        metadata["Info"] = "\n".join(lines)
    return metadata
