"""The only door to a method: command line, widgets, evaluation and batch all come through here.

What every method needs is done here once: channels and time points, tiles, integer rounding,
observed sections put back unchanged, voxels that are not a number, constant stacks, memory.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import io
from ..errors import TooLargeError
from ..method import Explains, Findings, Method, Refits, Sections, sections_of
from ..methods import registry
from ..progress import Progress, Report, part, silent
from ..stack import Dataset, Stack
from ..system.devices import limited_threads
from ..system.memory import PeakMemory
from .aligning import SHARE_OF_ALIGNING, aligned
from .nan import filled, has_nan, restore_nan
from .outputs import MemoryOutput, Outputs, Place, Target, opened
from .request import Request
from .result import IN_FILE, RECORD_KEY, Result
from .sharing import Range, groups_of, guide_of
from .targets import changes_observed
from .tiling import Tile, tiles, workers

_SHARE_OF_TILES = 0.9
"""Share of the time after which a file that is streamed to has all its voxels; coarser resolutions follow."""
_SHARE_OF_ENHANCING = 0.4
"""Share of the time that enhancing the sections first takes, roughly."""


def execute(request: Request, report: Report = silent, target: Target | None = None) -> Result:
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
    if request.align is not None:
        request = aligned(request, part(report, 0.0, SHARE_OF_ALIGNING))
        report = part(report, SHARE_OF_ALIGNING, 1.0)
    if request.enhance is None:
        return _execute(request, report, target)
    if target is not None:
        raise TooLargeError(
            "sections that are enhanced first are held in memory, and the result is too large for it; enhance them "
            f"into a file (--method {request.enhance.spec.name}), then interpolate that file"
        )
    return _run_enhanced(request, report)


def _execute(request: Request, report: Report, target: Target | None = None) -> Result:
    warnings = list(request.notes)
    findings: list[dict[str, Any]] = []
    start = time.perf_counter()
    blas_threads = 1 if request.spec.tiling.parallel else request.runtime.threads
    share = 1.0 if target is None else _SHARE_OF_TILES
    with PeakMemory() as memory, limited_threads(blas_threads), opened(request, target) as outputs:
        _run_stacks(request, outputs, warnings, findings, part(report, 0.0, share))
        record = request.record() | {"warnings": warnings} | ({"findings": findings} if findings else {})
        if target is not None:
            record |= target.history or {}
            in_file = record | {IN_FILE: record["observed"]}
            outputs.finish({RECORD_KEY: in_file}, part(report, share, 1.0))
    voxels, uncertainty = _voxels(outputs, target)
    return Result(
        replace(request.dense_template(), voxels=voxels, record={RECORD_KEY: record}),
        uncertainty,
        tuple(warnings),
        seconds=time.perf_counter() - start,
        peak_memory_mb=memory.peak_mb,
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
    request: Request, outputs: Outputs, warnings: list[str], findings: list[dict[str, Any]], report: Report
) -> None:
    """Run every channel at every time point."""
    times = request.dataset.voxels.shape[0]
    jobs = [(t, group) for t in range(times) for group in groups_of(request)]
    known: dict[tuple[int, ...], Method] = {}
    for number, (t, group) in enumerate(jobs):
        words = _label(request.dataset, t, group.channels)
        inner = part(report, number / len(jobs), (number + 1) / len(jobs), words)
        runs = [_Run(group.request, outputs, t, c, request.dataset.stack(t, c)) for c in group.channels]
        method, found = _run_group(runs, warnings, known.get(group.channels), inner)
        known[group.channels] = method
        if found is not None:
            warnings += [f"{words}: {line}" if words else line for line in found.warnings]
            findings.append({"time": t, "channel": group.channels[0], **_as_record(found)})


@dataclass(frozen=True, eq=False)
class _Run:
    """One channel at one time point, as observed, on its way into the outputs.

    ``filled`` is what stands for it where voxels are not a number; ``range`` brings it to the guide's values.
    """

    request: Request
    outputs: Outputs
    time: int
    channel: int
    observed: Stack
    filled: Stack | None = None
    range: Range | None = None

    @property
    def seen(self) -> Stack:
        """The stack as the method sees it, but for its range."""
        return self.observed if self.filled is None else self.filled

    @property
    def chunk_grid(self) -> tuple[int, int, int] | None:
        return self.outputs.voxels.chunk_grid


def _run_group(
    runs: Sequence[_Run], warnings: list[str], known: Method | None, report: Report
) -> tuple[Method, Findings | None]:
    """Fill the outputs with one channel at one time point, or with several by one method.

    Return the method and what it found out. ``known`` is the method as prepared on the time point before.
    """
    request = runs[0].request
    runs = [_read(each) for each in runs]
    guide = runs[0].seen
    if len(runs) > 1:
        guide = guide_of([each.seen for each in runs], rgb=request.dataset.rgb)
        runs = [replace(each, range=Range.of(each.seen.voxels, guide.voxels)) for each in runs]
    prepared = _share_of_prepare(request)
    method = _prepared(request, guide, warnings, known, part(report, 0.0, prepared))
    _run_tiles(runs, method, guide, part(report, prepared, 1.0))
    return method, method.findings() if isinstance(method, Explains) else None


def _read(run: _Run) -> _Run:
    """Return the run with its voxels read, if they have to be, and what is not a number filled."""
    request, stack = run.request, run.observed
    if not request.spec.tiling.lazy or request.shares_fit:
        stack = stack.in_memory()
    if not (request.fill_nan and has_nan(stack)):
        return replace(run, observed=stack)
    stack = stack.in_memory()
    return replace(run, observed=stack, filled=replace(stack, voxels=filled(stack.voxels)))


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
    chosen = {"chosen": values["chosen"]} if values["chosen"] else {}
    return {key: values[key] for key in ("expected_gain_db", "gain_std_db", "shares")} | chosen


def _share_of_prepare(request: Request) -> float:
    """Return the share of the time that ``prepare`` takes, roughly."""
    if request.spec.trains_on_stack:
        return 0.9
    return 0.5 if request.tile_halo is None else 0.02


def _make_method(request: Request, stack: Stack, warnings: list[str]) -> Method:
    low = stack.voxels.min()
    if low == stack.voxels.max():
        plain = registry.get("linear" if request.spec.enlarges == 1 else "enlarge")
        if request.spec.name != plain.name:
            warnings.append(f"the stack is constant ({low}), so {request.spec.name} was not used: {plain.name}")
        return plain.create(plain.config(), request.runtime)
    return request.spec.create(request.config, request.runtime)


def _run_tiles(runs: Sequence[_Run], method: Method, guide: Stack, report: Report) -> None:
    """Compute the result of the stacks tile by tile."""
    request = runs[0].request
    jobs = list(tiles(request, guide, runs[0].chunk_grid))
    threads = workers(request, jobs, guide)
    parallel = threads > 1

    def work(job: Tile) -> None:
        inner = silent if parallel else part(report, job.number / len(jobs), (job.number + 1) / len(jobs))
        _run_tile(runs, method, guide, job, inner)

    if not parallel:
        for job in jobs:
            work(job)
        return
    with ThreadPoolExecutor(threads) as pool:
        try:
            for done, _ in enumerate(pool.map(work, jobs)):
                report(Progress((done + 1) / len(jobs)))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _run_tile(runs: Sequence[_Run], method: Method, guide: Stack, job: Tile, report: Report) -> None:
    """Fill one block of the outputs per channel: new sections from the method, observed ones as they are."""
    seen = [_cropped(each.seen, job) for each in runs]
    made: Sequence[Sections | None] = [None] * len(runs)
    depths = runs[0].request.depths[job.targets].tolist()
    if not depths:
        report(Progress(1.0))
    elif len(runs) == 1:
        made = [method.sections_at(seen[0], depths, report=report)]
    else:
        ranges = [each.range for each in runs if each.range is not None]
        alike = [each.apply(stack) for each, stack in zip(ranges, seen, strict=True)]
        found = sections_of(method, _cropped(guide, job), alike, depths, report=report)
        made = [each.undo(sections) for each, sections in zip(ranges, found, strict=True)]
    for run, stack, sections in zip(runs, seen, made, strict=True):
        _store(run, stack, sections, job)


def _cropped(stack: Stack, job: Tile) -> Stack:
    """Return the part of a stack that a tile needs, read."""
    seen = stack.crop(job.sections, *job.padded)
    return replace(seen, voxels=np.asarray(seen.voxels))


def _store(run: _Run, seen: Stack, sections: Sections | None, job: Tile) -> None:
    """Fill one block of one channel: new sections as they were made, observed ones as they are."""
    factor = run.request.spec.enlarges
    place = Place(run.time, run.channel, job.span, _larger(job.rows, factor), _larger(job.columns, factor))
    inside = _larger(job.inside[0], factor), _larger(job.inside[1], factor)
    block = run.outputs.voxels.block(place)
    if sections is not None:
        _fill(sections.values[:, *inside], block, job)
        if run.outputs.uncertainty is not None and sections.uncertainty is not None:
            errors = run.outputs.uncertainty.block(place)
            errors[job.targets - job.span.start] = sections.uncertainty[:, *inside]
            errors[run.request.moved[job.span]] = np.nan  # what moving them does to them is not known
            run.outputs.uncertainty.store(place, errors)
    observed = seen.voxels
    if run.filled is not None:
        observed = run.observed.voxels[(job.sections, *job.padded)]
        restore_nan(run.request.depths[job.span], run.observed, (job.rows, job.columns), block, factor)
    for k in range(job.span.start, job.span.stop):
        if run.request.spec.keeps_observed and run.request.observed[k] >= 0:
            section = observed[run.request.observed[k] - job.sections.start][job.inside]
            rounded = block.dtype.kind in "iu" and section.dtype.kind == "f"  # enhanced before
            block[k - job.span.start] = _to_integers(section, block.dtype) if rounded else section
    run.outputs.voxels.store(place, block)


def _larger(part: slice, factor: int) -> slice:
    """Return the same rows or columns of an image enlarged by a factor."""
    return slice(part.start * factor, part.stop * factor)


def _fill(values: NDArray[Any], block: NDArray[Any], job: Tile) -> None:
    """Write float values into the block, rounded and clipped where it holds integers."""
    for row, k in enumerate(job.targets - job.span.start):
        block[k] = _to_integers(values[row], block.dtype) if block.dtype.kind in "iu" else values[row]


def _to_integers(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    limits = np.iinfo(dtype)
    highest = float(limits.max)
    if highest > limits.max:  # 64 bits: the float above the largest integer
        highest = float(np.nextafter(highest, 0.0))
    rounded: NDArray[Any] = np.rint(values)
    np.clip(rounded, limits.min, highest, out=rounded)
    return rounded


def _label(dataset: Dataset, time_point: int, group: tuple[int, ...]) -> str:
    times, channels = dataset.voxels.shape[:2]
    words = [f"time {time_point + 1} of {times}"] if times > 1 else []
    if len(group) > 1:
        words.append("colours" if dataset.rgb else f"{len(group)} channels")
    elif channels > 1:
        words.append(f"channel {group[0] + 1} of {channels}")
    return ", ".join(words)
