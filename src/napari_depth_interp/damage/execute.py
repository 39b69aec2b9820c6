"""The only door to a repair: command line, library and window come through here.

Every voxel that no step names comes out as it went in, bit by bit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
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
from ..stack.lazy import LazyVoxels, as_array, is_lazy
from ..system.memory import PeakMemory
from .detect import places
from .mending import Mending
from .plan import CHANGES, Step
from .request import RepairRequest
from .result import RepairResult
from .voxels import Mended, RepairedVoxels

_SHARE_OF_MAKING, _SHARE_OF_ALIGNING, _SHARE_OF_COPYING = 0.6, 0.8, 0.95
"""Shares of the time, roughly: making sections anew, finding how all are displaced, all but finishing the file."""


def execute_repair(
    request: RepairRequest, report: Report = silent, *, target: Target | None = None, in_file: bool = False
) -> RepairResult:
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
    in_file : bool
        Leave sections that are not repaired in the file that the input is read from: only repaired ones are held in
        memory. The result lasts as long as that file. Nothing else where the input is in memory.

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
    stays = in_file and target is None and is_lazy(request.dataset.voxels)
    with (
        PeakMemory() as memory,
        nullcontext() if stays else opened(request, target) as outputs,
        _folder(target) as folder,
    ):
        work = _Work(request, folder)
        work.run(part(report, 0.0, _SHARE_OF_MAKING))
        work.align(part(report, _SHARE_OF_MAKING, _SHARE_OF_ALIGNING))
        record = request.record() | work.record()
        if outputs is not None:
            work.write(outputs, part(report, _SHARE_OF_ALIGNING, _SHARE_OF_COPYING))
        if outputs is not None and target is not None:
            record |= target.history or {}
            outputs.finish({RECORD_KEY: record | {IN_FILE: record["observed"]}}, part(report, _SHARE_OF_COPYING, 1.0))
    report(Progress(1.0))
    voxels = work.in_file if outputs is None else _voxels(outputs, target)
    return RepairResult(
        replace(request.dense_template(), voxels=voxels, record={RECORD_KEY: record}),
        warnings=tuple(record["warnings"]),
        seconds=time.perf_counter() - start,
        peak_memory_mb=memory.peak_mb,
        examination=request.examination,
    )


@contextmanager
def _folder(target: Target | None) -> Iterator[Path | None]:
    """Give a temporary folder beside a file that is written, so that repaired sections need no memory."""
    if target is None:
        yield None
        return
    with TemporaryDirectory(prefix=".depth-interp-", dir=target.path.resolve().parent) as folder:
        yield Path(folder)


def _voxels(outputs: Outputs, target: Target | None) -> NDArray[Any]:
    if target is not None:
        return io.read(target.path, lazy=True).voxels
    assert isinstance(outputs.voxels, MemoryOutput)
    return outputs.voxels.voxels


@dataclass(eq=False)
class _Work:
    """A repair as it goes on."""

    request: RepairRequest
    folder: Path | None = None
    mended: Mended = field(default_factory=dict)
    done: list[Step] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    transforms: Transforms | None = None

    @property
    def repaired(self) -> RepairedVoxels:
        """The sections of the result, before any is moved."""
        return RepairedVoxels(self.request.dataset.voxels, self.mended, self.request.kept)

    @property
    def in_file(self) -> NDArray[Any]:
        """The sections of the result as they are asked for: repaired ones from memory, others from the input's file."""
        dataset = replace(self.request.dense_template(), voxels=as_array(LazyVoxels(self.repaired)))
        return (dataset if self.transforms is None else self.transforms.apply(dataset)).voxels

    def run(self, report: Report) -> None:
        """Repair all sections, place by place."""
        chosen = places(self.request.dataset)
        self.warnings += [*self.request.dataset.notes, *self.request.examination.notes]
        for number, place in enumerate(chosen):
            steps = [step for step in self.request.steps if step.place == place]
            mending = Mending(self.request.dataset, place, self.request.settings, self.folder)
            self.done += mending.run(steps, part(report, number / len(chosen), (number + 1) / len(chosen)))
            self.mended |= mending.mended
            self.warnings += mending.warnings
        self.done.sort(key=lambda step: (step.index, step.place.time, step.place.channels))
        self.warnings = list(dict.fromkeys([*self.warnings, *_left(self.done)]))
        report(Progress(1.0))

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
        changed = {step.index for step in self.done if step.action in CHANGES}
        rows = list(enumerate(self.request.kept))
        recorded = [row for row, k in rows if k not in changed]
        found: dict[str, Any] = {
            "sections": summary(self.done),
            "warnings": self.warnings,
            "observed": recorded,
            "repaired": [row for row, k in rows if k in changed],
        }
        if self.transforms is None:
            return found
        moved = self.transforms.moved_ever
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
