"""What is measured on a section between two others: how much of each kind of damage both of them see in it.

Real change along z is seen from one side only, or from both with opposite signs; damage is seen from both alike. So
each measure is what the two sides agree on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from .pairs import Light, Pair, compare, correlation, fit, overlap
from .regions import OFTEN_EVEN, WHOLE, lost_part
from .stripes import stripe_height, stripe_noise
from .views import Image, Remembered, View, Views, reduced, smoothed

_SAME_LIGHT = 0.2
"""Change of brightness and contrast, in shares of the contrast, that goes with a section of which a part is lost."""
_SAME_ROWS = 0.12
"""Height of stripes, in shares of the contrast, that the rest may have."""
_MEAN_ROWS = 0.15
"""Height of stripes in means over rows, in shares of the contrast, at least."""
_SAME_DETAIL = 0.4
"""Octaves of fine detail that the rest of such a section may lack."""
_ABRUPT = 0.8
"""Contrast of the section beside an end over that of the next one, from which no object fades out."""
_EXPLAINED = 0.8
"""Share of the unlikeness that undoing a shift leaves, at most."""
_EXPLAINED_BETWEEN = 0.75
"""The same where it is the shift from the middle between both."""
_ALL_MOTION = 0.1
"""Share of the unlikeness that undoing shifts leaves where nothing but motion is between sections, at most."""
_TOLD_BETWEEN = 1.5
"""Pixels that such a shift has at least: motion is never quite steady."""
_CLOSED = 0.5
"""Share of such a shift by which both shifts and the motion between the neighbours may disagree."""
_RIM = 4
"""Pixels at the edges that smoothing has mixed with what came in there."""
_FARTHEST = 0.25
"""Share of the rows or columns, beyond which a shift is none: too little is left to compare."""
_UNLIKE = 0.5
"""Share of the likeness that a part which is lost may take away."""
_STILL_ALIKE = 0.75
"""Share of the likeness that a change of brightness and contrast leaves, at least."""
_UNLIKE_NEIGHBOURS = 0.3
"""Correlation of the sections on both sides below which dark parts of the one between them may well be real."""
_AGREED = 0.35
"""Change between both neighbours in a lost part, in shares of what is lacking there, at most."""
_ALIKE_THERE = 0.5
"""Correlation of both neighbours in a lost part, at least."""
_CLIPPED = 0.05
"""Share of a part that may be brighter, and of the rest that may be darker, where it was only clipped to black."""
_MOSTLY, _SEVERAL = 0.5, 3
"""Share of a row that is lost, and bands of such rows, from which they are stripes."""
_ONE_VALUE = 0.3
"""Share of a lost part that has one value, at least: its edges have others."""
_UNRELATED = 0.4
"""Correlation of the sections on both sides below which likeness says nothing."""
_RELATED = 0.6
"""Correlation of the sections on both sides from which a section that is like neither is another one's, or none."""
FAR = 3
"""Sections further away are not compared."""

Measure = Callable[["Between"], float]


class Sections:
    """Sections with their neighbours, views and pairs remembered while they are needed."""

    def __init__(self, views: Views, damaged: Collection[int] = ()) -> None:
        self.views, self._damaged = views, frozenset(damaged)
        self._pairs = Remembered(lambda first, second: compare(views[first], views[second]))
        self._exact = Remembered(lambda first, second: compare(views[first], views[second], exactly=True))

    def pair(self, reference: int, index: int) -> Pair:
        """Return how a section differs from another one."""
        found: Pair = self._pairs(reference, index)
        return found

    def exact(self, reference: int, index: int) -> Pair:
        """Return it with the shift by ECC."""
        found: Pair = self._exact(reference, index)
        return found

    def usable(self, index: int, step: int) -> list[int]:
        """Return the nearest two sections on one side that hold something and are not known to be damaged."""
        places = (index + step * away for away in range(1, FAR + 1))
        inside = (each for each in places if 0 <= each < len(self.views) and each not in self._damaged)
        return list(islice((each for each in inside if not self.views[each].is_flat), 2))

    def between(self, index: int) -> list[Between]:
        """Return a section between all pairs of its neighbours: three, so that a damaged one spoils no other."""
        below, above = self.usable(index, -1), self.usable(index, 1)
        if not below or not above:
            return []
        chosen = [(below[0], above[0]), *((each, above[0]) for each in below[1:])]
        return [Between(self, index, *each) for each in [*chosen, *((below[0], each) for each in above[1:])]]

    def beside(self, index: int, step: int) -> list[Between]:
        """Return a section with the nearest two on one side, both of which have to agree."""
        found = self.usable(index, step)
        return [Between(self, index, *found)] if len(found) == 2 else []


