"""The only door to a repair: command line, library and window come through here.

Every voxel that no step names comes out as it went in, bit by bit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import io
from ..progress import Progress, Report, part, silent
from ..registration import Transforms, estimate
from ..run.aligning import notes_on
from ..run.outputs import MemoryOutput, Outputs, Target, opened
from ..run.outputs import Place as Block
from ..run.result import IN_FILE, RECORD_KEY
from ..stack import Dataset
from ..stack.lazy import LazyVoxels, as_array
from ..system.memory import PeakMemory
from .anew import Anew, difference, made_anew, section
from .detect import Place, places
from .plan import LOST, Step
from .remedies import REMEDIES, Case, renewed
from .request import RepairRequest
from .result import RepairResult
from .voxels import Mended, RepairedVoxels

_SHARE_OF_MAKING, _SHARE_OF_ALIGNING, _SHARE_OF_COPYING = 0.6, 0.8, 0.95
"""Shares of the time, roughly: making sections anew, finding how all are displaced, all but finishing the file."""
_UNLIKE = 2**0.5
"""A corrected section that is so many times further from the one made anew than that is from the truth is worse."""


def execute_repair(request: RepairRequest, report: Report = silent, *, target: Target | None = None) -> RepairResult:
    """Run a request.

    Parameters
    ----------
    request : RepairRequest
        From :func:`napari_depth_interp.damage.request.resolve_repair`.
    report : callable
        Gets a :class:`Progress` now and then; cancels by raising ``Cancelled``.
    target : Target, optional
        File to stream the result to instead of holding it in memory. It appears when the repair has ended; one that
        fails or is cancelled leaves nothing.

    Returns
    -------
    RepairResult
        With a target, its voxels are read from the file when they are asked for.

    Raises
    ------
    TooLargeError, OutputError, Cancelled
        As for :func:`napari_depth_interp.run.execute.execute`.
    """
    start = time.perf_counter()
    work = _Work(request)
    with PeakMemory() as memory, opened(request, target) as outputs:
        work.run(part(report, 0.0, _SHARE_OF_MAKING))
        work.align(part(report, _SHARE_OF_MAKING, _SHARE_OF_ALIGNING))
        work.write(outputs, part(report, _SHARE_OF_ALIGNING, _SHARE_OF_COPYING))
        record = request.record() | work.record()
        if target is not None:
            record |= target.history or {}
            outputs.finish({RECORD_KEY: record | {IN_FILE: record["observed"]}}, part(report, _SHARE_OF_COPYING, 1.0))
    report(Progress(1.0))
    return RepairResult(
        replace(request.dense_template(), voxels=_voxels(outputs, target), record={RECORD_KEY: record}),
        warnings=tuple(record["warnings"]),
        seconds=time.perf_counter() - start,
        peak_memory_mb=memory.peak_mb,
        examination=request.examination,
    )


def _voxels(outputs: Outputs, target: Target | None) -> NDArray[Any]:
    if target is not None:
        return io.read(target.path, lazy=True).voxels
    assert isinstance(outputs.voxels, MemoryOutput)
    return outputs.voxels.voxels


@dataclass(eq=False)
class _Work:
    """A repair as it goes on."""

    request: RepairRequest
    mended: Mended = field(default_factory=dict)
    done: list[Step] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    transforms: Transforms | None = None

    @property
    def repaired(self) -> RepairedVoxels:
        """The sections of the result, before any is moved."""
        return RepairedVoxels(self.request.dataset.voxels, self.mended, self.request.kept)

    def run(self, report: Report) -> None:
        """Repair all sections, place by place."""
        chosen = places(self.request.dataset)
        self.warnings += [*self.request.dataset.notes, *self.request.examination.notes]
        for number, place in enumerate(chosen):
            steps = [step for step in self.request.steps if step.place == place]
            self._repair(place, steps, part(report, number / len(chosen), (number + 1) / len(chosen)))
        self.done.sort(key=lambda step: (step.index, step.place.time, step.place.channels))
        self.warnings = list(dict.fromkeys([*self.warnings, *_left(self.done)]))
        report(Progress(1.0))

    def _repair(self, place: Place, steps: list[Step], report: Report) -> None:
        wanted = {step.index for step in steps if step.action not in ("leave", "remove")}
        if not wanted:
            self.done += steps
            return
        damaged = {step.index for step in steps}
        anew = made_anew(self.request.dataset, place, damaged, wanted, self.request.settings, report)
        self.warnings += anew.warnings
        for step in steps:
            self.done.append(self._mended(step, anew, damaged) if step.index in wanted else step)

    def _mended(self, step: Step, anew: Anew, damaged: set[int]) -> Step:
        """Repair one section in all channels of its place; return what was done."""
        made = [
            _case(self.request.dataset, (step.place.time, channel, step.index), anew.sections[step.index][row], damaged)
            for row, channel in enumerate(step.place.channels)
        ]
        errors = [anew.error(step.index, difference(case.below, case.above)) for case in made]
        values = [_remedy(replace(case, part=step.damage.part), step) for case in made]
        own = step.action == "correct" or (step.action == "fill" and step.damage.kind == "saturated")
        if own and not all(map(_is_better, values, made, errors)):
            why = "a correction would be further from the truth than a section made anew, and so it was made anew"
            step = replace(step, action="interpolate", reason=f"{step.reason}; {why}")
            values = [renewed(case) for case in made]
        for channel, mended in zip(step.place.channels, values, strict=True):
            place = step.place.time, channel, step.index
            self.mended[place] = _stored(mended, self.request.dataset, place, step)
        known = [each for each in errors if each is not None]
        return replace(step, error=float(np.mean(known)) if known and step.action in LOST else None)

    def align(self, report: Report) -> None:
        """Find how the sections are displaced, repaired ones among them, if the request says so."""
        kind = self.request.settings.align
        if kind != "none":
            dataset = replace(self.request.dense_template(), voxels=as_array(LazyVoxels(self.repaired)))
            self.transforms = estimate(dataset, kind, report=report)
            self.warnings += notes_on(self.transforms)

    def write(self, outputs: Outputs, report: Report) -> None:
        """Give all sections to the outputs, as they were, repaired or moved, some at a time."""
        voxels, count = self.repaired, len(self.request.kept)
        whole = [slice(0, size) for size in voxels.shape[3:]]
        grid = outputs.voxels.chunk_grid
        size = 1 if grid is None else grid[0]
        blocks = [(t, c, first) for t, c in np.ndindex(*voxels.shape[:2]) for first in range(0, count, size)]
        for number, (t, c, first) in enumerate(blocks):
            rows = range(first, min(first + size, count))
            place = Block(t, c, slice(rows.start, rows.stop), *whole)
            block = outputs.voxels.block(place)
            for row in rows:
                section = voxels.section(t, c, row)
                block[row - first] = section if self.transforms is None else self.transforms.section(section, t, row)
            outputs.voxels.store(place, block)
            report(Progress((number + 1) / len(blocks)))

    def record(self) -> dict[str, Any]:
        """Return it as a part of the history; a section that was moved is no longer an observed one."""
        found: dict[str, Any] = {"sections": summary(self.done), "warnings": self.warnings}
        if self.transforms is None:
            return found
        moved, recorded = self.transforms.moved_ever, self.request.record()["observed"]
        return found | {
            "align": self.transforms.as_json(),
            "observed": [row for row in recorded if not moved[row]],
            "moved": [row for row in recorded if moved[row]],
        }


def summary(steps: list[Step]) -> list[dict[str, Any]]:
    """Return an entry per section: of several channels and time points the most severe, and all under ``places``."""
    entries = []
    for index in sorted({step.index for step in steps}):
        own = sorted((step for step in steps if step.index == index), key=lambda step: -step.damage.severity)
        entry = own[0].as_json()
        entries.append(entry | ({"places": [step.as_json() for step in own]} if len(own) > 1 else {}))
    return entries


def _left(steps: list[Step]) -> Iterator[str]:
    """Say which sections are damaged and were left as they are."""
    for step in steps:
        if step.action == "leave":
            yield f"section {step.index} was left as it is: {step.reason}"


def _case(dataset: Dataset, place: tuple[int, int, int], made: NDArray[Any], damaged: set[int]) -> Case:
    """Return a damaged section with the nearest sound ones."""
    time_point, channel, index = place
    sound = [k for k in range(dataset.voxels.shape[2]) if k not in damaged]
    below, above = max(k for k in sound if k < index), min(k for k in sound if k > index)
    depths = dataset.stack(time_point, channel).depths

    share = float((depths[index] - depths[below]) / (depths[above] - depths[below]))
    own, first, second = (section(dataset, time_point, channel, k) for k in (index, below, above))
    return Case(own, np.asarray(made, np.float32), first, second, share)


def _remedy(case: Case, step: Step) -> NDArray[np.float32]:
    return renewed(case) if step.action == "interpolate" else REMEDIES[step.damage.kind](case)


def _is_better(values: NDArray[np.float32], case: Case, error: float | None) -> bool:
    """Whether a corrected section is nearer to the truth than the one made anew, as far as can be told.

    Their errors do not depend on each other: the square of their difference is the sum of the squares of the errors.
    """
    before, after = (difference(each, case.anew) for each in (case.section, values))
    return after < before and (error is None or after < _UNLIKE * error)


def _stored(values: NDArray[np.float32], dataset: Dataset, place: tuple[int, int, int], step: Step) -> NDArray[Any]:
    """Return a repaired section in the type of the stack; where only a part was filled, the rest bit by bit."""
    dtype = dataset.voxels.dtype
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        rounded = np.clip(np.rint(values.astype(np.float64)), limits.min, limits.max)
        section = np.where(rounded >= float(limits.max), limits.max, rounded.astype(dtype)).astype(dtype)
    else:
        section = values.astype(dtype)
    if step.action == "fill" and step.damage.kind == "partial" and step.damage.part is not None:
        section = np.where(step.damage.part, section, np.asarray(dataset.voxels[place]))
    return np.asarray(section, dtype)
