"""The only door to a method: command line, widgets, evaluation and batch all come through here.

What every method needs is done here once: channels and time points, tiles, integer rounding,
observed sections put back unchanged, voxels that are not a number, constant stacks, memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .enhance_step import run_enhanced
from .method import Explains, Findings, Method, MethodSpec, Refits, working_dtype
from .methods import registry
from .progress import Progress, Report, part, silent
from .request import Request
from .resources import PeakMemory, check_fits
from .result import RECORD_KEY, Result
from .stack import Dataset, Stack

_TILE_BYTES = 96 * 2**20
"""Working memory of all tiles together: float copies of input and output rows."""
_WHOLE_BYTES = 512 * 2**20
"""The same for methods that need whole sections: they start anew for every portion of sections."""
_PORTION = 64
"""Target sections of one tile, for methods that need only some observed sections for them."""
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
    return _execute(request, report) if request.enhance is None else run_enhanced(request, _execute, report)


def _execute(request: Request, report: Report) -> Result:
    voxels, uncertainty = _allocate(request)
    warnings = list(request.notes)
    findings: list[dict[str, Any]] = []
    start = time.perf_counter()
    blas_threads = 1 if request.spec.parallel_tiles else request.runtime.threads
    with PeakMemory() as memory, _limited_threads(blas_threads):
        stacks = list(request.dataset.stacks())
        known: dict[int, Method] = {}
        for number, (t, c, stack) in enumerate(stacks):
            inner = part(report, number / len(stacks), (number + 1) / len(stacks), _label(request.dataset, t, c))
            output = _Output(voxels[t, c], None if uncertainty is None else uncertainty[t, c])
            method, found = _run_stack(request, stack, output, warnings, known.get(c), inner)
            known[c] = method
            if found is not None:
                words = _label(request.dataset, t, c)
                warnings += [f"{words}: {line}" if words else line for line in found.warnings]
                findings.append({"time": t, "channel": c, **_as_record(found)})
    return Result(
        _dense_dataset(request, voxels, warnings, findings),
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


def _run_stack(
    request: Request, stack: Stack, output: _Output, warnings: list[str], known: Method | None, report: Report
) -> tuple[Method, Findings | None]:
    """Fill ``output`` with one channel at one time point; return the method and what it found out.

    ``known`` is the method as prepared on the time point before.
    """
    observed, has_nan = stack, request.fill_nan and _has_nan(stack)
    if has_nan:
        stack = replace(stack, voxels=_filled(stack.voxels))
    prepared = _share_of_prepare(request.spec)
    method = _prepared(request, stack, warnings, known, part(report, 0.0, prepared))
    new = np.flatnonzero(request.observed < 0) if request.spec.keeps_observed else np.arange(len(request.depths))
    _run_tiles(request, method, stack, new, output, part(report, prepared, 1.0))
    if has_nan:
        _restore_nan(request, observed, output.voxels)
    if request.spec.keeps_observed:
        for k in np.flatnonzero(request.observed >= 0):
            section = observed.voxels[request.observed[k]]
            rounded = output.voxels.dtype.kind in "iu" and section.dtype.kind == "f"  # enhanced before
            output.voxels[k] = _to_integers(section, output.voxels.dtype) if rounded else section
    return method, method.findings() if isinstance(method, Explains) else None


def _prepared(request: Request, stack: Stack, warnings: list[str], known: Method | None, report: Report) -> Method:
    """Return a method prepared on the stack: a new one, or the one of the time point before, refitted."""
    method = _make_method(request, stack, warnings)
    if isinstance(known, Refits) and type(known) is type(method):
        known.refit(stack, report=report)
        return known
    method.prepare(stack, report=report)
    return method


def _as_record(findings: Findings) -> dict[str, Any]:
    """Return what belongs into the history: nothing that differs between equal runs."""
    values = asdict(findings)
    return {key: values[key] for key in ("expected_gain_db", "gain_spread_db", "shares")}


def _share_of_prepare(spec: MethodSpec) -> float:
    """Return the share of the time that ``prepare`` takes, roughly."""
    if spec.trains_on_stack:
        return 0.9
    return 0.5 if spec.tile_halo is None else 0.02


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
    workers = _workers(request, jobs, stack)
    parallel = workers > 1

    def run(job: _Tile) -> None:
        inner = silent if parallel else part(report, job.number / len(jobs), (job.number + 1) / len(jobs))
        tile = stack.crop(job.sections, job.padded)
        sections = method.sections_at(tile, request.depths[job.targets].tolist(), report=inner)
        _store(sections.values[:, job.inside], output.voxels, job)
        if output.uncertainty is not None and sections.uncertainty is not None:
            output.uncertainty[job.targets, job.rows] = sections.uncertainty[:, job.inside]

    if not parallel:
        for job in jobs:
            run(job)
        return
    with ThreadPoolExecutor(workers) as pool:
        try:
            for done, _ in enumerate(pool.map(run, jobs)):
                report(Progress((done + 1) / len(jobs)))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@dataclass(frozen=True)
class _Tile:
    """Some target sections and some rows of them.

    ``sections`` and ``padded`` are the observed sections and the rows that are read; of the
    rows that are computed, those ``inside`` are kept.
    """

    number: int
    targets: NDArray[np.intp]
    sections: slice
    rows: slice
    padded: slice
    inside: slice

    def count_rows(self) -> int:
        """Return how many rows of sections are in memory as floats at once, input and output together."""
        deep = self.sections.stop - self.sections.start + len(self.targets)
        return int(deep * (self.padded.stop - self.padded.start))


def _tiles(request: Request, stack: Stack, new: NDArray[np.intp]) -> Iterator[_Tile]:
    """Divide the work so that the tiles of all threads together stay within the memory for tiles."""
    height, halo = stack.voxels.shape[1], request.spec.tile_halo
    budget = _row_budget(stack) // (request.runtime.threads if request.spec.parallel_tiles else 1)
    number = 0
    for targets in _portions(request, stack, new, budget):
        sections = _needed_sections(request, stack, targets)
        deep = sections.stop - sections.start + len(targets)
        rows = height if halo is None else max(1, budget // deep - 2 * halo)
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            upper, lower = max(0, top - (halo or 0)), min(height, bottom + (halo or 0))
            inside = slice(top - upper, bottom - upper)
            yield _Tile(number, targets, sections, slice(top, bottom), slice(upper, lower), inside)
            number += 1


def _row_budget(stack: Stack, memory: int | None = None) -> int:
    """Return how many rows of sections, as floats, fit into a memory (bytes; default: that for tiles)."""
    itemsize = np.dtype(working_dtype(stack.voxels.dtype)).itemsize
    return int((_TILE_BYTES if memory is None else memory) // (itemsize * stack.voxels.shape[2]))


def _portions(request: Request, stack: Stack, new: NDArray[np.intp], budget: int) -> list[NDArray[np.intp]]:
    """Divide the target sections along z: a method of limited reach then needs few observed ones at a time."""
    if request.spec.z_reach is not None:
        size = _PORTION
    elif request.spec.tile_halo is None:
        size = max(1, _row_budget(stack, _WHOLE_BYTES) // stack.voxels.shape[1] - len(stack.depths))
    else:
        size = len(new)
    return [new[start : start + size] for start in range(0, len(new), size)]


def _needed_sections(request: Request, stack: Stack, targets: NDArray[np.intp]) -> slice:
    reach = request.spec.z_reach
    if reach is None:
        return slice(0, len(stack.depths))
    first, last = np.searchsorted(stack.depths, request.depths[targets[[0, -1]]])
    return slice(max(0, int(first) - 1 - reach), min(len(stack.depths), int(last) + 1 + reach))


def _workers(request: Request, jobs: list[_Tile], stack: Stack) -> int:
    """Return how many tiles may be computed at once: fewer than threads where a single row of each is too much."""
    if not request.spec.parallel_tiles:
        return 1
    largest = max(job.count_rows() for job in jobs)
    return max(1, min(request.runtime.threads, len(jobs), _row_budget(stack) // largest))


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


def _has_nan(stack: Stack) -> bool:
    return stack.voxels.dtype.kind == "f" and any(np.isnan(section).any() for section in stack.voxels)


def _filled(voxels: NDArray[Any]) -> NDArray[Any]:
    """Return a copy with each NaN replaced by the nearest number in its section.

    A section without any number takes the nearest section that has some.
    """
    from scipy.ndimage import distance_transform_edt

    filled = voxels.copy()
    usable = np.flatnonzero([not np.isnan(section).all() for section in voxels])
    for k in usable:
        mask = np.isnan(voxels[k])
        if mask.any():
            nearest = distance_transform_edt(mask, return_distances=False, return_indices=True)
            filled[k] = voxels[k][tuple(nearest)]
    for k in np.setdiff1d(np.arange(len(voxels)), usable):
        filled[k] = filled[usable[np.abs(usable - k).argmin()]]
    return filled


def _restore_nan(request: Request, stack: Stack, voxels: NDArray[Any]) -> None:
    """Make the result NaN where the nearest observed section is, or both are at the same distance."""
    middles = (stack.depths[1:] + stack.depths[:-1]) / 2
    below = np.searchsorted(middles, request.depths, side="left")
    above = np.searchsorted(middles, request.depths, side="right")
    for k, (i, j) in enumerate(zip(below, above, strict=True)):
        voxels[k][np.isnan(stack.voxels[i]) & np.isnan(stack.voxels[j])] = np.nan


def _dense_dataset(
    request: Request, voxels: NDArray[Any], warnings: list[str], findings: list[dict[str, Any]]
) -> Dataset:
    record = request.record() | {"warnings": warnings} | ({"findings": findings} if findings else {})
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
