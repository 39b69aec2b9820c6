"""Asking the candidates for sections that are known: left-out sections, and rows of the XY images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...method import Method, working_dtype
from ...progress import Progress, Report, silent
from ...stack import Acquisition, Grid, Stack

_SECTIONS = 6
"""Left-out sections per half of the stack."""
_VOXELS = 4_000_000
"""Voxels of a thinned stack that are looked at; of larger sections, rows around the middle."""
_IMAGES = 6
_GAPS = 24
"""XY images, and gaps between their rows, in which rows are hidden."""


@dataclass(frozen=True, eq=False)
class Question:
    """A stack that is seen, the depths asked for, and what stands there: means of ``thick`` sections each."""

    seen: Stack
    z: list[float]
    truth: NDArray[Any]
    thick: int = 1


@dataclass(frozen=True, eq=False)
class Answer:
    """One known section: ``truth`` and what linear interpolation and each candidate made of it, all (Y, X).

    ``change`` is the absolute difference of the two sections between which it lies.
    """

    truth: NDArray[Any]
    linear: NDArray[Any]
    others: NDArray[Any]
    change: NDArray[Any]


def left_out(stack: Stack) -> list[Question]:
    """Return the even sections with odd ones asked for, and the other way round: twice the real gap.

    Of projections, means of two neighbours with both asked for: twice the real thickness.
    """
    rows = middle_rows(stack, max(64, _VOXELS // (len(stack.depths) * stack.voxels.shape[2])))
    if stack.acquisition.is_projection:
        return _joined(stack, rows)
    questions = []
    for first in (0, 1):
        seen = stack.crop(slice(first, None, 2), rows)
        inner = np.arange(first + 1, len(stack.depths) - 1, 2)
        if len(inner) and len(seen.depths) > 1:
            few = inner[np.unique(np.linspace(0, len(inner) - 1, _SECTIONS).round().astype(int))]
            questions.append(Question(seen, stack.depths[few].tolist(), stack.voxels[few, rows]))
    return questions


def _joined(stack: Stack, rows: slice) -> list[Question]:
    """Return neighbouring projections averaged in pairs, beginning with the first or the second one."""
    n, questions = stack.acquisition.n, []
    fine = stack.fine_depths()
    for first in (0, 1):
        pairs = (len(stack.depths) - first) // 2
        if pairs < 2:
            continue
        used = slice(first, first + 2 * pairs)
        means = stack.voxels[used, rows].astype(np.float32).reshape(pairs, 2, -1, stack.voxels.shape[2]).mean(axis=1)
        grid = replace(stack.grid, depths=stack.depths[used].reshape(pairs, 2).mean(axis=1))
        inner = np.arange(used.start, used.stop)
        few = inner[np.unique(np.linspace(0, len(inner) - 1, _SECTIONS).round().astype(int))]
        seen = Stack(means, grid, Acquisition(2 * n))
        questions.append(Question(seen, fine[few].ravel().tolist(), stack.voxels[few, rows], n))
    return questions


def middle_rows(stack: Stack, rows: int) -> slice:
    """Return at most so many image rows around the middle."""
    height = stack.voxels.shape[1]
    rows = min(height, rows)
    start = (height - rows) // 2
    return slice(start, start + rows)


def hidden_rows(stack: Stack, gap: int, pixel: float) -> list[Question]:
    """Return some XY images as if their rows were sections, ``gap`` pixels apart, with the rows between asked for.

    The neighbouring images stand side by side, as far apart as the sections are. Of projections, rows are averaged as
    sections are.
    """
    if stack.acquisition.is_projection:
        return _averaged_rows(stack, gap, pixel)
    few = np.unique(np.linspace(0, len(stack.depths) - 1, _IMAGES).round().astype(int))
    questions = []
    for axis in (1, 2):
        rows = stack.voxels[few].transpose(axis, 0, 3 - axis)
        count = min((len(rows) - 1) // gap, _GAPS)
        if count < 2:
            continue
        rows = np.ascontiguousarray(rows[: count * gap + 1])
        depths = np.arange(len(rows), dtype=np.float64) * pixel
        between = np.flatnonzero(np.arange(len(rows)) % gap)
        grid = Grid(depths[::gap], (float(stack.grid.spacing or pixel), pixel), stack.grid.unit)
        seen = replace(stack, voxels=rows[::gap], grid=grid)
        questions.append(Question(seen, depths[between].tolist(), rows[between]))
    return questions


def _averaged_rows(stack: Stack, gap: int, pixel: float) -> list[Question]:
    n = stack.acquisition.n
    section = max(1, round(gap / n))  # pixel rows
    few = np.unique(np.linspace(0, len(stack.depths) - 1, _IMAGES).round().astype(int))
    questions = []
    for axis in (1, 2):
        rows = stack.voxels[few].transpose(axis, 0, 3 - axis)
        count = min(len(rows) // (n * section), _GAPS)
        if count < 3:
            continue
        shape = (count * n, section, *rows.shape[1:])
        sections = rows[: count * n * section].astype(np.float32).reshape(shape).mean(axis=1)
        depths = np.arange(len(sections), dtype=np.float64) * section * pixel
        grid = Grid(depths.reshape(count, n).mean(axis=1), (float(stack.grid.spacing or pixel), pixel), stack.grid.unit)
        seen = Stack(sections.reshape(count, n, *sections.shape[1:]).mean(axis=1), grid, stack.acquisition)
        questions.append(Question(seen, depths.tolist(), sections))
    return questions


def answers(
    question: Question, linear: Method, candidates: Mapping[str, Method], report: Report = silent
) -> Iterator[Answer]:
    """Yield what each candidate makes of the question, section by section."""
    plain = _asked(linear, question)
    found = []
    for number, method in enumerate(candidates.values()):
        found.append(_asked(method, question))
        report(Progress((number + 1) / len(candidates)))
    z = np.asarray(question.z).reshape(-1, question.thick).mean(axis=1)
    below = np.searchsorted(question.seen.depths, z).clip(1, len(question.seen.depths) - 1) - 1
    for i, truth in enumerate(question.truth):
        change = change_between(question.seen, int(below[i]))
        yield Answer(truth.astype(working_dtype(truth.dtype)), plain[i], np.stack([each[i] for each in found]), change)


def _asked(method: Method, question: Question) -> NDArray[Any]:
    values = method.sections_at(question.seen, question.z, report=silent).values
    return values if question.thick == 1 else values.reshape(-1, question.thick, *values.shape[1:]).mean(axis=1)


def change_between(stack: Stack, gap: int) -> NDArray[np.float32]:
    """Return the absolute difference (Y, X) of the sections below and above a gap."""
    below, above = (stack.voxels[gap + i].astype(working_dtype(stack.voxels.dtype)) for i in (0, 1))
    return np.asarray(np.abs(above - below), np.float32)
