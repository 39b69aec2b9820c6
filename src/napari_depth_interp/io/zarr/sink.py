"""Writing OME-Zarr 0.5 block by block, then its coarser resolutions from the finest."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...progress import Progress, Report, silent
from ...stack import Dataset
from ..tiff.ome import is_linear
from .metadata import attributes_for

_CHUNK = {"t": 1, "c": 1, "z": 8, "y": 256, "x": 256}
CHUNK_GRID = _CHUNK["z"], _CHUNK["y"], _CHUNK["x"]
_SMALL = 512
"""Pixels per side of an image that needs no coarser resolution."""
_SAMPLED = 1_000_000
_READ = 8 * _SAMPLED
"""Voxels that are read at most for the range of the values, roughly."""
_DTYPES = "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64"


def written_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type in the byte order of this machine.

    Raises
    ------
    TypeError
        If zarr has no such type.
    """
    if dtype.name not in _DTYPES.split():
        raise TypeError(f"{dtype} is no type of zarr")
    return np.dtype(dtype.name)


class ZarrSink:
    """Takes the blocks of an image in any order; those that fill whole chunks may come from several threads.

    Parameters
    ----------
    path : Path
        A folder that does not exist yet, or is empty.
    dataset : Dataset
        Grid, channels and axes; its voxels are not looked at.
    shape : tuple of int
        (t, c, z, y, x) of what is written.
    dtype : numpy dtype
    """

    def __init__(self, path: Path, dataset: Dataset, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        import zarr

        sizes = dict(zip("tczyx", shape, strict=True))
        present = {axis for axis in "tczyx" if axis.upper() in dataset.axes or sizes[axis] > 1} | set("zyx")
        self._axes = "".join(axis for axis in "tczyx" if axis in present)
        self._dataset, self._sizes = dataset, sizes
        self._group = zarr.create_group(store=str(path), zarr_format=3)
        self.dtype = written_dtype(dtype)
        self._levels = [self._create(0, sizes)]
        self._factors = [dict.fromkeys("tczyx", 1)]

    @property
    def chunk_grid(self) -> tuple[int, int, int]:
        """Sections, rows and columns of a chunk: blocks should be multiples of them."""
        return CHUNK_GRID

    def write(self, time: int, channel: int, sections: slice, rows: slice, columns: slice, block: NDArray[Any]) -> None:
        """Write a (z, y, x) block."""
        self._levels[0][self._key(time, channel, sections, rows, columns)] = block.astype(self.dtype, copy=False)

    def write_stack(self, time: int, channel: int, voxels: NDArray[Any]) -> None:
        """Write one channel at one time point, chunk by chunk in z."""
        for start in range(0, len(voxels), _CHUNK["z"]):
            block = np.asarray(voxels[start : start + _CHUNK["z"]])
            self.write(time, channel, slice(start, start + len(block)), slice(None), slice(None), block)

    def finish(self, record: Mapping[str, Any], report: Report = silent) -> None:
        """Write the coarser resolutions and the metadata; without it the folder is no image."""
        plan = list(self._coarser())
        for number, (factor, step, sizes) in enumerate(plan):
            self._levels.append(self._create(number + 1, sizes))
            self._shrink(self._levels[-2], self._levels[-1], step)
            self._factors.append(factor)
            report(Progress((number + 1) / (len(plan) + 1), "writing coarser resolutions"))
        dataset = replace(self._dataset, record=record)
        self._group.attrs.update(attributes_for(dataset, self._axes, self._factors, self._windows()))
        report(Progress(1.0))

    def _create(self, number: int, sizes: Mapping[str, int]) -> Any:
        from zarr.codecs import BloscCodec, BloscShuffle

        return self._group.create_array(
            str(number),
            shape=tuple(sizes[axis] for axis in self._axes),
            chunks=tuple(min(_CHUNK[axis], sizes[axis]) for axis in self._axes),
            dtype=self.dtype,
            compressors=BloscCodec(cname="lz4", clevel=5, shuffle=BloscShuffle.bitshuffle),
            dimension_names=list(self._axes),
            config={"write_empty_chunks": True},  # an image without a single chunk would pass for a damaged one
        )

    def _key(self, time: int, channel: int, *others: slice) -> tuple[int | slice, ...]:
        places: dict[str, int | slice] = dict(zip("tczyx", (time, channel, *others), strict=True))
        return tuple(places[axis] for axis in self._axes)

    def _coarser(self) -> Iterator[tuple[dict[str, int], dict[str, int], dict[str, int]]]:
        """Yield factor, step and sizes of each coarser level: sections are halved where they are as close as pixels."""
        grid, sizes, factor = self._dataset.grid, dict(self._sizes), dict.fromkeys("tczyx", 1)
        pixel = min(grid.pixel_size) if grid.pixel_size else math.inf
        even = grid.depths is not None and is_linear(grid.depths)
        while max(sizes["y"], sizes["x"]) > _SMALL:
            close = even and (grid.spacing or math.inf) * factor["z"] < 1.5 * pixel * factor["y"]
            step = {"t": 1, "c": 1, "z": 2 if close and sizes["z"] > 1 else 1, "y": 2, "x": 2}
            sizes = {axis: -(-size // step[axis]) for axis, size in sizes.items()}
            factor = {axis: value * step[axis] for axis, value in factor.items()}
            yield factor, step, sizes

    def _shrink(self, fine: Any, coarse: Any, step: Mapping[str, int]) -> None:
        """Average ``step`` voxels of ``fine`` to one of ``coarse``, chunk by chunk; at the edges fewer.

        Identifiers are not averaged: the first voxel stands for all.
        """
        steps = np.array([step[axis] for axis in self._axes])
        grid = [range(0, size, chunk) for size, chunk in zip(coarse.shape, coarse.chunks, strict=True)]
        for place in np.ndindex(*map(len, grid)):
            start = np.array([each[i] for each, i in zip(grid, place, strict=True)])
            stop = np.minimum(start + coarse.chunks, coarse.shape)
            source = tuple(slice(a, b) for a, b in zip((start * steps).tolist(), (stop * steps).tolist(), strict=True))
            target = tuple(slice(a, b) for a, b in zip(start.tolist(), stop.tolist(), strict=True))
            if self._dataset.holds_labels:
                coarse[target] = fine[source][tuple(slice(None, None, int(each)) for each in steps)]
            else:
                coarse[target] = _mean(fine[source], steps, tuple(stop - start))

    def _windows(self) -> list[dict[str, float]]:
        """Return for each channel the limits of its type and the range in which nearly all values of it lie."""
        coarsest, limits = self._levels[-1], _limits(self.dtype)
        sizes = dict(zip(self._axes, coarsest.shape, strict=True))
        some = slice(None, None, max(1, sizes["z"] * sizes["y"] * sizes["x"] // _READ))
        windows = []
        for channel in range(self._sizes["c"]):
            last = np.asarray(coarsest[self._key(0, channel, some, slice(None), slice(None))]).ravel()
            few = last[:: max(1, last.size // _SAMPLED)].astype(np.float64)
            few = few[np.isfinite(few)]
            low, high = np.percentile(few, (0.1, 99.9)) if few.size else (0.0, 1.0)
            low, high = float(low), float(high) if high > low else float(low) + 1.0
            bounds = limits or (low, high)
            if self._dataset.rgb:  # another range for each colour would change the colours
                low, high = limits or (0.0, 1.0)
            windows.append({"min": bounds[0], "max": bounds[1], "start": low, "end": high})
        return windows


def _limits(dtype: np.dtype[Any]) -> tuple[float, float] | None:
    if dtype.kind not in "iu":
        return None
    info = np.iinfo(dtype)
    return float(info.min), float(info.max)


def _mean(block: NDArray[Any], steps: NDArray[np.intp], shape: tuple[int, ...]) -> NDArray[Any]:
    missing = [(0, int(n * s - size)) for n, s, size in zip(shape, steps, block.shape, strict=True)]
    if any(after for _, after in missing):
        block = np.pad(block, missing, mode="edge")
    total = np.zeros(shape, _wide(block.dtype))
    for place in np.ndindex(*steps.tolist()):  # several times faster than a mean over many axes
        total += block[tuple(slice(first, None, int(step)) for first, step in zip(place, steps, strict=True))]
    count = int(np.prod(steps))
    if block.dtype.kind in "iu":
        return np.asarray((total + count // 2) // count).astype(block.dtype)
    return np.asarray(total / count).astype(block.dtype)


def _wide(dtype: np.dtype[Any]) -> type[np.generic]:
    """Return a type that holds the sum of a few values."""
    if dtype.kind == "f":
        return np.float32 if dtype.itemsize <= 4 else np.float64
    if dtype.itemsize <= 2:
        return np.int32
    return np.int64 if dtype.itemsize <= 4 else np.float64
