"""Asking the candidates for sections that are known: left-out sections, and rows of the XY images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...method import Method, working_dtype
from ...numerics.axial import rows_as_sections
from ...progress import Progress, Report, silent
from ...stack import Grid, Stack
from ...stack.thinning import joined, spread_over, thinned

_SECTIONS = 6
"""Left-out sections per half of the stack; fewer where the stack is cut into more parts."""
_VOXELS = 4_000_000
"""Voxels of a thinned stack that are looked at; of larger sections, rows around the middle."""
_IMAGES = 6
_GAPS = 24
"""XY images, and gaps between their rows, in which rows are hidden."""


@dataclass(frozen=True, eq=False)
class Question:
    """A stack that is seen, the depths asked for, and what stands there: means of ``thick`` sections each.

    ``apart``: the rows of a section come from images that are no neighbours of each other.
    """

    seen: Stack
    z: list[float]
    truth: NDArray[Any]
    thick: int = 1
    apart: bool = False


@dataclass(frozen=True, eq=False)
class Answer:
    """One known section: ``truth`` and what linear interpolation and each candidate made of it, all (Y, X).

    ``change`` is the absolute difference of the two sections between which it lies, ``share`` where in their gap
    (0 to 1); its rows may be ``apart``, see :class:`Question`.
    """

    truth: NDArray[Any]
    linear: NDArray[Any]
    others: NDArray[Any]
    change: NDArray[Any]
    share: float = 0.5
    apart: bool = False


@dataclass(frozen=True, eq=False)
class Known:
    """Everything that known sections tell: left-out ones at the doubled gap, and hidden rows.

    ``rows`` were hidden at the real and at the doubled gap; None where images are too small: then ``wider`` has
    sections left out at four times the gap, else it is empty. ``here`` are the middles
    of some real gaps, whose truth is not known (NaN); ``middles``: left-out sections are middles of gaps as well.
    """

    doubled: Sequence[Answer]
    wider: Sequence[Answer]
    rows: tuple[Sequence[Answer], Sequence[Answer]] | None
    here: Sequence[Answer]
    middles: bool = True


def left_out(stack: Stack, every: int = 2, blocks: int = 1) -> list[Question]:
    """Return stacks of every second section (or every fourth) with those in the middle between them asked for.

    Of projections, means of two neighbours with both asked for: twice the real thickness. ``blocks``: of how many the
    stack is one.
    """
    seen = stack.crop(slice(None), looked_at(stack, blocks))
    if stack.acquisition.is_projection:
        return _averaged_pairs(seen) if every == 2 else []
    questions = []
    for first in range(every):
        made = thinned(seen, every, first)
        middle = made.hidden[(made.hidden - first) % every == every // 2]
        if len(middle):
            few = spread_over(middle, 2 * _SECTIONS // every)
            questions.append(Question(made.seen, stack.depths[few].tolist(), seen.voxels[few]))
    return questions


def _averaged_pairs(stack: Stack) -> list[Question]:
    """Return neighbouring projections averaged in pairs, beginning with the first or the second one."""
    fine, questions = stack.fine_depths(), []
    for made in (joined(stack, first) for first in (0, 1)):
        if made is not None:
            few = spread_over(made.pairs.ravel(), _SECTIONS)
            questions.append(Question(made.seen, fine[few].ravel().tolist(), stack.voxels[few], stack.acquisition.n))
    return questions


def looked_at(stack: Stack, blocks: int = 1) -> slice:
    """Return the image rows that are looked at: all, or those around the middle of large images or of many blocks."""
    height = stack.voxels.shape[1]
    rows = min(height, max(64, _VOXELS // blocks // (len(stack.depths) * stack.voxels.shape[2])))
    start = (height - rows) // 2
    return slice(start, start + rows)


def hidden_rows(stack: Stack, gap: int, pixel: float, blur: float = 0.0) -> list[Question]:
    """Return some XY images as if their rows were sections, ``gap`` pixels apart, with the rows between asked for.

    The neighbouring images stand side by side, as far apart as the sections are. Rows are blurred by a standard
    deviation of ``blur`` pixels, as sections are along z. Of projections, rows are averaged as sections are.
    """
    if stack.acquisition.is_projection:
        return _averaged_rows(stack, gap, pixel)
    few = spread_over(np.arange(len(stack.depths)), _IMAGES)
    questions = []
    for axis in (1, 2):
        images = stack.voxels[few]
        if blur > 0:
            images = rows_as_sections(images.astype(np.float32), axis, blur)
        rows = images.transpose(axis, 0, 3 - axis)
        count = min((len(rows) - 1) // gap, _GAPS)
        if count < 2:
            continue
        rows = np.ascontiguousarray(rows[: count * gap + 1])
        depths = np.arange(len(rows), dtype=np.float64) * pixel
        between = np.flatnonzero(np.arange(len(rows)) % gap)
        grid = Grid(depths[::gap], (float(stack.grid.spacing or pixel), pixel), stack.grid.unit)
        seen = replace(stack, voxels=rows[::gap], grid=grid)
        questions.append(Question(seen, depths[between].tolist(), rows[between], apart=True))
    return questions


def _averaged_rows(stack: Stack, gap: int, pixel: float) -> list[Question]:
    n = stack.acquisition.n
    section = max(1, round(gap / n))  # pixel rows
    few = spread_over(np.arange(len(stack.depths)), _IMAGES)
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
        questions.append(Question(seen, depths.tolist(), sections, apart=True))
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
    below, shares = gaps_of(question.seen, z)
    for i, truth in enumerate(question.truth):
        change = change_between(question.seen, int(below[i]))
        others, truth = np.stack([each[i] for each in found]), truth.astype(working_dtype(truth.dtype))
        yield Answer(truth, plain[i], others, change, float(shares[i]), question.apart)


def _asked(method: Method, question: Question) -> NDArray[Any]:
    values = method.sections_at(question.seen, question.z, report=silent).values
    return values if question.thick == 1 else values.reshape(-1, question.thick, *values.shape[1:]).mean(axis=1)


def gaps_of(stack: Stack, z: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the section below each depth and the share (0 to 1) of the gap above that section."""
    depths = stack.depths
    below = np.clip(np.searchsorted(depths, z, side="right") - 1, 0, len(depths) - 2)
    return below, np.clip((z - depths[below]) / (depths[below + 1] - depths[below]), 0, 1)


def change_between(stack: Stack, gap: int) -> NDArray[np.float32]:
    """Return the absolute difference (Y, X) of the sections below and above a gap."""
    below, above = (stack.voxels[gap + i].astype(working_dtype(stack.voxels.dtype)) for i in (0, 1))
    return np.asarray(np.abs(above - below), np.float32)
