"""One object between two annotated sections, from its outlines alone."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from ..progress import Progress, Report, silent
from .alignment import align, between
from .distance import Distances, signed_distance
from .gap import Gap
from .growth import Areas, end_of, ending_areas, passing_areas
from .objects import Thing

MARGIN = 6
"""Pixels around an object that its score is known on."""
_TIE = 1e-3
_SOONER = 0.2
"""By which share of the way sooner an object ends where another takes its place."""
_DRIFT = 0.12
"""Typical error of an outline halfway through a gap, as a share of the gap's width in pixels."""


def morph(thing: Thing, gap: Gap, report: Report = silent) -> list[Distances]:
    """Return the score of an object on each wanted section, in its box: signed distances in pixels, positive inside."""
    distances = signed_distance(thing.below), signed_distance(thing.above)
    if thing.ends:
        seen = distances[0] if thing.below.any() else distances[1]
        blends: Iterable[Distances] = repeat(seen, len(gap.shares))
    else:
        way = align(thing.below, thing.above, distances)
        blends = (between(distances, way, float(share)) for share in gap.shares)
    found = []
    for each, area in zip(blends, areas_of(thing, gap), strict=True):
        found.append(with_area(each, area))
        report(Progress(len(found) / len(gap.shares)))
    return found


def areas_of(thing: Thing, gap: Gap) -> Areas:
    """Return the areas of an object on the wanted sections, in pixels."""
    if not thing.ends:
        sizes = float(thing.below.sum()), float(thing.above.sum())
        places = gap.before_share, gap.after_share
        return passing_areas(sizes, (thing.before, thing.after), places, gap.width, gap.shares)
    area, beyond, last = seen_on(thing, gap)
    ways = gap.shares if thing.below.any() else 1 - gap.shares
    return ending_areas(area, beyond, end_in(thing, gap), ways, last)


def end_in(thing: Thing, gap: Gap) -> float:
    """Return after which share of the gap an object ends."""
    area, beyond, _ = seen_on(thing, gap)
    return end_of(area, beyond, gap.width) * (1 - _SOONER * thing.replaced)


def seen_on(thing: Thing, gap: Gap) -> tuple[float, float | None, float]:
    """Return of an object that ends its area where it is seen, that on the section beyond, and how far that one is."""
    if thing.below.any():
        return float(thing.below.sum()), thing.before, -gap.before_share
    return float(thing.above.sum()), thing.after, gap.after_share - 1


def with_area(score: Distances, area: float) -> Distances:
    """Return the score raised or lowered so that it is positive on ``area`` pixels."""
    wanted = min(round(area), score.size - 1)
    if wanted <= 0:
        return np.asarray(score - score.max() - 1, np.float32)
    places = score.size - wanted - 1, score.size - wanted
    low, high = np.partition(score.ravel(), places)[list(places)]
    edge = (low + high) / 2
    if low == high:  # pixels as far from the outline as each other go together
        without, tied = np.count_nonzero(score > edge), np.count_nonzero(score == edge)
        edge -= _TIE if wanted - without > tied / 2 else 0
    return np.asarray(score - edge, np.float32)


def typical_error(gap: Gap) -> NDArray[np.float64]:
    """Return (n,) by how far an outline typically is off on each wanted section, in pixels."""
    return np.asarray(0.5 + _DRIFT * gap.width * 2 * np.sqrt(gap.shares * (1 - gap.shares)))


def confidence_of(margin: Distances, gap: Gap) -> NDArray[np.float32]:
    """Return how likely a voxel is right, from how far it is from the nearest outline and from annotated sections."""
    from scipy.special import ndtr

    return np.asarray(ndtr(margin / typical_error(gap).astype(np.float32)[:, None, None]), np.float32)
