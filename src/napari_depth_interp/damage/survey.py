"""One channel at one time point, section by section: the raw scores of each kind."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..progress import Progress, Report
from .kinds import KINDS
from .measures import all_of, brightened, jump
from .neighbours import Between, Sections
from .shifts import shifted
from .views import Views

FAINT = 0.15
"""Sections with a smaller share of the stack's contrast hold too little to judge their neighbours by."""
_STRONG = 0.3
"""The same for a constant section between them: without content on both sides it may well be empty."""
_VOID = 0.05
"""Sections with a smaller share of it hold noise only."""
_ABRUPT = 0.8
"""Contrast of the section beside a constant end over that of the next one, from which no object fades out."""
_WINDOW = 5
"""Pairs on each side that say how much neighbouring sections differ."""
_ENOUGH = 1 / 3
"""If more of the pairs are equal, sections were repeated on purpose."""

Scores = dict[str, NDArray[np.float64]]


@dataclass(eq=False)
class Survey:
    """What the sections of a stack look like beside their neighbours.

    Attributes
    ----------
    scores : mapping of kind -> (Z,) float array
        In the unit of the kind; NaN where a section cannot be judged.
    beside : mapping of kind -> (Z,) float array
        The same seen from the two sections above only: how much real change there is for one side.
    jumps : (Z,) float array
        Changes of brightness and contrast as those of ``scores``, whether or not undoing them explains anything.
    is_end : (Z,) bool array
        Judged from one side only.
    flat : (Z,) bool array
    void : (Z,) bool array
        Constant, or one of several sections in a row that hold noise only; the whole stack tells whether they lack
        anything.
    contrast : (Z,) float array
    typical : float
        Contrast of a section with content.
    notes : list of str
    """

    scores: Scores
    beside: Scores
    jumps: NDArray[np.float64]
    is_end: NDArray[np.bool_]
    flat: NDArray[np.bool_]
    void: NDArray[np.bool_]
    contrast: NDArray[np.float64]
    typical: float = 0.0
    notes: list[str] = field(default_factory=list)


def survey(views: Views, report: Report) -> Survey:
    """Measure all sections of a stack, reading each of them once."""
    count = len(views)
    is_end, flat, void = np.zeros((3, count), bool)
    jumps = np.full(count, np.nan)
    found = Survey(_empty(count), _empty(count), jumps, is_end, flat, void, np.zeros(count))
    sections = Sections(views)
    nearby = np.zeros(count)  # contrast of the neighbours
    copies = _Copies(count)
    for k in range(count):
        found.flat[k], found.contrast[k] = views[k].is_flat, views[k].contrast
        copies.look(sections, k)
        if not found.flat[k]:
            nearby[k], found.is_end[k], around = _measured(sections, k)
            _put(found.scores, k, all_of(around))
            found.jumps[k] = max((jump(brightened(each), each.contrast) for each in around), default=np.nan)
            _put(found.beside, k, all_of(sections.beside(k, 1)))
        report(Progress((k + 1) / count))
    contents = found.contrast[~found.flat]
    found.typical = float(np.quantile(contents, 0.75)) if contents.size else 0.0
    _relate(found, nearby)
    copies.judge(found)
    _judge_flat(found)
    _judge_void(found)
    return found


def _empty(count: int) -> Scores:
    return {name: np.full(count, np.nan) for name in KINDS}


def _put(scores: Scores, k: int, found: Mapping[str, float]) -> None:
    for name, value in found.items():
        scores[name][k] = value


def _measured(sections: Sections, k: int) -> tuple[float, bool, list[Between]]:
    """Return the contrast of a section's neighbours (0: there are none), whether it is an end, and it between them."""
    around = sections.between(k)
    is_end = not around
    if is_end:
        around = sections.beside(k, 1) or sections.beside(k, -1)
        if around and around[0].fades:  # an object that ends here, as far as one side can tell
            around = []
    return around[0].contrast if around else 0.0, is_end, around


def measured_again(views: Views, found: Survey, k: int, damaged: Collection[int]) -> Survey:
    """Return the survey of one section, without those that are damaged beside it, as a survey of its own."""
    near, is_end, around = _measured(Sections(views, damaged), k)
    flat, void, contrast = found.flat[[k]], found.void[[k]], found.contrast[[k]]
    own = Survey(_empty(1), _empty(1), found.jumps[[k]], np.array([is_end]), flat, void, contrast, found.typical)
    _put(own.scores, 0, all_of(around))
    _relate(own, np.array([near]))
    own.scores["duplicate"][0] = found.scores["duplicate"][k]
    return own


def shift_again(views: Views, k: int, damaged: Collection[int]) -> float:
    """Return how far a section is shifted, asked more exactly, without those that are damaged beside it."""
    return max(
        (float(np.linalg.norm(shifted(each, exactly=True))) for each in between_of(views, k, damaged)), default=0.0
    )


