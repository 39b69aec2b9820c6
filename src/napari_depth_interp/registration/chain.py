"""From motions between pairs of sections to the place of each, and what of it is slow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .pairs import Motion, turned

REACH = 2
"""Each section is compared with so many before it, so that a chain of sections bridges a bad one."""
_UNLIKE = 0.2
"""Correlation below which two sections have nothing in common that could be laid on each other."""
_SCALE = 0.2
"""Pixels by which motions may contradict each other as a matter of course."""
_CONTRADICTION, _BEYOND_USUAL = 1.0, 3.0
"""Pixels, and how many times the usual, by which the motions of a section contradict each other where nothing can be
said about it."""
_ROUNDS = 20
_TIE = 1e-6
"""Weight of no motion at all, which holds where nothing was found."""

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Chain:
    """Where each section lies.

    Attributes
    ----------
    shifts : (Z, 2) array
        Displacement (y, x) in pixels of the content, after turning about the centre.
    angles : (Z,) array
        In radians.
    judged : (Z,) bool array
        False where a section has nothing in common with its neighbours, or their motions contradict each other.
    contradiction : float
        Pixels by which the motions of three neighbouring sections do not add up, typically.
    size : float
        Pixels that a radian is worth.
    motions : mapping (i, j), i < j -> Motion
        What it was made of.
    """

    shifts: Values
    angles: Values
    judged: NDArray[np.bool_]
    contradiction: float
    size: float
    motions: Mapping[tuple[int, int], Motion]


def chain_of(motions: Mapping[tuple[int, int], Motion], count: int, size: float) -> Chain:
    """Return the places of sections from their motions against each other.

    Parameters
    ----------
    motions : mapping (i, j), i < j -> Motion
        From section i to section j, at most ``REACH`` apart.
    count : int
        Number of sections.
    size : float
        Pixels from the centre to where an angle counts: what a radian is worth.
    """
    pairs = np.array(list(motions), int).reshape(-1, 2)
    weights = np.array([m.likeness**2 if m.likeness > _UNLIKE else 0.0 for m in motions.values()])
    angles, off = _places(pairs, size * np.array([m.angle for m in motions.values()]), weights, count)
    angles /= size
    turned_back = np.array([turned(-angles[j]) @ m.shift for (_, j), m in motions.items()]).reshape(-1, 2)
    solved = [_places(pairs, turned_back[:, axis], weights, count) for axis in range(2)]
    errors = np.sqrt(off**2 + sum(error**2 for _, error in solved))
    shifts = np.stack([place for place, _ in solved], axis=1)
    shifts = np.stack([turned(angle) @ shift for angle, shift in zip(angles, shifts, strict=True)])
    known = errors[weights > 0]
    usual = float(np.median(known)) if known.size else 0.0
    judged = _judged(pairs, weights, errors, count, usual)
    return Chain(shifts, angles, judged, usual, size, motions)


def _places(pairs: NDArray[np.intp], measured: Values, weights: Values, count: int) -> tuple[Values, Values]:
    """Return the place of each section along one axis, the first at 0, and by how much each pair is off.

    The unknowns are the steps from section to section; a robust loss leaves out what contradicts the rest.
    """
    from scipy.sparse import csr_array, diags_array
    from scipy.sparse.linalg import spsolve

    steps = count - 1
    if steps < 1 or not len(pairs):
        return np.zeros(count), np.zeros(len(pairs))
    rows = np.concatenate([np.full(j - i, row) for row, (i, j) in enumerate(pairs)])
    columns = np.concatenate([np.arange(i, j) for i, j in pairs])
    sums = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(pairs), steps))
    tie = diags_array(np.full(steps, _TIE), format="csr")
    found, off, trust = np.zeros(steps), np.zeros(len(pairs)), weights
    for number in range(_ROUNDS):
        normal = (sums.T @ sums.multiply(trust[:, None]) + tie).tocsc()
        found = np.atleast_1d(spsolve(normal, sums.T @ (trust * measured)))
        off = np.abs(sums @ found - measured)
        power = 0.5 if number < _ROUNDS // 2 else 1.0  # from a convex loss to one that forgets outliers
        trust = weights / (1 + (off / _SCALE) ** 2) ** power
    return np.concatenate([[0.0], np.cumsum(found)]), off


def _judged(pairs: NDArray[np.intp], weights: Values, errors: Values, count: int, usual: float) -> NDArray[np.bool_]:
    """Return for each section whether at least half of its motions fit the others, as far as motions do so here."""
    judged = np.zeros(count, bool)
    fits = (weights > 0) & (errors < max(_CONTRADICTION, _BEYOND_USUAL * usual))
    for k in range(count):
        own = (pairs == k).any(axis=1)
        judged[k] = bool(own.any()) and 2 * np.count_nonzero(fits & own) >= np.count_nonzero(own)
    return judged


def slow_part(depths: Values, places: Values, judged: NDArray[np.bool_], period: float) -> Values:
    """Return the part of the places that varies over ``period`` sections and more.

    It has the least sum of absolute distances to the places and of absolute bends (trend filtering, Kim et al., SIAM
    Review 2009, with absolute distances). So single sections that lie far off do not draw it, and it may bend at once
    where structures begin to move: a smooth curve would cut that corner and call sections beside it displaced.
    With fewer than three sections to go by it is the places themselves.
    """
    known = np.flatnonzero(judged)
    if len(known) < 3:
        return places.copy()
    z = (depths - depths[0]) / np.median(np.diff(depths))
    at = z[known]
    stiffness = (period / (2 * np.pi)) ** 2  # of that period a wave costs as much followed as left
    return np.asarray(np.interp(z, at, _trend(at, places[known], stiffness)))


def _trend(z: Values, values: Values, stiffness: float) -> Values:
    """Return the least of sum |values - trend| + stiffness * sum |change of slope|, a linear program."""
    from scipy.optimize import linprog
    from scipy.sparse import block_array, diags_array, eye_array

    count, gaps = len(z), np.diff(z)
    inner = count - 2
    offsets = [1 / gaps[:-1], -(1 / gaps[:-1] + 1 / gaps[1:]), 1 / gaps[1:]]
    bends = diags_array(offsets, offsets=[0, 1, 2], shape=(inner, count))
    here, there = eye_array(count), eye_array(inner)
    # trend + over - under = values; bends of the trend = left - right; over, under, left and right are not negative
    equal = block_array([[here, here, -here, None, None], [bends, None, None, -there, there]], format="csc")
    cost = np.concatenate([np.zeros(count), np.ones(2 * count), np.full(2 * inner, stiffness)])
    bounds = [(None, None)] * count + [(0, None)] * (2 * count + 2 * inner)
    found = linprog(cost, A_eq=equal, b_eq=np.concatenate([values, np.zeros(inner)]), bounds=bounds, method="highs")
    return np.asarray(found.x[:count])
