"""Making the result tile by tile: new sections, rounding, observed sections as they are, voxels that are no number."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..method import Sections
from ..method.trimming import kept_sections
from ..progress import Progress, Report, part, silent
from ..stack import Stack
from ..system.memory import give_back
from .memory import Memory
from .nan import filled, has_nan, restore_nan
from .outputs import Outputs, Place
from .preparing import Learned
from .request import Request
from .tiling import Region, Tile, tiles, workers


@dataclass(frozen=True, eq=False)
class Run:
    """One channel at one time point, as observed, on its way into the outputs.

    ``filled`` is what stands for it where voxels are not a number.
    """

    request: Request
    outputs: Outputs
    time: int
    channel: int
    observed: Stack
    filled: Stack | None = None

    @property
    def seen(self) -> Stack:
        """The stack as the method sees it, but for its range where channels share a method."""
        return self.observed if self.filled is None else self.filled

    @property
    def chunk_grid(self) -> tuple[int, int, int] | None:
        return self.outputs.voxels.chunk_grid

    @classmethod
    def of(cls, request: Request, outputs: Outputs, time: int, channel: int) -> Run:
        """Return a channel at a time point with its voxels read, if they have to be, and what is no number filled."""
        return cls(request, outputs, time, channel, *read(request, time, channel))


def read(request: Request, time: int, channel: int) -> tuple[Stack, Stack | None]:
    """Return a channel at a time point, in memory if it has to be, and with what is no number filled if it has any."""
    stack = request.dataset.stack(time, channel)
    if not request.spec.takes_lazy(request.config):
        stack = stack.in_memory()
    if not (request.fill_nan and has_nan(stack)):
        return stack, None
    stack = stack.in_memory()
    return stack, replace(stack, voxels=filled(stack.voxels))


def make_tiles(
    runs: Sequence[Run], learned: Learned, memory: Memory, report: Report, within: Region | None = None
) -> None:
    """Compute the result of channels that share a method tile by tile, or a part of it."""
    request, stack = runs[0].request, runs[0].observed
    jobs = list(tiles(request, stack, runs[0].chunk_grid, within, memory.room))
    threads = workers(request, jobs, memory.room)
    parallel = threads > 1

    def work(job: Tile) -> None:
        inner = silent if parallel else part(report, job.number / len(jobs), (job.number + 1) / len(jobs))
        _run_tile(runs, learned, job, inner)

    if not parallel:
        for job in jobs:
            work(job)
            give_back()  # what a tile has left would stand beside the next one
        return
    with ThreadPoolExecutor(threads) as pool:
        try:
            for done, _ in enumerate(pool.map(work, jobs)):
                report(Progress((done + 1) / len(jobs)))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _run_tile(runs: Sequence[Run], learned: Learned, job: Tile, report: Report) -> None:
    """Fill one block of the outputs per channel: new sections from the method, observed ones as they are."""
    seen = [_cropped(each.seen, job) for each in runs]
    made: Sequence[Sections | None] = [None] * len(runs)
    depths = runs[0].request.depths[job.targets].tolist()
    if not depths:
        report(Progress(1.0))
    elif learned.sharing is None:
        made = kept_sections(learned.method, seen[0], seen, depths, job.inside, report=report)
    else:
        ranges, guide = learned.sharing.ranges, learned.sharing.guide.image(seen)
        alike = [each.apply(stack) for each, stack in zip(ranges, seen, strict=True)]
        found = kept_sections(learned.method, guide, alike, depths, job.inside, report=report)
        made = [each.undo(sections) for each, sections in zip(ranges, found, strict=True)]
    for run, stack, sections in zip(runs, seen, made, strict=True):
        _store(run, stack, sections, job)


def _cropped(stack: Stack, job: Tile) -> Stack:
    """Return the part of a stack that a tile needs, read."""
    seen = stack.crop(job.sections, *job.padded)
    return replace(seen, voxels=np.asarray(seen.voxels))


def _store(run: Run, seen: Stack, sections: Sections | None, job: Tile) -> None:
    """Fill one block of one channel: new sections as they were made, observed ones as they are."""
    factor = run.request.spec.enlarges
    place = Place(run.time, run.channel, job.span, _larger(job.rows, factor), _larger(job.columns, factor))
    block = run.outputs.voxels.block(place)
    if sections is not None:
        _fill(sections.values, block, job)
        if run.outputs.uncertainty is not None and sections.uncertainty is not None:
            errors = run.outputs.uncertainty.block(place)
            errors[job.targets - job.span.start] = sections.uncertainty
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
