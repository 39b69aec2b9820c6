"""Enhancing the sections before another method makes new ones: two runs, one result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..progress import Report, part
from .request import Request
from .result import RECORD_KEY, Result
from .same_grid import changes_observed

_SHARE = 0.4
"""Share of the time that the enhancement takes, roughly."""


def run_enhanced(request: Request, run: Callable[[Request, Report], Result], report: Report) -> Result:
    """Run a request whose sections are to be enhanced first.

    Parameters
    ----------
    request : Request
        With ``enhance``.
    run : callable
        Runs a request that has no ``enhance``.
    report : callable

    Returns
    -------
    Result
        On the grid and with the voxel type of the request. Its history names both methods and no observed section; at
        their depths the uncertainty is not known.
    """
    assert request.enhance is not None
    first = run(request.enhance, part(report, 0.0, _SHARE, request.enhance.spec.name))
    dataset = replace(request.dataset, voxels=first.dataset.voxels)
    alone = replace(request, dataset=dataset, enhance=None, stored_dtype=request.output_dtype)
    second = run(alone, part(report, _SHARE, 1.0))
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
