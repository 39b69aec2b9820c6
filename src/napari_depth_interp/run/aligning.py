"""Aligning the sections before a run: the request as asked becomes one on sections that were moved."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from ..progress import Report
from ..registration import Transforms, estimate
from ..stack.lazy import as_array
from .request import Request

SHARE_OF_ALIGNING = 0.3
"""Share of the time that finding the displacements takes, roughly."""


def aligned(request: Request, report: Report) -> Request:
    """Return the request on its sections as they are moved, with how they are, and what the user should know.

    Only the sections of the request are looked at: what is hidden in an evaluation has no part in it.
    """
    assert request.align is not None
    transforms = estimate(request.dataset, request.align, report=report)
    dataset = transforms.apply(request.dataset)
    first = request.enhance
    return replace(
        request,
        dataset=dataset,
        recorded=request.dataset,
        align=None,
        transforms=transforms,
        enhance=None if first is None else replace(first, dataset=replace(dataset, notes=())),
        notes=(*request.notes, *notes_on(transforms)),
    )


def seconds_of_aligning(request: Request) -> float:
    """Return how long finding the displacements will take, measured on three sections of the middle."""
    assert request.align is not None
    times, _, sections, *_ = request.dataset.voxels.shape
    first = max(0, sections // 2 - 1)
    few = slice(first, first + 3)
    voxels = as_array(request.dataset.voxels[:1, :, few])
    part_of_it = replace(request.dataset, voxels=voxels, grid=replace(request.dataset.grid, depths=None))
    start = time.perf_counter()
    estimate(part_of_it, request.align)
    return (time.perf_counter() - start) / min(3, sections) * times * sections


def notes_on(transforms: Transforms) -> list[str]:
    """Return in words what was moved, and what could not be judged."""
    moved, judged = transforms.moved.any(axis=0), transforms.judged.all(axis=0)
    unjudged = np.flatnonzero(~judged)
    notes = []
    if not judged.any():
        return ["no section could be aligned: neighbours have too little in common"]
    if moved.any():
        far, kept = float(transforms.distances.max()), transforms.drift == "keep"
        slow = "slow motion along z was kept" if kept else "real slant and curvature are straightened by it"
        notes.append(
            f"{int(moved.sum())} of {len(moved)} sections were moved by up to {far:.1f} pixels, and resampled; {slow}"
        )
    else:
        notes.append("no section was moved: none lies displaced against its neighbours")
    if unjudged.size:
        named = ", ".join(map(str, unjudged[:5])) + (" ..." if unjudged.size > 5 else "")
        notes.append(f"{unjudged.size} sections could not be judged and stay where they are: {named}")
    return notes
