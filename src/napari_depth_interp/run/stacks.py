"""The stacks of a run one by one, each channel at each time point: prepared, made tile by tile, put into the outputs.

What every method needs is done here once: channels and time points, tiles, integer rounding, observed sections put back
unchanged, voxels that are not a number, constant stacks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..method import Explains, Findings, Method, Refits, Sections, sections_of
from ..methods import registry
from ..progress import Progress, Report, part, silent
from ..stack import Dataset, Stack
from .nan import filled, has_nan, restore_nan
from .outputs import Outputs, Place, Target
from .request import Request
from .sharing import Group, Range, groups_of, guide_of
from .tiling import Region, Tile, tiles, workers

_AT_ONCE = 4
"""Threads for which a part of the result is divided into tiles, however many there are: any process is to make it of
the same tiles, so that it has the same bits."""


@dataclass(frozen=True, eq=False)
class Job:
    """What is prepared at once: one channel at one time point, or several that share what a method learns."""

    time: int
    group: Group
    words: str

    @property
    def key(self) -> tuple[int, tuple[int, ...]]:
        """Time point and channels."""
        return self.time, self.group.channels


@dataclass(frozen=True)
class Told:
    """What preparing a method has to tell: warnings for the user, and its part of the history if it has any."""

    warnings: tuple[str, ...] = ()
    finding: Mapping[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class Run:
    """One channel at one time point, as observed, on its way into the outputs.

    ``filled`` is what stands for it where voxels are not a number; ``range`` brings it to the guide's values.
    """

    request: Request
    time: int
    channel: int
    observed: Stack
    filled: Stack | None = None
    range: Range | None = None

    @property
    def seen(self) -> Stack:
        """The stack as the method sees it, but for its range."""
        return self.observed if self.filled is None else self.filled


@dataclass(frozen=True, eq=False)
class Ready:
    """The channels of a job, with a method that is prepared on them, or on the guide of several."""

    runs: Sequence[Run]
    method: Method
    guide: Stack

    @property
    def key(self) -> tuple[int, tuple[int, ...]]:
        """Time point and channels."""
        return self.runs[0].time, tuple(each.channel for each in self.runs)


def jobs_of(request: Request) -> list[Job]:
    """Return what is to be done, in order."""
    times = range(request.dataset.voxels.shape[0])
    groups = groups_of(request)
    return [Job(t, group, _label(request.dataset, t, group.channels)) for t in times for group in groups]


def run_stacks(request: Request, outputs: Outputs, report: Report) -> list[Told]:
    """Run every channel at every time point; return what there is to tell of each."""
    jobs = jobs_of(request)
    known: dict[tuple[int, ...], Method] = {}
    told = []
    for number, job in enumerate(jobs):
        inner = part(report, number / len(jobs), (number + 1) / len(jobs), job.words)
        prepared = share_of_prepare(job.group.request)
        ready, tells = made_ready(request, job, known.get(job.group.channels), part(inner, 0.0, prepared))
        run_tiles(ready, outputs, part(inner, prepared, 1.0))
        known[job.group.channels] = ready.method
        told.append(tells)
    return told


def history(
    request: Request, told: Sequence[Told], target: Target | None = None, record: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the history of a run and what the user should know; ``record`` is that of the request, if it is known."""
    warnings = [*request.notes, *(line for each in told for line in each.warnings)]
    findings = [dict(each.finding) for each in told if each.finding is not None]
    added = {"warnings": warnings} | ({"findings": findings} if findings else {})
    made = dict(request.record() if record is None else record) | added
    if target is not None:
        made |= target.history or {}
    return made, tuple(warnings)


def made_ready(request: Request, job: Job, known: Method | None, report: Report) -> tuple[Ready, Told]:
    """Read what has to be read, and prepare a method; ``known`` is it as prepared on the time point before."""
    own, warnings = job.group.request, list[str]()
    runs = [Run(own, job.time, c, request.dataset.stack(job.time, c)) for c in job.group.channels]
    runs = [_read(each) for each in runs]
    guide = runs[0].seen
    if len(runs) > 1:
        guide = guide_of([each.seen for each in runs], rgb=request.dataset.rgb)
        runs = [replace(each, range=Range.of(each.seen.voxels, guide.voxels)) for each in runs]
    method = _prepared(own, guide, warnings, known, report)
    finding = None
    if isinstance(method, Explains):
        found = method.findings()
        warnings += [f"{job.words}: {line}" if job.words else line for line in found.warnings]
        finding = {"time": job.time, "channel": job.group.channels[0], **_as_record(found)}
    return Ready(runs, method, guide), Told(tuple(warnings), finding)


def _read(run: Run) -> Run:
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


def share_of_prepare(request: Request) -> float:
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


def run_tiles(ready: Ready, outputs: Outputs, report: Report, within: Region | None = None) -> None:
    """Compute the result of a job, or a part of it, tile by tile."""
    request = ready.runs[0].request
    divided = request if within is None else replace(request, runtime=replace(request.runtime, threads=_AT_ONCE))
    jobs = list(tiles(divided, ready.guide, outputs.voxels.chunk_grid, within))
    threads = workers(request, jobs, ready.guide)
    parallel = threads > 1

    def work(job: Tile) -> None:
        inner = silent if parallel else part(report, job.number / len(jobs), (job.number + 1) / len(jobs))
        _run_tile(ready, outputs, job, inner)

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


def _run_tile(ready: Ready, outputs: Outputs, job: Tile, report: Report) -> None:
    """Fill one block of the outputs per channel: new sections from the method, observed ones as they are."""
    runs, method = ready.runs, ready.method
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
        found = sections_of(method, _cropped(ready.guide, job), alike, depths, report=report)
        made = [each.undo(sections) for each, sections in zip(ranges, found, strict=True)]
    for run, stack, sections in zip(runs, seen, made, strict=True):
        _store(run, outputs, stack, sections, job)


def _cropped(stack: Stack, job: Tile) -> Stack:
    """Return the part of a stack that a tile needs, read."""
    seen = stack.crop(job.sections, *job.padded)
    return replace(seen, voxels=np.asarray(seen.voxels))


def _store(run: Run, outputs: Outputs, seen: Stack, sections: Sections | None, job: Tile) -> None:
    """Fill one block of one channel: new sections as they were made, observed ones as they are."""
    factor = run.request.spec.enlarges
    place = Place(run.time, run.channel, job.span, _larger(job.rows, factor), _larger(job.columns, factor))
    inside = _larger(job.inside[0], factor), _larger(job.inside[1], factor)
    block = outputs.voxels.block(place)
    if sections is not None:
        _fill(sections.values[:, *inside], block, job)
        if outputs.uncertainty is not None and sections.uncertainty is not None:
            errors = outputs.uncertainty.block(place)
            errors[job.targets - job.span.start] = sections.uncertainty[:, *inside]
            errors[run.request.moved[job.span]] = np.nan  # what moving them does to them is not known
            outputs.uncertainty.store(place, errors)
    observed = seen.voxels
    if run.filled is not None:
        observed = run.observed.voxels[(job.sections, *job.padded)]
        restore_nan(run.request.depths[job.span], run.observed, (job.rows, job.columns), block, factor)
    for k in range(job.span.start, job.span.stop):
        if run.request.spec.keeps_observed and run.request.observed[k] >= 0:
            section = observed[run.request.observed[k] - job.sections.start][job.inside]
            rounded = block.dtype.kind in "iu" and section.dtype.kind == "f"  # enhanced before
            block[k - job.span.start] = _to_integers(section, block.dtype) if rounded else section
    outputs.voxels.store(place, block)


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
