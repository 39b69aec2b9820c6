"""Methods that make less than they see: of a tile with margins, only what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from ..progress import Report
from ..stack import Stack
from .work import Method, Sections, sections_of

Place = tuple[slice, slice]
"""Rows and columns."""


@runtime_checkable
class Trims(Protocol):
    """A method that saves work when it is told what is kept of its sections."""

    def keeping(self, place: Place) -> Method:
        """Return the same method, whose sections hold only these rows and columns of the stack."""


def kept_sections(
    method: Method, guide: Stack, channels: Sequence[Stack], z: Sequence[float], place: Place, *, report: Report
) -> list[Sections]:
    """Return some rows and columns of sections, those of the result; see :func:`~...method.sections_of`."""
    if isinstance(method, Trims):
        return sections_of(method.keeping(place), guide, channels, z, report=report)
    made = sections_of(method, guide, channels, z, report=report)
    scale = made[0].values.shape[-1] // guide.voxels.shape[-1]
    rows, columns = (slice(each.start * scale, each.stop * scale) for each in place)
    return [cut(each, (rows, columns)) for each in made]


def grown(place: Place, margin: int | None, shape: Sequence[int]) -> Place:
    """Return rows and columns with a margin on all sides, as far as the image goes; None: the whole image."""
    high, wide = (
        slice(0, size) if margin is None else slice(max(0, each.start - margin), min(size, each.stop + margin))
        for each, size in zip(place, shape, strict=True)
    )
    return high, wide


def inside(place: Place, around: Place) -> Place:
    """Return where rows and columns lie in a larger part."""
    high, wide = (
        slice(each.start - outer.start, each.stop - outer.start) for each, outer in zip(place, around, strict=True)
    )
    return high, wide


def cropped_around(stack: Stack, z: Sequence[float], reach: int | None) -> Stack:
    """Return the sections at the gaps in which depths lie, and so many on each side; None: all."""
    if reach is None or not len(z):
        return stack
    first, last = np.searchsorted(stack.depths, (min(z), max(z)))
    return stack.crop(slice(max(0, int(first) - 1 - reach), int(last) + 1 + reach), slice(None))


def cut(made: Sections, place: Place) -> Sections:
    """Return some rows and columns of sections."""
    uncertainty = None if made.uncertainty is None else made.uncertainty[:, *place]
    return replace(made, values=made.values[:, *place], uncertainty=uncertainty)
