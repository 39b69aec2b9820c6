"""Objects that end where another one goes on in their place: the border between them is where they end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .distance import Box, Mask
from .gap import Gap
from .objects import Thing


@dataclass(frozen=True, eq=False)
class Succession:
    """The objects of a gap; what goes on where another ends is taken to lie behind it already.

    A lumen within a larger one, or a cell between others, that one section shows alone: the signed distances of what
    takes its place say nothing about when. So these are filled in behind it, and give way to it while it is there.

    Attributes
    ----------
    things : list of Thing
    before : mapping of number of an object -> numbers of those that it gives way to
    """

    things: list[Thing]
    before: Mapping[int, Sequence[int]]

    @classmethod
    def of(cls, found: Sequence[Thing], gap: Gap) -> Succession:
        """Find out which objects go on where others end."""
        things, before = list(found), dict[int, list[int]]()
        passing: dict[int, list[int]] = {}
        for number, thing in enumerate(things):
            if not thing.ends:
                passing.setdefault(thing.label, []).append(number)
        for number, thing in enumerate(things):
            if not thing.ends:
                continue
            taken = 0
            for heir, spot in _heirs(thing, things, passing, gap):
                things[heir] = _behind(things[heir], spot, bool(thing.below.any()))
                before.setdefault(heir, []).append(number)
                taken += int(spot[1].sum())
            if taken:
                things[number] = replace(thing, replaced=taken / int(max(thing.below.sum(), thing.above.sum())))
        return cls(things, before)

    @cached_property
    def first(self) -> set[int]:
        """Numbers of the objects that others give way to."""
        return {number for each in self.before.values() for number in each}

    def order(self) -> list[int]:
        """Return the numbers of all objects, those first that others give way to."""
        return sorted(range(len(self.things)), key=lambda number: number not in self.first)

    def give_way(self, number: int, scores: NDArray[np.float32], known: Mapping[int, NDArray[np.float32]]) -> None:
        """Lower the scores (n, y, x) of an object where one is that it gives way to.

        Parameters
        ----------
        number : int
            Of the object.
        scores : (n, y, x) float32 array
            Changed in place.
        known : mapping of number -> (n, y, x) float32 array
            Scores of those that it gives way to.
        """
        for other in self.before.get(number, ()):
            mine, theirs = _common(self.things[number].box, self.things[other].box)
            for score, rival in zip(scores, known[other], strict=True):
                if rival.max() > 0:
                    np.minimum(score[mine], -rival[theirs], out=score[mine])


def _heirs(
    thing: Thing, things: Sequence[Thing], passing: Mapping[int, Sequence[int]], gap: Gap
) -> Iterator[tuple[int, tuple[Box, Mask]]]:
    """Yield the objects that go on where one ends, and where: a box of theirs and a mask in it."""
    seen, beyond = (thing.below, gap.above) if thing.below.any() else (thing.above, gap.below)
    there = np.where(seen > 0, beyond[thing.box], 0)
    for label in np.unique(there).tolist():
        for number in passing.get(label, ()) if label != thing.label else ():
            mine, theirs = _common(things[number].box, thing.box)
            other = things[number]
            mask = (other.above if thing.below.any() else other.below)[mine] & (there[theirs] == label)
            if mask.any():
                yield number, (mine, mask.astype(np.uint8))


def _behind(thing: Thing, spot: tuple[Box, Mask], is_below: bool) -> Thing:
    """Return an object that is also where another hides it."""
    box, mask = spot
    wider = (thing.below if is_below else thing.above).copy()
    wider[box] |= mask
    return replace(thing, below=wider) if is_below else replace(thing, above=wider)


def _common(one: Box, other: Box) -> tuple[Box, Box]:
    """Return the common part of two boxes, in the coordinates of each."""
    starts = [max(a.start, b.start) for a, b in zip(one, other, strict=True)]
    stops = [max(start, min(a.stop, b.stop)) for start, a, b in zip(starts, one, other, strict=True)]

    def within(box: Box) -> Box:
        rows, columns = (
            slice(start - each.start, stop - each.start) for start, stop, each in zip(starts, stops, box, strict=True)
        )
        return rows, columns

    return within(one), within(other)
