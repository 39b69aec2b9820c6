"""Sections with very many tiny objects, which are not worth a look at each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .gap import Filled, Gap, Section

_CROWD = 20_000
"""Objects of a gap from which on tiny ones are not looked at one by one, which takes milliseconds each."""
_TINY = 25
"""Largest area of a tiny object, in pixels."""


def without_crowd(gap: Gap) -> tuple[Gap, tuple[Section, Section] | None]:
    """Return the gap without tiny labels, and these alone, if there are very many labels; else the gap as it is."""
    sizes = [np.bincount(section.ravel(), minlength=gap.count + 1) for section in (gap.below, gap.above)]
    if np.count_nonzero(sizes[0] + sizes[1]) <= _CROWD:
        return gap, None
    tiny = np.maximum(*sizes) <= _TINY
    tiny[0] = False
    crowd = np.where(tiny[gap.below], gap.below, 0), np.where(tiny[gap.above], gap.above, 0)
    return replace(gap, below=gap.below - crowd[0], above=gap.above - crowd[1]), crowd


def with_crowd(filled: Filled, crowd: tuple[Section, Section] | None, gap: Gap) -> Filled:
    """Put tiny labels of the nearer section where nothing else is; half sure."""
    if crowd is None:
        return filled
    nearer = np.where((gap.shares <= 0.5)[:, None, None], *crowd)
    here = (filled.labels == 0) & (nearer > 0)
    confidence: NDArray[np.float32] = np.where(here, np.float32(0.5), filled.confidence)
    return Filled(np.where(here, nearer, filled.labels), confidence)
