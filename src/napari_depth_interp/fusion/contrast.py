"""Grey values that mean the same in all stacks: a factor and an offset per stack, and a slow drift along its sections.

Stacks of another contrast cannot be matched like that and are refused; what they have in common is told from what
stacks have in common that do not show the same thing at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from ..errors import RequestError
from .problem import Problem, simulated, upsampled
from .views import Lattice, View, Volume

_FEWEST = 500
"""Voxels that two stacks must both see to be compared."""
_ALIKE = 0.6
"""Correlation under which two stacks do not show the same contrast."""
_RELATED = 0.35
"""Share of the variance that grey values of the one explain of the other, above which they show the same thing."""
_BINS = 32
_SLOW = 6
"""The drift is smoothed over this part of the sections."""
_ROUNDS = 2
_LARGEST_DRIFT = 2.0
_MANY = 32
"""Voxels along an axis of which every second one is enough to compare grey values by."""
_TINY = 1e-9


@dataclass(frozen=True, eq=False)
class Match:
    """How the grey values of a stack were made comparable: ``(value - offset) / (gain * drift[section])``.

    Attributes
    ----------
    gain, offset : float
    drift : (Z,) array
        Slow change from section to section, about 1.
    correlation : float
        Of the stack with the others, blurred alike.
    """

    gain: float
    offset: float
    drift: NDArray[np.float64]
    correlation: float

    def apply(self, voxels: Volume) -> Volume:
        """Return comparable grey values."""
        return np.asarray((voxels - self.offset) / (self.gain * self.drift[:, None, None]), np.float32)


def matched(views: Sequence[View], lattice: Lattice) -> tuple[list[View], list[Match]]:
    """Return the stacks with grey values as those of the first one, and how these were found.

    Raises
    ------
    RequestError
        If stacks do not overlap, show another contrast, or not the same specimen.
    """
    total = [Match(1.0, 0.0, np.ones(len(view.voxels)), 1.0) for view in views]
    thinned, coarse = [_thin(view) for view in views], _coarse(lattice)
    current = thinned
    for number in range(_ROUNDS):
        found = [_match(current, k, coarse, drift=number > 0) for k in range(len(views))]
        first = found[0]
        for k, one in enumerate(found):
            gain, offset = (one.gain / first.gain, 0.0) if number else (one.gain, one.offset)
            gain, offset = (1.0, 0.0) if k == 0 else (gain, offset)
            before = total[k]
            total[k] = Match(before.gain * gain, before.offset + before.gain * offset, one.drift, one.correlation)
        current = _applied(thinned, total)
    return _applied(views, total), total


def _applied(views: Sequence[View], matches: Sequence[Match]) -> list[View]:
    return [view.with_voxels(match.apply(view.voxels)) for view, match in zip(views, matches, strict=True)]


def _thin(view: View) -> View:
    """Return a stack with every second row and column, where there are many: enough for what is smooth."""
    if min(view.voxels.shape[1:]) < _MANY:
        return view
    wider = np.diag([1.0, 2.0, 2.0, 1.0])
    return replace(view, voxels=view.voxels[:, ::2, ::2], affine=view.affine @ wider)


def _coarse(lattice: Lattice) -> Lattice:
    """Return a lattice with every second voxel along each axis, where there are many."""
    steps = [2 if size >= _MANY else 1 for size in lattice.shape]
    z, y, x = (-(-size // step) for size, step in zip(lattice.shape, steps, strict=True))
    return Lattice((z, y, x), lattice.affine @ np.diag([*steps, 1.0]))


def agreement(views: Sequence[View], number: int, lattice: Lattice) -> float:
    """Return how a stack correlates with the mean of the others, blurred alike; NaN where they do not meet."""
    thinned, coarse = [_thin(view) for view in views], _coarse(lattice)
    others = [each for k, each in enumerate(thinned) if k != number]
    ours, theirs, there = _compared(thinned[number], others, coarse)
    return float(np.corrcoef(ours[there], theirs[there])[0, 1]) if there.sum() >= _FEWEST else float("nan")


def _compared(view: View, others: Sequence[View], lattice: Lattice) -> tuple[Volume, Volume, NDArray[np.bool_]]:
    """Return a stack, the mean of others as it would see it, both blurred alike, and where both are known."""
    values, reached = zip(*(upsampled(each, lattice) for each in others), strict=True)
    weight: Volume = np.sum(reached, axis=0, dtype=np.float32)
    mean = sum(np.where(there, value, 0) for value, there in zip(values, reached, strict=True)) / np.maximum(weight, 1)
    pair = Problem((view,), lattice, (1.0,), (np.ones_like(view.voxels),))
    there = np.nan_to_num(simulated(pair, 0, np.asarray(weight > 0, np.float32))) > 1 - 1e-3
    seen = simulated(pair, 0, np.asarray(mean, np.float32))
    there &= np.isfinite(seen) & np.isfinite(view.voxels)
    ours, theirs = (_alike(view, each, there, others) for each in (view.voxels, seen))
    return ours, theirs, there


def _match(views: Sequence[View], number: int, lattice: Lattice, *, drift: bool) -> Match:
    """Compare a stack with the first one, or where it is about drift with the mean of all others."""
    view = views[number]
    others = [each for k, each in enumerate(views) if k != number] if drift or number == 0 else [views[0]]
    ours, theirs, there = _compared(view, others, lattice)
    if there.sum() < _FEWEST:
        raise RequestError(
            f"'{view.name}' and '{others[0].name}' do not overlap; check their positions, or whether both show the "
            "same specimen"
        )
    correlation = float(np.corrcoef(ours[there], theirs[there])[0, 1])
    if not drift and number:
        _check(ours[there], theirs[there], correlation, view.name, others[0].name)
    if not drift:
        gain = float(ours[there].std() / max(float(theirs[there].std()), _TINY))
        offset = float(ours[there].mean() - gain * theirs[there].mean())
        return Match(gain, offset, np.ones(len(view.voxels)), correlation)
    gain = float((ours * theirs)[there].sum() / max(float(np.square(theirs[there]).sum()), _TINY))
    return Match(gain, 0.0, _drift(ours, theirs, there), correlation)


def _alike(view: View, voxels: Volume, there: NDArray[np.bool_], others: Sequence[View]) -> Volume:
    """Return a stack without the detail that only one of two shows: blurred across its sections, where it is known."""
    blur = max(each.profile.thickness for each in (view, *others)) / view.sizes
    known = [
        gaussian_filter(np.asarray(each, np.float32), (0, blur[1], blur[2]), mode="nearest")
        for each in (np.where(there, voxels, 0), there)
    ]
    return np.asarray(known[0] / np.maximum(known[1], 1e-3), np.float32)


def _drift(ours: Volume, theirs: Volume, there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return (Z,) how the grey values of a stack change slowly from section to section, 1 on average."""
    sums = [np.where(there, each, 0).sum(axis=(1, 2), dtype=np.float64) for each in (ours * theirs, theirs**2)]
    smooth = [gaussian_filter1d(each, len(ours) / _SLOW, mode="nearest") for each in sums]
    change = np.clip(smooth[0] / np.maximum(smooth[1], _TINY), 1e-3, None)
    change /= np.exp(np.mean(np.log(change)))
    return np.asarray(np.clip(change, 1 / _LARGEST_DRIFT, _LARGEST_DRIFT), np.float64)


