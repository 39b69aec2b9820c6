"""Whether a section is shifted, and how far: what both neighbours see alike, and undoing it explains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .neighbours import Between
from .pairs import Pair, correlation, overlap
from .regions import lost_part
from .views import reduced

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
_CLOSED_WELL = 0.25
"""The same where the motion of sections further out tells where it should lie."""
_RIM = 4
"""Pixels at the edges that smoothing has mixed with what came in there."""
_FARTHEST = 0.25
"""Share of the rows or columns, beyond which a shift is none: too little is left to compare."""
_BY_FRAME = 0.95
"""Share of the unlikeness that undoing a shift leaves, at most, which the rows and columns that came in tell."""
_BLURRED = 2
"""Pixels at the edges of what was recorded that smoothing has mixed most with what came in."""
_UNRELATED = 0.2
"""Correlation of the sections on both sides, moved or not, below which nothing can be told."""


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
    unlike = max(across.alike, across.alike_moved) < _UNRELATED
    if far == 0 or unlike or far > _FARTHEST * min(around.view.values.shape):
        return _by_frame(around)
    told = _explains(pairs) if np.linalg.norm(first - second) <= far else _explains_between(around, shift)
    return np.asarray(shift) if told and not _rest_stays(around, pairs) else _by_frame(around)


def _by_frame(around: Between) -> NDArray[np.float64]:
    """Return the shift that equal rows and columns at the edges tell, which came in there; zero if it explains nothing.

    They are as wide as the shift, so there is nothing to look for, and little likeness is enough to tell it from an
    edge that is lost.
    """
    view, others = around.view, np.max([each.frame for each in around.references], axis=0)
    top, bottom, left, right = np.where(others == 0, view.frame, 0)
    shift, (rows, columns) = np.array([top - bottom, left - right], float), view.small.shape
    if (top and bottom) or (left and right) or not 0 < np.linalg.norm(shift) <= _FARTHEST * min(rows, columns):
        return np.zeros(2)
    inner = slice(top, rows - bottom), slice(left, columns - right)
    for each in around.references:
        lying, moved = (each.smooth[inner], view.smooth[inner]), overlap(each.smooth, view.smooth, shift)
        rest, alike = (
            correlation(*(part[_BLURRED:-_BLURRED, _BLURRED:-_BLURRED] for part in both)) for both in (lying, moved)
        )
        if 1 - alike > _BY_FRAME * (1 - rest):
            return np.zeros(2)
    return np.asarray(
        (shift - np.sign(shift) / 2) * view.factor
    )  # what moved by less than a pixel brings in a whole one


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
    if open_by <= _CLOSED_WELL * far and _explains(around.pairs) and _moves_steadily(around, _CLOSED * far):
        return True
    for pair, each in zip(around.pairs, around.references, strict=True):
        both = [part[_RIM:-_RIM, _RIM:-_RIM] for part in overlap(each.smooth, around.view.smooth, shift / each.factor)]
        if not both[0].size or 1 - correlation(*both) > _EXPLAINED_BETWEEN * (1 - pair.alike):
            return False
    return True


def _moves_steadily(around: Between, slack: float) -> bool:
    """Whether the sections before and after the neighbours move as these do, within so many pixels from one to next."""
    lower, upper = sorted((around.first, around.second))
    step, motions = around.across.shift / (upper - lower), []
    for edge, way in ((lower, -1), (upper, 1)):
        for other in around.sections.usable(edge, way)[:1]:
            motions.append(around.sections.pair(other, edge).shift / (edge - other))
    return bool(motions) and all(np.linalg.norm(each - step) <= slack for each in motions)


def _rest_stays(around: Between, pairs: Sequence[Pair]) -> bool:
    """Whether a part is lost, and the rest is as like the neighbours where it lies as it is moved."""
    part = lost_part(around.view, *around.references)
    if part is None:
        return False
    kept = ~reduced(part.astype(np.float32), around.view.factor).astype(bool)
    alike = [correlation(each.smooth[kept], around.view.smooth[kept]) for each in around.references]
    return all(rest >= pair.alike_moved for rest, pair in zip(alike, pairs, strict=True))
