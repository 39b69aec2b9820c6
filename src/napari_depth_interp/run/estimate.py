"""How long a run will take and how much memory: measured on small parts of the stack, on this machine, just before.

The time of a run is taken to be a fixed part, a part for each training step, a part for each voxel that ``prepare``
looks at and a part for each voxel of the result. Three short runs on crops give them.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import OutputError
from ..method import Method, MethodConfig, Runtime, Sections, working_dtype
from ..progress import Progress, Report, part, silent
from ..stack import Dataset, Stack
from ..stack.lazy import is_lazy
from ..system.memory import free_memory, resident_memory
from .execute import execute
from .outputs import Target, result_bytes
from .request import Request
from .tiling import largest_tile, share_of_margins

_SECTIONS = 48
"""Sections of a crop at most: more of them take longer in proportion."""
_SMALL, _LARGE = 150_000, 1_200_000
"""Voxels of the two crops, to begin with."""
_LONG_ENOUGH = 0.5
"""Seconds: the larger crop grows until its run takes so much longer than the small one's."""
_COLUMNS = 256
_FEW, _MORE = 12, 40
"""Training steps of the short runs."""
_WRITING_BYTES = 150 * 10**6
"""What writing takes beside the tiles: chunks on their way through the compressor."""


@dataclass(frozen=True)
class Estimate:
    """What a run will take.

    Attributes
    ----------
    seconds : float
    memory_bytes : int
        Largest memory of this process.
    result_bytes : int
        Size of the result, uncompressed, with its uncertainty.
    streamed : bool
        Whether the result goes into a file as it is made.
    needed_bytes, free_bytes : int
        Memory that the run needs beside what the process has already, and free memory.
    """

    seconds: float
    memory_bytes: int
    result_bytes: int
    streamed: bool
    needed_bytes: int
    free_bytes: int

    @property
    def fits(self) -> bool:
        """Whether the run fits into the free memory."""
        return self.needed_bytes <= self.free_bytes

    def as_json(self) -> dict[str, Any]:
        """Return the numbers."""
        return asdict(self) | {"fits": self.fits}

    def describe(self) -> list[str]:
        """Return the estimate in words, and what to do if the run does not fit."""
        how = "streamed to the file" if self.streamed else "in memory"
        lines = [
            f"about {duration(self.seconds)}, {gigabytes(self.memory_bytes)} of memory; the result has "
            f"{gigabytes(self.result_bytes)}, {how} (measured on parts of this stack)"
        ]
        if not self.fits:
            advice = "choose a smaller factor or one channel, or crop the stack"
            advice = advice if self.streamed else f"stream the result to .ome.zarr or .ome.tif, {advice}"
            lines.append(
                f"it does not fit: {gigabytes(self.needed_bytes)} are needed and {gigabytes(self.free_bytes)} are "
                f"free; {advice}"
            )
        return lines


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    if seconds < 90:
        return f"{max(seconds, 0.1):.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def gigabytes(size: float) -> str:
    """Return a size in MB or GB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def estimate_run(request: Request, target: Target | None = None, report: Report = silent) -> Estimate:
    """Measure on crops of the stack what a run will take; within a factor of about 2.

    Parameters
    ----------
    request : Request
    target : Target, optional
        As for :func:`~napari_depth_interp.run.execute.execute`; nothing is left in its folder.
    report : callable
        Cancels the measurement by raising ``Cancelled``.
    """
    already, needed = resident_memory(), memory_needed(request, target)  # before the short runs leave memory behind
    seconds = _seconds(request, target, report)
    return Estimate(
        seconds,
        already + needed,
        result_bytes(request, uncertainty=target is None or target.uncertainty is not None),
        target is not None,
        needed,
        free_memory(),
    )


def memory_needed(request: Request, target: Target | None = None) -> int:
    """Return the bytes that a run takes beside what the process has already; nothing is measured for it."""
    if request.enhance is not None:  # its result is held while the other method works
        alone = memory_needed(replace(request, enhance=None), target)
        return max(memory_needed(request.enhance), result_bytes(request.enhance) + alone)
    stack = request.dataset.stack()
    voxels = math.prod(stack.voxels.shape)
    itemsize = np.dtype(working_dtype(stack.voxels.dtype)).itemsize
    spec, effort = request.spec, request.spec.effort
    tiles = largest_tile(request) * itemsize * (1 + spec.working_floats)
    prepared = 0.0 if effort is None else voxels * 4 * effort.floats
    needed = max(tiles, prepared) + (effort.megabytes * 1e6 if effort is not None else 0)
    if is_lazy(stack.voxels) and not spec.prepares_lazily:
        needed += stack.voxels.nbytes
    if request.fill_nan and stack.voxels.dtype.kind == "f":
        needed += 2 * stack.voxels.nbytes
    needed += result_bytes(request) if target is None else _WRITING_BYTES
    return int(needed)


@dataclass
class _Times:
    """One short run: how large, how many training steps, seconds in ``prepare`` and elsewhere."""

    seen: int
    made: int
    steps: int
    prepare: float
    rest: float

    @property
    def total(self) -> float:
        """Seconds altogether."""
        return self.prepare + self.rest


def _seconds(request: Request, target: Target | None, report: Report) -> float:
    if request.enhance is not None:
        alone = replace(request, enhance=None)
        enhancing = _seconds(request.enhance, None, part(report, 0.0, 0.5))
        return enhancing + _seconds(alone, target, part(report, 0.5, 1.0))
    effort = request.spec.effort
    steps = 0 if effort is None else effort.steps(request.config)
    few, more = (0, 0) if effort is None else (min(_FEW, steps), min(_MORE, steps))
    first = _measure(request, target, _SMALL, few, part(report, 0.0, 0.3))
    small = _measure(request, target, _SMALL, few, part(report, 0.3, 0.5))
    trained = _measure(request, target, _SMALL, more, part(report, 0.5, 0.7)) if more > few else small
    large, voxels = small, max(_LARGE, 4 * small.seen)
    while large.total - small.total < _LONG_ENOUGH and voxels < 4 * _size(request):
        large = _measure(request, target, voxels, few, part(report, 0.7, 1.0))
        voxels *= 4
    report(Progress(1.0))
    starting = max(0.0, first.total - small.total)
    return starting + _extrapolated(request, steps, (small, trained, large))


def _extrapolated(request: Request, steps: int, measured: Sequence[_Times]) -> float:
    small, trained, large = measured
    per_step = _slope(trained.prepare - small.prepare, trained.steps - small.steps)
    per_seen = _slope(large.prepare - small.prepare, large.seen - small.seen)
    per_made = _slope(large.rest - small.rest, large.made - small.made)
    times, channels = request.dataset.voxels.shape[:2]
    seen, made = _size(request), math.prod(request.output_shape[2:])
    effort = request.spec.effort
    looked_at = seen if effort is None or effort.looked_at is None else min(seen, effort.looked_at)
    prepare = max(0.0, small.prepare + per_step * (steps - small.steps) + per_seen * (looked_at - small.seen))
    rest = max(0.0, small.rest + per_made * (made * share_of_margins(request) - small.made))
    return float(times * channels * (prepare + rest))


def _slope(rise: float, run: int) -> float:
    return float(max(0.0, rise / run)) if run > 0 else 0.0


def _size(request: Request) -> int:
    return math.prod(request.dataset.voxels.shape[2:])


def _measure(request: Request, target: Target | None, voxels: int, steps: int, report: Report) -> _Times:
    """Run on a crop of about so many voxels of the input."""
    cropped = _cropped(request, voxels, chunked=target is not None)
    times = _Times(math.prod(cropped.dataset.voxels.shape), math.prod(cropped.output_shape), steps, 0.0, 0.0)
    effort, real = request.spec.effort, request.spec.create

    def create(config: MethodConfig, runtime: Runtime) -> Method:
        limited = config if effort is None else effort.limited(config, max(10, steps))
        return _Timed(real(limited, runtime), times)

    cropped = replace(cropped, spec=replace(cropped.spec, create=create))
    start = time.perf_counter()
    if target is None:
        execute(cropped, report)
    else:
        folder = target.path.absolute().parent
        try:
            place = tempfile.TemporaryDirectory(prefix=".depth-interp-", dir=folder)
        except OSError as error:
            raise OutputError(f"'{folder}' cannot be written to: {error.strerror or error}; choose another") from error
        with place as name:
            execute(cropped, report, Target(Path(name) / target.path.name))
    times.rest = time.perf_counter() - start - times.prepare
    return times


class _Timed:
    """A method whose ``prepare`` is timed."""

    def __init__(self, method: Method, times: _Times) -> None:
        self._method, self._times = method, times

    def prepare(self, stack: Stack, *, report: Report) -> None:
        start = time.perf_counter()
        self._method.prepare(stack, report=report)
        self._times.prepare += time.perf_counter() - start

    def sections_at(self, stack: Stack, z: Sequence[float], *, report: Report) -> Sections:
        return self._method.sections_at(stack, z, report=report)


def _cropped(request: Request, voxels: int, *, chunked: bool) -> Request:
    """Return the request on the first sections of the middle of the images, with its own depths there."""
    dataset = request.dataset
    *_, sections, height, width = dataset.voxels.shape
    count = min(sections, _SECTIONS)
    columns = width if request.spec.prepares_lazily else min(width, _COLUMNS)
    rows = min(height, max(24, voxels // (count * columns)))
    if chunked and request.spec.prepares_lazily and voxels > _SMALL:
        rows = min(height, -(-rows // _COLUMNS) * _COLUMNS)  # whole chunks, as in the real run
    top, left = (height - rows) // 2, (width - columns) // 2
    depths = dataset.stack().depths[:count]
    kept = request.depths <= depths[-1] + 1e-9 * abs(depths[-1])
    kept = kept if kept.sum() > 1 else np.arange(len(request.depths)) < 2
    part_of_it: Any = dataset.voxels[:1, :1, :count, top : top + rows, left : left + columns]
    if not request.spec.prepares_lazily:
        part_of_it = np.asarray(part_of_it)
    smaller = Dataset(part_of_it, replace(dataset.grid, depths=depths), dataset.acquisition)
    observed = np.where(request.observed < count, request.observed, -1)
    return replace(request, dataset=smaller, depths=request.depths[kept], observed=observed[kept])