@dataclass(frozen=True, eq=False)
class Between:
    """A section and the two that it is compared with."""

    sections: Sections
    index: int
    first: int
    second: int

    @property
    def view(self) -> View:
        return self.sections.views[self.index]

    @property
    def references(self) -> tuple[View, View]:
        """Views of the two."""
        return self.sections.views[self.first], self.sections.views[self.second]

    @property
    def fades(self) -> bool:
        """Whether contrast falls towards the section, the first reference being the nearer one."""
        first, second = self.references
        return first.contrast < _ABRUPT * second.contrast

    @property
    def is_inside(self) -> bool:
        """Whether the two lie on both sides of it."""
        return (self.first < self.index) != (self.second < self.index)

    @property
    def share(self) -> float:
        """How far along the section lies from the first to the second; half where both lie on one side of it."""
        return (self.index - self.first) / (self.second - self.first) if self.is_inside else 0.5

    @property
    def pairs(self) -> tuple[Pair, Pair]:
        """How the section differs from each of the two."""
        return self.sections.pair(self.first, self.index), self.sections.pair(self.second, self.index)

    @property
    def likeness(self) -> float:
        """Correlation of the two with each other."""
        return self.across.alike

    @property
    def across(self) -> Pair:
        """How the lower one of the two differs from the upper one."""
        first, second = sorted((self.first, self.second))
        return self.sections.pair(first, second)

    @property
    def contrast(self) -> float:
        """Lower contrast of the two."""
        return min(each.contrast for each in self.references)


def agreed(first: float, second: float) -> float:
    """Return the smaller of two changes, with its sign, if they go the same way; else 0."""
    return min(first, second, key=abs) if first * second > 0 else 0.0


def lacking(around: Between) -> float:
    """Return the share of the neighbours' contrast that a section lacks, or of their likeness to it."""
    structure = 1 - around.view.contrast / around.contrast if around.contrast > 0 else 0.0
    if around.likeness < _RELATED:
        return structure
    alike = max(max(pair.alike, pair.alike_moved) for pair in around.pairs)
    unlike = 1 - max(alike, 0.0) / around.likeness
    if unlike > _UNLIKE and lost_part(around.view, *around.references) is not None:
        return structure  # the rest of the section may well be like them
    return max(structure, unlike)


def blurred(around: Between) -> float:
    """Return how many octaves of fine detail a section lacks, beyond what a change of contrast explains."""
    own = np.maximum(around.view.detail[:2], 1e-12)
    lost = []
    for view, pair in zip(around.references, around.pairs, strict=True):
        octaves = float(np.mean(np.log2(np.maximum(view.detail[:2], 1e-12) / own)))
        lost.append(octaves + min(0.0, float(np.log2(max(pair.light.gain, 1e-6)))))
    return min(lost)


def brightened(around: Between) -> tuple[float, float]:
    """Return the change of contrast (natural logarithm) and of brightness (in voxel values) that both sides see.

    Pixels at the same place mislead where structures move, mean and standard deviation where they grow; so the smaller
    change of the two is it.
    """
    first, second = around.pairs
    told = [_change(first.light, second.light), _change(first.tones, second.tones)]
    return min(told, key=lambda change: jump(change, around.contrast))


def _change(first: Light, second: Light) -> tuple[float, float]:
    gain = agreed(*(float(np.log(max(each.gain, 1e-6))) for each in (first, second)))
    return gain, agreed(first.offset, second.offset)


def jump(change: tuple[float, float], contrast: float) -> float:
    """Return one number, in voxel values, for a change of contrast and of brightness."""
    gain, offset = change
    return float(np.hypot(np.expm1(abs(gain)) * contrast, offset))


