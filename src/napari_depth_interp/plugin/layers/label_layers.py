"""Label images to napari's Labels layers and back, with what is known of each section."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from napari.layers import Labels
from napari.types import LayerData

from ...labels.voxels import as_labels
from ...run.result import RECORD_KEY
from ...stack import Dataset
from ...stack.lazy import is_lazy
from . import labels_dataset, to_layers
from .marks import IN_RECORD, MARKS_KEY, ledger_from
from .sections import Kind, Sections

_FOR_LABELS = ("name", "metadata", "scale", "translate", "units", "axis_labels")


def holds_labels(dataset: Dataset) -> bool:
    """Whether a file says that it holds labels; those that stay in their file cannot be drawn on."""
    record = dataset.record.get(RECORD_KEY, {})
    filled = "interpolated" in record and "annotated" in record and dataset.voxels.dtype.kind in "iu"
    return (dataset.holds_labels or filled) and dataset.voxels.shape[2] > 1 and not is_lazy(dataset.voxels)


def to_label_layers(dataset: Dataset, name: str) -> list[LayerData]:
    """Return one Labels layer per channel, told which of its sections were interpolated.

    Raises
    ------
    InputError
        If the voxels are no whole numbers, or there is one section only.
    """
    layers: list[LayerData] = []
    for data, kwargs, _ in to_layers(as_labels(dataset), name):
        array = np.array(data)  # to be painted on
        kept = {key: kwargs[key] for key in _FOR_LABELS}
        marks = ledger_from(kwargs["metadata"].get(RECORD_KEY, {}), array)
        layers.append((array, kept | {"metadata": kept["metadata"] | {MARKS_KEY: marks}}, "labels"))
    return layers


def with_history(layer: Labels) -> Dataset:
    """Return the dataset of a labels layer whose history says what each of its sections is."""
    dataset = labels_dataset(layer)
    record = dict(dataset.record.get(RECORD_KEY, {})) | dict(layer.metadata.get(RECORD_KEY, {}))
    times = range(layer.data.shape[0] if layer.ndim == 4 else 1)
    record = history_of(Sections(layer), times, record)
    return replace(dataset, record={RECORD_KEY: record}, holds_labels=True)


def history_of(sections: Sections, times: Iterable[int], record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the history of a fill with which sections are annotated now, and which interpolated."""
    found = _told_apart(sections, times)
    return {**record, **found, **({"observed": found["annotated"]} if "observed" in record else {})}


def _told_apart(sections: Sections, times: Iterable[int]) -> dict[str, Any]:
    annotated, interpolated, filled = set(), set(), {}
    for place in ((time, z) for time in times for z in range(sections.count)):
        status = sections.status(place)
        if status.counts:
            annotated.add(place[1])
        elif status.kind is Kind.INTERPOLATED:
            interpolated.add(place[1])
        if marks := sections.matching(place):
            filled[f"{place[0]},{place[1]}"] = [[list(mark.labels), mark.key] for mark in marks]
    return {"annotated": sorted(annotated), "interpolated": sorted(interpolated - annotated), IN_RECORD: filled}
