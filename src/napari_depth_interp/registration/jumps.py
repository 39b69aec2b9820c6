"""Sections that alone lie displaced: measured against the two beside them, which do not move.

A chain of motions spreads what contradicts over many sections. Where structures grow or slide from section to section,
motions over two sections contradict those over one, and a section that was displaced alone is found too near or too
far. Between two neighbours that lie as theirs do, real motion along z cancels out, and the jump stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .pairs import Motion, turned

_LIKENESS = 0.5
"""Correlation with both neighbours, at least."""
_ALONE = 0.3
"""What the two neighbours are off on average when the jump is undone, in shares of the jump, at most."""
_LEAST = 1.0
"""Pixels: smaller displacements are left to the chain."""

Values = NDArray[np.float64]


def jumps_of(motions: Mapping[tuple[int, int], Motion], depths: Values, size: float) -> Values:
    """Return how far sections that alone are displaced lie from where their neighbours would have them.

    Parameters
    ----------
    motions : mapping (i, j), i < j -> Motion
    depths : (Z,) float array
    size : float
        Pixels that a radian is worth.

    Returns
    -------
    (Z, 3) float array
        Shift (y, x) in pixels and angle in radians; NaN for all other sections.
    """
    off, shares = off_line(motions, depths), _shares(depths)
    pixels = off * (1.0, 1.0, size)
    found = np.full(off.shape, np.nan)
    for k in range(1, len(off) - 1):
        far = float(np.linalg.norm(pixels[k]))
        drawn = {k - 1: shares[k - 1], k + 1: 1 - shares[k + 1]}  # how far a jump of k draws the line of its neighbours
        beside = [np.linalg.norm(pixels[j] + share * pixels[k]) for j, share in drawn.items()]
        known = [each for each in beside if np.isfinite(each)]
        if far >= _LEAST and known and np.mean(known) <= _ALONE * far:
            found[k] = off[k]
    return found


def off_line(motions: Mapping[tuple[int, int], Motion], depths: Values) -> Values:
    """Return how far each section lies from the line between its neighbours (Z, 3), as :func:`jumps_of`.

    NaN where it has too little in common with them.
    """
    shares = _shares(depths)
    found = np.full((len(depths), 3), np.nan)
    for k in range(1, len(depths) - 1):
        below, above = motions.get((k - 1, k), Motion()), motions.get((k, k + 1), Motion())
        if min(below.likeness, above.likeness) >= _LIKENESS:
            back = -turned(-above.angle) @ np.array(above.shift)
            seen = np.array([*below.shift, below.angle]), np.array([*back, -above.angle])
            found[k] = (1 - shares[k]) * seen[0] + shares[k] * seen[1]
    return found


def _shares(depths: Values) -> Values:
    """Return how near each section is to the one after it, out of the two beside it; 0.5 at the ends."""
    shares = np.full(len(depths), 0.5)
    if len(depths) > 2:
        shares[1:-1] = (depths[1:-1] - depths[:-2]) / (depths[2:] - depths[:-2])
    return shares
