"""How well outlines alone tell where the objects of a stack are: on its own annotated sections, left out one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..stack.thinning import spread_over
from .crowd import without_crowd
from .distance import FAR, Box
from .gap import Gap
from .morph import MARGIN, morph, typical_error
from .objects import Thing, things
from .series import Series
from .windows import fullest

_TRIED = 6
"""Annotated sections that are left out, at most."""
_MOST = 200
"""Labels that are looked at on each of them; with so many of them known, no other section is left out."""
_USUAL, _DOUBT = 0.6, 3
"""Error of a usual stack in gaps twice as wide, in typical errors, and how many labels that is worth."""
_LEAST = 0.5
_CLIPPED = 5.0
"""Typical errors beyond which a pixel of an outline is not found any worse."""


def outline_error(series: Series) -> float:
    """Return how far outlines are off in the gaps of a series, as a multiple of the typical error.

    Each of some annotated sections is left out and made from its neighbours' outlines. Counted are labels whose
    parts are all on both neighbours; where there are few, the stack is taken to be like others.

    Returns
    -------
    float
        From 0.5, for smooth objects that the sections show well, to 1; that is also where nothing is known and where
        outlines are worse than usual.
    """
    seen = fullest(series)
    tried = spread_over(np.arange(1, len(seen) - 1), _TRIED).tolist()
    found = list[float]()
    for index in tried:
        if len(found) < _MOST:
            found += _errors(seen, index)
    if not found:
        return 1.0
    certain = len(found) / (len(found) + _DOUBT)
    return float(np.clip((np.mean(found) / _USUAL) ** certain, _LEAST, 1.0))


def _errors(series: Series, index: int) -> Iterator[float]:
    """Yield by how far the outline of each label of an annotated section is missed, in typical errors."""
    import cv2

    gap, names = series.gap(index - 1, index + 1, series.depths[[index]])
    gap, _ = without_crowd(gap)
    section, typical = series.section(index), float(typical_error(gap)[0])
    by_label = defaultdict[int, list[Thing]](list)
    for thing in things(gap, MARGIN):
        by_label[thing.label].append(thing)
    passing = [label for label, parts in by_label.items() if not any(each.ends for each in parts)]
    for label in spread_over(np.array(passing, np.intp), _MOST).tolist():
        box, score = _score_of(by_label[label], gap)
        truth = np.asarray(section[box] == names[label], np.uint8)
        edge = (truth > 0) & (cv2.erode(truth, np.ones((3, 3), np.uint8), borderValue=1) == 0)
        if edge.any():
            yield float(np.minimum(np.abs(score[edge]) / typical, _CLIPPED).mean())


def _score_of(parts: Sequence[Thing], gap: Gap) -> tuple[Box, NDArray[np.float32]]:
    """Return a box around the parts of a label and its score there on the one wanted section, from outlines alone."""
    rows, columns = ([each.box[axis] for each in parts] for axis in (0, 1))
    whole = slice(min(each.start for each in rows), max(each.stop for each in rows))
    across = slice(min(each.start for each in columns), max(each.stop for each in columns))
    score = np.full((whole.stop - whole.start, across.stop - across.start), FAR, np.float32)
    for each in parts:
        [made], top, left = morph(each, gap), each.box[0].start - whole.start, each.box[1].start - across.start
        inner = score[top : top + made.shape[0], left : left + made.shape[1]]
        np.maximum(inner, made, out=inner)
    return (whole, across), score
