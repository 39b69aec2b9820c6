"""What sections that are held out say: how smooth the volume is to be, whether it beats the average, how wrong it is.

The same sections are scored for all candidates; a held-out section never reaches what predicts it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.optimize import nnls

from ..progress import Progress, Report, part, silent
from .problem import Problem, alone, average, simulated, upsampled
from .views import View, Volume

EVERY = 5
"""Every so many sections one is held out."""
_SIDE = 72
"""Voxels of the middle of the volume along each axis, in which sections are held out."""
_FEWEST = 4
"""Sections that a stack must have for one to be held out."""
_CLEARLY = 0.94
"""Part of the squared error of a candidate under which that of a later one must be to be taken for better: around
sections that are held out there are fewer others than in the whole stack, and so they speak for less smoothing."""
_MISSED = 0.9
"""Part of the squared error without sections under which that with them must be for them to tell something."""
_SMOOTH = 1.5
_TINY = 1e-12

Solve = Callable[[Problem, Volume, Report], Volume]
"""From a problem and the average of its stacks to a volume."""


Taken = Literal["volume", "average", "first stack"]


@dataclass(frozen=True)
class StackScore:
    """How well the held-out sections of one stack are predicted.

    Attributes
    ----------
    number : int
        Of the stack, from 0.
    sections : int
        How many were held out.
    rmse, average_rmse : float
        Root mean squared error of the volume and of the average, in the grey values of the first stack, less the
        noise of the sections themselves.
    """

    number: int
    sections: int
    rmse: float
    average_rmse: float

    @property
    def gain_db(self) -> float:
        """By how much the volume is better than the average, in dB."""
        return 20 * math.log10(max(self.average_rmse, _TINY) / max(self.rmse, _TINY))


@dataclass(frozen=True, eq=False)
class Trial:
    """What holding sections out has shown.

    Attributes
    ----------
    taken : {"volume", "average", "first stack"}
        What is to be believed: the volume of the best candidate, or where that predicts worse than the average does,
        the average, or the first stack alone.
    scores : tuple of StackScore
        Of what is taken.
    errors : (4,) array
        How squared errors go with the features of :func:`features`.
    chosen : int
        Which candidate predicts best.
    """

    taken: Taken
    scores: tuple[StackScore, ...]
    errors: NDArray[np.float64]
    chosen: int


def middle(problem: Problem) -> Problem:
    """Return the problem for the middle of a large volume."""
    shape = problem.lattice.shape
    z, y, x = (min(_SIDE, size) for size in shape)
    if (z, y, x) == shape:
        return problem
    corner = ((shape[0] - z) // 2, (shape[1] - y) // 2, (shape[2] - x) // 2)
    return problem.on(problem.lattice.part(corner, (z, y, x)))


def held_out(problem: Problem) -> list[NDArray[np.bool_]]:
    """Return which sections of each stack are held out, (Z,) True: some within what the stack sees of the volume."""
    return [_hidden(problem, number) for number in range(len(problem.views))]


def _hidden(problem: Problem, number: int) -> NDArray[np.bool_]:
    count = problem.counts[number]
    seen = np.zeros(count.size, bool)
    seen[problem.operator(number).index] = True
    there = np.flatnonzero((seen.reshape(count.shape) & (count > 0)).any(axis=(1, 2)))
    hidden = np.zeros(len(count), bool)
    if len(there) >= _FEWEST:
        hidden[there[1 + number % 2 : -1 : EVERY]] = True
    return hidden


def run_trial(problem: Problem, candidates: Sequence[Solve], report: Report = silent) -> Trial | None:
    """Hold sections out and compare candidates with the average; None where no stack has enough sections.

    Parameters
    ----------
    problem : Problem
    candidates : sequence of callable
    report : callable
    """
    tried = middle(problem)
    hidden = held_out(tried)
    if not any(each.any() for each in hidden):
        return None
    left = tried.without(hidden)
    plain = average(left)
    comparison = _Comparison(tried, hidden)
    best: tuple[float, int, Volume] | None = None
    for number, candidate in enumerate(candidates):
        inner = part(report, number / len(candidates), (number + 1) / len(candidates), "holding sections out")
        volume = candidate(left, plain, inner)
        error = comparison.error(volume)
        if best is None or error < _CLEARLY * best[0]:
            best = error, number, volume
    assert best is not None
    taken: Taken = "volume"
    volume = best[2]
    if best[0] > comparison.error(plain):
        taken, volume = ("first stack", alone(left, 0)) if comparison.apart(left) else ("average", plain)
    report(Progress(1.0))
    return Trial(taken, comparison.scores(volume, plain), comparison.error_model(volume, plain), best[1])


def better_without(whole: Problem, lost: Sequence[NDArray[np.bool_]], solve: Solve, report: Report = silent) -> bool:
    """Return whether sections that seem to be lost tell nothing of what is held out of the other stacks there.

    A section that is spoilt is given so little weight anyway that it seldom does harm; a good one is clearly missed.

    Parameters
    ----------
    whole : Problem
        In which all sections count.
    lost : sequence of (Z,) bool arrays
    solve : callable
    report : callable
    """
    tried = middle(whole)
    kept = tried.without(lost)
    hidden = held_out(kept)
    within = np.max([_place(view, gone, tried) for view, gone in zip(tried.views, lost, strict=True)], axis=0)
    comparison = _Comparison(kept, hidden, within)
    if not comparison.any:
        return True

    def error(problem: Problem, inner: Report) -> float:
        left = problem.without(hidden)
        return comparison.error(solve(left, average(left), inner))

    words = "holding sections out"
    without = error(kept, part(report, 0.0, 0.5, words))
    return _MISSED * without <= error(tried, part(report, 0.5, 1.0, words))


def _place(view: View, sections: NDArray[np.bool_], problem: Problem) -> Volume:
    """Return how far each voxel of the volume lies in some sections of a stack, (Z,) True: 0 to 1."""
    marked = np.broadcast_to(sections.astype(np.float32)[:, None, None], view.voxels.shape)
    values, reached = upsampled(view.with_voxels(marked), problem.lattice)
    return np.asarray(values * reached, np.float32)


def features(volume: Volume, plain: Volume) -> list[Volume]:
    """Return what squared errors go with: a constant, how far volume and average differ, slopes, distance from even."""
    apart = np.square(gaussian_filter(np.abs(volume - plain), _SMOOTH))
    slope = gaussian_filter(sum(np.square(each) for each in _slopes(volume)), _SMOOTH)
    rough = np.square(gaussian_filter(np.abs(volume - gaussian_filter(volume, _SMOOTH)), _SMOOTH))
    return [np.ones_like(volume), apart, np.asarray(slope, np.float32), rough]


def _slopes(volume: Volume) -> list[Any]:
    return [np.gradient(volume, axis=axis) for axis in range(3) if volume.shape[axis] > 1]


class _Comparison:
    """Held-out sections, and what volumes predict of them."""

    def __init__(self, problem: Problem, hidden: Sequence[NDArray[np.bool_]], within: Volume | None = None) -> None:
        self._problem = problem
        self._rows: list[tuple[int, Any, NDArray[np.float32], float]] = []
        for number, hide in enumerate(hidden):
            operator = problem.operator(number)
            wanted = hide[operator.section] & (problem.counts[number].reshape(-1)[operator.index] > 0)
            if within is not None:
                wanted &= self._seen(operator.matrix, within) > 0.5
            if wanted.any():
                values = problem.views[number].voxels.reshape(-1)[operator.index[wanted]]
                self._rows.append((number, operator.matrix[wanted], values, float(hide.sum())))

    @property
    def any(self) -> bool:
        """Whether anything is compared."""
        return bool(self._rows)

    def _seen(self, matrix: Any, volume: Volume) -> NDArray[np.float32]:
        return np.asarray(matrix @ volume.ravel(), np.float32)

    def error(self, volume: Volume) -> float:
        """Return the mean squared error over all stacks."""
        squares = [np.square(values - self._seen(matrix, volume)) for _, matrix, values, _ in self._rows]
        return float(np.concatenate(squares).mean())

    def apart(self, left: Problem) -> bool:
        """Return whether other stacks are told worse by the first one than each by its own next sections.

        Stacks that lie over each other tell more of each other than that: the next sections are twice as far away.
        """
        first, across, own = alone(left, 0), 0.0, 0.0
        for number, matrix, values, _ in self._rows:
            if number:
                across += float(np.square(values - self._seen(matrix, first)).mean())
                own += float(np.square(values - self._seen(matrix, alone(left, number))).mean())
        return across > own

    def scores(self, volume: Volume, plain: Volume) -> tuple[StackScore, ...]:
        """Return how well each stack is predicted."""
        found = []
        for number, matrix, values, count in self._rows:
            noise = self._problem.noise[number] ** 2
            errors = [
                math.sqrt(max(float(np.square(values - self._seen(matrix, each)).mean()) - noise, 0.01 * noise))
                for each in (volume, plain)
            ]
            found.append(StackScore(number, int(count), errors[0], errors[1]))
        return tuple(found)

    def error_model(self, volume: Volume, plain: Volume) -> NDArray[np.float64]:
        """Return how squared errors, less the noise of the sections, go with the features."""
        found = features(volume, plain)
        rows, targets = [], []
        for number, matrix, values, _ in self._rows:
            rows.append(np.stack([self._seen(matrix, each) for each in found], 1))
            targets.append(np.square(values - self._seen(matrix, volume)) - self._problem.noise[number] ** 2)
        design, target = np.concatenate(rows).astype(np.float64), np.concatenate(targets).astype(np.float64)
        scale = np.maximum(design.mean(axis=0), _TINY)
        return np.asarray(nnls(design / scale, target)[0] / scale, np.float64)


def expected_error(volume: Volume, plain: Volume, errors: NDArray[np.float64]) -> Volume:
    """Return the expected absolute error of each voxel."""
    squares = sum(float(weight) * each for weight, each in zip(errors, features(volume, plain), strict=True))
    return np.asarray(math.sqrt(2 / math.pi) * np.sqrt(np.maximum(squares, 0)), np.float32)


def predict_stack(problem: Problem, number: int, solve: Solve, report: Report = silent) -> tuple[float, float]:
    """Leave a whole stack out and predict it; return the error of the volume and that of the average of the others.

    Root mean squared errors as in :class:`StackScore`.
    """
    tried = middle(problem)
    left = tried.without_view(number)
    plain = average(left)
    volume = solve(left, plain, report)
    recorded, noise = tried.views[number].voxels, tried.noise[number] ** 2
    found = []
    for each in (volume, plain):
        seen = simulated(tried, number, each)
        used = np.isfinite(seen) & (tried.counts[number] > 0)
        error = float(np.square(seen - recorded)[used].mean()) if used.any() else math.nan
        found.append(math.sqrt(max(error - noise, 0.01 * noise)))
    return found[0], found[1]
