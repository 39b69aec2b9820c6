"""Reading parts of a TIFF file: the bytes themselves where they lie in one piece, else strip by strip."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...stack.lazy import ArraySource
from .damage import damaged


def source_of(series: Any, shape: tuple[int, ...], path: Path, reopen: Callable[[], Any]) -> ArraySource:
    """Return what reads a tifffile series in parts.

    Parameters
    ----------
    series : tifffile series
        Of a file that may be closed afterwards.
    shape : tuple of int
        As which the series is read: its own, less the axes of length 1 that have no name.
    path : Path
        As which the file is known to the user.
    reopen : callable
        Returns the same series of a file that stays open.
    """
    if series.dataoffset is not None and not series.is_multifile:
        file = series.keyframe.parent
        dtype = np.dtype(file.byteorder + series.dtype.char)
        return _Raw(Path(file.filehandle.path), int(series.dataoffset), shape, dtype)
    return _Strips(path, reopen(), shape)


class _Raw:
    """Uncompressed voxels in one piece. No memory map: its pages would count as memory of this process."""

    def __init__(self, path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._path, self._offset = path, offset
        self.shape, self.dtype = shape, dtype

    def __getitem__(self, key: tuple[int | slice, ...]) -> NDArray[Any]:
        *outer, rows, columns = (
            range(size)[each if isinstance(each, slice) else slice(each, each + 1)]
            for each, size in zip(key, self.shape, strict=True)
        )
        block = np.empty([len(each) for each in (*outer, rows, columns)], self.dtype)
        with self._path.open("rb", buffering=0) as file:
            for place in np.ndindex(*block.shape[:-2]):
                index = tuple(each[i] for each, i in zip(outer, place, strict=True))
                plane = int(np.ravel_multi_index(index, self.shape[:-2])) if outer else 0
                wanted = slice(columns.start, columns.stop, columns.step)
                block[place] = self._read(file, plane, rows)[:: rows.step, wanted]
        return block[tuple(0 if isinstance(each, int) else slice(None) for each in key)]

    def _read(self, file: Any, plane: int, rows: range) -> NDArray[Any]:
        """Return rows of full length from the first to the last one wanted."""
        height, width = self.shape[-2:]
        first, count = rows.start, rows[-1] + 1 - rows.start
        file.seek(self._offset + (plane * height + first) * width * self.dtype.itemsize)
        found = np.empty((count, width), self.dtype)
        buffer, position = found.reshape(-1).view(np.uint8).data, 0
        while position < len(buffer):
            read = file.readinto(buffer[position:])
            if not read:
                raise damaged(self._path, "it has become shorter since it was opened")
            position += read
        return found


class _Strips:
    """Compressed, tiled or scattered voxels: tifffile decodes the strips that are asked for."""

    def __init__(self, path: Path, series: Any, shape: tuple[int, ...]) -> None:
        import zarr

        self._path = path
        weakref.finalize(self, series.parent.close)
        store = series.aszarr(level=0)
        weakref.finalize(self, store.close)  # and with it the other files of a set
        self._array: Any = zarr.open_array(store, mode="r")
        self.shape, self.dtype = shape, np.dtype(self._array.dtype)
        self._places = _places(tuple(series.shape), shape)
        self.chunks = tuple(int(self._array.chunks[i]) for i in self._places)

    def __getitem__(self, key: tuple[int | slice, ...]) -> NDArray[Any]:
        full: list[int | slice] = [0] * self._array.ndim
        for place, each in zip(self._places, key, strict=True):
            full[place] = each
        try:
            return np.asarray(self._array[tuple(full)])
        except Exception as error:  # a damaged strip makes the codecs raise nearly anything
            reason = " ".join(str(error).split())[:150] or type(error).__name__
            raise damaged(self._path, f"a part of it cannot be decoded ({reason})") from error


def _places(stored: tuple[int, ...], shape: tuple[int, ...]) -> list[int]:
    """Return which stored axes are left when nameless axes of length 1 have been taken out."""
    places, wanted = [], list(shape)
    for place, size in enumerate(stored):
        if wanted and size == wanted[0]:
            places.append(place)
            wanted.pop(0)
    return places
