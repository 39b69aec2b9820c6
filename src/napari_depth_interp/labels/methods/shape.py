"""The method ``shape``: the outlines of two annotated sections on their way into each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...method import MethodConfig, Runtime
from ...progress import Report, part, silent
from ..crowd import with_crowd, without_crowd
from ..distance import Contest
from ..gap import Filled, Gap
from ..method import LabelMethodSpec
from ..morph import MARGIN, confidence_of, morph
from ..objects import things
from ..series import Series
from ..succession import Succession


class ShapeConfig(MethodConfig):
    """Shape has no parameters: what it needs to know it takes from the sections around a gap."""


class _Shape:
    def __init__(self, config: ShapeConfig, runtime: Runtime) -> None:
        pass

    def prepare(self, series: Series, *, report: Report = silent) -> None:
        """Learn nothing."""

    def fill(self, gap: Gap, *, report: Report = silent) -> Filled:
        """Let the objects compete with their outlines."""
        gap, crowd = without_crowd(gap)
        contest = Contest.empty(gap.shape)
        met = Succession.of(list(things(gap, MARGIN, part(report, 0.0, 0.1))), gap)
        known: dict[int, NDArray[np.float32]] = {}
        for done, number in enumerate(met.order()):
            thing, count = met.things[number], len(met.things)
            inner = part(report, 0.1 + 0.9 * done / count, 0.1 + 0.9 * (done + 1) / count)
            scores = np.stack(morph(thing, gap, inner))
            if number in met.first:
                known[number] = scores
            met.give_way(number, scores, known)
            for section, score in enumerate(scores):
                contest.enter(section, thing.box, thing.label, score)
        return with_crowd(Filled(contest.winners(), confidence_of(contest.margin(), gap)), crowd, gap)


SHAPE = LabelMethodSpec(
    name="shape",
    title="Shape",
    summary="Moves and deforms each object's outline from one annotated section to the next, at the size that its "
    "neighbours suggest; what ends shrinks. Needs no image.",
    config=ShapeConfig,
    create=_Shape,
)