def _check(ours: NDArray[np.float32], theirs: NDArray[np.float32], correlation: float, name: str, other: str) -> None:
    """Refuse what cannot be matched by a factor and an offset."""
    if correlation >= _ALIKE:
        return
    if max(_explained(ours, theirs), _explained(theirs, ours)) >= _RELATED:
        raise RequestError(
            f"'{name}' shows another contrast than '{other}' (their grey values correlate by {correlation:.2f}); only "
            "stacks of one contrast can be fused, such as two T2-weighted ones"
        )
    raise RequestError(
        f"'{name}' does not show what '{other}' shows (their grey values correlate by {correlation:.2f}); check that "
        "both are of the same specimen and lie over each other, or give --transforms"
    )


def _explained(values: NDArray[np.float32], by: NDArray[np.float32]) -> float:
    """Return which share of the variance is between the classes that other grey values make (correlation ratio)."""
    edges = np.unique(np.quantile(by, np.linspace(0, 1, _BINS + 1)[1:-1]))
    kind = np.searchsorted(edges, by)
    counts = np.bincount(kind, minlength=len(edges) + 1)
    means = np.bincount(kind, weights=values, minlength=len(edges) + 1) / np.maximum(counts, 1)
    return float((counts * (means - values.mean()) ** 2).sum() / max(values.size * float(values.var()), _TINY))
