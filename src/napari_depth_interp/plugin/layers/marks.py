"""Which sections of a labels layer were interpolated: told by comparing them with what was written there.

A section that still is as it was written is an interpolated one. If it was changed since, somebody has corrected it,
and it counts as annotated; undo and redo bring the marks back by themselves.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from ...run.result import RECORD_KEY

MARKS_KEY = "depth_interp_marks"
"""Where a layer's metadata holds its :class:`Ledger`."""

IN_RECORD = "filled"
"""In a file's history: for each filled section, by "time,section", the labels filled in (none: all) and from what."""

_KEPT = 100
"""Marks of one section that are kept, as many as napari has undo steps."""

Place = tuple[int, int]
"""Time point and section."""

Names = tuple[int, ...]
"""Identifiers; empty: all."""


@dataclass(frozen=True)
class Mark:
    """What a fill wrote into one section.

    Attributes
    ----------
    run : int
        Which fill; sections of one fill are undone together.
    labels : tuple of int
        What was filled in; empty: all labels.
    digest : int
        Of those labels, as they were written.
    key : str
        From what: the annotated sections around, the method, its parameters.
    """

    run: int
    labels: Names
    digest: int
    key: str = ""


@dataclass
class Ledger:
    """All marks of a layer, and the ticks that a person has set.

    Attributes
    ----------
    marks : place -> marks, the last one first
    ticks : place -> (digest, counts)
        A tick holds as long as the section is as it was then.
    before : place -> section
        What somebody had drawn on a section that did not count as annotated, before it was filled.
    """

    marks: dict[Place, list[Mark]] = field(default_factory=dict)
    ticks: dict[Place, tuple[int, bool]] = field(default_factory=dict)
    before: dict[Place, NDArray[Any]] = field(default_factory=dict)
    runs: int = 0

    def write(self, place: Place, mark: Mark) -> None:
        """Note a fill."""
        others = [each for each in self.marks.get(place, []) if each != mark]
        self.marks[place] = [mark, *others[: _KEPT - 1]]


def ledger_of(layer: Labels) -> Ledger:
    """Return the marks of a layer; those of its file, if it was opened with some."""
    ledger = layer.metadata.get(MARKS_KEY)
    if not isinstance(ledger, Ledger):
        ledger = layer.metadata[MARKS_KEY] = ledger_from(layer.metadata.get(RECORD_KEY, {}), np.asarray(layer.data))
    return ledger


def ledger_from(record: Mapping[str, Any], data: NDArray[Any]) -> Ledger:
    """Return the marks that a file's history gives for its sections, (z, y, x) or (t, z, y, x), as they were stored."""
    ledger = Ledger()
    times = data if data.ndim == 4 else data[None]
    count = times.shape[1] if data.ndim >= 3 else 0
    for time, sections in enumerate(times):
        for place, fills in _fills(record, time).items():
            if 0 <= place[1] < count:
                for labels, key in fills:
                    ledger.write(place, Mark(0, labels, digest_of(sections[place[1]], labels), key))
        for index in _indices(record.get("annotated")):
            if 0 <= index < count and not sections[index].any():
                ledger.ticks[time, index] = digest_of(sections[index]), True
    return ledger


def _fills(record: Mapping[str, Any], time: int) -> dict[Place, list[tuple[Names, str]]]:
    """Return what was filled in at one time point, and from what; where only the sections are known, all labels."""
    labels = tuple(_indices(record.get("labels")))
    found = {(time, index): [(labels, "")] for index in _indices(record.get("interpolated"))}
    for word, fills in dict(record.get(IN_RECORD) or {}).items():
        when, index = (int(number) for number in word.split(","))
        if when == time:
            found[time, index] = [(tuple(_indices(names)), str(key)) for names, key in fills]
    return found


def _indices(found: Any) -> list[int]:
    return [int(index) for index in found] if isinstance(found, (list, tuple)) else []


def digest_of(section: NDArray[Any], labels: Names = ()) -> int:
    """Return a number that tells whether a section, or some labels of it, have changed."""
    seen = section if not labels else np.where(np.isin(section, labels), section, 0)
    return zlib.crc32(np.ascontiguousarray(seen).data)


_COUNTED = 1 << 20
"""Identifiers below this are found by counting, which is quicker than sorting."""


def names_on(section: NDArray[Any]) -> NDArray[Any]:
    """Return the identifiers on a section, less the background, increasing."""
    low, high = int(section.min(initial=0)), int(section.max(initial=0))
    if low < 0 or high >= _COUNTED:
        return np.asarray(np.unique(section[section != 0]))
    found = np.flatnonzero(np.bincount(section.ravel()))
    return np.asarray(found[found != 0], section.dtype)


def without(section: NDArray[Any], labels: Names, only: Collection[int] | None) -> NDArray[Any]:
    """Return a section without some labels (empty: all); ``only`` those of the labels that shall be filled."""
    gone = np.isin(section, labels) if labels else section != 0
    if only is not None:
        gone &= np.isin(section, list(only))
    kept: NDArray[Any] = np.where(gone, np.zeros((), section.dtype), section)
    return kept
