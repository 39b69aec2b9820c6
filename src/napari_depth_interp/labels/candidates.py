"""Features of each pixel for each object that it may belong to: outlines, their motion, and what the image says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..progress import Progress, Report
from .distance import Contest
from .evidence import Look
from .gap import Gap
from .morph import end_in, typical_error
from .paths import Paths
from .scores import Scored

_LIMIT = 5.0
"""Scores beyond so many typical errors make no difference."""
_OUTSIDE = 2.5
"""Pixels farther outside an object than so many typical errors (and 2 pixels) are not asked about."""
_CORE = 0.4
"""The inner part of an object, which shows whether it is still there: deeper than this share of the deepest."""
SHAPE, FLOW = 0, 1
"""Columns of both scores, in typical errors."""
FEATURES = 19


@dataclass(frozen=True, eq=False)
class Candidate:
    """Pixels of one wanted section that may belong to one object.

    Attributes
    ----------
    object : Scored
    section : int
        Which wanted section.
    mask : (y, x) bool array
        Which pixels of the object's box.
    features : (pixels, FEATURES) float32 array
    """

    object: Scored
    section: int
    mask: NDArray[np.bool_]
    features: NDArray[np.float32]


def candidates(
    gap: Gap, objects: Sequence[Scored], contest: Contest, paths: Paths, looks: Sequence[Look], report: Report
) -> Iterator[Candidate]:
    """Yield the pixels that each object may have on each wanted section."""
    rows = [paths.row_of(gap, float(share)) for share in gap.shares]
    for number, each in enumerate(objects):
        name = int(gap.names[each.thing.label]) if gap.names is not None else each.thing.label
        inside = [look.of(name)[each.thing.box] for look in looks]
        presence = _Presence.of(each, gap, paths, inside)
        report(Progress(number / len(objects)))
        for section, row in enumerate(rows):
            made = _features(each, gap, contest, section, row, looks, inside, presence)
            if made is not None:
                yield Candidate(each, section, *made)


@dataclass(frozen=True, eq=False)
class _Presence:
    """Whether an object is still there, by what the image says about its inner part, section by section.

    Attributes
    ----------
    now, least : (m,) float arrays
        Mean log-odds on each section of the image, and the lowest from where the object was seen up to there.
    where_seen : float
        Mean log-odds on the annotated section(s) where it is.
    """

    now: NDArray[np.float64]
    least: NDArray[np.float64]
    where_seen: float

    @classmethod
    def of(cls, scored: Scored, gap: Gap, paths: Paths, inside: Sequence[NDArray[np.float32]]) -> _Presence:
        assert gap.image_shares is not None
        thing, values = scored.thing, []
        for row, place in enumerate(paths.places):
            if row == 0 and scored.below is not None:
                core = thing.below > 0
            elif row == len(paths.places) - 1 and scored.above is not None:
                core = thing.above > 0
            else:
                blend = scored.blend(row, float(gap.image_shares[place]))
                core = blend > _CORE * max(float(blend.max()), 0.1)
            values.append(float(inside[row][core].mean()) if core.any() else 0.0)
        now = np.array(values)
        if scored.above is None:
            return cls(now, np.minimum.accumulate(now), float(now[0]))
        if scored.below is None:
            return cls(now, np.minimum.accumulate(now[::-1])[::-1], float(now[-1]))
        return cls(now, now, float(now[[0, -1]].mean()))


def _features(
    scored: Scored,
    gap: Gap,
    contest: Contest,
    section: int,
    row: int,
    looks: Sequence[Look],
    inside: Sequence[NDArray[np.float32]],
    presence: _Presence,
) -> tuple[NDArray[np.bool_], NDArray[np.float32]] | None:
    box, share, error = scored.thing.box, float(gap.shares[section]), float(typical_error(gap)[section])
    below = None if scored.below is None else scored.below[row]
    above = None if scored.above is None else scored.above[row]
    shape, flow = scored.shape[section], scored.flow[section]
    top = np.max([each for each in (shape, flow, below, above) if each is not None], axis=0)
    mask = top > -_OUTSIDE * error - 2
    if not mask.any():
        return None

    def limited(values: NDArray[np.float32], unit: float) -> NDArray[np.float32]:
        return np.asarray(np.clip(values[mask] / unit, -_LIMIT, _LIMIT), np.float32)

    away = [0.5 + 0.24 * gap.width * part for part in (share, 1 - share)]
    sides = [limited(each, unit) for each, unit in zip((below, above), away, strict=True) if each is not None]
    rival = _rival(scored, contest, section)
    columns = [
        limited(shape, error), limited(flow, error), sides[0], sides[-1], limited(rival, error),
        limited(scored.mean[section], error) - limited(rival, error),
        inside[row][mask], looks[row].smooth[box][mask], looks[row].touching[box][mask],
        inside[row - 1][mask], inside[row + 1][mask],
        *_of_object(scored, gap, section, row, presence),
    ]  # fmt: skip
    return mask, np.stack(np.broadcast_arrays(*columns), axis=-1).astype(np.float32)


def _rival(scored: Scored, contest: Contest, section: int) -> NDArray[np.float32]:
    """Return the highest score of any other label."""
    box = scored.thing.box
    leads = contest.labels[section][box] == scored.thing.label
    return np.asarray(np.where(leads, contest.second[section][box], contest.best[section][box]))


def _of_object(scored: Scored, gap: Gap, section: int, row: int, presence: _Presence) -> list[float]:
    """Return the features that all pixels of an object have in common on one section."""
    thing, share = scored.thing, float(gap.shares[section])
    way, beyond_end = 2 * min(share, 1 - share), 0.0
    if thing.ends:
        way = share if scored.above is None else 1 - share
        beyond_end = min(way / end_in(thing, gap), 3.0)
    radius = max(float(each[end].max()) for each, end in ((scored.below, 0), (scored.above, -1)) if each is not None)
    now, error = float(presence.now[row]), float(typical_error(gap)[section])
    return [
        float(thing.ends), way, beyond_end, now, float(presence.least[row]), now - presence.where_seen,
        float(np.log(radius / error + 0.05)), presence.where_seen,
    ]  # fmt: skip