def _relate(found: Survey, nearby: NDArray[np.float64]) -> None:
    """Bring brightness and stripes into shares of the contrast; forget what neighbours are too faint to tell."""
    unit = np.maximum(np.maximum(nearby, found.typical / 2), np.finfo(float).tiny)
    for scores in (found.scores, found.beside):
        for name in ("brightness", "stripes"):
            scores[name] /= unit
        for values in scores.values():
            values[nearby < FAINT * found.typical] = np.nan
    found.jumps /= unit


def _judge_flat(found: Survey) -> None:
    """Say which constant sections lack what their neighbours have: empty ends, and gaps between objects, do not."""
    content = np.flatnonzero(~found.flat)
    for k in np.flatnonzero(found.flat):
        below, above = content[content < k], content[content > k]
        if below.size and above.size:
            strong = min(found.contrast[below[-1]], found.contrast[above[0]]) > _STRONG * found.typical
            found.scores["missing"][k] = 1.0 if strong else 0.0
        elif k in (0, len(found.flat) - 1) and content.size > 1:
            near, next_one = (above[0], above[1]) if above.size else (below[-1], below[-2])
            abrupt = abs(int(near) - int(k)) == 1 and found.contrast[near] > _ABRUPT * found.contrast[next_one]
            found.scores["missing"][k] = float(abrupt)


def _judge_void(found: Survey) -> None:
    """Say that several sections in a row are missing that hold noise only, between sections that hold much.

    A single one is told by its neighbours, which are void here.
    """
    found.void |= found.flat
    content = np.flatnonzero(~found.flat & (found.contrast > _VOID * found.typical))
    for below, above in pairwise(map(int, content)):
        strong = min(found.contrast[below], found.contrast[above]) > _STRONG * found.typical
        if above - below > 2 and strong:
            found.scores["missing"][below + 1 : above] = 1.0
            found.void[below + 1 : above] = True


class _Copies:
    """Differences of neighbouring sections, and which of two equal ones is the copy."""

    def __init__(self, count: int) -> None:
        self.difference = np.full(max(count - 1, 0), np.nan)
        self.second_is_copy = np.zeros(max(count - 1, 0), bool)

    def look(self, sections: Sections, k: int) -> None:
        """Look at section ``k`` and the one before."""
        views = sections.views
        if k == 0 or views[k].is_flat or views[k - 1].is_flat:
            return
        self.difference[k - 1] = sections.pair(k - 1, k).difference
        if k >= 2 and not self.difference[k - 1] > 0.5 * self.difference[k - 2]:
            self.second_is_copy[k - 1] = _second_is_copy(sections, k)
        elif k == 1:
            self.second_is_copy[0] = False

    def judge(self, found: Survey) -> None:
        """Say how much of the usual change each pair lacks."""
        difference = self.difference
        known = difference[np.isfinite(difference)]
        found.scores["duplicate"][~found.flat] = 0.0
        if known.size < 3 or np.mean(known <= 1e-3 * known.max()) > _ENOUGH:
            if known.size >= 3:
                found.notes.append("many sections are equal to their neighbours, as if repeated; no copies are told")
            return
        for i in map(int, np.flatnonzero(np.isfinite(difference))):
            around = np.delete(difference[max(0, i - _WINDOW) : i + _WINDOW + 1], min(i, _WINDOW))
            moving = around[around > 1e-3 * known.max()]  # copies do not say what change is usual
            usual = np.median(moving) if moving.size else np.median(known[known > 1e-3 * known.max()])
            if min(found.contrast[i : i + 2]) < FAINT * found.typical:
                continue
            k = i + 1 if self.second_is_copy[i] or self._is_frozen(i) else i
            found.scores["duplicate"][k] = max(found.scores["duplicate"][k], 1 - difference[i] / usual)

    def _is_frozen(self, i: int) -> bool:
        """Whether more than two sections are equal there: then the first is the one that was recorded."""
        beside = self.difference[max(0, i - 1) : i + 2]
        return bool((beside[np.isfinite(beside)] == 0).sum() > 1)


def _second_is_copy(sections: Sections, k: int) -> bool:
    """Return which of two equal sections stands in the wrong place, by how far they are from those around them.

    Between sections before and after at 0 and 3, the right place of what is equal at 1 and 2 is where its weight is.
    """
    views = sections.views
    if k - 2 < 0 or k + 1 >= len(views):
        return k + 1 >= len(views)
    before, after = views[k - 2].smooth, views[k + 1].smooth
    step = after - before
    size = float(np.vdot(step, step))
    middle = (views[k - 1].smooth + views[k].smooth) / 2
    return size <= 0 or float(np.vdot(middle - before, step)) / size < 0.5


def between_of(views: Views, k: int, damaged: Collection[int] = ()) -> list[Between]:
    """Return a section between its neighbours, to say more about what was found there."""
    sections = Sections(views, damaged)
    return sections.between(k) or sections.beside(k, 1) or sections.beside(k, -1)
