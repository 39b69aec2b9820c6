"""How tall the objects of annotated sections are, and how many may lie between the sections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..progress import Progress, Report, silent
from .objects import things
from .series import Series

_ALL_END = 0.8
"""Share of the objects on a section that end before the next one, above which the sections do not tell the height."""
_ROUND = np.sqrt(1.5)
"""Diameter of a ball over that of a circle as large as its sections are on average."""


@dataclass(frozen=True)
class Met:
    """An object of a gap: its areas in pixels on the four sections around it; None: there is no such section."""

    before: float | None
    below: float
    above: float
    after: float | None

    @property
    def ends(self) -> bool:
        """Whether it is on one of the two sections of the gap only."""
        return not (self.below and self.above)

    @property
    def area(self) -> float:
        """On the section of the gap where it is larger."""
        return max(self.below, self.above)

    @property
    def beyond(self) -> float | None:
        """Of an object that ends: its area on the section before the one where it is."""
        return self.before if self.below else self.after

    @property
    def is_lonely(self) -> bool:
        """Whether it is on one annotated section only."""
        return self.ends and self.beyond == 0


def meet(series: Series, report: Report = silent) -> list[list[Met]]:
    """Return the objects of each gap."""
    series, found = replace(series, image=None, image_depths=None), []
    for below in range(len(series) - 1):
        report(Progress(below / (len(series) - 1)))
        gap, _ = series.gap(below, below + 1, [])
        met = ((each.before, each.below.sum(), each.above.sum(), each.after) for each in things(gap, 0))
        found.append([Met(before, float(first), float(second), after) for before, first, second, after in met])
    return found


@dataclass(frozen=True)
class Heights:
    """Objects as the annotated sections show them.

    Attributes
    ----------
    typical : float or None
        Mean height of an object in the unit of the depths; None where no object is seen, or none of them ends.
    objects : float
        On an annotated section, on average.
    short : float
        Height of the objects that are on one section only.
    density : float
        How many of these begin per unit of depth.
    area : float
        Of these on a section, in pixels.
    """

    typical: float | None
    objects: float = 0.0
    short: float = 0.0
    density: float = 0.0
    area: float = 0.0

    def unseen(self, width: float, beside: int) -> float:
        """Return how many objects are expected to lie within a gap of this width, clear of both sections.

        ``beside`` is the number of objects on its two sections: where there are few, few are unseen.
        """
        crowded = (beside + 1) / (2 * self.objects + 1)
        return crowded * self.density * max(0.0, width - self.short)


def heights_of(series: Series, met: Sequence[Sequence[Met]]) -> Heights:
    """Return how tall objects are.

    The number of objects on a section is the number that begin per unit of depth times their height (Little's law), and
    those that begin in a gap can be counted. Where nearly all objects end before the next section this only says that
    they are not taller than the gap; then they are taken to be as tall as they are wide. So are those that are on one
    section only, wherever there are others.
    """
    seen = _Seen.of(series, met)
    if not (seen.objects and seen.ends and seen.depth):
        return Heights(None)
    gaps = len(series) - 1
    # An object begins once and ends once; both are counted.
    typical = seen.objects * seen.depth / (seen.ends / 2)
    if seen.ends / 2 > _ALL_END * seen.objects * gaps:
        typical = min(typical, _as_wide(seen.area / seen.objects, series.pixel))
    if not seen.lonely:
        return Heights(typical, seen.objects)
    area = seen.lonely_area / seen.lonely
    short = min(_as_wide(area, series.pixel), seen.depth / gaps)
    return Heights(typical, seen.objects, short, seen.lonely / short, area)


def _as_wide(area: float, pixel: float) -> float:
    """Return the height of a ball whose sections are this large on average."""
    return float(_ROUND * 2 * np.sqrt(area / np.pi) * pixel)


@dataclass
class _Seen:
    """What there is on an annotated section on average, and the ends in all gaps."""

    depth: float
    objects: float = 0.0
    area: float = 0.0
    lonely: float = 0.0
    lonely_area: float = 0.0
    ends: int = 0

    @classmethod
    def of(cls, series: Series, met: Sequence[Sequence[Met]]) -> _Seen:
        seen = cls(float(series.depths[-1] - series.depths[0]))
        for number, objects in enumerate(met):
            # A section between two gaps is met twice.
            shares = [(0.5 if inner else 1.0) / len(series) for inner in (number > 0, number < len(met) - 1)]
            for each in objects:
                for area, share in zip((each.below, each.above), shares, strict=True):
                    if area:
                        seen.objects += share
                        seen.area += share * area
                        seen.lonely += share * each.is_lonely
                        seen.lonely_area += share * area * each.is_lonely
                seen.ends += each.ends
        return seen
