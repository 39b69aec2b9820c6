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
TOUCHING = 8
"""Column of the log-odds of being where two objects touch."""
ENDS, SIZE = 11, 17
"""Columns of whether the object ends, and of the logarithm of its radius in typical errors."""
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
    told : float
        What the image tells of outlines that are known, in this gap; see :func:`told_of`.
    """

    object: Scored
    section: int
    mask: NDArray[np.bool_]
    features: NDArray[np.float32]
    told: float = 0.0


def candidates(
    gap: Gap,
    objects: Sequence[Scored],
    contest: Contest,
    paths: Paths,
    looks: Sequence[Look],
    report: Report,
    *,
    off: float = 1.0,
) -> Iterator[Candidate]:
    """Yield the pixels that each object may have on each wanted section.

    ``off`` is how far outlines of this stack are off, as a multiple of the typical error: features count in that.
    """
    rows = [paths.row_of(gap, float(share)) for share in gap.shares]
    told = told_of(gap, objects, looks)
    for number, each in enumerate(objects):
        inside = _inside(each, gap, looks)
        presence = _Presence.of(each, gap, paths, inside)
        report(Progress(number / len(objects)))
        for section, row in enumerate(rows):
            made = _features(each, gap, contest, section, row, looks, inside, presence, off)
            if made is not None:
                yield Candidate(each, section, *made, told)


def told_of(gap: Gap, objects: Sequence[Scored], looks: Sequence[Look]) -> float:
    """Return what the image tells of outlines that are known and not learned from: those on the annotated sections.

    Asked are pixels no farther from them than outlines typically are off in the gap: where these are wrong by a pixel
    only, an image that tells objects a few pixels apart is of no use. Pixels of other objects are not asked.

    Returns
    -------
    float
        Share of what there is to know, at most 1; below 0 the image misleads, and at 0 there is nothing to know.
    """
    reach = max(float(typical_error(gap).max(initial=0.0)), 1.0)
    missed, inner, asked = 0.0, 0, 0
    for each in objects:
        inside = _inside(each, gap, looks)
        for distances, end, section in ((each.below, 0, gap.below), (each.above, -1, gap.above)):
            if distances is not None:
                within = distances[end] > 0
                near = (within | (section[each.thing.box] == 0)) & (np.abs(distances[end]) < reach)
                missed += float(np.logaddexp(0, np.where(within, -inside[end], inside[end])[near]).sum())
                inner += int(np.count_nonzero(within & near))
                asked += int(np.count_nonzero(near))
    if not 0 < inner < asked:
        return 0.0
    share = inner / asked
    return 1 - missed / asked / float(-share * np.log(share) - (1 - share) * np.log(1 - share))


def _inside(scored: Scored, gap: Gap, looks: Sequence[Look]) -> list[NDArray[np.float32]]:
    """Return the log-odds of being inside the object, section by section, in its box."""
    label = scored.thing.label
    name = label if gap.names is None else int(gap.names[label])
    return [look.of(name)[scored.thing.box] for look in looks]


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
    off: float,
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
        return np.asarray(np.clip(values[mask] / (off * unit), -_LIMIT, _LIMIT), np.float32)

    away = [0.5 + 0.24 * gap.width * part for part in (share, 1 - share)]
    sides = [limited(each, unit) for each, unit in zip((below, above), away, strict=True) if each is not None]
    rival = _rival(scored, contest, section)
    columns = [
        limited(shape, error), limited(flow, error), sides[0], sides[-1], limited(rival, error),
        limited(scored.mean[section], error) - limited(rival, error),
        inside[row][mask], looks[row].smooth[box][mask], looks[row].touching[box][mask],
        inside[row - 1][mask], inside[row + 1][mask],
        *_of_object(scored, gap, section, row, presence, off),
    ]  # fmt: skip
    return mask, np.stack(np.broadcast_arrays(*columns), axis=-1).astype(np.float32)


def _rival(scored: Scored, contest: Contest, section: int) -> NDArray[np.float32]:
    """Return the highest score of any other label."""
    box = scored.thing.box
    leads = contest.labels[section][box] == scored.thing.label
    return np.asarray(np.where(leads, contest.second[section][box], contest.best[section][box]))


def _of_object(scored: Scored, gap: Gap, section: int, row: int, presence: _Presence, off: float) -> list[float]:
    """Return the features that all pixels of an object have in common on one section."""
    thing, share = scored.thing, float(gap.shares[section])
    way, beyond_end = 2 * min(share, 1 - share), 0.0
    if thing.ends:
        way = share if scored.above is None else 1 - share
        beyond_end = min(way / end_in(thing, gap), 3.0)
    radius = max(float(each[end].max()) for each, end in ((scored.below, 0), (scored.above, -1)) if each is not None)
    now, error = float(presence.now[row]), off * float(typical_error(gap)[section])
    return [
        float(thing.ends), way, beyond_end, now, float(presence.least[row]), now - presence.where_seen,
        float(np.log(radius / error + 0.05)), presence.where_seen,
    ]  # fmt: skip
