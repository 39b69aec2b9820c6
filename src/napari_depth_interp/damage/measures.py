"""What is measured on a section between two others: how much of each kind of damage both of them see in it.

Real change along z is seen from one side only, or from both with opposite signs; damage is seen from both alike. So
each measure is what the two sides agree on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .neighbours import Between
from .pairs import Light, Pair, correlation, fit
from .regions import OFTEN_EVEN, WHOLE, lost_part
from .shifts import shifted
from .stripes import stripe_height, stripe_noise
from .views import Image, reduced, smoothed

_SAME_LIGHT = 0.2
"""Change of brightness and contrast, in shares of the contrast, that goes with a section of which a part is lost."""
_SAME_ROWS = 0.12
"""Height of stripes, in shares of the contrast, that the rest may have."""
_MEAN_ROWS = 0.15
"""Height of stripes in means over rows, in shares of the contrast, at least."""
_SAME_DETAIL = 0.4
"""Octaves of fine detail that the rest of such a section may lack."""
_NEARLY_ALIKE = 0.9
"""Correlation with both neighbours from which a section differs from them by its light."""
_HALF_WAY = 0.5
"""Share of the mean square difference from a neighbour that undoing a change of light takes off, for it to count."""
_UNLIKE = 0.5
"""Share of the likeness that a part which is lost may take away."""
_STILL_ALIKE = 0.75
"""Share of the likeness that a change of brightness and contrast leaves, at least."""
_UNLIKE_NEIGHBOURS = 0.3
"""Correlation of the sections on both sides below which dark parts of the one between them may well be real."""
_AGREED = 0.35
"""Change between both neighbours in a lost part, in shares of what is lacking there, at most."""
_FAR_OFF = 4.0
"""What is lacking in a part, in shares of the contrast of both neighbours, that no hole in what they show may lack."""
_ALIKE_THERE = 0.5
"""Correlation of both neighbours in a lost part, at least."""
_CLIPPED, _SPECKS = 0.05, 0.25
"""Share of a part that may be brighter, and of the rest that may be darker, where it was only clipped to black."""
_MOSTLY, _SEVERAL = 0.5, 3
"""Share of a row that is lost, and bands of such rows, from which they are stripes."""
_ONE_VALUE = 0.3
"""Share of a lost part that has one value, at least: its edges have others."""
_UNRELATED = 0.4
"""Correlation of the sections on both sides below which likeness says nothing."""
_RELATED = 0.6
"""Correlation of the sections on both sides from which a section that is like neither is another one's, or none."""


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


def relit_share(around: Between) -> float:
    """Return how far undoing a change of light brings a section nearer to both neighbours: 1 from half of the way on.

    Where sections differ much, both may well be darker; undoing that takes little off a difference that is in the
    structures. Where they are nearly alike, nothing but light differs.
    """
    if min(pair.alike for pair in around.pairs) > _NEARLY_ALIKE:
        return 1.0
    left = []
    for pair, each in zip(around.pairs, around.references, strict=True):
        before = float(np.mean((around.view.smooth - each.smooth) ** 2))
        after = [
            float(np.mean((light.undone(around.view.smooth) - each.smooth) ** 2)) for light in (pair.light, pair.tones)
        ]
        left.append(min(after) / before if before > 0 else 1.0)
    return float(np.clip((1 - max(left)) / _HALF_WAY, 0, 1))


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
    if around.view.lost is None and (_is_striped(found) or _is_clipped(around, found) or _is_beside(around, found)):
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
    return bool(np.quantile(other[small], 1 - _CLIPPED) <= np.quantile(other[~small], _SPECKS))


def _is_beside(around: Between, part: NDArray[np.bool_]) -> bool:
    """Whether one of the neighbours has the value of a part there, too: then the other one may be too bright."""
    value = _common_value(around, part)[0]
    return any(float((each.values[part] == value).mean()) > _MOSTLY for each in around.references)


def _common_value(around: Between, part: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the value that most pixels of a part have, and the share of them."""
    values, counts = np.unique(around.view.values[part], return_counts=True)
    return float(values[np.argmax(counts)]), float(counts.max() / counts.sum())


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
    if change < _AGREED * lacking and lacking > _FAR_OFF * around.contrast:
        return True
    if alike and change < _AGREED * lacking and correlation(first, second) > _ALIKE_THERE:
        return True
    if not around.is_inside or not (alike or max(each.is_even.mean() for each in around.references) < OFTEN_EVEN):
        return False
    value, share = _common_value(around, part)
    if any(each.values.max() == value for each in around.references):  # where the detector ends
        return False
    return share > _ONE_VALUE


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
            "brightness": jump(brightened(each), each.contrast) * relit_share(each),
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
