"""The only door to a method for labels: command line, library, window and evaluation all come through here.

What every method needs is done here once: channels and time points, gaps one by one, identifiers, annotated sections
and other labels left as they are, what lies beyond the annotated sections, memory.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import io
from ..progress import Progress, Report, part, silent
from ..run.outputs import MemoryOutput, Output, Outputs, Place, Target, opened
from ..run.result import IN_FILE, RECORD_KEY, Result
from ..stack import Dataset
from ..system.devices import limited_threads
from ..system.memory import PeakMemory
from .annotated import Place as Where
from .gap import Filled
from .guide import at_depths
from .method import ExplainsLabels, LabelMethod
from .request import LabelRequest
from .result import LabelResult
from .series import Series
from .voxels import Sections
from .windows import Part, parts_of

_AT_ONCE = 2**24
"""Voxels of a gap that are asked of a method at once; a larger gap is filled in parts."""
_SHARE_OF_IMAGE, _SHARE_OF_PREPARE, _SHARE_OF_FILLING = 0.3, 0.5, 0.95
"""Shares of the time, roughly: making the image dense, learning where there is an image, all but writing."""


def execute_labels(
    request: LabelRequest,
    report: Report = silent,
    *,
    gaps: Collection[int] | None = None,
    target: Target | None = None,
) -> LabelResult:
    """Run a request.

    Parameters
    ----------
    request : LabelRequest
        From :func:`napari_depth_interp.labels.request.resolve_labels`.
    report : callable
        Gets a :class:`Progress` after every gap; cancels the run by raising ``Cancelled``.
    gaps : collection of int, optional
        Only these gaps, counted from 0 along the annotated sections; all other sections stay as they are. Default: all.
    target : Target, optional
        Files to stream the result to instead of holding it in memory; ``uncertainty`` is that of the confidence. They
        appear when the run has ended; a run that fails or is cancelled leaves none.

    Returns
    -------
    LabelResult
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
    start = time.perf_counter()
    told = _Told(list(request.notes))
    share = 1.0 if target is None else _SHARE_OF_FILLING
    begun = share * _SHARE_OF_IMAGE if request.image is not None and request.image.dense is not None else 0.0
    with (
        PeakMemory() as memory,
        limited_threads(request.runtime.threads),
        opened(request, target) as outputs,
        _image(request, part(report, 0.0, begun), target) as (image, dense),
    ):
        _run_stacks(request, outputs, image, gaps, told, part(report, begun, share))
        record = request.record() | told.record()
        if target is not None:
            record |= target.history or {}
            outputs.finish({RECORD_KEY: record | {IN_FILE: record["observed"]}}, part(report, share, 1.0))
    voxels, confidence = _voxels(outputs, target)
    template = request.dense_template()
    return LabelResult(
        Dataset(**{**_fields(template), "voxels": voxels, "record": {RECORD_KEY: record}}),
        warnings=tuple(told.warnings),
        seconds=time.perf_counter() - start,
        peak_memory_mb=memory.peak_mb,
        confidence=confidence,
        image=None if dense is None else at_depths(dense, request.depths),
    )


def _fields(dataset: Dataset) -> dict[str, Any]:
    return {name: getattr(dataset, name) for name in dataset.__dataclass_fields__}


def _image(
    request: LabelRequest, report: Report, target: Target | None
) -> AbstractContextManager[tuple[Dataset | None, Result | None]]:
    if request.image is None:
        return nullcontext((None, None))
    return request.image.made(report, None if target is None else target.path.absolute().parent)


def _voxels(outputs: Outputs, target: Target | None) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
    """Return labels and confidence: arrays, or what is still in the files."""
    if target is None:
        assert isinstance(outputs.voxels, MemoryOutput)
        assert isinstance(outputs.uncertainty, MemoryOutput)
        return outputs.voxels.voxels, outputs.uncertainty.voxels
    found = io.read(target.path, lazy=True).voxels
    return found, None if target.uncertainty is None else io.read(target.uncertainty, lazy=True).voxels