def shifted(around: Between, exactly: bool = False) -> NDArray[np.float64]:
    """Return the shift (rows, columns) that both sides see; zero if they differ, or it explains nothing.

    Parameters
    ----------
    around : Between
    exactly : bool
        Ask for it by ECC, which takes longer and is not misled by what came in at the edges.
    """
    pairs = (
        [around.sections.exact(each, around.index) for each in (around.first, around.second)]
        if exactly
        else around.pairs
    )
    first, second = (pair.shift for pair in pairs)
    shift, across = (1 - around.share) * first + around.share * second, around.across
    far = float(np.linalg.norm(shift))
    unlike = max(across.alike, across.alike_moved) < _UNRELATED / 2
    if far == 0 or unlike or far > _FARTHEST * min(around.view.values.shape):
        return np.zeros(2)
    told = _explains(pairs) if np.linalg.norm(first - second) <= far else _explains_between(around, shift)
    return np.asarray(shift) if told and not _rest_stays(around, pairs) else np.zeros(2)


def _explains(pairs: Sequence[Pair], share: float = _EXPLAINED) -> bool:
    """Whether undoing the shift against each neighbour leaves only such a share of the unlikeness."""
    return all(1 - pair.alike_moved <= share * (1 - pair.alike) for pair in pairs)


def _explains_between(around: Between, shift: NDArray[np.float64]) -> bool:
    """Whether a section lies beside the middle between neighbours that steady motion has moved apart.

    Then undoing the shift against the middle makes it more like both, unless all that changes is where things are.
    """
    (first, second), across = around.pairs, around.across
    far, open_by = float(np.linalg.norm(shift)), float(np.linalg.norm(first.shift - second.shift - across.shift))
    if far < _TOLD_BETWEEN or open_by > _CLOSED * far:
        return False
    if _explains(around.pairs, _ALL_MOTION):
        return True
    for pair, each in zip(around.pairs, around.references, strict=True):
        both = [part[_RIM:-_RIM, _RIM:-_RIM] for part in overlap(each.smooth, around.view.smooth, shift / each.factor)]
        if not both[0].size or 1 - correlation(*both) > _EXPLAINED_BETWEEN * (1 - pair.alike):
            return False
    return True


def _rest_stays(around: Between, pairs: Sequence[Pair]) -> bool:
    """Whether a part is lost, and the rest is as like the neighbours where it lies as it is moved."""
    part = lost_part(around.view, *around.references)
    if part is None:
        return False
    kept = ~reduced(part.astype(np.float32), around.view.factor).astype(bool)
    alike = [correlation(each.smooth[kept], around.view.smooth[kept]) for each in around.references]
    return all(rest >= pair.alike_moved for rest, pair in zip(alike, pairs, strict=True))


def saturation(around: Between) -> float:
    """Return the share of pixels at the highest value, beyond that of both neighbours."""
    highest = around.view.values.max()
    beyond = around.view.plateau - max(each.plateau for each in around.references)
    common = max(float((each.values >= highest).mean()) for each in around.references)
    return max(0.0, beyond) if common < 0.5 else 0.0


def lost_share(around: Between) -> float:
    """Return the share of the area that is lost."""
    found = lost_part(around.view, *around.references)
    if found is None:
        return 0.0
    if around.view.lost is None and (_is_striped(found) or _is_clipped(around, found)):
        return 0.0
    if around.view.lost is None and not (_no_hole(around, found) and rest_is_sound(around, found)):
        return 0.0
    return float(found.mean())


def _is_striped(part: NDArray[np.bool_]) -> bool:
    """Whether a part is several rows or columns, which stripes have brought down to black."""
    lines = [np.concatenate([[False], part.mean(axis) > _MOSTLY]) for axis in (0, 1)]
    return any(int((each[1:] & ~each[:-1]).sum()) >= _SEVERAL for each in lines)


def _is_clipped(around: Between, part: NDArray[np.bool_]) -> bool:
    """Whether a part is just what is dark in both neighbours, too, while nearly all that is not lost is brighter."""
    small = reduced(part.astype(np.float32), around.view.factor) > 0.5
    if not small.any() or small.all():
        return False
    other = np.maximum(*(each.smooth for each in around.references))
    return bool(np.quantile(other[small], 1 - _CLIPPED) <= np.quantile(other[~small], _CLIPPED))


