"""Scores of a whole restored stack: what single sections do not show. Computed a few sections at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WINDOW = 7
"""Voxels: scikit-image's default window of the structural similarity."""
_SLAB = 12
"""Sections whose structural similarity is computed at once."""
_ROUNDING = 1e-6
"""Share of the data range under which a mean change along z is nothing but rounding."""


@dataclass(frozen=True, eq=False)
class VolumePair:
    """A restored stack and its truth, both (Z, Y, X) in the units of the input.

    Attributes
    ----------
    hidden : (Z,) bool array
        Sections that the method has not seen.
    foreground : (Z, Y, X) bool array
        Where the reference exceeds its own Otsu threshold.
    voxel_size : (dz, dy, dx) or None
        None where the file gives no pixel size, or sections are unevenly spaced.
    """

    reference: NDArray[Any]
    test: NDArray[Any]
    data_range: tuple[float, float]
    foreground: NDArray[np.bool_]
    hidden: NDArray[np.bool_]
    voxel_size: tuple[float, float, float] | None = None

    @property
    def peak(self) -> float:
        """The data range R."""
        return self.data_range[1] - self.data_range[0]

    @cached_property
    def box(self) -> tuple[slice, slice, slice]:
        """The smallest box that holds the foreground; everything if there is none."""
        found = []
        for axis in range(3):
            others = tuple(other for other in range(3) if other != axis)
            used = np.flatnonzero(self.foreground.any(axis=others))
            found.append(slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(None))
        return found[0], found[1], found[2]


def ssim_3d(pair: VolumePair, foreground: bool) -> float | None:
    """Mean structural similarity in uniform windows of 7 x 7 x 7 voxels around voxels of hidden sections.

    None for a stack smaller than the window. scikit-image's definition with its defaults, as in Nishioka 2026.
    """
    depth, height, width = pair.reference.shape
    if min(depth, height, width) < _WINDOW:
        return None
    margin = _WINDOW // 2
    plane = (slice(margin, height - margin), slice(margin, width - margin))
    total, count = 0.0, 0
    for start in range(margin, depth - margin, _SLAB):
        sections = slice(start, min(start + _SLAB, depth - margin))
        if not pair.hidden[sections].any():
            continue
        values, known = _ssim_of(pair, slice(sections.start - margin, sections.stop + margin))
        values = values[margin:-margin, *plane]
        used = known[margin:-margin, *plane] & pair.hidden[sections, None, None]
        if foreground:
            used &= pair.foreground[sections, *plane]
        total += float(values[used].sum())
        count += int(used.sum())
    return total / count if count else None


def _ssim_of(pair: VolumePair, sections: slice) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the structural similarity, and where both stacks hold a number."""
    from skimage.metrics import structural_similarity

    reference, test = (each[sections].astype(np.float64) for each in (pair.reference, pair.test))
    known = np.isfinite(reference) & np.isfinite(test)
    reference, test = np.where(known, reference, 0.0), np.where(known, test, 0.0)
    _, full = structural_similarity(reference, test, data_range=pair.peak, win_size=_WINDOW, full=True)
    return np.asarray(full), known


def gradient_ratio(pair: VolumePair, foreground: bool) -> float | None:
    """Mean absolute step between neighbouring sections over the truth's: below 1, the result is too smooth along z."""
    return _change_ratio(pair, foreground, order=1)


def flicker_ratio(pair: VolumePair, foreground: bool) -> float | None:
    """Mean absolute second difference along z over the truth's: above 1, sections flicker."""
    return _change_ratio(pair, foreground, order=2)


def _change_ratio(pair: VolumePair, foreground: bool, order: int) -> float | None:
    """Return the ratio over runs of ``order + 1`` sections of which one at least is hidden.

    None where the truth does not change.
    """
    changes, count = np.zeros(2), 0
    for z in range(len(pair.reference) - order):
        window = slice(z, z + order + 1)
        if not pair.hidden[window].any():
            continue
        reference, test = (
            np.diff(each[window].astype(np.float64), n=order, axis=0)[0] for each in (pair.reference, pair.test)
        )
        used = np.isfinite(reference) & np.isfinite(test)
        if foreground:
            used &= pair.foreground[window].all(axis=0)
        changes += np.abs(test[used]).sum(), np.abs(reference[used]).sum()
        count += int(used.sum())
    return float(changes[0] / changes[1]) if changes[1] > _ROUNDING * pair.peak * count else None
