"""Writing OME-Zarr 0.5 block by block, then its coarser resolutions from the finest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
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
"""Sections, rows and columns of a chunk."""
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


@dataclass(frozen=True)
class Resolution:
    """One resolution of an image that is being written.

    Attributes
    ----------
    factor, step : mapping
        How many voxels of the finest one, and of the next finer one, a voxel is long, per axis out of tczyx.
    sizes : mapping
        Voxels per axis.
    """

    factor: Mapping[str, int]
    step: Mapping[str, int]
    sizes: Mapping[str, int]

    @property
    def stack_shape(self) -> tuple[int, int, int]:
        """Sections, rows and columns."""
        return self.sizes["z"], self.sizes["y"], self.sizes["x"]


def resolutions_of(dataset: Dataset, shape: tuple[int, ...]) -> tuple[Resolution, ...]:
    """Return the resolutions of an image, finest first: sections are halved where they are as close as pixels.

    Parameters
    ----------
    dataset : Dataset
        Its grid; its voxels are not looked at.
    shape : tuple of int
        (t, c, z, y, x) of the image.
    """
    one = dict.fromkeys("tczyx", 1)
    found = [Resolution(one, one, dict(zip("tczyx", shape, strict=True)))]
    grid = dataset.grid
    pixel = min(grid.pixel_size) if grid.pixel_size else math.inf
    even = grid.depths is not None and is_linear(grid.depths)
    while max(found[-1].sizes["y"], found[-1].sizes["x"]) > _SMALL:
        factor, sizes = found[-1].factor, found[-1].sizes
        close = even and (grid.spacing or math.inf) * factor["z"] < 1.5 * pixel * factor["y"]
        step = {"t": 1, "c": 1, "z": 2 if close and sizes["z"] > 1 else 1, "y": 2, "x": 2}
        sizes = {axis: -(-size // step[axis]) for axis, size in sizes.items()}
        found.append(Resolution({axis: value * step[axis] for axis, value in factor.items()}, step, sizes))
    return tuple(found)


class ZarrSink:
    """Takes the blocks of an image in any order; those that fill whole files may come from several threads.

    Parameters
    ----------
    path : Path
        An empty folder; one in which a sink has been before, if it is to be opened again.
    dataset : Dataset
        Grid, channels and axes; its voxels are not looked at.
    shape : tuple of int
        (t, c, z, y, x) of what is written.
    dtype : numpy dtype
    shard : (z, y, x), optional
        Voxels of one file, of which each holds many chunks. Default: each chunk is a file.
    shared : bool
        Several processes write into the image, or it is gone on with later: each file appears when it is whole and on
        the disk.
    again : bool
        Open what another sink has made, in this process or another.
    """

    def __init__(
        self,
        path: Path,
        dataset: Dataset,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        shard: tuple[int, int, int] | None = None,
        *,
        shared: bool = False,
        again: bool = False,
    ) -> None:
        import zarr

        from .whole_files import WholeFiles

        sizes = dict(zip("tczyx", shape, strict=True))
        present = {axis for axis in "tczyx" if axis.upper() in dataset.axes or sizes[axis] > 1} | set("zyx")
        self._axes = "".join(axis for axis in "tczyx" if axis in present)
        self._dataset, self._sizes = dataset, sizes
        self._shard = None if shard is None else {"t": 1, "c": 1, **dict(zip("zyx", shard, strict=True))}
        self.dtype = written_dtype(dtype)
        self.resolutions = resolutions_of(dataset, shape)
        store = WholeFiles(path) if shared else str(path)
        self._levels: list[Any]
        if again:
            self._group = zarr.open_group(store=store, mode="r+", zarr_format=3)
            self._levels = [self._group[str(number)] for number in range(len(self.resolutions))]
            return
        self._group = zarr.create_group(store=store, zarr_format=3)
        self._levels = [self._create(number, each.sizes) for number, each in enumerate(self.resolutions)]

    @property
    def chunk_grid(self) -> tuple[int, int, int]:
        """Sections, rows and columns of a file: blocks should be multiples of them."""
        each = self._shard or _CHUNK
        return each["z"], each["y"], each["x"]

    def write(self, time: int, channel: int, sections: slice, rows: slice, columns: slice, block: NDArray[Any]) -> None:
        """Write a (z, y, x) block."""
        self._levels[0][self._key(time, channel, sections, rows, columns)] = block.astype(self.dtype, copy=False)

    def write_stack(self, time: int, channel: int, voxels: NDArray[Any]) -> None:
        """Write one channel at one time point, chunk by chunk in z."""
        for start in range(0, len(voxels), self.chunk_grid[0]):
            block = np.asarray(voxels[start : start + self.chunk_grid[0]])
            self.write(time, channel, slice(start, start + len(block)), slice(None), slice(None), block)

    def finish(self, record: Mapping[str, Any], report: Report = silent) -> None:
        """Write the coarser resolutions and the metadata; without it the folder is no image."""
        count = len(self.resolutions)
        for number in range(1, count):
            shape = self.resolutions[number].stack_shape
            starts = [range(0, size, step) for size, step in zip(shape, self.chunk_grid, strict=True)]
            for t, c, *firsts in product(range(self._sizes["t"]), range(self._sizes["c"]), *starts):
                ends = map(min, (a + n for a, n in zip(firsts, self.chunk_grid, strict=True)), shape)
                self.shrink(number, t, c, *map(slice, firsts, ends))
            report(Progress(number / count, "writing coarser resolutions"))
        self.describe(record)
        report(Progress(1.0))

    def shrink(self, number: int, time: int, channel: int, sections: slice, rows: slice, columns: slice) -> None:
        """Make a block of one resolution from the next finer one.

        Several processes may, each another block of whole files. ``step`` voxels are averaged to one, at the edges
        fewer. Identifiers are not averaged: the first voxel stands for all.
        """
        each, fine = self.resolutions[number], self._levels[number - 1]
        steps = [each.step[axis] for axis in "zyx"]
        made = np.empty(tuple(part.stop - part.start for part in (sections, rows, columns)), self.dtype)
        deep = max(1, _CHUNK["z"])
        for start in range(sections.start, sections.stop, deep):  # a block of the finer one is eight times as large
            part = slice(start, min(start + deep, sections.stop)), rows, columns
            source = (slice(one.start * step, one.stop * step) for one, step in zip(part, steps, strict=True))
            block = np.asarray(fine[self._key(time, channel, *source)])
            into = made[part[0].start - sections.start : part[0].stop - sections.start]
            if self._dataset.holds_labels:
                into[:] = block[tuple(slice(None, None, step) for step in steps)]
            else:
                into[:] = _mean(block, np.array(steps), into.shape)
        self._levels[number][self._key(time, channel, sections, rows, columns)] = made

    def describe(self, record: Mapping[str, Any]) -> None:
        """Write the metadata of an image whose voxels are all there: from then on it can be opened."""
        dataset = replace(self._dataset, record=record)
        factors = [each.factor for each in self.resolutions]
        self._group.attrs.update(attributes_for(dataset, self._axes, factors, self._windows()))

    def _create(self, number: int, sizes: Mapping[str, int]) -> Any:
        from zarr.codecs import BloscCodec, BloscShuffle

        chunks = {axis: min(_CHUNK[axis], sizes[axis]) for axis in self._axes}
        shards = None
        if self._shard is not None:
            chunks = {axis: min(size, self._shard[axis]) for axis, size in chunks.items()}
            shards = {a: min(self._shard[a], -(-sizes[a] // chunks[a]) * chunks[a]) for a in self._axes}
        return self._group.create_array(
            str(number),
            shape=tuple(sizes[axis] for axis in self._axes),
            chunks=tuple(chunks.values()),
            shards=None if shards is None else tuple(shards.values()),
            dtype=self.dtype,
            compressors=BloscCodec(cname="lz4", clevel=5, shuffle=BloscShuffle.bitshuffle),
            dimension_names=list(self._axes),
            config={"write_empty_chunks": True},  # an image without a single chunk would pass for a damaged one
        )

    def _key(self, time: int, channel: int, *others: slice) -> tuple[int | slice, ...]:
        places: dict[str, int | slice] = dict(zip("tczyx", (time, channel, *others), strict=True))
        return tuple(places[axis] for axis in self._axes)

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