def _no_hole(around: Between, part: NDArray[np.bool_]) -> bool:
    """Whether a part is lost and no hole in the specimen: of one value, or both neighbours agree on what was there.

    Beside the first and the last section both neighbours lie on one side, and an object that ends has one value, too;
    so has what is empty, in stacks without noise whose sections are unlike.
    """
    small = reduced(part.astype(np.float32), around.view.factor) > 0.5
    if not small.any():
        return False
    first, second = (each.smooth[small] for each in around.references)
    lacking = float(np.sqrt(np.mean(((first + second) / 2 - around.view.smooth[small]) ** 2)))
    change, alike = float(np.sqrt(np.mean((first - second) ** 2))), around.likeness >= _UNLIKE_NEIGHBOURS
    if alike and change < _AGREED * lacking and correlation(first, second) > _ALIKE_THERE:
        return True
    if not around.is_inside or not (alike or max(each.is_even.mean() for each in around.references) < OFTEN_EVEN):
        return False
    values = around.view.values[part]
    value = np.median(values)
    if any(each.values.max() == value for each in around.references):  # where the detector ends
        return False
    return float((values == value).mean()) > _ONE_VALUE


def rest_is_sound(around: Between, part: NDArray[np.bool_]) -> bool:
    """Whether what is not lost has the brightness, contrast and sharpness of its neighbours.

    Otherwise the whole section is darker or blurred, and dark or smooth parts of it only look lost.
    """
    kept = ~reduced(part.astype(np.float32), around.view.factor).astype(bool)
    if kept.mean() < 1 - WHOLE:
        return False
    gains, offsets, octaves = [], [], []
    own = np.abs(around.view.small - smoothed(around.view.small, 1.0))[kept].mean()
    for each in around.references:
        light = fit(each.smooth[kept][None], around.view.smooth[kept][None])
        gains.append(float(np.log(max(light.gain, 1e-6))))
        offsets.append(light.offset / max(each.contrast, 1e-12))
        fine = np.abs(each.small - smoothed(each.small, 1.0))[kept].mean()
        octaves.append(float(np.log2(max(fine, 1e-12) / max(own, 1e-12))) + gains[-1] / np.log(2))
    change = np.hypot(agreed(*gains), agreed(*offsets))
    below, above = (around.view.small - each.small for each in around.references)
    below, above = (np.where(kept, each - each[kept].mean(), 0) for each in (below, above))
    stripes = stripe_height(below, above, _MEAN_ROWS * around.contrast)
    return bool(change < _SAME_LIGHT and min(octaves) < _SAME_DETAIL and stripes < _SAME_ROWS * around.contrast)


def striped(around: Between) -> float:
    """Return the height of stripes, in voxel values."""
    residuals = [_relit(around, pair) - each.small for pair, each in zip(around.pairs, around.references, strict=True)]
    height = stripe_height(residuals[0], residuals[1], _MEAN_ROWS * around.contrast)
    noise = stripe_noise(around.view.small - around.view.smooth)
    return float(np.sqrt(max(0.0, height**2 - noise**2)))


def _relit(around: Between, pair: Pair) -> Image:
    """Return the section in the light of a neighbour; only brightness changes where it is too unlike to tell gains."""
    if around.likeness < _UNRELATED or pair.alike >= _STILL_ALIKE * around.likeness:
        return pair.light.undone(around.view.small)
    return around.view.small - np.float32(pair.tones.offset)


def all_of(around: Iterable[Between]) -> Mapping[str, float]:
    """Return what at least one pair of neighbours agrees on, by kind; brightness and stripes in voxel values.

    A lost part is told by two of three, because what is a hole between any two sections often is a real one.
    """
    every: dict[str, list[float]] = {}
    for each in around:
        found = {
            "missing": lacking(each),
            "blur": blurred(each),
            "brightness": jump(brightened(each), each.contrast),
            "shift": float(np.linalg.norm(shifted(each))),
            "saturated": saturation(each),
            "partial": lost_share(each),
            "stripes": striped(each),
        }
        for name, value in found.items():
            every.setdefault(name, []).append(value)
    return {name: _low_median(values) if name == "partial" else max(values) for name, values in every.items()}


def _low_median(values: Sequence[float]) -> float:
    return sorted(values)[(len(values) - 1) // 2]
