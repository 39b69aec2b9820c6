"""How far the surfaces of labels are from each other: in three dimensions, in the unit of the stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Volume = NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class Surfaces:
    """The surface voxels of all labels of a volume.

    Attributes
    ----------
    places : (N, 3) int array
        Section, row and column.
    labels : (N,) int array
        Whose surface it is; never 0.
    """

    places: NDArray[np.intp]
    labels: Volume

    @classmethod
    def of(cls, volume: Volume) -> Surfaces:
        """Return the voxels with one of their six neighbours in another label, or outside the volume."""
        edge = np.zeros(volume.shape, bool)
        for axis in range(3):
            ahead = np.moveaxis(volume, axis, 0)
            at = np.moveaxis(edge, axis, 0)
            differs = ahead[1:] != ahead[:-1]
            at[1:] |= differs
            at[:-1] |= differs
            at[0] = at[-1] = True
        edge &= volume != 0
        return cls(np.argwhere(edge), volume[edge])

    def on(self, sections: NDArray[np.bool_]) -> Surfaces:
        """Return those on some of the sections."""
        kept = sections[self.places[:, 0]]
        return Surfaces(self.places[kept], self.labels[kept])


def distances_to(
    here: Surfaces, there: Surfaces, depths: NDArray[np.float64], pixel: tuple[float, float]
) -> NDArray[np.float64]:
    """Return for each surface voxel the distance to the nearest one of the same label; NaN where there is none.

    Parameters
    ----------
    here, there : Surfaces
    depths : (Z,) float64 array
        Of the sections, which may be unevenly spaced.
    pixel : (y, x)
        Size of a pixel in the unit of the depths.
    """
    from scipy.spatial import KDTree

    found = np.full(len(here.labels), np.nan)
    asked = np.isin(here.labels, there.labels)
    if not asked.any():
        return found
    names, numbers = np.unique(np.concatenate([here.labels[asked], there.labels]), return_inverse=True)
    own, other = (_positions(each, depths, pixel) for each in (here.places[asked], there.places))
    # The label is a fourth axis, along which others are farther away than anything can be: one search for all.
    far = 2 * (1.0 + np.linalg.norm(other.max(0) - other.min(0)) + np.linalg.norm(own.max(0) - own.min(0)))
    apart = far * np.arange(len(names))[numbers]
    tree = KDTree(np.column_stack([other, apart[len(own) :]]), balanced_tree=False, compact_nodes=False)
    found[asked] = tree.query(np.column_stack([own, apart[: len(own)]]))[0]
    return found


def _positions(
    places: NDArray[np.intp], depths: NDArray[np.float64], pixel: tuple[float, float]
) -> NDArray[np.float64]:
    return np.column_stack([depths[places[:, 0]], places[:, 1] * pixel[0], places[:, 2] * pixel[1]])


def by_label(
    labels: NDArray[Any], values: NDArray[np.float64], share: float
) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the labels, and for each the sum, the number and a quantile of its values."""
    order = np.lexsort((values, labels))
    labels, values = labels[order], values[order]
    names, first, count = np.unique(labels, return_index=True, return_counts=True)
    if not len(names):
        return names, np.zeros(0), count, np.zeros(0)
    sums = np.add.reduceat(values, first)
    place = first + share * (count - 1)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, first + count - 1)
    quantile = values[low] + (place - low) * (values[high] - values[low])
    return names, sums, count, quantile
