"""What cannot be judged: whether a section is damaged at all, and whether there is more to it than was told."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from ..stack import Dataset
from .cases import Case, Spot, case_of, difference
from .pairs import correlation
from .rehearsal import sound_cases, window_of
from .remedies import measured_shift
from .views import Image, smoothed

_SURELY = 3.0
"""How many times further than sound ones a section lies from linear interpolation that is damaged for sure."""
_TWICE = 2.0
"""Square of the distance of what was not lost, over that of sound sections, from which it is worth less than these."""
_OFF, _UNEVEN = 1.0, 2.0
"""Pixels that a section is off its neighbours, and how many times further than sound ones, if it is shifted, too."""
_SIGMA, _ALIKE = 1.5, 0.4
"""Smoothing against noise, in pixels, and the correlation of both neighbours below which they have little in common."""


def little_in_common(case: Case) -> bool:
    """Return whether the neighbours of a section show other things, so that they hardly tell what lies between."""
    middle = case.cut(*window_of(case.section.shape)).whole()  # of large sections a part is enough
    below, above = (smoothed(each, _SIGMA).astype(np.float64) for each in (middle.below, middle.above))
    return correlation(below, above) < _ALIKE


def surely_damaged(dataset: Dataset, spot: Spot, damaged: Collection[int]) -> bool:
    """Return whether a section is constant, or much further from linear interpolation than sound ones nearby.

    Parameters
    ----------
    dataset : Dataset
        With depths.
    spot : (time, channel, section)
    damaged : collection of int
        Sections that may not be sound, this one among them; there are others on both sides.
    """
    case = case_of(dataset, spot, damaged)
    if case.section.min() == case.section.max():
        return True
    expected = _expected(dataset, spot, damaged, case, np.ones(case.section.shape, bool))
    return expected is not None and difference(case.section, case.plain) > _SURELY * expected


def lies_oddly(dataset: Dataset, spot: Spot, damaged: Collection[int], case: Case, repaired: Image) -> bool:
    """Return whether a repaired section does not lie as sound ones do: then it was shifted, or damaged otherwise, too.

    What was not lost is then no better than linear interpolation. False where no sound sections nearby can tell.

    Parameters
    ----------
    dataset, spot, damaged
        As for :func:`surely_damaged`.
    case : Case
    repaired : (Y, X) array
    """
    if case.part is not None:
        expected = _expected(dataset, spot, damaged, case, ~case.part)
        own = difference(case.section[~case.part], case.plain[~case.part])
        if expected is not None and own**2 > _TWICE * expected**2:
            return True
    window = window_of(case.section.shape)
    usual = [_displaced(sound.cut(*window)) for sound in sound_cases(dataset, spot, damaged)]
    if not usual:
        return False
    whole = case.whole()
    own = _displaced(
        Case(np.asarray(repaired, np.float32), whole.anew, whole.below, whole.above, case.share).cut(*window)
    )
    return own > max(_OFF, _UNEVEN * float(np.median(usual)))


def _displaced(case: Case) -> float:
    return float(np.linalg.norm(measured_shift(case.whole())))


def _expected(
    dataset: Dataset, spot: Spot, damaged: Collection[int], case: Case, part: NDArray[np.bool_]
) -> float | None:
    """Return how far from linear interpolation a part of a section may lie, as far as sound ones nearby tell."""
    ratios = []
    for sound in sound_cases(dataset, spot, damaged):
        change = difference(sound.below[part], sound.above[part])
        ratios.append(
            difference(sound.section[part], sound.plain[part]) / max(change, float(np.finfo(np.float32).tiny))
        )
    return float(np.median(ratios)) * difference(case.below[part], case.above[part]) if ratios else None
