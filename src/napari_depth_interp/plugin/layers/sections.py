"""What each section of a labels layer is: annotated, interpolated or empty, and whether it counts as annotated."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from .marks import Ledger, Mark, Names, Place, digest_of, ledger_of, names_on, without


class Kind(StrEnum):
    """What a section is."""

    ANNOTATED = "annotated"
    CORRECTED = "corrected"
    INTERPOLATED = "interpolated"
    EMPTY = "empty"


@dataclass(frozen=True)
class Status:
    """What a section is, whether it counts as annotated, and how many of the labels in question it holds."""

    kind: Kind
    counts: bool
    labels: int


@dataclass
class _Facts:
    names: NDArray[Any]
    digests: dict[Names, int] = field(default_factory=dict)


class Sections:
    """The sections of one layer; what was seen of them is kept until it is forgotten.

    Parameters
    ----------
    layer : Labels
        With the axes (z, y, x) or (t, z, y, x), in memory.
    """

    def __init__(self, layer: Labels) -> None:
        self.layer = layer
        self._facts: dict[Place, _Facts] = {}
        self._alive: dict[int, set[Place]] | None = None

    @property
    def ledger(self) -> Ledger:
        return ledger_of(self.layer)

    @property
    def count(self) -> int:
        """Sections of one time point."""
        return int(self.layer.data.shape[-3])

    def volume(self, time: int) -> NDArray[Any]:
        """Return (z, y, x): the sections of one time point, as a view."""
        data = self.layer.data
        return np.asarray(data[time] if data.ndim == 4 else data)

    def section(self, place: Place) -> NDArray[Any]:
        """Return (y, x), as a view."""
        return np.asarray(self.volume(place[0])[place[1]])

    # What was seen

    def knows(self, place: Place) -> bool:
        """Whether a section was looked at."""
        return place in self._facts

    def forget(self, place: Place | None = None) -> None:
        """Look at a section anew, or at all."""
        self._alive = None
        if place is None:
            self._facts.clear()
        else:
            self._facts.pop(place, None)

    def names(self, place: Place) -> NDArray[Any]:
        """Return the identifiers on a section."""
        return self._seen(place).names

    def digest(self, place: Place, labels: Names = ()) -> int:
        """Return the digest of a section, or of some of its labels."""
        digests = self._seen(place).digests
        if labels not in digests:
            digests[labels] = digest_of(self.section(place), labels)
        return digests[labels]

    def _seen(self, place: Place) -> _Facts:
        if place not in self._facts:
            section = self.section(place)
            self._facts[place] = _Facts(names_on(section), {(): digest_of(section)})
        return self._facts[place]

    # What that means

    def status(self, place: Place, only: Collection[int] | None = None) -> Status:
        """Return what a section is, with ``only`` some of the labels in question."""
        marks, names, tick = self.matching(place), self._in_question(place, only), self._tick(place)
        own = _not_covered(names, marks)
        if marks and not len(own):
            return Status(Kind.INTERPOLATED, bool(tick), len(names))
        corrected = self._is_corrected(place, marks)
        if len(own) or corrected:  # corrected and empty: somebody has rubbed out what was filled in
            return Status(Kind.CORRECTED if corrected else Kind.ANNOTATED, tick is not False, len(names))
        return Status(Kind.EMPTY, bool(tick), 0)

    def _is_corrected(self, place: Place, matching: list[Mark]) -> bool:
        """Whether what was written last is not there as it was, although that fill was not undone."""
        last = [mark for mark in self.ledger.marks.get(place, [])[:1] if mark not in matching]
        return place not in self.ledger.before and any(self._stands(mark.run, but=place) for mark in last)

    def _in_question(self, place: Place, only: Collection[int] | None) -> Any:
        names = self.names(place)
        return names if only is None else names[np.isin(names, list(only))]

    def _tick(self, place: Place) -> bool | None:
        then, counts = self.ledger.ticks.get(place, (None, False))
        return counts if then is not None and then == self.digest(place) else None

    def tick(self, place: Place, counts: bool) -> None:
        """Let a section count as annotated, or not, until it is changed."""
        self.ledger.ticks[place] = self.digest(place), counts

    def matching(self, place: Place) -> list[Mark]:
        """Return the marks of what is still there as it was written, the last one of each choice of labels."""
        found: dict[Names, Mark] = {}
        for mark in self.ledger.marks.get(place, ()):
            if mark.labels not in found and self._matches(place, mark):
                found[mark.labels] = mark
        return list(found.values())

    def _matches(self, place: Place, mark: Mark) -> bool:
        if mark.digest != self.digest(place, mark.labels):
            return False
        names = self.names(place)
        written = bool(np.isin(names, mark.labels).any()) if mark.labels else len(names) > 0
        return written or self._stands(mark.run, but=place)  # nothing was written here: look at the others

    def _stands(self, run: int, *, but: Place) -> bool:
        """Whether something of a fill is still there, on another section: else it was undone."""
        if self._alive is None:
            self._alive = {}
            for place, marks in self.ledger.marks.items():
                for mark in marks if len(self.names(place)) else ():
                    if mark.digest == self.digest(place, mark.labels):
                        self._alive.setdefault(mark.run, set()).add(place)
        return bool(self._alive.get(run, set()) - {but})

    def counted(self, time: int, only: Collection[int] | None = None) -> list[int]:
        """Return the sections that count as annotated."""
        return [z for z in range(self.count) if self.status((time, z), only).counts]

    def bare(self, time: int, only: Collection[int] | None = None) -> NDArray[Any]:
        """Return (z, y, x): a copy without what was interpolated, less the sections that count as annotated."""
        volume = np.array(self.volume(time))
        for z in range(len(volume)):
            place = time, z
            marks = [] if self.status(place, only).counts else self.matching(place)
            for mark in marks:
                volume[z] = without(volume[z], mark.labels, only)
            if marks and place in self.ledger.before:
                before = self.ledger.before[place]
                volume[z] = np.where(volume[z] == 0, before, volume[z])
        return volume


def _not_covered(names: NDArray[Any], marks: list[Mark]) -> NDArray[Any]:
    """Return the identifiers that were not filled in."""
    if any(not mark.labels for mark in marks):
        return names[:0]
    filled = [name for mark in marks for name in mark.labels]
    return names[~np.isin(names, filled)]
