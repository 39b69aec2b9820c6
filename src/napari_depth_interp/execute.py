"""The only door to a method: command line, widgets, evaluation and batch all come through here.

What every method needs is done here once: channels and time points, tiles, integer rounding,
observed sections put back unchanged, voxels that are not a number, constant stacks, memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .method import Method, working_dtype
from .methods import registry
from .progress import Progress, Report, part, silent
from .request import Request
from .resources import PeakMemory, check_fits
from .result import RECORD_KEY, Result
from .stack import Dataset, Stack

_TILE_BYTES = 96 * 2**20
"""Working memory of all tiles together: float copies of input and output rows."""
_OVERHEAD_BYTES = 300 * 10**6


def execute(request: Request, report: Report = silent) -> Result:
    """Run a request.

    Parameters
    ----------
    request : Request
        From :func:`napari_depth_interp.request.resolve`.
    report : callable
        Gets a :class:`Progress` after every tile or step; cancels the run by raising ``Cancelled``.

    Returns
    -------
    Result

    Raises
    ------
    TooLargeError
        If the result does not fit into the free memory.
    Cancelled
        If ``report`` raised it.
    """
    voxels, uncertainty = _allocate(request)
    warnings = list(request.notes)
    start = time.perf_counter()
    blas_threads = 1 if request.spec.parallel_tiles else request.runtime.threads
    with PeakMemory() as memory, _limited_threads(blas_threads):
        stacks = list(request.dataset.stacks())
        for number, (t, c, stack) in enumerate(stacks):
            inner = part(report, number / len(stacks), (number + 1) / len(stacks), _label(request.dataset, t, c))
            output = _Output(voxels[t, c], None if uncertainty is None else uncertainty[t, c])
            _run_stack(request, stack, output, warnings, inner)
    return Result(
        _dense_dataset(request, voxels, warnings),
        uncertainty,
        tuple(warnings),
        seconds=time.perf_counter() - start,
        peak_memory_mb=memory.peak_mb,
    )


@dataclass(frozen=True, eq=False)
class _Output:
    """Where one stack's result goes: (K, Y, X) views of the result's arrays."""

    voxels: NDArray[Any]
    uncertainty: NDArray[np.float32] | None


def _allocate(request: Request) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
    shape, dtype = request.output_shape, request.output_dtype
    size = int(np.prod(shape, dtype=object))
    per_voxel = dtype.itemsize + (4 if request.spec.gives_uncertainty else 0)
    check_fits(size * per_voxel + _OVERHEAD_BYTES, f"the result of {' x '.join(map(str, shape[2:]))} voxels")
    uncertainty = np.zeros(shape, np.float32) if request.spec.gives_uncertainty else None
    return np.empty(shape, dtype), uncertainty


def _run_stack(request: Request, stack: Stack, output: _Output, warnings: list[str], report: Report) -> None:
    """Fill ``output`` with one channel at one time point."""
    mask = np.isnan(stack.voxels) if request.fill_nan and stack.voxels.dtype.kind == "f" else None
    observed = stack
    if mask is not None and mask.any():
        stack = replace(stack, voxels=_filled(stack.voxels, mask))
    method = _make_method(request, stack, warnings)
    prepared = 0.5 if request.spec.tile_halo is None else 0.02  # share of the time, roughly
    method.prepare(stack, report=part(report, 0.0, prepared))
    new = np.flatnonzero(request.observed < 0) if request.spec.keeps_observed else np.arange(len(request.depths))
    _run_tiles(request, method, stack, new, output, part(report, prepared, 1.0))
    if mask is not None and mask.any():
        _restore_nan(request, stack, mask, output.voxels)
    if request.spec.keeps_observed:
        for k in np.flatnonzero(request.observed >= 0):
            output.voxels[k] = observed.voxels[request.observed[k]]


def _make_method(request: Request, stack: Stack, warnings: list[str]) -> Method:
    if stack.voxels.min() == stack.voxels.max():
        if request.spec.name != "linear":
            warnings.append(
                f"the stack is constant ({stack.voxels.flat[0]}), so {request.spec.name} was not used: linear"
            )
        linear = registry.get("linear")
        return linear.create(linear.config(), request.runtime)
    return request.spec.create(request.config, request.runtime)


def _run_tiles(
    request: Request, method: Method, stack: Stack, new: NDArray[np.intp], output: _Output, report: Report
) -> None:
    """Compute the sections ``new`` (indices of the target) tile by tile."""
    if not len(new):
        report(Progress(1.0))
        return
    jobs = list(_tiles(request, stack, new))
    parallel = request.spec.parallel_tiles and request.runtime.threads > 1 and len(jobs) > 1

    def run(job: _Tile) -> None:
        inner = silent if parallel else part(report, job.number / len(jobs), (job.number + 1) / len(jobs))
        tile = stack.crop_rows(job.padded)
        sections = method.sections_at(tile, request.depths[job.targets].tolist(), report=inner)
        _store(sections.values[:, job.inside], output.voxels, job)
        if output.uncertainty is not None and sections.uncertainty is not None:
            output.uncertainty[job.targets, job.rows] = sections.uncertainty[:, job.inside]

    if not parallel:
        for job in jobs:
            run(job)
        return
    with ThreadPoolExecutor(request.runtime.threads) as pool:
        try:
            for done, _ in enumerate(pool.map(run, jobs)):
                report(Progress((done + 1) / len(jobs)))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@dataclass(frozen=True)
class _Tile:
    """Some target sections and some rows of them; ``padded`` rows are read, ``inside`` those are kept."""

    number: int
    targets: NDArray[np.intp]
    rows: slice
    padded: slice
    inside: slice


def _tiles(request: Request, stack: Stack, new: NDArray[np.intp]) -> Iterator[_Tile]:
    sections, height, width = stack.voxels.shape
    itemsize = np.dtype(working_dtype(stack.voxels.dtype)).itemsize
    parallel = request.runtime.threads if request.spec.parallel_tiles else 1
    budget = _TILE_BYTES // (parallel * itemsize * width)  # section rows, input and output together
    halo = request.spec.tile_halo
    smallest = height if halo is None else min(height, 8 + 2 * halo)
    per_tile = max(1, min(len(new), budget // smallest - sections))
    rows = height if halo is None else max(8, budget // (sections + per_tile) - 2 * halo)
    number = 0
    for first in range(0, len(new), per_tile):
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            upper, lower = max(0, top - (halo or 0)), min(height, bottom + (halo or 0))
            inside = slice(top - upper, bottom - upper)
            yield _Tile(number, new[first : first + per_tile], slice(top, bottom), slice(upper, lower), inside)
            number += 1


def _store(values: NDArray[Any], voxels: NDArray[Any], job: _Tile) -> None:
    """Write float values into the result, rounded and clipped where it holds integers."""
    for row, k in enumerate(job.targets):
        voxels[k, job.rows] = _to_integers(values[row], voxels.dtype) if voxels.dtype.kind in "iu" else values[row]


def _to_integers(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    limits = np.iinfo(dtype)
    highest = float(limits.max)
    if highest > limits.max:  # 64 bits: the float above the largest integer
        highest = float(np.nextafter(highest, 0.0))
    rounded: NDArray[Any] = np.rint(values)
    np.clip(rounded, limits.min, highest, out=rounded)
    return rounded


def _filled(voxels: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[Any]:
    """Return a copy with each NaN replaced by the nearest number in its section.

    A section without any number takes the nearest section that has some.
    """
    from scipy.ndimage import distance_transform_edt

    filled = voxels.copy()
    usable = np.flatnonzero(~mask.all(axis=(1, 2)))
    for k in usable:
        if mask[k].any():
            nearest = distance_transform_edt(mask[k], return_distances=False, return_indices=True)
            filled[k] = voxels[k][tuple(nearest)]
    for k in np.setdiff1d(np.arange(len(voxels)), usable):
        filled[k] = filled[usable[np.abs(usable - k).argmin()]]
    return filled


def _restore_nan(request: Request, stack: Stack, mask: NDArray[np.bool_], voxels: NDArray[Any]) -> None:
    """Make the result NaN where the nearest observed section is, or both are at the same distance."""
    middles = (stack.depths[1:] + stack.depths[:-1]) / 2
    below = np.searchsorted(middles, request.depths, side="left")
    above = np.searchsorted(middles, request.depths, side="right")
    for k, (i, j) in enumerate(zip(below, above, strict=True)):
        voxels[k][mask[i] & mask[j]] = np.nan


def _dense_dataset(request: Request, voxels: NDArray[Any], warnings: list[str]) -> Dataset:
    record = request.record() | {"warnings": warnings}
    return replace(request.dataset, voxels=voxels, grid=request.grid, record={RECORD_KEY: record}, notes=())


def _label(dataset: Dataset, time_point: int, channel: int) -> str:
    times, channels = dataset.voxels.shape[:2]
    words = [f"time {time_point + 1} of {times}"] if times > 1 else []
    if channels > 1:
        words.append(f"channel {channel + 1} of {channels}")
    return ", ".join(words)


@contextmanager
def _limited_threads(threads: int) -> Iterator[None]:
    """Hold BLAS and OpenMP to ``threads``."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(threads):
        yield
