"""How well each wanted pixel fits an object: its outline on its way, with and without the motion of the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..numerics.motion import moved
from ..progress import Progress, Report, part, silent
from .distance import Contest, Distances, Mask, signed_distance
from .gap import Gap
from .morph import areas_of, morph, with_area
from .objects import Thing, things
from .paths import Displacement, Paths
from .succession import Succession

MARGIN = 10
"""Pixels around an object that its score is known on: it may leave the place where it is on both sections."""


@dataclass(frozen=True, eq=False)
class Scored:
    """An object with its scores on the wanted sections, in its box: signed distances in pixels, positive inside.

    Attributes
    ----------
    thing : Thing
    shape, flow : (n, y, x) float32 array
        From its outlines alone, and moved as the image moves as far as that is believed, mixed with the former as far
        as it is not; both have the area that its neighbours suggest.
    below, above : list of (y, x) arrays or None
        Signed distances on the two annotated sections, brought to every section of the image in between by what is
        believed of its motion; None where the object is not on that section.
    """

    thing: Thing
    shape: NDArray[np.float32]
    flow: NDArray[np.float32]
    below: list[Distances] | None
    above: list[Distances] | None

    @property
    def mean(self) -> NDArray[np.float32]:
        """(n, y, x) mean of both scores: each is better on some objects, and their errors differ."""
        return np.asarray((self.shape + self.flow) / 2, np.float32)

    def blend(self, row: int, share: float) -> Distances:
        """Return both distances brought to one section of the image, blended by its place in the gap."""
        return _blended(self.below, self.above, row, share)


def _blended(below: list[Distances] | None, above: list[Distances] | None, row: int, share: float) -> Distances:
    if below is not None and above is not None:
        return np.asarray((1 - share) * below[row] + share * above[row], np.float32)
    only = below if above is None else above
    assert only is not None
    return only[row]


def scored(gap: Gap, paths: Paths, report: Report = silent) -> list[Scored]:
    """Return all objects of a gap with their scores."""
    met = Succession.of(list(things(gap, MARGIN, part(report, 0.0, 0.1))), gap)
    found, count = list[Scored](), len(met.things)
    for number, thing in enumerate(met.things):
        inner = part(report, 0.1 + 0.9 * number / count, 0.1 + 0.9 * (number + 1) / count)
        found.append(_score(thing, gap, paths, inner))
    shapes, flows = ({number: getattr(found[number], name) for number in met.first} for name in ("shape", "flow"))
    for number, each in enumerate(found):
        met.give_way(number, each.shape, shapes)
        met.give_way(number, each.flow, flows)
    return found


def _score(thing: Thing, gap: Gap, paths: Paths, report: Report) -> Scored:
    shape, flow = np.stack(morph(thing, gap, part(report, 0.0, 0.5))), list[Distances]()
    below, above = _sides(thing, paths, 1.0)
    for share, area in zip(gap.shares.tolist(), areas_of(thing, gap), strict=True):
        flow.append(with_area(_blended(below, above, paths.row_of(gap, share), share), area))
        report(Progress(0.5 + 0.5 * len(flow) / len(gap.shares)))
    if paths.share == 1:
        return Scored(thing, shape, np.stack(flow), below, above)
    believed = np.float32(paths.share)
    return Scored(thing, shape, believed * np.stack(flow) + (1 - believed) * shape, *_sides(thing, paths, paths.share))


def _sides(thing: Thing, paths: Paths, share: float) -> tuple[list[Distances] | None, list[Distances] | None]:
    """Return the signed distances on both annotated sections, brought to all sections by a share of the motion."""
    below, above = (
        _brought(thing.below, paths.to_below, thing, share),
        _brought(thing.above, paths.to_above, thing, share),
    )
    return below, above


def _brought(mask: Mask, ways: list[Displacement], thing: Thing, share: float) -> list[Distances] | None:
    if not mask.any():
        return None
    distances = signed_distance(mask)
    return [moved(distances, np.ascontiguousarray(way[thing.box]) * np.float32(share)) for way in ways]


def contest_of(objects: list[Scored], shape: tuple[int, int, int]) -> Contest:
    """Let objects compete with the mean of their scores."""
    contest = Contest.empty(shape)
    for each in objects:
        for section, score in enumerate(each.mean):
            contest.enter(section, each.thing.box, each.thing.label, score)
    return contest
