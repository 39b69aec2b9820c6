"""Reading labels together with the image they were drawn on and the file whose grid is wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import io
from ..io import SectionAxis
from ..stack import Dataset

Opened = list[Dataset | None]


def opened_together(
    given: Sequence[Any], axis: SectionAxis, opened: Callable[[Any, SectionAxis], Dataset | None]
) -> Opened:
    """Open files that belong together with their sections along the same axis.

    Of NIfTI files each has its sections along its coarsest axis, where nothing else is said; those of a file that is as
    fine along all axes lie as those of the others do.

    Parameters
    ----------
    given : sequence
        Whatever ``opened`` takes; None gives None.
    axis : {"auto", "x", "y", "z"}
    opened : callable (what, axis) -> Dataset
        What was opened already it returns as it is.
    """
    found = [None if each is None else opened(each, axis) for each in given]
    known = [(_coarseness(each), own) for each in found if each is not None and (own := io.section_axis(each))]
    if axis != "auto" or len({own for _, own in known}) < 2:
        return found
    _, chosen = max(known, key=lambda each: each[0])
    return [
        opened(what, chosen) if each is not None and io.section_axis(each) not in (None, chosen) else each
        for what, each in zip(given, found, strict=True)
    ]


def _coarseness(dataset: Dataset) -> float:
    """Return how much farther apart sections are than pixels."""
    grid = dataset.grid
    if grid.spacing is None or grid.pixel_size is None:
        return 0.0
    return grid.spacing / float(np.mean(grid.pixel_size))
