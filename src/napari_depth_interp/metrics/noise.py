"""Whether sections of a restored stack are by turns noisy and smooth: a known complaint about interpolated stacks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .volume import VolumePair

_KEPT = 0.9
"""Share of the voxels, those with the smallest residuals, that the noise is taken from: edges are beyond it."""
_ROUNDING = 1e-6
"""Share of the data range under which noise is nothing but rounding."""


def inter_slice_noise(pair: VolumePair, foreground: bool) -> float | None:
    """Noise step from section to section (geometric mean) over the truth's: above 1, noise alternates.

    The step between two neighbours is the noise of the one over that of the other, whichever is larger. Pairs of which
    one section at least is hidden count; where both neighbours are hidden in every pair, as where each section was
    left out in turn or all are made from projections, no recorded section lies beside a new one, and it is None.
    """
    if pair.hidden.all() or not pair.hidden.any():
        return None
    levels = [_levels(each, pair.foreground if foreground else None) for each in (pair.test, pair.reference)]
    beside = pair.hidden[1:] | pair.hidden[:-1]
    floor = _ROUNDING * pair.peak
    truth = levels[1]
    known = beside & (np.minimum(truth[1:], truth[:-1]) > floor) & np.isfinite(levels[0][1:] + levels[0][:-1])
    if not known.any():
        return None
    test, true = (np.abs(np.diff(np.log(np.maximum(each, floor))))[known].mean() for each in levels)
    return float(np.exp(test - true))


def _levels(voxels: NDArray[Any], foreground: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """Return each section's noise in the units of the input, up to one factor; NaN where there is nothing to see."""
    masks = [None] * len(voxels) if foreground is None else foreground
    return np.array([noise_level(section, mask) for section, mask in zip(voxels, masks, strict=True)])


def noise_level(section: NDArray[Any], where: NDArray[np.bool_] | None = None) -> float:
    """Return the noise of a section, proportional to the standard deviation of white noise.

    The mean absolute second difference in both directions (Immerkaer, Computer Vision and Image Understanding 1996),
    which planes and straight ramps leave at 0, over the nine tenths of the voxels where it is smallest. NaN where a
    section is too small, or holds too few numbers.
    """
    values = section.astype(np.float64)
    residual = np.abs(np.diff(np.diff(values, 2, axis=0), 2, axis=1)) / 6
    used = np.isfinite(residual)
    if where is not None:
        used &= where[1:-1, 1:-1]
    found = residual[used]
    count = int(np.ceil(_KEPT * found.size))
    return float(np.partition(found, count - 1)[:count].mean()) if count else float("nan")