@dataclass
class _Told:
    """What a run has to tell beside its voxels."""

    warnings: list[str]
    findings: list[dict[str, Any]] = field(default_factory=list)
    made: set[int] = field(default_factory=set)

    def record(self) -> dict[str, Any]:
        """Return it as a part of the history."""
        found = {"findings": self.findings} if self.findings else {}
        return {"interpolated": sorted(self.made), "warnings": self.warnings} | found

    def hear(self, method: LabelMethod, where: Where, words: str) -> None:
        """Take what a method found out about one channel at one time point."""
        if not isinstance(method, ExplainsLabels):
            return
        found = method.findings()
        self.warnings += [f"{words}: {line}" if words else line for line in found.warnings]
        values = {key: value for key, value in asdict(found).items() if key != "warnings"}
        self.findings.append({"time": where[0], "channel": where[1], **values})


def _run_stacks(
    request: LabelRequest,
    outputs: Outputs,
    image: Dataset | None,
    gaps: Collection[int] | None,
    told: _Told,
    report: Report,
) -> None:
    """Fill in every channel at every time point, each alone."""
    times, channels = request.output_shape[:2]
    places = [(t, c) for t in range(times) for c in range(channels)]
    for number, where in enumerate(places):
        words = _label(where, times, channels)
        inner = part(report, number / len(places), (number + 1) / len(places), words)
        filler = _Filler(request, where, outputs, gaps)
        if where in request.annotated_of:
            series = request.series(*where, image=image)
            filler.method = request.spec.create(request.config, request.runtime)
            learns = _SHARE_OF_PREPARE if image is not None else 0.0
            filler.method.prepare(series, report=part(inner, 0.0, learns))
            filler.series = series
            told.hear(filler.method, where, words)
            filler.run(part(inner, learns, 1.0))
        else:
            filler.run(inner)
        told.made |= filler.made


def _label(where: Where, times: int, channels: int) -> str:
    words = [f"time {where[0] + 1} of {times}"] if times > 1 else []
    return ", ".join(words + ([f"channel {where[1] + 1} of {channels}"] if channels > 1 else []))


