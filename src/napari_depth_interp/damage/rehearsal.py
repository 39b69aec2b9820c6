"""How a repair does on sound sections nearby, with the same damage put into them: told by their truth.

Nobody knows what a damaged section looked like. But what a repair is worth beside plain linear interpolation can be
measured where everything is known. So each repair is drawn towards the section made anew as far as that asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ..stack import Dataset
from .cases import Case, Spot, around, case_of, difference
from .remedies import REMEDIES, blur_of, clipped_in, lights_of, measured_shift, unstriped
from .views import Image, smoothed

_TRIED = 4
"""Sound sections that a repair is tried on, at most."""
_PLACED = 12
"""Sound sections that tell how exactly the place of a shifted one is known, at most."""
_FARTHEST = 30
"""Sections further away say little."""
_LARGEST = 512
"""Pixels a side of the part, in the middle, that it is tried on."""
WHOLE = 0.9
"""A repair that deserves at least so much of the way is taken as it is."""
_SAME = 1e-9
"""Share of the square of an error by which two images differ that are the same but for rounding, at most."""
_IN_LINE = 0.3
"""Share of the height of stripes that is not explained by rows or columns, at most."""
_WORTH = 0.98
"""A repair that leaves more than this share of the error on sound sections is not worth what it may do wrong."""
_LIES_WELL = 1.5
"""How many times the square of what is expected a section as recorded may lie from the one made anew, to be left."""
_HARM = 1.25
"""Error that a repair leaves on a sound section, over that of linear interpolation, from which it is done to none."""
_ASTRAY = 0.5
"""Share of a shift by which one of a sound section was found wrongly, at most, for it to be believed."""
_SLACK = 1.25
"""How many times the square of the way from linear interpolation to the repair may be that on sound sections."""


@dataclass(frozen=True)
class Verdict:
    """What a repair is worth.

    Attributes
    ----------
    share : float
        How much of the way from the section made anew to the repaired one is taken: 0 to 1.
    anew, own : float or None
        Expected errors (root mean square) of the section made anew and of the repaired one; None: not known.
    lies_well : bool
        Whether the section as recorded is no further from the one made anew than sound ones are.
    shift_error : float or None
        How far off, in pixels, the shift of the worst sound section was found; None: this is no shift.
    tried : bool
        Whether there were sound sections nearby to try it on.
    """

    share: float
    anew: float | None = None
    own: float | None = None
    lies_well: bool = False
    shift_error: float | None = None
    tried: bool = True


def verdict(dataset: Dataset, spot: Spot, kind: str, damaged: Collection[int], case: Case, repaired: Image) -> Verdict:
    """Judge the repair of a section.

    Parameters
    ----------
    dataset : Dataset
    spot : (time, channel, section)
    kind : str
        Kind of damage with a remedy of its own.
    damaged : collection of int
        Sections that are not sound, this one among them.
    case : Case
    repaired : (Y, X) array
        What the remedy makes of it.
    """
    window = window_of(case.section.shape)
    middle = case.cut(*window).whole()  # of large sections a part is enough, and takes less memory
    inflict = INJURIES[kind](middle)
    astray = _astray(dataset, spot, damaged, middle) if kind == "shift" else []
    shares, anew, own, ways = [], [], [], []
    for each in sound_cases(dataset, spot, damaged):
        sound = each.cut(*window).whole()
        truth, plain = sound.section, sound.plain
        tried = replace(sound, section=inflict(truth), part=middle.part)
        made = REMEDIES[kind](tried)
        shares.append(best_share(plain, made, truth))
        change = max(tried.change, float(np.finfo(np.float32).tiny))
        anew.append(difference(plain, truth) / change)
        own.append(difference(made, truth) / change)
        ways.append(difference(made, plain) / change)
    moved, before = difference(repaired, case.anew), difference(case.section, case.anew)
    if not shares:
        return Verdict(1.0 if moved < before else 0.0, tried=False)
    expected, error = float(np.median(anew)) * case.change, max(own) * case.change
    share = min(shares) if np.median(np.divide(own, np.maximum(anew, np.finfo(np.float64).tiny))) < _WORTH else 0.0
    share *= _believed(moved, float(np.sqrt(np.mean(np.square(ways)))) * case.change)
    if share < WHOLE:  # what was put in is damage as it was told; a real one is not quite that
        share *= share
    share *= harmless(max(made / plain if plain > 0 else 1.0 for made, plain in zip(own, anew, strict=True)))
    if moved >= before or (astray and max(astray[:_TRIED]) > _ASTRAY * np.linalg.norm(measured_shift(middle))):
        share = 0.0
    well = before**2 <= _LIES_WELL * expected**2
    return Verdict(1.0 if share >= WHOLE else share, expected, error, well, max(astray, default=None))


def _astray(dataset: Dataset, spot: Spot, damaged: Collection[int], case: Case) -> list[float]:
    """Return by how many pixels sound sections, shifted as this one is, are brought back wrongly, the nearest first."""
    window, inflict, shift = window_of(case.section.shape), _shift(case), measured_shift(case)
    found = []
    for each in sound_cases(dataset, spot, damaged, _PLACED):
        sound = each.cut(*window).whole()
        tried = replace(sound, section=inflict(sound.section), part=case.part)
        found.append(float(np.linalg.norm(measured_shift(tried) - shift)))
    return found


def harmless(ratio: float) -> float:
    """Return how far a repair is believed after which the worst sound section had so many times the error."""
    return float(np.clip((_HARM - ratio) / (_HARM - 1), 0, 1))


def _believed(moved: float, expected: float) -> float:
    """Return how far a repair is believed that lies so far from linear interpolation, and on sound sections so far.

    What is beyond that is taken for error which has nothing to do with that of linear interpolation: the best share of
    the way is then smaller by the ratio of the squares.
    """
    return min(1.0, _SLACK * (expected / moved) ** 2) if moved > 0 else 1.0


def best_share(plain: Image, made: Image, truth: Image) -> float:
    """Return how much of the way from one image to another is nearest to the truth: 0 to 1."""
    way, whole = (np.asarray(each, np.float64) - plain for each in (made, truth))
    known = np.isfinite(way) & np.isfinite(whole)
    size, far = (float(np.square(each[known]).sum()) for each in (way, whole))
    return float(np.clip((way[known] * whole[known]).sum() / size, 0, 1)) if size > _SAME * far else 1.0


def window_of(shape: Sequence[int]) -> tuple[slice, slice]:
    """Return the rows and columns in the middle that something is tried on."""
    starts = [max(0, (size - _LARGEST) // 2) for size in shape]
    return slice(starts[0], starts[0] + _LARGEST), slice(starts[1], starts[1] + _LARGEST)


def sound_cases(dataset: Dataset, spot: Spot, damaged: Collection[int], count: int = _TRIED) -> Iterator[Case]:
    """Yield the nearest sound sections between sound ones that lie as far away as those around a damaged one do."""
    (*place, index), last = spot, dataset.voxels.shape[2]
    below, above = around(index, last, damaged)
    assert below is not None
    assert above is not None
    steps = (0, below - index, above - index)
    places = sorted(range(max(0, index - _FARTHEST), min(last, index + _FARTHEST + 1)), key=lambda k: abs(k - index))
    fits = (k for k in places if all(0 <= k + step < last and k + step not in damaged for step in steps))
    for k in islice(fits, count):
        yield case_of(dataset, (place[0], place[1], k), {*damaged, *range(k + steps[1] + 1, k + steps[2])})


Injury = Callable[[Image], Image]


def _light(case: Case) -> Injury:
    """Another brightness and contrast, clipped where this section is."""
    lights, highest = lights_of(case), float(case.section.max())
    clips = bool(clipped_in(case.section).any())

    def inflict(values: Image) -> Image:
        if lights is None:
            return np.full_like(values, highest)
        below, above = (light.level + light.offset + light.gain * (values - light.level) for light in lights)
        lit = (1 - case.share) * below + case.share * above
        return np.asarray(np.minimum(lit, highest) if clips else lit, np.float32)

    return inflict


def _shift(case: Case) -> Injury:
    from scipy.ndimage import shift as moved

    by = measured_shift(case)

    def inflict(values: Image) -> Image:  # the harder case: resampled once, black where nothing was recorded
        return np.asarray(moved(values, by, order=1, mode="constant", cval=float(values.min())), np.float32)

    return inflict


def _stripes(case: Case) -> Injury:
    """Rows or columns of other brightness and gain, as far as these say what was taken off; else what was taken off."""
    clean = unstriped(case)
    heights = case.section - clean
    lines = [_line(clean, heights, axis) for axis in (0, 1)]
    offset, slope = min(lines, key=lambda line: difference(line[0] + line[1] * clean, heights))
    low, high = case.section.min(), case.section.max()
    if difference(offset + slope * clean, heights) > _IN_LINE * difference(heights, np.zeros(1)):
        offset, slope = heights.astype(np.float64), np.zeros(1)
    return lambda values: np.asarray(np.clip(values + offset + slope * values, low, high), np.float32)


def _line(clean: Image, heights: Image, axis: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return offset and slope, row by row (axis 0) or column by column (1), of heights over what they were added to."""
    mean, level = (each.mean(1 - axis, keepdims=True, dtype=np.float64) for each in (clean, heights))
    spread = np.mean((clean - mean) ** 2, axis=1 - axis, keepdims=True)
    slope = np.mean((clean - mean) * (heights - level), axis=1 - axis, keepdims=True) / np.where(spread > 0, spread, 1)
    return level - slope * mean, slope


def _blur(case: Case) -> Injury:
    sigma = blur_of(case)
    return lambda values: smoothed(values, sigma)


INJURIES: Mapping[str, Callable[[Case], Injury]] = {
    "brightness": _light, "saturated": _light, "shift": _shift, "stripes": _stripes, "blur": _blur,
}  # fmt: skip
"""By kind of damage: what puts damage such as that of a section into others."""
