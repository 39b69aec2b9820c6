"""The only door to a method: command line, widgets, evaluation and batch all come through here.

Here it is decided where a run takes place: in memory, into a file, or block by block, on this machine or on many.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import io
from ..errors import TooLargeError
from ..method import Method
from ..progress import Report, part, silent
from ..system.devices import limited_threads
from ..system.memory import PeakMemory
from .aligning import SHARE_OF_ALIGNING, aligned
from .blockwise import execute_blockwise, is_blockwise
from .jobs import States, Told, blas_threads, history, jobs_of, label_of, share_of_preparing, told_by
from .making import Run, make_tiles
from .memory import Memory, check_memory, memory_of
from .outputs import MemoryOutput, Outputs, Target, opened, result_bytes
from .preparing import learn, recall
from .request import Request
from .result import IN_FILE, RECORD_KEY, Result
from .targets import changes_observed

_SHARE_OF_TILES = 0.9
"""Share of the time after which a file that is streamed to has all its voxels; coarser resolutions follow."""
_SHARE_OF_ENHANCING = 0.4
"""Share of the time that enhancing the sections first takes, roughly."""


def execute(
    request: Request, report: Report = silent, target: Target | None = None, prepared: States | None = None
) -> Result:
    """Run a request.

    Parameters
    ----------
    request : Request
        From :func:`napari_depth_interp.run.request.resolve`.
    report : callable
        Gets a :class:`Progress` after every tile or step; cancels the run by raising ``Cancelled``.
    target : Target, optional
        Files to stream the result to, tile by tile, instead of holding it in memory. They appear when the run has
        ended; a run that fails or is cancelled leaves none.
    prepared : Prepared, optional
        From :func:`~napari_depth_interp.run.prepared.prepare` or :func:`.prepared_file.load`; nothing is learned then.

    Returns
    -------
    Result
        With a target, its voxels are read from the file when they are asked for.

    Raises
    ------
    TooLargeError
        If the result does not fit into the free memory (or onto the disk).
    OutputError
        If a file of the target cannot be written.
    Cancelled
        If ``report`` raised it.
    """
    if prepared is not None:
        prepared.check_fits(request)
        request = replace(request, learned_elsewhere=prepared.about(request))
    if request.align is not None:
        request = aligned(request, part(report, 0.0, SHARE_OF_ALIGNING))
        report = part(report, SHARE_OF_ALIGNING, 1.0)
    if request.enhance is None:
        return _execute(request, report, target, prepared)
    if target is not None:
        raise TooLargeError(
            "sections that are enhanced first are held in memory, and the result is too large for it; enhance them "
            f"into a file (--method {request.enhance.spec.name}), then interpolate that file"
        )
    return _run_enhanced(request, report)


def _execute(request: Request, report: Report, target: Target | None = None, prepared: States | None = None) -> Result:
    if target is not None and is_blockwise(target):
        return execute_blockwise(request, report, target, prepared)
    start = time.perf_counter()
    share = 1.0 if target is None else _SHARE_OF_TILES
    memory = memory_of(request, 0 if target else result_bytes(request))
    with PeakMemory() as watched, limited_threads(blas_threads(request)), opened(request, target) as outputs:
        check_memory(request, memory, outputs.voxels.chunk_grid)
        told = _run_stacks(request, outputs, memory, prepared, part(report, 0.0, share))
        record, warnings = history(request, told, target)
        if target is not None:
            in_file = record | {IN_FILE: record["observed"]}
            outputs.finish({RECORD_KEY: in_file}, part(report, share, 1.0))
    voxels, uncertainty = _voxels(outputs, target)
    return Result(
        replace(request.dense_template(), voxels=voxels, record={RECORD_KEY: record}),
        uncertainty,
        warnings,
        seconds=time.perf_counter() - start,
        peak_memory_mb=watched.peak_mb,
    )


def _run_enhanced(request: Request, report: Report) -> Result:
    """Run a request whose sections are to be enhanced first: two runs, one result.

    Parameters
    ----------
    request : Request
        With ``enhance``.
    report : callable

    Returns
    -------
    Result
        On the grid and with the voxel type of the request. Its history names both methods and no observed section; at
        their depths the uncertainty is not known.
    """
    assert request.enhance is not None
    first = _execute(request.enhance, part(report, 0.0, _SHARE_OF_ENHANCING, request.enhance.spec.name))
    dataset = replace(request.dataset, voxels=first.dataset.voxels)
    alone = replace(request, dataset=dataset, enhance=None, stored_dtype=request.output_dtype)
    second = _execute(alone, part(report, _SHARE_OF_ENHANCING, 1.0))
    if second.uncertainty is not None:
        second.uncertainty[:, :, request.observed >= 0] = np.nan
    record = dict(second.record) | request.record()
    warnings = tuple(dict.fromkeys([changes_observed(request.enhance.spec), *first.warnings, *second.warnings]))
    return replace(
        second,
        dataset=replace(second.dataset, record={RECORD_KEY: record | {"warnings": list(warnings)}}),
        warnings=warnings,
        seconds=(first.seconds or 0.0) + (second.seconds or 0.0),
        peak_memory_mb=max(first.peak_memory_mb or 0.0, second.peak_memory_mb or 0.0),
    )


def _voxels(outputs: Outputs, target: Target | None) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
    """Return the voxels and their uncertainty: arrays, or what is still in the files."""
    if target is not None:
        paths = (target.path, target.uncertainty)
        voxels, uncertainty = (None if path is None else io.read(path, lazy=True).voxels for path in paths)
        assert voxels is not None
        return voxels, uncertainty
    assert isinstance(outputs.voxels, MemoryOutput)
    uncertain = outputs.uncertainty
    return outputs.voxels.voxels, uncertain.voxels if isinstance(uncertain, MemoryOutput) else None


def _run_stacks(
    request: Request, outputs: Outputs, memory: Memory, prepared: States | None, report: Report
) -> list[Told]:
    """Run every channel at every time point; return what there is to tell of each."""
    jobs = jobs_of(request)
    known: dict[tuple[int, ...], Method] = {}
    told = []
    for number, (t, group) in enumerate(jobs):
        words = label_of(request.dataset, t, group.channels)
        inner = part(report, number / len(jobs), (number + 1) / len(jobs), words)
        runs = [Run.of(group.request, outputs, t, c) for c in group.channels]
        share = share_of_preparing(group.request) if prepared is None else 0.0
        before, preparing = known.get(group.channels), part(inner, 0.0, share)
        seen = [each.seen for each in runs]
        if prepared is None:
            learned = learn(group.request, seen, memory, before, preparing)
        else:
            learned = recall(group.request, seen, prepared.state(t, group.channels), memory, preparing)
        known[group.channels] = learned.method
        make_tiles(runs, learned, memory, part(inner, share, 1.0))
        told.append(told_by(learned, words, t, group.channels))
    return told
