"""Which gaps are to be filled: those whose annotated sections, method or image have changed since."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from itertools import pairwise

from ..layers.marks import Names
from ..layers.sections import Sections


@dataclass(frozen=True)
class GapToFill:
    """A gap between two annotated sections; ``key`` tells from what it is filled."""

    number: int
    below: int
    above: int
    key: str

    @property
    def inner(self) -> range:
        """The sections between."""
        return range(self.below + 1, self.above)


def all_gaps(sections: Sections, time: int, counted: list[int], only: Names | None, how: str) -> list[GapToFill]:
    """Return the gaps that have sections; ``how`` names method, parameters and image."""
    labels = () if only is None else only

    def key(*around: int) -> str:
        said = [*around, *(sections.digest((time, z), labels) for z in around), list(labels), how]
        return f"{zlib.crc32(json.dumps(said).encode()):08x}"

    return [GapToFill(i, a, b, key(a, b)) for i, (a, b) in enumerate(pairwise(counted)) if b - a > 1]


def gap_around(gaps: list[GapToFill], section: float) -> GapToFill | None:
    """Return the gap around the section in view, which may be an annotated one; None: there is none."""
    around = [gap for gap in gaps if gap.below <= section <= gap.above]
    inside = [gap for gap in around if gap.below < section < gap.above]
    return next(iter(inside or around[::-1]), None)


def is_filled(sections: Sections, time: int, gap: GapToFill) -> bool:
    """Whether all sections of a gap are as they were filled in from just this."""
    return all(any(mark.key == gap.key for mark in sections.matching((time, z))) for z in gap.inner)


def is_complete(sections: Sections, time: int, gap: GapToFill) -> bool:
    """Whether all sections of a gap were filled in, from whatever."""
    return all(sections.matching((time, z)) for z in gap.inner)
