"""How long a run will take and how much memory: measured on small parts of the stack, on this machine, just before.

The time of a run is taken to be a fixed part, a part for each training step, a part for each voxel that ``prepare``
looks at and a part for each voxel of the result. Short runs on crops give them: a tiny one in which libraries are
loaded, a small one, a larger one, and one that trains longer. None of them trains in full, nor waits for sections that
take long: how far they are is reported.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import io
from ..errors import OutputError
from ..method import FEWEST_STEPS, Method, MethodConfig, Runtime, Sections
from ..progress import Cancelled, Progress, Report, part, silent
from ..stack import Dataset, Stack
from ..system.amounts import duration, size_in_words
from ..system.memory import free_memory, resident_memory
from .aligning import seconds_of_aligning
from .execute import execute
from .memory import WRITING_BYTES, Memory, input_bytes, memory_of
from .outputs import Target, result_bytes
from .request import Request
from .tiling import largest_tile, share_of_margins

_SECTIONS = 48
"""Sections of a crop at most: more of them take longer in proportion."""
_TINY, _SMALL = 20_000, 150_000
"""Voxels of the crop that everything is loaded with, and of the small crop."""
_SLOW_START = 2.0
"""Seconds of the tiny run, with what it loads, from which on the small crop is half as large."""
_SLOW_AGAIN = 3.0
"""Seconds of ``prepare`` on the large crop from which on the small one is trained on for longer."""
_NO_TRAINING = 0.1
"""Seconds of ``prepare`` in which nothing was trained: the tiny images were too small, and nothing was loaded yet."""
_GROWTH, _SLOW_GROWTH = 8, 2
"""How many times larger the large crop is to begin with, and where already the small one takes long."""
_LONG_ENOUGH = 0.5
"""Seconds: the larger crop grows until its run takes so much longer than the small one's."""
_COLUMNS = 256
_FEW_SECTIONS = 16
"""Sections of the small crop of methods that train: images that are too small would teach nothing."""
_FEW, _MORE = 12, 40
"""Training steps of the short runs."""
_SLOW_TRAINING = 1.5
"""Seconds of a short training from which the longer one has twice its steps only."""
_LONGEST = 2.0
"""Seconds after which a short run that reports how far it is needs not be waited for."""


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
    once_seconds : float
        Of the seconds those that are spent once, however many processes share the rest.
    """

    seconds: float
    memory_bytes: int
    result_bytes: int
    streamed: bool
    needed_bytes: int
    free_bytes: int
    once_seconds: float = 0.0

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
            f"about {duration(self.seconds)}, {size_in_words(self.memory_bytes)} of memory; the result has "
            f"{size_in_words(self.result_bytes)}, {how} (measured on parts of this stack)"
        ]
        if not self.fits:
            advice = "choose a smaller factor or one channel, or crop the stack"
            advice = advice if self.streamed else f"stream the result to .ome.zarr or .ome.tif, {advice}"
            lines.append(
                f"it does not fit: {size_in_words(self.needed_bytes)} are needed and "
                f"{size_in_words(self.free_bytes)} are free; {advice}"
            )
        return lines


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
    once, divided = _seconds(request, target, report)
    return Estimate(
        once + divided,
        already + needed,
        result_bytes(request, uncertainty=target is None or target.uncertainty is not None),
        target is not None,
        needed,
        free_memory(),
        once,
    )


def memory_needed(request: Request, target: Target | None = None) -> int:
    """Return the bytes that a run takes beside what the process has already; nothing is measured for it."""
    if request.enhance is not None:  # its result is held while the other method works
        alone = memory_needed(replace(request, enhance=None), target)
        return max(memory_needed(request.enhance), result_bytes(request.enhance) + alone)
    cost = request.spec.training_cost
    memory = memory_of(request, 0 if target else result_bytes(request))
    chunk_grid = None if target is None else io.chunks_of(target.path)
    tiles = largest_tile(request, chunk_grid, room=memory.room) * memory.bytes_per_voxel
    together = request.dataset.voxels.shape[1] if request.shares_fit else 1
    prepared = 0.0 if cost is None else together * _learned_from(request, memory) * 4 * cost.floats
    needed = max(tiles, prepared) + (cost.megabytes * 1e6 if cost is not None else 0) + input_bytes(request)
    return int(needed + (result_bytes(request) if target is None else WRITING_BYTES))


def _learned_from(request: Request, memory: Memory) -> int:
    """Return how many voxels of a stack are learned from."""
    size = _size(request)
    whole = size <= memory.learned_from or not request.spec.takes_lazy(request.config)
    return size if whole else min(size, memory.drawn)


@dataclass
class _Times:
    """One short run.

    Attributes
    ----------
    seen, made : int
        Voxels of the input and of the result.
    steps : int
        Training steps.
    prepare, rest : float
        Seconds in ``prepare`` and elsewhere.
    cut : float
        Seconds of ``rest`` that were not waited for.
    asked : int
        Voxels of the input that were asked for.
    """

    seen: int
    made: int
    steps: int
    prepare: float
    rest: float
    cut: float = 0.0
    asked: int = 0

    @property
    def total(self) -> float:
        """Seconds altogether."""
        return self.prepare + self.rest


def _seconds(request: Request, target: Target | None, report: Report) -> tuple[float, float]:
    """Return the seconds that are spent once, and those that several processes could share."""
    if request.align is not None:
        once, divided = _seconds(replace(request, align=None), target, report)
        return seconds_of_aligning(request) + once, divided
    if request.enhance is not None:
        alone = replace(request, enhance=None)
        enhancing = sum(_seconds(request.enhance, None, part(report, 0.0, 0.5)))
        once, divided = _seconds(alone, target, part(report, 0.5, 1.0))
        return enhancing + once, divided
    cost = request.spec.training_cost
    steps = 0 if cost is None else cost.steps(request.config)
    few = min(_FEW, steps)
    first = _measure(request, target, _TINY, few, part(report, 0.0, 0.2), prepare_only=few > 0)
    size = _SMALL if first.total < _SLOW_START else _SMALL // 2
    small = _measure(request, target, size, few, part(report, 0.2, 0.4))
    if few and first.prepare < _NO_TRAINING:
        first, small = small, _measure(request, target, size, few, part(report, 0.4, 0.5))
    large = small if small.cut else _larger(request, target, small, part(report, 0.5, 0.8))
    more = min(_MORE if small.prepare < _SLOW_TRAINING else 2 * _FEW, steps)
    again = trained = large if large.prepare < _SLOW_AGAIN or (cost is not None and cost.every_voxel) else small
    if more > few:
        trained = _measure(request, target, again.asked, more, part(report, 0.8, 1.0), prepare_only=True)
    report(Progress(1.0))
    starting = max(0.0, first.prepare - small.prepare if few else first.total - small.total)
    prepare, rest = _extrapolated(request, steps, (small, large), (again, trained))
    return starting + prepare, rest


def _larger(request: Request, target: Target | None, small: _Times, report: Report) -> _Times:
    """Run on larger and larger crops until one takes long enough beside the small one."""
    large, voxels = small, small.asked
    while not large.cut and large.total - small.total < _LONG_ENOUGH and voxels < _size(request):
        voxels *= _SLOW_GROWTH if large.total > _LONG_ENOUGH else _GROWTH
        large = _measure(request, target, voxels, small.steps, report)
    return large


def _extrapolated(
    request: Request, steps: int, sizes: tuple[_Times, _Times], lengths: tuple[_Times, _Times]
) -> tuple[float, float]:
    """Return the seconds of the whole run in ``prepare`` and elsewhere.

    ``sizes`` differ in their crops, ``lengths`` in their training steps.
    """
    (small, large), (again, trained) = sizes, lengths
    cost = request.spec.training_cost
    seen, made = _size(request), math.prod(request.output_shape[2:])

    def work(steps: int, seen: int) -> int:
        return steps * (seen if cost is not None and cost.every_voxel else 1)

    extra = work(trained.steps, trained.seen) - work(again.steps, again.seen)
    per_work = _slope(trained.prepare - again.prepare, extra)
    untrained, more = (each.prepare - per_work * work(each.steps, each.seen) for each in (small, large))
    learned_from = _learned_from(request, memory_of(request))
    looked_at = learned_from if cost is None or cost.looked_at is None else min(learned_from, cost.looked_at)
    per_seen = _slope(more - untrained, large.seen - small.seen)
    per_made = small.rest / small.made if small.cut else _slope(large.rest - small.rest, large.made - small.made)
    times, channels = request.dataset.voxels.shape[:2]
    prepare = max(0.0, untrained + per_work * work(steps, seen) + per_seen * (looked_at - small.seen))
    rest = max(0.0, small.rest + per_made * (made * share_of_margins(request) - small.made))
    fits = 1 if request.shares_fit else channels
    return float(times * fits * prepare), float(times * channels * rest)


def _slope(rise: float, run: int) -> float:
    return float(max(0.0, rise / run)) if run > 0 else 0.0


def _size(request: Request) -> int:
    return math.prod(request.dataset.voxels.shape[2:])


class _Enough(Cancelled):
    """Ends a short run of which enough is known."""


def _measure(
    request: Request, target: Target | None, voxels: int, steps: int, report: Report, *, prepare_only: bool = False
) -> _Times:
    """Run on a crop of about so many voxels of the input."""
    cropped = _cropped(request, voxels, chunked=target is not None)
    seen, made = math.prod(cropped.dataset.voxels.shape), math.prod(cropped.output_shape)
    times = _Times(seen, made, steps, 0.0, 0.0, asked=voxels)
    cost, real = request.spec.training_cost, request.spec.create

    def create(config: MethodConfig, runtime: Runtime) -> Method:
        limited = config if cost is None else cost.limited(config, max(FEWEST_STEPS, steps))
        return _Timed(real(limited, runtime), times, prepare_only=prepare_only)

    cropped = replace(cropped, spec=replace(cropped.spec, create=create))
    start = time.perf_counter()
    with suppress(_Enough):
        if target is None:
            execute(cropped, report)
        else:
            with _folder_beside(target.path) as folder:
                execute(cropped, report, Target(folder / target.path.name))
    times.rest = time.perf_counter() - start - times.prepare + times.cut
    return times


@contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    """Make a folder for a short time, on the same disk."""
    folder = path.absolute().parent
    try:
        place = tempfile.TemporaryDirectory(prefix=".depth-interp-", dir=folder)
    except OSError as error:
        raise OutputError(f"'{folder}' cannot be written to: {error.strerror or error}; choose another") from error
    with place as name:
        yield Path(name)


class _Timed:
    """A method whose ``prepare`` is timed, and whose ``sections_at`` ends before it has taken long."""

    def __init__(self, method: Method, times: _Times, *, prepare_only: bool) -> None:
        self._method, self._times, self._prepare_only = method, times, prepare_only

    def prepare(self, stack: Stack, *, report: Report) -> None:
        start = time.perf_counter()
        self._method.prepare(stack, report=report)
        self._times.prepare += time.perf_counter() - start
        if self._prepare_only:
            raise _Enough

    def sections_at(self, stack: Stack, z: Sequence[float], *, report: Report) -> Sections:
        start = time.perf_counter()

        def watched(progress: Progress) -> None:
            report(progress)
            taken = time.perf_counter() - start
            if taken > _LONGEST and 0 < progress.fraction < 1:
                self._times.cut += taken / progress.fraction - taken
                raise _Enough

        return self._method.sections_at(stack, z, report=watched)


def _cropped(request: Request, voxels: int, *, chunked: bool) -> Request:
    """Return the request on the first sections of the middle of the images, with its own depths there."""
    dataset = request.dataset
    count, rows, columns = _crop_size(request, voxels, chunked=chunked)
    top, left = ((size - kept) // 2 for size, kept in zip(dataset.voxels.shape[3:], (rows, columns), strict=True))
    depths = dataset.stack().depths[:count]
    kept = request.depths <= depths[-1] + 1e-9 * abs(depths[-1])
    kept = kept if kept.sum() > 1 else np.arange(len(request.depths)) < 2
    part_of_it: Any = dataset.voxels[:1, :1, :count, top : top + rows, left : left + columns]
    if not request.spec.takes_lazy(request.config):
        part_of_it = np.asarray(part_of_it)
    smaller = Dataset(part_of_it, replace(dataset.grid, depths=depths), dataset.acquisition)
    observed = np.where(request.observed < count, request.observed, -1)
    return replace(request, dataset=smaller, depths=request.depths[kept], observed=observed[kept])


def _crop_size(request: Request, voxels: int, *, chunked: bool) -> tuple[int, int, int]:
    """Return the sections, rows and columns of a crop of about so many voxels."""
    *_, sections, height, width = request.dataset.voxels.shape
    most = min(sections, _SECTIONS)
    if request.spec.trains_on_stack:
        high, wide = min(height, _COLUMNS), min(width, _COLUMNS)
        count = min(most, max(_FEW_SECTIONS, voxels // (high * wide)))
        columns = min(wide, max(24, round(math.sqrt(voxels / count))))
        return count, min(height, max(24, voxels // (count * columns))), columns
    streams = request.spec.takes_lazy(request.config) and request.tile_halo == 0
    columns = width if streams else min(width, _COLUMNS)
    rows = min(height, max(24, voxels // (most * columns)))
    if rows == height:
        columns = min(width, max(columns, voxels // (most * rows)))
    if chunked and streams and voxels > _SMALL:
        rows = min(height, -(-rows // _COLUMNS) * _COLUMNS)  # whole chunks, as in the real run
    return most, rows, columns
