"""HDF5 files that nobody vouches for: only numbers that lie in the file itself, and no more than are there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..opening import EXPANDED, UNSUSPICIOUS, damaged, needs

_MOST_OBJECTS = 10_000
_DEEPEST = 12
_LARGEST_CHUNK = 2**28


@contextmanager
def opened(path: Path, extra: str = "microscopes") -> Iterator[Any]:
    """Open a file for reading."""
    h5py = needs("h5py", extra, path)
    with h5py.File(path, "r", locking=False) as file:
        yield file


def member(group: Any, name: str, path: Path) -> Any:
    """Return an object by its path, which may not lead into another file.

    Raises
    ------
    InputError
        If it is not there, or only a link to another file.
    """
    h5py = needs("h5py", "microscopes", path)
    for part in name.strip("/").split("/"):
        link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
        if isinstance(link, h5py.ExternalLink):
            raise InputError(f"'{path.name}': '{name}' lies in another file ('{link.filename}'); give that file itself")
        found = None if link is None else group.get(part)
        if found is None:
            raise InputError(f"'{path.name}' holds no '{name}'; check the path in the file")
        if found.file.filename != group.file.filename:  # through a soft link
            raise InputError(f"'{path.name}': '{name}' lies in another file; give that file itself")
        group = found
    return group


def datasets(file: Any, path: Path) -> Iterator[tuple[str, Any]]:
    """Yield names and datasets of numbers with two to five axes."""
    h5py = needs("h5py", "microscopes", path)
    waiting, seen = [("", file, 0)], 0
    while waiting:
        prefix, group, depth = waiting.pop(0)
        for name in group:
            seen += 1
            if seen > _MOST_OBJECTS:
                return
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            each = group.get(name)
            if isinstance(each, h5py.Group) and depth < _DEEPEST:
                waiting.append((f"{prefix}/{name}", each, depth + 1))
            elif isinstance(each, h5py.Dataset) and 2 <= each.ndim <= 5 and each.dtype.kind in "iufb":
                yield f"{prefix}/{name}", each


def check_dataset(dataset: Any, path: Path) -> None:
    """Refuse voxels in other files, and sizes that the bytes in the file cannot stand for.

    Raises
    ------
    InputError
    """
    if dataset.external or dataset.is_virtual:
        raise InputError(f"'{path.name}': the voxels of '{dataset.name}' lie in other files; export them into one")
    nbytes, stored = int(dataset.size) * dataset.dtype.itemsize, int(dataset.id.get_storage_size())
    chunk = int(np.prod(dataset.chunks or (1,), dtype=object)) * dataset.dtype.itemsize
    if stored > path.stat().st_size or nbytes > max(UNSUSPICIOUS, stored * EXPANDED) or chunk > _LARGEST_CHUNK:
        raise damaged(
            path, f"'{dataset.name}' of the shape {dataset.shape} takes {nbytes} bytes, but {stored} are there"
        )


class FileArray:
    """Datasets of one file as an array (t, c, z, y, x) that is read when it is asked for; the file is opened each time.

    Parameters
    ----------
    path : Path
    names : (T, C) list of lists of str
        Datasets of three axes (z, y, x), or one that has all axes.
    shape : tuple of int
        What is shown of them.
    dtype : numpy dtype
    chunks : tuple of int
    """

    def __init__(
        self, path: Path, names: list[list[str]], shape: tuple[int, ...], dtype: Any, chunks: tuple[int, ...]
    ) -> None:
        self._path, self._names = path, names
        self.shape, self.dtype, self.chunks = shape, np.dtype(dtype), chunks
        self._lock = threading.Lock()

    def __getitem__(self, key: Any) -> NDArray[Any]:
        items = [*key] if isinstance(key, tuple) else [key]
        items += [slice(None)] * (len(self.shape) - len(items))
        try:
            with self._lock, opened(self._path) as file:
                return self._read(file, items)
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise damaged(self._path, f"a part of it cannot be decoded ({str(error)[:150]})") from error

    def _read(self, file: Any, items: list[Any]) -> NDArray[Any]:
        if file[self._names[0][0]].ndim == len(self.shape):
            return self._block(file, self._names[0][0], items, self.shape)
        outer = [
            range(size)[item] if isinstance(item, slice) else [item]
            for item, size in zip(items[:2], self.shape[:2], strict=True)
        ]
        block = np.asarray(
            [[self._block(file, self._names[t][c], items[2:], self.shape[2:]) for c in outer[1]] for t in outer[0]]
        )
        return np.asarray(block[tuple(slice(None) if isinstance(each, slice) else 0 for each in items[:2])])

    @staticmethod
    def _block(file: Any, name: str, items: list[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        bounded = tuple(
            slice(*item.indices(size)) if isinstance(item, slice) else int(item)
            for item, size in zip(items, shape, strict=True)
        )
        return np.asarray(file[name][bounded])