class _Filler:
    """One channel at one time point on its way into the outputs, section by section in the order of depth."""

    def __init__(self, request: LabelRequest, where: Where, outputs: Outputs, gaps: Collection[int] | None) -> None:
        self.request, self.gaps = request, gaps
        self.method: LabelMethod | None = None
        self.series: Series | None = None
        self.made: set[int] = set()
        self._annotated = request.annotated_of.get(where, ())
        stack = request.dataset.stack(*where)
        self._recorded = Sections(stack.voxels, range(len(stack.voxels)))
        self._depths = stack.depths[list(self._annotated)]
        self._writer = _Writer(outputs, where, request.output_shape, request.output_dtype)

    def run(self, report: Report) -> None:
        """Give all sections of the target to the outputs."""
        count = len(self.request.depths)
        for gap, members in groupby(range(count), self._gap_of):
            sections = list(members)
            if gap is None:
                for k in sections:
                    self._writer.add(self._recorded[int(self.request.sections[k])], 1.0)
            elif self.gaps is not None and gap not in self.gaps:
                self._leave(sections)
            elif 0 <= gap < len(self._depths) - 1:
                self._fill_all(gap, sections, part(report, sections[0] / count, (sections[-1] + 1) / count))
            elif self.request.same_grid or not self._annotated:
                self._leave(sections)
            else:
                self._beyond(gap, sections)
            report(Progress((sections[-1] + 1) / count))
        self._writer.flush()

    def _gap_of(self, k: int) -> int | None:
        """Return the gap that a target lies in: -1 before the first annotated section; None: it is annotated."""
        if self.request.sections[k] in self._annotated:
            return None
        return int(np.searchsorted(self._depths, self.request.depths[k])) - 1

    def _fill_all(self, gap: int, sections: list[int], report: Report) -> None:
        """Fill the sections of a gap, not too many at once."""
        size = max(1, _AT_ONCE // int(np.prod(self.request.output_shape[-2:])))
        for start in range(0, len(sections), size):
            stop = min(start + size, len(sections))
            self._fill(gap, sections[start:stop], part(report, start / len(sections), stop / len(sections)))

    def _fill(self, gap: int, sections: list[int], report: Report) -> None:
        """Fill some sections of a gap, part by part where they are large."""
        assert self.series is not None
        rows, columns = self.request.output_shape[-2:]
        parts = list(parts_of((rows, columns), self.series.images_in(gap)))
        if len(parts) == 1:
            made, names = self._asked(gap, sections, parts[0], report)
            for row, k in enumerate(sections):
                self._add(k, names[made.labels[row]], made.confidence[row])
            return
        labels = np.empty((len(sections), rows, columns), self.request.output_dtype)
        confidence = np.empty(labels.shape, np.float32)
        for number, each in enumerate(parts):
            inner = part(report, number / len(parts), (number + 1) / len(parts))
            made, names = self._asked(gap, sections, each, inner)
            labels[:, *each.kept] = names[made.labels[:, *each.inside]]
            confidence[:, *each.kept] = made.confidence[:, *each.inside]
        for row, k in enumerate(sections):
            self._add(k, labels[row], confidence[row])

    def _asked(self, gap: int, sections: list[int], seen: Part, report: Report) -> tuple[Filled, NDArray[Any]]:
        """Return what the method makes of a part of some sections, and what its labels stand for."""
        assert self.series is not None
        assert self.method is not None
        asked, names = self.series.within(seen.seen).gap(gap, gap + 1, self.request.depths[sections])
        made = self.method.fill(asked, report=report)
        report(Progress(1.0))
        return made, names

    def _beyond(self, gap: int, sections: list[int]) -> None:
        """Hold the end for half a gap; beyond that nothing is known."""
        assert self.series is not None
        end, inner = (0, 1) if gap < 0 else (len(self._depths) - 1, len(self._depths) - 2)
        width = abs(float(self._depths[end] - self._depths[inner]))
        for k in sections:
            away = abs(float(self.request.depths[k] - self._depths[end])) / width
            held = self.series.section(end)
            if away > 0.5:
                held = np.zeros_like(held)
            self._add(k, held, 1 - away if away <= 0.5 else 0.0)

    def _leave(self, sections: list[int]) -> None:
        """Keep sections as they are; on what they do not hold nothing is known."""
        for k in sections:
            place = int(self.request.sections[k])
            if place in self.request.filled:
                self.made.add(k)
            found = self._recorded[place] if place >= 0 else np.zeros(self.request.output_shape[-2:])
            self._writer.add(found, found != 0)

    def _add(self, k: int, labels: NDArray[Any], confidence: NDArray[np.float32] | float) -> None:
        """Add a section that was filled in; labels that it holds already stay."""
        self.made.add(k)
        place = int(self.request.sections[k])
        if place >= 0 and place not in self.request.filled:
            there = self._recorded[place]
            if there.any():
                labels, confidence = np.where(there != 0, there, labels), np.where(there != 0, 1, confidence)
        self._writer.add(labels, confidence)


class _Writer:
    """Collects sections in their order and hands them on as the file holds them: several at once where it does so."""

    def __init__(self, outputs: Outputs, where: Where, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._outputs, self._where, self._shape = outputs, where, shape
        grain = outputs.voxels.chunk_grid
        self._size = 1 if grain is None else grain[0]
        self._start = 0
        self._waiting: list[tuple[NDArray[Any], Any]] = []

    def add(self, labels: NDArray[Any], confidence: Any) -> None:
        """Take the next section; the confidence may be one number for all of it."""
        self._waiting.append((labels, confidence))
        if len(self._waiting) == self._size:
            self.flush()

    def flush(self) -> None:
        """Hand on what has been collected."""
        if not self._waiting:
            return
        self._store(self._outputs.voxels, 0)
        if self._outputs.uncertainty is not None:
            self._store(self._outputs.uncertainty, 1)
        self._start += len(self._waiting)
        self._waiting.clear()

    def _store(self, output: Output, which: int) -> None:
        span = slice(self._start, self._start + len(self._waiting))
        place = Place(*self._where, span, slice(0, self._shape[-2]), slice(0, self._shape[-1]))
        block = output.block(place)
        for row, section in enumerate(self._waiting):
            block[row] = section[which]
        output.store(place, block)
