"""One object between two annotated sections, from its outlines alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .alignment import align, between
from .distance import Distances, signed_distance
from .gap import Gap
from .growth import Areas, end_of, ending_areas, passing_areas
from .objects import Thing

MARGIN = 6
"""Pixels around an object that its score is known on."""
_DRIFT = 0.12
"""Typical error of an outline halfway through a gap, as a share of the gap's width in pixels."""


def morph(thing: Thing, gap: Gap) -> list[Distances]:
    """Return the score of an object on each wanted section, in its box: signed distances in pixels, positive inside."""
    distances = signed_distance(thing.below), signed_distance(thing.above)
    if thing.ends:
        return _ending(thing, gap, distances)
    way = align(thing.below, thing.above, distances)
    sizes = float(thing.below.sum()), float(thing.above.sum())
    places = gap.before_share, gap.after_share
    areas = passing_areas(sizes, (thing.before, thing.after), places, gap.width, gap.shares)
    blends = (between(distances, way, float(share)) for share in gap.shares)
    return [with_area(*each) for each in zip(blends, areas, strict=True)]


def _ending(thing: Thing, gap: Gap, distances: tuple[Distances, Distances]) -> list[Distances]:
    """Let an object that is on one section only shrink."""
    areas = ending_of(thing, gap)
    seen = distances[0] if thing.below.any() else distances[1]
    return [with_area(seen, area) for area in areas]


def ending_of(thing: Thing, gap: Gap) -> Areas:
    """Return the areas on the wanted sections of an object that is on one of the two annotated ones only."""
    if thing.below.any():
        area, beyond, ways, last = float(thing.below.sum()), thing.before, gap.shares, -gap.before_share
    else:
        area, beyond, ways, last = float(thing.above.sum()), thing.after, 1 - gap.shares, gap.after_share - 1
    return ending_areas(area, beyond, end_of(area, beyond, gap.width), ways, last)


def with_area(score: Distances, area: float) -> Distances:
    """Return the score raised or lowered so that it is positive on ``area`` pixels."""
    wanted = min(round(area), score.size - 1)
    if wanted <= 0:
        return np.asarray(score - score.max() - 1, np.float32)
    places = score.size - wanted - 1, score.size - wanted
    low, high = np.partition(score.ravel(), places)[list(places)]
    return np.asarray(score - (low + high) / 2, np.float32)


def confidence_of(margin: Distances, gap: Gap) -> NDArray[np.float32]:
    """Return how likely a voxel is right, from how far it is from the nearest outline and from annotated sections."""
    from scipy.special import erf

    typical = 0.5 + _DRIFT * gap.width * 2 * np.sqrt(gap.shares * (1 - gap.shares))
    scaled: Any = margin / (np.sqrt(2) * typical[:, None, None])
    return np.asarray(0.5 + 0.5 * erf(scaled), np.float32)
