"""What can be believed of a stack, by its own annotated sections: outlines alone, and the motion of the image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..numerics.motion import moved
from ..progress import Report, part, silent
from ..stack.thinning import spread_over
from .crowd import without_crowd
from .distance import FAR, Box, Distances, Mask, signed_distance
from .gap import Gap
from .morph import MARGIN, morph, typical_error
from .objects import Thing, things
from .paths import Paths
from .scores import MARGIN as MOVING
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
_SHARES = np.linspace(0, 1, 5)
"""Shares of the image's motion that are tried."""
_FINE, _WORSE = 0.5, 0.1
"""Typical errors that outlines may be missed by after the whole motion, at all or more than after less of it."""


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
    gap, names = series.gap(index - 1, index + 1, series.depths[[index]])
    gap, _ = without_crowd(gap)
    section, typical = series.section(index), float(typical_error(gap)[0])
    by_label = defaultdict[int, list[Thing]](list)
    for thing in things(gap, MARGIN):
        by_label[thing.label].append(thing)
    passing = [label for label, parts in by_label.items() if not any(each.ends for each in parts)]
    for label in spread_over(np.array(passing, np.intp), _MOST).tolist():
        box, score = _score_of(by_label[label], gap)
        edge = _edge(np.asarray(section[box] == names[label], np.uint8))
        if edge.any():
            yield _missed(score, edge, typical)


def _edge(mask: Mask) -> NDArray[np.bool_]:
    """Return which pixels of a mask are its outermost; the edge of the box is none."""
    import cv2

    return np.asarray((mask > 0) & (cv2.erode(mask, np.ones((3, 3), np.uint8), borderValue=1) == 0))


def _missed(score: Distances, edge: NDArray[np.bool_], typical: float) -> float:
    """Return by how far an outline is missed, in typical errors; ``score`` is 0 where it should be."""
    return float(np.minimum(np.abs(score[edge]) / typical, _CLIPPED).mean())


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


def motion_share(series: Series, smoothness: float, report: Report = silent) -> float:
    """Return which share of the image's motion brings outlines nearest to those of the next annotated section.

    Where noise, or what moves beside the objects, is taken for their motion, outlines that stay are nearer than moved
    ones. Counted are objects that are on both sections of some gaps. Where these are few, where the motion misses
    little, or hardly more than less of it, it is believed.

    Returns
    -------
    float
        From 0 to 1, which is also where nothing is known.
    """
    tried = spread_over(np.arange(len(series) - 1), _TRIED).tolist()
    seen = fullest(series, max((series.images_in(below) for below in tried), default=0))
    found = list[list[float]]()
    for number, below in enumerate(tried):
        inner = part(report, number / len(tried), (number + 1) / len(tried))
        gap, _ = without_crowd(seen.gap(below, below + 1, [seen.depths[below : below + 2].mean()])[0])
        passing = [each for each in things(gap, MOVING) if not each.ends]
        if passing:
            paths = Paths.of(gap, smoothness, inner)
            for index in spread_over(np.arange(len(passing)), _MOST).tolist():
                found += _off_when_moved(passing[index], gap, paths)
    off = np.mean(found, axis=0) if found else np.zeros(len(_SHARES))
    if off[-1] <= max(_FINE, off.min() + _WORSE):
        return 1.0
    certain = len(found) / (len(found) + _DOUBT)
    return 1 - certain * (1 - float(_SHARES[np.argmin(off)]))


def _off_when_moved(thing: Thing, gap: Gap, paths: Paths) -> Iterator[list[float]]:
    """Yield by how far an object's outlines miss each other when shares of the motion are done, in typical errors.

    Both ways, in the middle; an object that fills the image on a section has no outline there to be missed.
    """
    typical = float(typical_error(gap).max())
    below, above = signed_distance(thing.below), signed_distance(thing.above)
    found = []
    for start, goal, mask, way in (
        (below, above, thing.above, paths.to_below[-1]),
        (above, below, thing.below, paths.to_above[0]),
    ):
        edge, step = _edge(mask), np.ascontiguousarray(way[thing.box])
        if edge.any():
            found.append([_missed(moved(start, step * np.float32(share)) - goal, edge, typical) for share in _SHARES])
    if found:
        yield [float(each) for each in np.mean(found, axis=0)]
