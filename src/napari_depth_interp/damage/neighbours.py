"""A section with the neighbours that it is compared with; views and pairs are remembered while they are needed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

from .pairs import Pair, compare
from .views import Remembered, View, Views

_ABRUPT = 0.8
"""Contrast of the section beside an end over that of the next one, from which no object fades out."""
FAR = 3
"""Sections further away are not compared."""


class Sections:
    """Sections with their neighbours, views and pairs remembered while they are needed."""

    def __init__(self, views: Views, damaged: Collection[int] = ()) -> None:
        self.views, self._damaged = views, frozenset(damaged)
        self._pairs = Remembered(lambda first, second: compare(views[first], views[second]))
        self._exact = Remembered(lambda first, second: compare(views[first], views[second], exactly=True))

    def pair(self, reference: int, index: int) -> Pair:
        """Return how a section differs from another one."""
        found: Pair = self._pairs(reference, index)
        return found

    def exact(self, reference: int, index: int) -> Pair:
        """Return it with the shift by ECC."""
        found: Pair = self._exact(reference, index)
        return found

    def usable(self, index: int, step: int) -> list[int]:
        """Return the nearest two sections on one side that hold something and are not known to be damaged."""
        places = (index + step * away for away in range(1, FAR + 1))
        inside = (each for each in places if 0 <= each < len(self.views) and each not in self._damaged)
        return list(islice((each for each in inside if not self.views[each].is_flat), 2))

    def between(self, index: int) -> list[Between]:
        """Return a section between all pairs of its neighbours: three, so that a damaged one spoils no other."""
        below, above = self.usable(index, -1), self.usable(index, 1)
        if not below or not above:
            return []
        chosen = [(below[0], above[0]), *((each, above[0]) for each in below[1:])]
        return [Between(self, index, *each) for each in [*chosen, *((below[0], each) for each in above[1:])]]

    def beside(self, index: int, step: int) -> list[Between]:
        """Return a section with the nearest two on one side, both of which have to agree."""
        found = self.usable(index, step)
        return [Between(self, index, *found)] if len(found) == 2 else []


@dataclass(frozen=True, eq=False)
class Between:
    """A section and the two that it is compared with."""

    sections: Sections
    index: int
    first: int
    second: int

    @property
    def view(self) -> View:
        return self.sections.views[self.index]

    @property
    def references(self) -> tuple[View, View]:
        """Views of the two."""
        return self.sections.views[self.first], self.sections.views[self.second]

    @property
    def fades(self) -> bool:
        """Whether contrast falls towards the section, the first reference being the nearer one."""
        first, second = self.references
        return first.contrast < _ABRUPT * second.contrast

    @property
    def is_inside(self) -> bool:
        """Whether the two lie on both sides of it."""
        return (self.first < self.index) != (self.second < self.index)

    @property
    def share(self) -> float:
        """How far along the section lies from the first to the second; half where both lie on one side of it."""
        return (self.index - self.first) / (self.second - self.first) if self.is_inside else 0.5

    @property
    def pairs(self) -> tuple[Pair, Pair]:
        """How the section differs from each of the two."""
        return self.sections.pair(self.first, self.index), self.sections.pair(self.second, self.index)

    @property
    def likeness(self) -> float:
        """Correlation of the two with each other."""
        return self.across.alike

    @property
    def across(self) -> Pair:
        """How the lower one of the two differs from the upper one."""
        first, second = sorted((self.first, self.second))
        return self.sections.pair(first, second)

    @property
    def contrast(self) -> float:
        """Lower contrast of the two."""
        return min(each.contrast for each in self.references)
