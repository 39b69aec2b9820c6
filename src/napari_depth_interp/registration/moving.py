"""Moving one section; and voxels whose sections are moved when they are asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .pairs import turned

_KEPT_BYTES = 2**26
"""Moved sections that are kept, as tiles ask for the same ones again and again."""


def moved_section(
    section: NDArray[Any], shift: tuple[float, float], angle: float = 0.0, *, blend: bool = True
) -> NDArray[Any]:
    """Return a section (Y, X) with the content that lies ``shift`` and ``angle`` away brought where it belongs.

    Pixels that come from outside are those at the edge, continued. Between pixels cubic splines are used, held to the
    section's own range; where voxels are not a number, or with ``blend`` off (labels), the nearest one is taken.

    Parameters
    ----------
    section : (Y, X) array
        Any integers or floats; the result is of the same type.
    shift : (y, x)
        In pixels.
    angle : float
        In radians, about the centre, from x towards y.
    """
    matrix, centre = turned(angle), (np.array(section.shape) - 1) / 2
    start = centre + shift - matrix @ centre
    whole = np.allclose(start, np.rint(start), rtol=0, atol=1e-6) and angle == 0
    if whole or not blend:
        return _nearest(section, matrix, start)
    there = np.isfinite(section) if section.dtype.kind == "f" else np.ones(1, bool)
    if not there.any():
        return section
    values = np.asarray(section, np.float64)
    found = _blended(values if there.all() else np.where(there, values, values[there].mean()), matrix, start)
    if not there.all():
        near = _nearest(values, matrix, start)
        found = np.where(np.isfinite(near), found, near)
    return _as_type(found, section.dtype)


def _nearest(section: NDArray[Any], matrix: NDArray[np.float64], start: NDArray[np.float64]) -> NDArray[Any]:
    """Return the nearest pixel of where each is read: exact for all types, which scipy's is not above 2**53."""
    places = np.tensordot(matrix, np.indices(section.shape, np.float64), 1) + start[:, None, None]
    rows, columns = (
        np.clip(np.rint(each), 0, size - 1).astype(np.intp) for each, size in zip(places, section.shape, strict=True)
    )
    return cast("NDArray[Any]", section[rows, columns])


def _blended(
    values: NDArray[np.float64], matrix: NDArray[np.float64], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    from scipy.ndimage import affine_transform

    found = affine_transform(values, matrix, start, order=3, mode="nearest")
    return np.asarray(np.clip(found, values.min(), values.max()))


def _as_type(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind not in "iu":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    highest = float(limits.max)
    if highest > limits.max:  # 64 bits: the float above the largest integer
        highest = float(np.nextafter(highest, 0.0))
    return np.clip(np.rint(values), limits.min, highest).astype(dtype)


class MovedVoxels:
    """Voxels (t, c, z, y, x) in a file whose sections are moved as they are read.

    Parameters
    ----------
    voxels : lazy voxels
    move : callable section, time, index -> section
    stays : callable time, index -> bool
        Whether a section is not moved; of such a section only what is asked for is read.
    """

    def __init__(
        self,
        voxels: Any,
        move: Callable[[NDArray[Any], int, int], NDArray[Any]],
        stays: Callable[[int, int], bool],
    ) -> None:
        self._voxels, self._move, self._stays = voxels, move, stays
        self.shape: tuple[int, ...] = voxels.shape
        self.dtype = voxels.dtype
        self._kept: OrderedDict[tuple[int, int, int], NDArray[Any]] = OrderedDict()
        self._lock = Lock()

    def __getitem__(self, key: Any, /) -> Any:
        """Return a block; the key has a whole number or a slice for each axis."""
        places = [range(size)[item] for item, size in zip(key[:3], self.shape, strict=False)]
        times, channels, sections = ([each] if isinstance(each, int) else list(each) for each in places)
        block = np.stack(
            [np.stack([np.stack([self._plane(t, c, k, key[3:]) for k in sections]) for c in channels]) for t in times]
        )
        return block[tuple(0 if isinstance(each, int) else slice(None) for each in places)]

    def _plane(self, time: int, channel: int, section: int, part: tuple[Any, ...]) -> NDArray[Any]:
        if self._stays(time, section):
            return np.asarray(self._voxels[(time, channel, section, *part)])
        place = (time, channel, section)
        with self._lock:
            found = self._kept.get(place)
        if found is None:
            found = self._move(np.asarray(self._voxels[place]), time, section)
            with self._lock:
                self._kept[place] = found
                while len(self._kept) > 1 and len(self._kept) * found.nbytes > _KEPT_BYTES:
                    self._kept.popitem(last=False)
        return cast("NDArray[Any]", found[part])
