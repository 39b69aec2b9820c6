"""The repaired stack as voxels that are read when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class InFile:
    """A section in a temporary file, read when it is asked for as an array."""

    path: Path

    @classmethod
    def of(cls, section: NDArray[Any], path: Path) -> InFile:
        """Write a section to a file."""
        np.save(path, section, allow_pickle=False)
        return cls(path)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(np.load(self.path, allow_pickle=False), dtype)


Mended = dict[tuple[int, int, int], NDArray[Any] | InFile]
"""Repaired sections by time, channel and index."""


@dataclass(frozen=True, eq=False)
class RepairedVoxels:
    """The sections of the result: repaired ones, and all others from where they are.

    Attributes
    ----------
    voxels : (T, C, Z, Y, X) array
        As recorded; it may be lazy.
    mended : mapping of (time, channel, section) -> (Y, X) array
        Some may be in temporary files.
    kept : sequence of int
        The sections of the result, by their number in ``voxels``.
    """

    voxels: NDArray[Any]
    mended: Mapping[tuple[int, int, int], NDArray[Any] | InFile]
    kept: Sequence[int]

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        times, channels, _, *plane = self.voxels.shape
        return times, channels, len(self.kept), *plane

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels."""
        return self.voxels.dtype

    def section(self, time: int, channel: int, row: int) -> NDArray[Any]:
        """Return one section (Y, X) of the result."""
        place = time, channel, self.kept[row]
        return np.asarray(self.mended[place] if place in self.mended else self.voxels[place])

    def _part(self, time: int, channel: int, row: int, plane: tuple[Any, ...]) -> NDArray[Any]:
        """Return a copy of a part of a section, so that no whole ones are held for a block of many."""
        place = time, channel, self.kept[row]
        if place in self.mended:
            return np.array(np.asarray(self.mended[place])[plane])
        return np.array(self.voxels[(*place, *plane)])

    def __getitem__(self, key: Any, /) -> Any:
        """Return a block; the key has a whole number or a slice for each axis."""
        places = [range(size)[item] for item, size in zip(key[:3], self.shape, strict=False)]
        times, channels, rows = ([each] if isinstance(each, int) else list(each) for each in places)
        plane = tuple(key[3:])
        block = np.stack(
            [np.stack([np.stack([self._part(t, c, row, plane) for row in rows]) for c in channels]) for t in times]
        )
        return block[tuple(0 if isinstance(each, int) else slice(None) for each in places)]
