"""Voxels that are read when they are asked for: files larger than the memory pass for arrays."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ..system.memory import check_fits
from ..system.waiting import patiently
from .masks import in_memory

_CHECKED_BYTES = 2**28
_SLAB_BYTES = 96 * 2**20
"""Sections that lie in the same chunks are read together, up to this size."""
HASHED_BYTES = 2**30
"""Voxels in a file up to which all of them are read for their hash."""
_SAMPLES, _SAMPLE_SIDE = 64, 256
"""Planes of which a part is read where there are more, and its rows and columns."""


class ArraySource(Protocol):
    """What voxels are read from: a zarr array, a dask array, the pages of a TIFF file."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> Any: ...
    def __getitem__(self, key: Any, /) -> Any: ...


class LazyVoxels:
    """A view of an :class:`ArraySource` that is read when it is needed.

    Whole numbers and slices give another view; one of two axes or fewer is read at once and is an array, so code
    that takes sections one by one works on both. Everything else an array can do reads the whole view.

    Parameters
    ----------
    source : ArraySource
    axes : sequence of int or None, optional
        The source's axes in the order of the view; None stands for a new axis of length 1.
    """

    def __init__(self, source: ArraySource, axes: Sequence[int | None] | None = None) -> None:
        self._source = source
        self._index: tuple[int | range, ...] = tuple(map(range, source.shape))
        self._axes = tuple(range(len(source.shape)) if axes is None else axes)
        self._range: tuple[Any, Any] | None = None
        self.dtype = np.dtype(source.dtype).newbyteorder("=")

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return tuple(1 if axis is None else len(cast(range, self._index[axis])) for axis in self._axes)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._axes)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return int(math.prod(self.shape))

    @property
    def nbytes(self) -> int:
        """Memory that the whole view would take."""
        return int(self.size * self.dtype.itemsize)

    @property
    def chunks(self) -> tuple[int, ...]:
        """Sizes of the pieces in which the file holds the voxels; of one that does not say, planes."""
        known, sizes = getattr(self._source, "chunks", None), self.shape
        if known is None:
            return (*[1] * (self.ndim - 2), *sizes[-2:])
        named = [1 if axis is None else _one_size(known[axis]) for axis in self._axes]
        return tuple(min(size, chunk) for size, chunk in zip(sizes, named, strict=True))

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        items = _full_key(key, self.ndim)
        if items is None:
            return self._read()[key]
        view = self._view(items)
        return view if view.ndim > 2 else view._read()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("voxels in a file cannot be had without reading them")
        return self._read().astype(dtype or self.dtype, copy=False)

    def planes(self) -> Iterator[NDArray[Any]]:
        """Yield every (y, x) plane in the order of the other axes; sections in the same chunks are read together."""
        *outer, sections = self.shape[:-2]
        step = max(
            1, min(self._depth_of_chunks(), _SLAB_BYTES // max(1, math.prod(self.shape[-2:]) * self.dtype.itemsize))
        )
        for index in np.ndindex(*outer):
            for start in range(0, sections, step):
                yield from np.asarray(self[(*index, slice(start, start + step))])

    def min(self) -> Any:
        """Return the smallest value, read section by section once; NaN if there is one."""
        return self._extremes()[0]

    def max(self) -> Any:
        """Return the largest value, read section by section once; NaN if there is one."""
        return self._extremes()[1]

    def astype(self, dtype: Any, **options: Any) -> NDArray[Any]:
        """Read all and convert."""
        return self._read().astype(dtype, **options)

    def copy(self) -> NDArray[Any]:
        """Read all."""
        return self._read()

    def reshape(self, *shape: Any) -> NDArray[Any]:
        """Read all and reshape."""
        return self._read().reshape(*shape)

    def transpose(self, *axes: Any) -> NDArray[Any]:
        """Read all and transpose."""
        return self._read().transpose(*axes)

    def _view(self, items: Sequence[int | slice]) -> LazyVoxels:
        index, axes = list(self._index), []
        for item, axis, size in zip(items, self._axes, self.shape, strict=True):
            chosen = range(size)[item]
            if axis is not None:
                index[axis] = cast(range, self._index[axis])[item]
            elif not isinstance(chosen, int) and len(chosen) != 1:
                raise IndexError("an axis that the file does not have cannot be emptied")
            if not isinstance(chosen, int):
                axes.append(axis)
        view = LazyVoxels(self._source, axes)
        view._index = tuple(index)
        return view

    def _read(self) -> NDArray[Any]:
        if not self.size:
            return np.empty(self.shape, self.dtype)
        if self.nbytes > _CHECKED_BYTES:
            check_fits(self.nbytes, f"an image of {' x '.join(map(str, self.shape))} voxels")
        forward = [each[::-1] if isinstance(each, range) and each.step < 0 else each for each in self._index]
        key = tuple(each if isinstance(each, int) else slice(each.start, each.stop, each.step) for each in forward)
        block = patiently(lambda: in_memory(self._source[key]))
        kept = [axis for axis, each in enumerate(self._index) if isinstance(each, range)]
        turned = block[tuple(slice(None, None, -1 if cast(range, self._index[a]).step < 0 else 1) for a in kept)]
        real = [axis for axis in self._axes if axis is not None]
        turned = turned.transpose([kept.index(axis) for axis in real])
        new = tuple(place for place, axis in enumerate(self._axes) if axis is None)
        return np.ascontiguousarray(np.expand_dims(turned, new), self.dtype).reshape(self.shape)

    def _extremes(self) -> tuple[Any, Any]:
        if self._range is None:
            pairs = [(plane.min(), plane.max()) for plane in self.planes()]
            low, high = zip(*pairs, strict=True)
            self._range = np.min(low), np.max(high)
        return self._range

    def _depth_of_chunks(self) -> int:
        """Return how many sections lie in one chunk of the source."""
        return self.chunks[-3]


class _SomeSections:
    """Some sections of voxels in a file, as a source of its own: neighbours are read together.

    Parameters
    ----------
    voxels : LazyVoxels
        With sections on the third axis from the end.
    chosen : (S,) int array
        In increasing order.
    """

    def __init__(self, voxels: LazyVoxels, chosen: NDArray[np.intp]) -> None:
        self._voxels, self._chosen, self._axis = voxels, chosen, voxels.ndim - 3
        before, after = voxels.shape[: self._axis], voxels.shape[-2:]
        self.shape = (*before, len(chosen), *after)
        self.dtype, self.chunks = voxels.dtype, voxels.chunks

    def __getitem__(self, key: Any) -> NDArray[Any]:
        wanted, axis = self._chosen[key[self._axis]], self._axis
        if wanted.ndim == 0:
            return np.asarray(self._voxels[(*key[:axis], int(wanted), *key[axis + 1 :])])
        runs = np.split(wanted, np.flatnonzero(np.diff(wanted) > 1) + 1)
        before = (slice(None),) * sum(isinstance(each, slice) for each in key[:axis])
        sizes = [len(range(size)[each]) for each, size in zip(key, self.shape, strict=True) if isinstance(each, slice)]
        found, filled = np.empty(sizes, self.dtype), 0
        for run in runs:  # one after the other, so that they are not held twice
            span = slice(int(run[0]), int(run[-1]) + 1)
            found[(*before, slice(filled, filled + len(run)))] = self._voxels[(*key[:axis], span, *key[axis + 1 :])]
            filled += len(run)
        return found


class _PartInMemory:
    """Some sections, rows and columns of voxels in a file, read at once; other ones cannot be asked for.

    Parameters
    ----------
    voxels : (Z, Y, X) LazyVoxels
    part : (sections, rows, columns)
    """

    def __init__(self, voxels: NDArray[Any], part: tuple[slice, slice, slice]) -> None:
        self._block = np.asarray(voxels[part])
        self._starts = [each.start for each in part]
        self.shape, self.dtype = voxels.shape, voxels.dtype

    def __getitem__(self, key: Any) -> NDArray[Any]:
        moved = tuple(
            slice(each.start - start, each.stop - start, each.step) if isinstance(each, slice) else each - start
            for each, start in zip(key, self._starts, strict=True)
        )
        spans = [each if isinstance(each, slice) else slice(each, each + 1) for each in moved]
        if any(each.start < 0 or each.stop > size for each, size in zip(spans, self._block.shape, strict=True)):
            raise IndexError(f"{key} is not in the part that was read")
        return np.asarray(self._block[moved])


def read_part(voxels: NDArray[Any], part: tuple[slice, slice, slice]) -> NDArray[Any]:
    """Return (z, y, x) voxels of which a part is in memory, under the indices that it has in the whole.

    Voxels that are in memory already are returned as they are.
    """
    return as_array(LazyVoxels(_PartInMemory(voxels, part))) if is_lazy(voxels) else voxels


def some_sections(voxels: NDArray[Any], chosen: NDArray[np.intp]) -> NDArray[Any]:
    """Return some sections (the third axis from the end) of voxels: of those in a file nothing is read.

    ``chosen`` is in increasing order. Neighbours are a view, others a copy.
    """
    if len(chosen) and int(chosen[-1]) - int(chosen[0]) == len(chosen) - 1:
        return voxels[..., int(chosen[0]) : int(chosen[-1]) + 1, :, :]
    if isinstance(voxels, LazyVoxels):
        return as_array(LazyVoxels(_SomeSections(voxels, chosen)))
    return voxels[..., chosen, :, :]


def is_lazy(voxels: Any) -> bool:
    """Whether voxels are still in their file."""
    return isinstance(voxels, LazyVoxels)


def planes_of(voxels: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield every (y, x) plane of (t, c, z, y, x) or (z, y, x) voxels; ``reshape`` would copy a strided dataset."""
    if isinstance(voxels, LazyVoxels):
        return voxels.planes()
    return (voxels[index] for index in np.ndindex(*voxels.shape[:-2]))


def signature(voxels: NDArray[Any]) -> str:
    """Return the SHA-256 of the voxel values in (t, c, z, y, x) order, plane by plane."""
    digest = hashlib.sha256()
    for plane in planes_of(voxels):
        digest.update(np.ascontiguousarray(plane, voxels.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def known_by(voxels: NDArray[Any]) -> dict[str, str]:
    """Return what tells these voxels from others: their SHA-256; of many that are in a file, that of a sample.

    The sample is parts of a plane, drawn by the shape alone, so that terabytes are known in seconds by every process.
    """
    if not is_lazy(voxels) or voxels.nbytes <= HASHED_BYTES:
        return {"sha256": signature(voxels)}
    return {"sha256_of_sample": sample_signature(voxels)}


def sample_signature(voxels: NDArray[Any]) -> str:
    """Return the SHA-256 of some parts of (t, c, z, y, x) voxels, at places that their shape decides."""
    *outer, height, width = voxels.shape
    high, wide = min(_SAMPLE_SIDE, height), min(_SAMPLE_SIDE, width)
    rng, digest = np.random.default_rng(voxels.shape), hashlib.sha256()
    count = min(_SAMPLES, math.prod(outer))
    strata = np.linspace(0, math.prod(outer), count + 1).astype(int)
    for first, end in pairwise(strata):
        plane = map(int, np.unravel_index(rng.integers(first, end), outer))
        top, left = int(rng.integers(height - high + 1)), int(rng.integers(width - wide + 1))
        key: tuple[int | slice, ...] = (*plane, slice(top, top + high), slice(left, left + wide))
        part = np.asarray(voxels[key])
        digest.update(np.ascontiguousarray(part, voxels.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def as_array(voxels: Any) -> NDArray[Any]:
    """Pass lazy voxels for an array where only sections are taken from it.

    The type of a dataset's voxels is that of an array; this is the one place that says so of lazy ones.
    """
    return cast("NDArray[Any]", voxels)


def _full_key(key: Any, ndim: int) -> list[int | slice] | None:
    """Return one whole number or slice per axis, or None if the key holds anything else."""
    items = list(key) if isinstance(key, tuple) else [key]
    if sum(item is Ellipsis for item in items) > 1:
        return None
    if Ellipsis in [item for item in items if item is Ellipsis]:
        place = next(i for i, item in enumerate(items) if item is Ellipsis)
        items[place : place + 1] = [slice(None)] * (ndim - len(items) + 1)
    if len(items) > ndim:
        raise IndexError(f"{len(items)} indices for {ndim} axes")
    items += [slice(None)] * (ndim - len(items))
    whole = [int(item) if isinstance(item, int | np.integer) and not isinstance(item, bool) else item for item in items]
    return whole if all(isinstance(item, int | slice) for item in whole) and True not in map(_is_bool, whole) else None


def _one_size(chunks: Any) -> int:
    """Return the size of chunks along an axis: zarr gives one, dask that of each chunk."""
    return int(max(chunks) if isinstance(chunks, tuple) else chunks)


def _is_bool(item: Any) -> bool:
    return isinstance(item, bool)
