"""What a click on Run, Preview or Save computes. No Qt here: it runs off the GUI thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import io
from ...labels.execute import execute_labels
from ...labels.request import LabelRequest, resolve_labels
from ...labels.result import LabelResult
from ...labels.series import Series
from ...labels.settings import LabelSettings
from ...labels.suggest import Suggestion, suggest_sections, warnings_of
from ...progress import Progress, Report, part
from ...stack import Dataset
from ..boxes.save_names import beside

_SHARE_OF_FILLING = 0.97
"""Share of the time, roughly, before it is looked for gaps that are too wide."""


@dataclass(frozen=True, eq=False)
class Order:
    """What is filled in.

    Attributes
    ----------
    labels : Dataset
        One time point, without what was filled in before.
    settings : LabelSettings
        They name the annotated sections.
    image : Dataset or None
    gaps : tuple of int or None
        Counted along the annotated sections; None: all.
    """

    labels: Dataset
    settings: LabelSettings
    image: Dataset | None = None
    gaps: tuple[int, ...] | None = None

    def loaded(self) -> Order:
        """Return the order with a small image read into memory."""
        return replace(self, image=None if self.image is None else io.loaded(self.image))

    def request(self) -> LabelRequest:
        """Check the order against the labels."""
        return resolve_labels(self.labels, self.settings, image=self.image, filled=())


def fill_task(order: Order, report: Report) -> LabelResult:
    """Fill in labels, and warn where gaps are wider than objects are tall."""
    request = order.loaded().request()
    result = execute_labels(request, part(report, 0.0, _SHARE_OF_FILLING), gaps=order.gaps)
    wide = _wide_gaps(request, request.series(), part(report, _SHARE_OF_FILLING, 1.0))
    return replace(result, warnings=(*wide, *result.warnings))


def _wide_gaps(request: LabelRequest, series: Series, report: Report) -> list[str]:
    return warnings_of(series, request.dataset.grid.unit or "", report) if request.depths_known else []


@dataclass(frozen=True)
class Advice:
    """Which sections to annotate next, the best first, and what is to be warned of."""

    suggestions: Sequence[Suggestion]
    warnings: Sequence[str]


def advise_task(order: Order, confidence: NDArray[np.float32] | None, report: Report) -> Advice:
    """Say where to annotate next; ``confidence`` (z, y, x) of the last fill, if there is one of all gaps."""
    request = order.loaded().request()
    series = request.series()
    inner = part(report, 0.0, _SHARE_OF_FILLING)
    found = suggest_sections(series, request.depths, confidence=confidence, report=inner)
    sections = [replace(each, section=int(request.sections[each.section])) for each in found]
    return Advice(sections, _wide_gaps(request, series, part(report, _SHARE_OF_FILLING, 1.0)))


@dataclass(frozen=True, eq=False)
class Save:
    """What is written where; the confidence goes beside it."""

    path: Path
    labels: Dataset
    confidence: NDArray[Any] | None = None


def save_task(order: Save, report: Report) -> list[Path]:
    """Write the files and return them."""
    report(Progress(0.0, f"saving {order.path.name}"))
    io.write(order.path, order.labels, overwrite=True)
    written = [order.path]
    if order.confidence is not None:
        report(Progress(0.5, "saving the confidence"))
        written.append(beside(order.path, "confidence"))
        dataset = replace(order.labels, voxels=order.confidence, holds_labels=False)
        io.write(written[-1], dataset, overwrite=True, float_output=True)
    return written
