"""Grey values that mean the same in all stacks: a factor and an offset per stack, and a slow drift along its sections.

Stacks of another contrast cannot be matched like that and are refused; what they have in common is told from what
stacks have in common that do not show the same thing at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d, median_filter

from ..errors import RequestError
from .problem import Problem, noise_of, simulated, upsampled
from .views import Lattice, View, Volume

_FEWEST = 500
"""Voxels that two stacks must both see to be compared."""
_ALIKE = 0.6
"""Correlation, noise aside, under which two stacks do not show the same contrast."""
_RELIABLE = 0.3
"""Least share of the variance that is believed to be no noise."""
_RELATED = 0.35
"""Share of the variance that grey values of the one explain of the other, above which they show the same thing."""
_BINS = 32
_SLOW = 6
"""The drift is smoothed over this part of the sections."""
_NEAR, _LEAP, _BEYOND, _MOST_ODD = 5, 1.0, 6.0, 0.34
"""Sections beside each other that are compared; a leap of the brightness in standard deviations of the stack, or of the
logarithm of the contrast, that is no drift; how many times the usual leap it must be; the share of the sections beyond
which nobody knows which ones are odd."""
_ROUNDS = 2
_LARGEST_DRIFT = 2.0
_WIDE = 3.0
"""Structures larger than so many thicknesses are not told from changes of the brightness."""
_MANY = 32
"""Voxels along an axis of which every second one is enough to compare grey values by."""
_TINY = 1e-9


@dataclass(frozen=True, eq=False)
class Match:
    """How the grey values of a stack were made comparable: ``(value - offsets[section]) / gains[section]``.

    Attributes
    ----------
    gains, offsets : (Z,) arrays
        They change slowly from section to section.
    """

    gains: NDArray[np.float64]
    offsets: NDArray[np.float64]

    @classmethod
    def none(cls, sections: int) -> Match:
        """Return what changes nothing."""
        return cls(np.ones(sections), np.zeros(sections))

    def apply(self, voxels: Volume) -> Volume:
        """Return comparable grey values."""
        return np.asarray((voxels - self.offsets[:, None, None]) / self.gains[:, None, None], np.float32)

    def then(self, other: Match) -> Match:
        """Return what both do, one after the other."""
        return Match(self.gains * other.gains, self.offsets + self.gains * other.offsets)


def matched(views: Sequence[View], lattice: Lattice) -> tuple[list[View], list[Match]]:
    """Return the stacks with grey values as those of the first one, and how these were found.

    Raises
    ------
    RequestError
        If stacks do not overlap, show another contrast, or not the same specimen.
    """
    thinned, coarse = [_thin(view) for view in views], _coarse(lattice)
    total = [Match.none(len(view.voxels)) for view in views]
    first: list[Pair] = []
    for _ in range(_ROUNDS):
        for find in (_as_first, _without_drift):
            current = _applied(thinned, total)
            pairs = [compared(*each, coarse) for each in _partners(current, find is _as_first)]
            for view, pair in zip(current[1:], pairs[1:], strict=True):
                _check_overlap(pair, view.name, views[0].name)
            first = first or pairs
            total = [before.then(find(pair, k)) for k, (before, pair) in enumerate(zip(total, pairs, strict=True))]
    found = _applied(views, total)
    for before, view in zip(first[1:], found[1:], strict=True):
        _check_contrast(before, view, found[0], lattice)
    return found, total


def _partners(views: Sequence[View], with_first: bool) -> list[tuple[View, list[View]]]:
    """Return each stack with those that it is compared with: the first one, or all others."""
    others = [[each for k, each in enumerate(views) if k != number] for number in range(len(views))]
    return [(view, [views[0]] if with_first and k else others[k]) for k, view in enumerate(views)]


def _as_first(pair: Pair, number: int) -> Match:
    """Return one gain and one offset for a whole stack; none for the first."""
    same = Match.none(len(pair.ours))
    if number == 0:
        return same
    pair = _without_odd(pair)
    low, high = (each[pair.there] for each in (pair.ours, pair.theirs))
    gain = float(pair.fine(pair.ours)[pair.there].std() / max(float(pair.fine(pair.theirs)[pair.there].std()), _TINY))
    return Match(same.gains * gain, same.offsets + float(low.mean() - gain * high.mean()))


def _without_odd(pair: Pair) -> Pair:
    """Return the pair without sections whose brightness or contrast leaps from that of their neighbours.

    A section that was lost would make those beside it too bright as well.
    """
    weight = np.maximum(pair.there.sum(axis=(1, 2)), 1)

    def mean(values: Volume) -> NDArray[np.float64]:
        return np.asarray(np.where(pair.there, values, 0).sum(axis=(1, 2), dtype=np.float64) / weight)

    level = (mean(pair.ours) - mean(pair.theirs)) / max(float(pair.ours[pair.there].std()), _TINY)
    ours, theirs = (
        np.log(np.maximum(mean(np.square(pair.fine(each))), _TINY)) / 2 for each in (pair.ours, pair.theirs)
    )
    leaps = [np.abs(each - median_filter(each, _NEAR, mode="nearest")) for each in (level, ours - theirs)]
    odd = np.any([each > max(_LEAP, _BEYOND * float(np.median(each))) for each in leaps], axis=0)
    if not odd.any() or odd.mean() > _MOST_ODD:
        return pair
    return replace(pair, there=pair.there & ~odd[:, None, None])


def _without_drift(pair: Pair, _number: int) -> Match:
    """Return how a stack changes slowly along its sections, beside its mean."""
    pair = _without_odd(pair)
    weight = pair.there.sum(axis=(1, 2)).astype(np.float64)

    def slow(values: Volume) -> NDArray[np.float64]:
        sums = np.where(pair.there, values, 0).sum(axis=(1, 2), dtype=np.float64)
        smooth = [gaussian_filter1d(each, len(weight) / _SLOW, mode="nearest") for each in (sums, weight)]
        return np.asarray(smooth[0] / np.maximum(smooth[1], _TINY))

    contrasts = [np.sqrt(np.maximum(slow(np.square(pair.fine(each))), _TINY)) for each in (pair.ours, pair.theirs)]
    gains = np.clip(contrasts[0] / contrasts[1], 1 / _LARGEST_DRIFT, _LARGEST_DRIFT)
    gains /= np.exp(np.mean(np.log(gains)))
    offsets = slow(pair.ours) - gains * slow(pair.theirs)
    return Match(gains, offsets - offsets.mean())


@dataclass(frozen=True, eq=False)
class Pair:
    """A stack and what others show of it, blurred alike.

    Attributes
    ----------
    ours, theirs : (Z, Y, X) float32 arrays
    there : (Z, Y, X) bool array
        Where both are known.
    wide : (3,) array
        Standard deviation, in voxels, of what is taken off where the brightness is not to count.
    """

    ours: Volume
    theirs: Volume
    there: NDArray[np.bool_]
    wide: NDArray[np.float64]

    def coarse(self, values: Volume, times: float) -> Volume:
        """Return values blurred once more, so many times as much, without changes that are slow beside that."""
        if not times:
            return self.fine(values)
        blurred = _blurred(values, self.there, self.wide / _WIDE * times)
        return blurred - _blurred(blurred, self.there, self.wide * times)

    @property
    def correlation(self) -> float:
        """How both go together, slow changes of the brightness aside."""
        ours, theirs = (self.fine(each)[self.there] for each in (self.ours, self.theirs))
        return float(np.corrcoef(ours, theirs)[0, 1])

    def without_noise(self, noise: Pair, coarser: float = 0.0, reach: float = 0.0) -> float:
        """Return the correlation, seen so much coarser, less what noise takes off it.

        Parameters
        ----------
        noise : Pair
            The same of noise alone.
        coarser : float
            Blur, in thicknesses, beside that of :meth:`fine`.
        reach : float
            How many thicknesses the other stack may lie beside it: the largest correlation counts.
        """
        there = self.there & noise.there
        (ours, theirs), (our_noise, their_noise) = (
            [each.coarse(values, coarser) for values in (each.ours, each.theirs)] for each in (self, noise)
        )
        shares = [
            max(_RELIABLE, 1 - float(rest[there].var()) / max(float(values[there].var()), _TINY))
            for values, rest in ((ours, our_noise), (theirs, their_noise))
        ]
        half = [max(1, round(each)) for each in self.wide[1:] / _WIDE / 2]  # of a thickness, in pixels
        along, *within = (
            [k * step for k in range(-n, n + 1)]
            for n, step in zip((round(reach / 2), *[round(2 * reach)] * 2), (1, *half), strict=True)
        )
        shifts = product(along, *within)
        found = [_correlation(ours, theirs, there, shift) for shift in shifts]
        return max(found) / math.sqrt(math.prod(shares))

    def fine(self, values: Volume) -> Volume:
        """Return values without their slow changes across a section."""
        return values - _blurred(values, self.there, self.wide)


def _correlation(ours: Volume, theirs: Volume, there: NDArray[np.bool_], shift: Sequence[int]) -> float:
    """Return how two images go together of which the second one is shifted by so many voxels."""
    here = tuple(slice(max(0, n), size + min(0, n)) for n, size in zip(shift, ours.shape, strict=True))
    away = tuple(slice(max(0, -n), size + min(0, -n)) for n, size in zip(shift, ours.shape, strict=True))
    both = there[here] & there[away]
    if both.sum() < _FEWEST:
        return 0.0
    return float(np.corrcoef(ours[here][both], theirs[away][both])[0, 1])


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


def compared_all(views: Sequence[View], lattice: Lattice) -> list[Pair]:
    """Return each stack beside the mean of the others as it would see it, blurred alike."""
    coarse = _coarse(lattice)
    return [compared(*each, coarse) for each in _partners([_thin(view) for view in views], False)]


def compared_thinned(view: View, other: View, lattice: Lattice) -> Pair:
    """Return two stacks beside each other as :func:`compared` does, on fewer voxels where there are many."""
    return compared(_thin(view), [_thin(other)], _coarse(lattice))


def noise_beside(view: View, other: View, lattice: Lattice) -> Pair:
    """Return the same of two stacks of noise, as strong as theirs is estimated to be."""
    return compared_thinned(_noise_like(view, 0), _noise_like(other, 1), lattice)


def _noise_like(view: View, seed: int) -> View:
    noise = np.random.default_rng(seed).normal(0, noise_of(view.voxels), view.voxels.shape)
    return view.with_voxels(np.where(np.isfinite(view.voxels), noise, np.nan))


def agreement(views: Sequence[View], number: int, lattice: Lattice) -> float:
    """Return how a stack correlates with the mean of the others, blurred alike; NaN where they do not meet."""
    pair = compared(*_partners([_thin(view) for view in views], False)[number], _coarse(lattice))
    return pair.correlation if pair.there.sum() >= _FEWEST else float("nan")


def compared(view: View, others: Sequence[View], lattice: Lattice) -> Pair:
    """Return a stack and the mean of others as it would see it, without the detail that only one of both shows."""
    read = [upsampled(each, lattice) for each in others]
    known = [(values, reached & np.isfinite(values)) for values, reached in read]
    weight: Volume = np.sum([there for _, there in known], axis=0, dtype=np.float32)
    mean = sum(np.where(there, values, 0) for values, there in known) / np.maximum(weight, 1)
    pair = Problem((view,), lattice, (1.0,), (np.ones_like(view.voxels),))
    there = np.nan_to_num(simulated(pair, 0, np.asarray(weight > 0, np.float32))) > 1 - 1e-3
    seen = simulated(pair, 0, np.asarray(mean, np.float32))
    there &= np.isfinite(seen) & np.isfinite(view.voxels)
    blur = max(each.profile.thickness for each in (view, *others)) / view.sizes
    blur[0] = 0
    ours, theirs = (_blurred(each, there, blur) for each in (view.voxels, seen))
    return Pair(ours, theirs, there, _WIDE * blur)


def _blurred(values: Volume, there: NDArray[np.bool_], blur: NDArray[np.float64]) -> Volume:
    """Return a Gaussian blur of what is there."""
    known = [
        gaussian_filter(np.asarray(each, np.float32), blur, mode="nearest")
        for each in (np.where(there, values, 0), there)
    ]
    return np.asarray(known[0] / np.maximum(known[1], 1e-3), np.float32)


def _check_overlap(pair: Pair, name: str, other: str) -> None:
    if pair.there.sum() < _FEWEST:
        raise RequestError(
            f"'{name}' and '{other}' do not overlap; check their positions, or whether both show the same specimen"
        )


def _check_contrast(before: Pair, view: View, first: View, lattice: Lattice) -> None:
    """Refuse what gains and offsets have not made alike; what it is, is told from how it was before."""
    after, name, other = compared_thinned(view, first, lattice), view.name, first.name
    correlation = after.correlation
    if correlation >= _ALIKE or after.without_noise(noise_beside(view, first, lattice)) >= _ALIKE:
        return
    ours, theirs = before.ours[before.there], before.theirs[before.there]
    if max(_explained(ours, theirs), _explained(theirs, ours)) >= _RELATED:
        raise RequestError(
            f"'{name}' shows another contrast than '{other}' (their grey values correlate by {correlation:.2f}); only "
            "stacks of one contrast can be fused, such as two T2-weighted ones, and if they are, then they do not lie "
            "over each other: give --transforms"
        )
    raise RequestError(
        f"'{name}' does not show what '{other}' shows (their grey values correlate by {correlation:.2f}); check that "
        "both are of one specimen in one contrast and lie over each other, or give --transforms"
    )


def _explained(values: NDArray[np.float32], by: NDArray[np.float32]) -> float:
    """Return which share of the variance is between the classes that other grey values make (correlation ratio)."""
    edges = np.unique(np.quantile(by, np.linspace(0, 1, _BINS + 1)[1:-1]))
    kind = np.searchsorted(edges, by)
    counts = np.bincount(kind, minlength=len(edges) + 1)
    means = np.bincount(kind, weights=values, minlength=len(edges) + 1) / np.maximum(counts, 1)
    return float((counts * (means - values.mean()) ** 2).sum() / max(values.size * float(values.var()), _TINY))
