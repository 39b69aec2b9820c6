"""What a click on Find or Repair computes. No Qt here: it runs off the GUI thread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ... import io
from ...damage.detect import examine
from ...damage.examination import Examination
from ...damage.execute import execute_repair
from ...damage.request import resolve_repair
from ...damage.result import RepairResult
from ...damage.settings import RepairSettings
from ...methods import registry
from ...progress import Progress, Report, part
from ...stack import Dataset
from ..jobs import import_torch

SIDE = 40
"""Pixels of a thumbnail along its longer side, as it is drawn."""
_LOOKING = 0.9
"""Share of the time of Find that looking for damage takes; thumbnails follow."""
_EXAMINING = 0.3
"""Share of the time of a repair whose sections were not examined before."""

Strip = NDArray[np.uint8]
"""(3, rows, columns): the section before, the section, the one after; black where there is none."""


@dataclass(frozen=True, eq=False)
class Found:
    """What looking for damage has found, with a strip of thumbnails for each section."""

    examination: Examination
    strips: Mapping[int, Strip]


@dataclass(frozen=True, eq=False)
class Order:
    """What is repaired; without an examination the stack is examined first."""

    dataset: Dataset
    settings: RepairSettings
    examination: Examination | None = None


def find_task(dataset: Dataset, settings: RepairSettings, report: Report) -> Found:
    """Look for damaged sections."""
    dataset = io.loaded(dataset)
    examination = examine(dataset, settings, part(report, 0.0, _LOOKING, "looking for damage"))
    places = {each.index: (each.time, each.channel) for each in reversed(examination.found)}
    strips = {k: strip_of(dataset, k, *place) for k, place in places.items()}
    report(Progress(1.0))
    return Found(examination, strips)


def repair_task(order: Order, report: Report) -> RepairResult:
    """Repair what the order says."""
    if "cuda" in registry.get(order.settings.method).devices:
        import_torch()
    share = _EXAMINING if order.examination is None else 0.0
    looking = part(report, 0.0, share, "looking for damage")
    request = resolve_repair(io.loaded(order.dataset), order.settings, examination=order.examination, report=looking)
    return execute_repair(request, part(report, share, 1.0, "repairing"), in_file=True)


def save_task(path: Path, dataset: Dataset, report: Report) -> Path:
    """Write a repaired stack."""
    report(Progress(0.0, f"saving {path.name}"))
    io.write(path, io.loaded(dataset), overwrite=True)
    return path


def strip_of(dataset: Dataset, index: int, time: int = 0, channel: int = 0) -> Strip:
    """Return a section beside its neighbours as thumbnails in one range of grey."""
    count, step = dataset.voxels.shape[2], max(1, max(dataset.voxels.shape[3:]) // SIDE)
    planes = [_plane(dataset, k, time, channel, step) if 0 <= k < count else None for k in range(index - 1, index + 2)]
    low, high = _range(plane for plane in planes if plane is not None)
    size = next(plane.shape for plane in planes if plane is not None)
    strip = np.zeros((3, *size), np.uint8)
    for row, plane in enumerate(planes):
        if plane is not None:
            strip[row] = np.clip(np.nan_to_num((plane - low) / (high - low)), 0, 1) * 255
    return strip


def _plane(dataset: Dataset, index: int, time: int, channel: int, step: int) -> NDArray[np.float64]:
    return np.asarray(dataset.voxels[time, channel, index])[::step, ::step].astype(np.float64)


def _range(planes: Iterable[NDArray[np.float64]]) -> tuple[float, float]:
    """Return what is drawn black and white: percentiles, so that one bright pixel does not hide all others."""
    values = np.concatenate([plane[np.isfinite(plane)] for plane in planes])
    if not values.size:
        return 0.0, 1.0
    low, high = (float(each) for each in np.percentile(values, [0.5, 99.5]))
    return (low, high) if high > low else (low, low + 1.0)
