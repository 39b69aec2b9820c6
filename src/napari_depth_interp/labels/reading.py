"""Reading labels together with the image they were drawn on and the file whose grid is wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import io
from ..io import SectionAxis
from ..stack import Dataset


def opened_together(
    labels: Any, image: Any, like: Any, axis: SectionAxis, opened: Callable[[Any, SectionAxis, bool], Dataset]
) -> tuple[Dataset, Dataset | None, Dataset | None]:
    """Open labels, their image and the file whose grid is wanted, with their sections along the same axis.

    Of NIfTI files each has its sections along its coarsest axis, where nothing else is said; those of a file that is as
    fine along all axes lie as those of the others do.

    Parameters
    ----------
    labels, image, like
        Whatever ``opened`` takes; the image and the other file may be None.
    axis : {"auto", "x", "y", "z"}
    opened : callable (what, axis, whether its values are identifiers) -> Dataset
        What was opened already it returns as it is.
    """
    given = [(labels, True), (image, False), (like, True)]
    found = [None if what is None else opened(what, axis, are) for what, are in given]
    known = [(_coarseness(each), own) for each in found if each is not None and (own := io.section_axis(each))]
    if axis == "auto" and len({own for _, own in known}) > 1:
        _, chosen = max(known, key=lambda each: each[0])
        found = [
            opened(what, chosen, are) if each is not None and io.section_axis(each) not in (None, chosen) else each
            for (what, are), each in zip(given, found, strict=True)
        ]
    dataset, *others = found
    assert dataset is not None
    return dataset, others[0], others[1]


def _coarseness(dataset: Dataset) -> float:
    """Return how much farther apart sections are than pixels."""
    grid = dataset.grid
    if grid.spacing is None or grid.pixel_size is None:
        return 0.0
    return grid.spacing / float(np.mean(grid.pixel_size))
