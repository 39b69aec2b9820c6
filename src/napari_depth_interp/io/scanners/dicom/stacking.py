"""The images of a series in the order of their places in the body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....errors import InputError
from .frames import Frame

_SAME_PLACE = 1e-3
"""mm; images closer than this lie at the same place, at different times."""
_EVEN = 1e-2
"""Gaps that differ by less than this fraction of their median count as even: positions are rounded."""


@dataclass(frozen=True, eq=False)
class Stacked:
    """Frames in order (time, section), and where they are.

    Attributes
    ----------
    frames : list of list of Frame
    affine : (4, 4) array
        From columns, rows and sections to mm to the left, back and up, with the mean gap.
    distances : (Z,) array or None
        Of each section from the first one; None if the files do not say.
    even : bool
    thickness : float or None
    notes : tuple of str
    """

    frames: list[list[Frame]]
    affine: NDArray[np.float64]
    distances: NDArray[np.float64] | None
    even: bool
    thickness: float | None
    notes: tuple[str, ...]


def stacked(frames: Sequence[Frame], path: Path) -> Stacked:
    """Sort images along the normal of their planes, and at one place by time.

    Raises
    ------
    InputError
        If they are of different sizes, or some places have more images than others.
    """
    first = frames[0]
    if len({(each.rows, each.columns) for each in frames}) > 1:
        raise InputError(f"the images of '{path.name}' have different sizes; they are no stack")
    notes: list[str] = []
    positions = [each.position for each in frames if each.position is not None]
    if len(positions) < len(frames):
        return _without_positions(list(frames), notes)
    normal = np.cross(first.across, first.down)
    along = np.array([normal @ each for each in positions])
    order = np.argsort(along, kind="stable")
    starts = np.flatnonzero(np.diff(along[order], prepend=-np.inf) > _SAME_PLACE)
    places = [[frames[i] for i in each] for each in np.split(order, starts[1:])]
    counts = {len(each) for each in places}
    if len(counts) > 1:
        raise InputError(
            f"'{path.name}' has {len(frames)} images at {len(places)} places, {min(counts)} to {max(counts)} at each; "
            "they are no stack: give the folder of one series without doubles"
        )
    for place in places:
        place.sort(key=lambda each: (each.time, each.number, str(each.file), each.index))
    times = [[place[t] for place in places] for t in range(counts.pop())]
    distances = along[order][starts] - along[order][0]
    affine, even = _affine(times[0], distances, normal, notes)
    if not even:
        gaps = np.diff(distances)
        notes.append(f"the gaps between the images go from {gaps.min():g} to {gaps.max():g} mm")
    return Stacked(times, affine, distances, even, _thickness(frames, notes, distances), tuple(notes))


def _affine(
    frames: list[Frame], distances: NDArray[np.float64], normal: NDArray[np.float64], notes: list[str]
) -> tuple[NDArray[np.float64], bool]:
    first, last, count = frames[0], frames[-1], len(frames)
    assert first.position is not None
    assert last.position is not None
    y, x = first.pixel or (np.nan, np.nan)
    gap = (
        (last.position - first.position) / (count - 1)
        if count > 1
        else normal * (first.spacing or first.thickness or 1)
    )
    affine = np.eye(4)
    affine[:3, :3] = np.stack([first.across * x, first.down * y, gap], axis=1)
    affine[:3, 3] = first.position
    gaps = np.diff(distances)
    return affine, bool(count < 3 or np.abs(gaps - np.median(gaps)).max() <= _EVEN * np.median(gaps))


def _without_positions(frames: list[Frame], notes: list[str]) -> Stacked:
    frames.sort(key=lambda each: (each.number, str(each.file), each.index))
    notes.append("the files do not say where their images lie; they are in the order of their numbers")
    first = frames[0]
    y, x = first.pixel or (np.nan, np.nan)
    affine = np.diag([x, y, first.spacing or 1.0, 1.0])
    distances = None if first.spacing is None else first.spacing * np.arange(len(frames), dtype=np.float64)
    return Stacked([frames], affine, distances, True, _thickness(frames, notes, distances), tuple(notes))


def _thickness(frames: Sequence[Frame], notes: list[str], distances: NDArray[np.float64] | None) -> float | None:
    known = sorted({each.thickness for each in frames if each.thickness is not None})
    if len(known) != 1:
        if known:
            notes.append(f"the images are {known[0]:g} to {known[-1]:g} mm thick; no one thickness is noted")
        return None
    return known[0]
