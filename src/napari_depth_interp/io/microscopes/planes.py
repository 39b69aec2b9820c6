"""Voxels that a reader decodes plane by plane: no more of a file is in memory than what is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...stack import Dataset
from ...stack.lazy import ArraySource, LazyVoxels
from ..calibration import Calibration
from ..opening import assembled, check_claim, check_sizes, damaged, decoding

Plane = Callable[[int, int, int], NDArray[Any]]
"""Gives the plane (y, x) of a time point, a channel and a section."""


class PlaneArray:
    """Planes of a file as an array (t, c, z, y, x); the file is opened each time.

    Parameters
    ----------
    path : Path
    title : str
        Of the format, for messages.
    shape : tuple of int
    dtype : numpy dtype
    opened : callable
        Opens the file, as a context that gives a :data:`Plane`.
    """

    def __init__(
        self,
        path: Path,
        title: str,
        shape: tuple[int, ...],
        dtype: Any,
        opened: Callable[[], AbstractContextManager[Plane]],
    ) -> None:
        self._path, self._title, self._opened = path, title, opened
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._lock = threading.Lock()

    def __getitem__(self, key: Any) -> NDArray[Any]:
        items = [*key] if isinstance(key, tuple) else [key]
        items += [slice(None)] * (len(self.shape) - len(items))
        times, channels, sections = (
            range(size)[item] if isinstance(item, slice) else [int(item)]
            for item, size in zip(items[:3], self.shape[:3], strict=True)
        )
        sizes = [len(range(n)[i]) for n, i in zip(self.shape[3:], items[3:], strict=True) if isinstance(i, slice)]
        block = np.empty((len(times), len(channels), len(sections), *sizes), self.dtype)
        with decoding(self._path, self._title), self._lock, self._opened() as plane:
            for i, j, k in np.ndindex(len(times), len(sections), len(channels)):
                pixels = plane(times[i], channels[k], sections[j])
                if pixels.shape != self.shape[3:]:
                    raise damaged(self._path, f"a plane has the shape {pixels.shape}, not {self.shape[3:]}")
                block[i, k, j] = pixels[items[3], items[4]]
        return np.asarray(block[tuple(slice(None) if isinstance(each, slice) else 0 for each in items[:3])])


def from_source(
    path: Path,
    title: str,
    source: ArraySource,
    stored: str,
    calibration: Calibration,
    *,
    letters: str | None = None,
    lazy: bool,
    rgb: bool = False,
    series: str | None = None,
) -> Dataset:
    """Return a dataset of a source, read now or when it is asked for.

    Parameters
    ----------
    path, title, calibration, rgb, series
        As for :func:`~napari_depth_interp.io.opening.assembled`.
    source : ArraySource
    stored : str
        The axes of the source, out of TCZYX.
    letters : str, optional
        Those that the file names. Default: all of them.
    lazy : bool
    """
    view = LazyVoxels(source, [stored.index(axis) if axis in stored else None for axis in "TCZYX"])
    (check_claim if lazy else check_sizes)(view.shape, view.dtype, path)
    kept = "".join(axis for axis in "TCZYX" if axis in (letters or stored))
    if lazy:
        return assembled(path, title, view, kept, calibration, rgb=rgb, series=series)
    sizes = [size for axis, size in zip("TCZYX", view.shape, strict=True) if axis in kept]
    return assembled(path, title, np.asarray(view).reshape(sizes), kept, calibration, rgb=rgb, series=series)
