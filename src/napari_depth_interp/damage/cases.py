"""A damaged section with what there is to repair it with."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..stack import Dataset
from .views import Image


@dataclass(frozen=True, eq=False)
class Case:
    """One damaged section and what there is to repair it with.

    Attributes
    ----------
    section, anew : (Y, X) float32 array
        As recorded, and as made anew from the sound sections.
    below, above : (Y, X) float32 array
        The nearest sound sections.
    share : float
        How near the section is to the one above: 0 to 1.
    part : (Y, X) bool array or None
        What is lost of it.
    """

    section: Image
    anew: Image
    below: Image
    above: Image
    share: float
    part: NDArray[np.bool_] | None = None

    @property
    def plain(self) -> Image:
        """Linear interpolation between the nearest sound sections."""
        return np.asarray((1 - self.share) * self.below + self.share * self.above, np.float32)

    @property
    def change(self) -> float:
        """Root mean square difference of the nearest sound sections."""
        return difference(self.below, self.above)

    def cut(self, rows: slice, columns: slice) -> Case:
        """Return the same of a part of the section."""
        section, anew, below, above = (
            each[rows, columns] for each in (self.section, self.anew, self.below, self.above)
        )
        part = None if self.part is None else self.part[rows, columns]
        return Case(section, anew, below, above, self.share, part)

    def whole(self) -> Case:
        """Return it with numbers everywhere: what is none is taken from the other sections, or is the mean."""
        four = self.section, self.anew, self.below, self.above
        if all(np.isfinite(each).all() for each in four):
            return self
        known = np.stack([np.where(np.isfinite(each), each, np.nan) for each in (self.below, self.above, self.section)])
        there = np.isfinite(known)
        counts, sums = there.sum(0), np.where(there, known, 0).sum(0, dtype=np.float64)
        mean = sums.sum() / max(1, counts.sum())
        other = np.where(counts > 0, sums / np.maximum(counts, 1), mean).astype(np.float32)
        section, anew, below, above = (np.where(np.isfinite(each), each, other) for each in four)
        return replace(self, section=section, anew=anew, below=below, above=above)


Spot = tuple[int, int, int]
"""Time point, channel, section."""


def case_of(dataset: Dataset, spot: Spot, damaged: Collection[int], made: NDArray[Any] | None = None) -> Case:
    """Return a section with the nearest sound ones on both sides; without one made anew, linear interpolation is it.

    Parameters
    ----------
    dataset : Dataset
        With depths.
    spot : (time, channel, section)
    damaged : collection of int
        Sections that are not sound; there are sound ones on both sides.
    made : (Y, X) array, optional
    """
    time, channel, index = spot
    below, above = around(index, dataset.voxels.shape[2], damaged)
    assert below is not None
    assert above is not None
    depths = dataset.stack(time, channel).depths
    share = float((depths[index] - depths[below]) / (depths[above] - depths[below]))
    own, first, second = (section_of(dataset, (time, channel, k)) for k in (index, below, above))
    case = Case(own, own, first, second, share)
    return replace(case, anew=case.plain if made is None else np.asarray(made, np.float32))


def around(index: int, count: int, damaged: Collection[int]) -> tuple[int | None, int | None]:
    """Return the nearest sound sections before and after one."""
    below = next((k for k in range(index - 1, -1, -1) if k not in damaged), None)
    return below, next((k for k in range(index + 1, count) if k not in damaged), None)


def section_of(dataset: Dataset, spot: Spot) -> NDArray[np.float32]:
    """Return a section as real numbers.

    Raises
    ------
    InputError
        If numbers are too large for them.
    """
    with np.errstate(over="ignore"):
        section = np.asarray(dataset.voxels[spot], np.float32)
    if dataset.voxels.dtype == np.float64 and np.isinf(section).any():
        highest = float(np.nanmax(np.abs(dataset.voxels[spot])))
        if np.isfinite(highest):
            raise InputError(
                f"section {spot[2]} holds values up to {highest:.3g}, and sections are repaired in float32 (up to "
                "3.4e38); divide the image by a power of ten"
            )
    return section


def difference(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return the root of the mean square difference, where both are numbers."""
    squares = (np.asarray(first, np.float64) - np.asarray(second, np.float64)) ** 2
    known = squares[np.isfinite(squares)]
    return float(np.sqrt(known.mean())) if known.size else 0.0
