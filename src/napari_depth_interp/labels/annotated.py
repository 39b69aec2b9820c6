"""Which sections are annotated."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, RequestError
from ..stack import Dataset
from ..stack.lazy import planes_of
from .voxels import wanted_in

Place = tuple[int, int]
"""Time point and channel."""


@dataclass(frozen=True)
class Annotated:
    """Which sections of each time point and channel are annotated, in increasing order.

    Attributes
    ----------
    of : mapping of (time, channel) -> sections
        Only those where two or more are.
    notes : tuple of str
    """

    of: Mapping[Place, tuple[int, ...]]
    notes: tuple[str, ...] = ()

    @property
    def anywhere(self) -> tuple[int, ...]:
        """The sections that are annotated at any time point, in any channel."""
        return tuple(sorted({section for sections in self.of.values() for section in sections}))


def annotated_sections(
    dataset: Dataset, wanted: str, labels: Collection[int] | None, filled: Collection[int]
) -> Annotated:
    """Find the annotated sections.

    Parameters
    ----------
    dataset : Dataset
    wanted : str
        ``"auto"``, ``"all"`` or numbers of sections.
    labels : collection of int or None
        Labels to fill; None: all.
    filled : collection of int
        Sections whose labels an earlier run has filled in, which ``"auto"`` leaves out.

    Raises
    ------
    InputError
        If fewer than two sections are annotated.
    RequestError
        If the sections named are not there, or a label is not.
    """
    holds = _held(dataset, labels)
    times, channels, count = dataset.voxels.shape[:3]
    places = [(t, c) for t in range(times) for c in range(channels)]
    if wanted.strip().lower() != "auto":
        named = tuple(range(count)) if wanted.strip().lower() == "all" else _numbers(wanted, count)
        return Annotated(dict.fromkeys(places, named))
    usable = holds.copy()
    usable[:, :, sorted(filled)] = False
    found = {place: tuple(np.flatnonzero(usable[place]).tolist()) for place in places}
    enough = {place: sections for place, sections in found.items() if len(sections) > 1}
    if not enough:
        raise _too_few(sorted({each for sections in found.values() for each in sections}), labels, count)
    lacking = [place for place in places if place not in enough]
    return Annotated(enough, tuple(_left(place, dataset) for place in lacking))


def _held(dataset: Dataset, labels: Collection[int] | None) -> NDArray[np.bool_]:
    """Return (t, c, z): whether a section holds any of the labels."""
    shape = dataset.voxels.shape[:3]
    if labels is None:
        return np.array([bool(plane.any()) for plane in planes_of(dataset.voxels)]).reshape(shape)
    wanted = wanted_in(dataset.voxels.dtype, labels)
    seen: set[int] = set()
    holds = []
    for plane in planes_of(dataset.voxels):
        there = np.unique(plane[np.isin(plane, wanted)])
        seen.update(there.tolist())
        holds.append(bool(there.size))
    missing = sorted(set(labels) - seen)
    if missing:
        raise RequestError(f"there is no label {_listed(missing)} in the labels; correct --label")
    return np.array(holds).reshape(shape)


def _numbers(text: str, count: int) -> tuple[int, ...]:
    try:
        found = sorted({int(word) for word in text.split(",")})
    except ValueError:
        raise RequestError(
            f"'{text}' names no sections; write auto, all, or numbers counted from 0 such as --annotated 0,5,10"
        ) from None
    wrong = [each for each in found if not 0 <= each < count]
    if wrong:
        raise RequestError(
            f"section {_listed(wrong)} was named as annotated, but the labels have sections 0 to {count - 1}; "
            "correct --annotated"
        )
    if len(found) < 2:
        raise RequestError(f"only section {found[0]} was named as annotated; name 2 or more, or leave --annotated out")
    return tuple(found)


def _too_few(found: Sequence[int], labels: Collection[int] | None, count: int) -> InputError:
    what = "a label" if labels is None else f"label {_listed(sorted(labels))}"
    if not found:
        return InputError(
            f"no section holds {what}: there is nothing to fill; annotate 2 or more sections, and check that this is "
            "the label image"
        )
    return InputError(
        f"only section {_listed(found)} holds {what}, so there is no gap between annotated sections; annotate another "
        f"one, or name one where nothing is, as --annotated {found[0]},{count - 1 if found[0] < count - 1 else 0}"
    )


def _left(place: Place, dataset: Dataset) -> str:
    times, channels = dataset.voxels.shape[:2]
    words = ([f"time {place[0]}"] if times > 1 else []) + ([f"channel {place[1]}"] if channels > 1 else [])
    return f"{', '.join(words)}: fewer than 2 sections are annotated, so nothing was filled"


def listed_sections(sections: Sequence[int] | NDArray[Any]) -> str:
    """Write sections such as ``0 to 2 and 9``."""
    runs: list[list[int]] = []
    for each in map(int, sections):
        if runs and each == runs[-1][-1] + 1:
            runs[-1].append(each)
        else:
            runs.append([each])
    words = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "none"


def _listed(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:5]))
    return shown if len(numbers) <= 5 else f"{shown} ... ({len(numbers)} in all)"
