"""The volume that explains all stacks best: robust least squares, solved by conjugate gradients, block by block.

What is made small is the sum over the stacks of the squared differences between what is recorded and what is seen of
the volume, over the noise, plus the roughness of the volume, which counts less where there are edges, plus the
distance from a prior volume if there is one. Voxels and sections that do not fit count less from round to round.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..progress import Progress, Report, silent
from .configs import LeastSquaresConfig
from .problem import Block, Problem, blocks, simulated
from .views import Volume


@dataclass(frozen=True, eq=False)
class Prior:
    """A volume to stay near to where the stacks do not say, and how much that counts beside the stacks."""

    volume: Volume
    weight: float


_ROUGH = 0.15
"""Scale of the weight of the roughness."""
_TINY = 1e-12


def solve(
    problem: Problem,
    config: LeastSquaresConfig,
    start: Volume,
    *,
    prior: Prior | None = None,
    report: Report = silent,
) -> tuple[Volume, Problem]:
    """Return the volume, and the problem with what each voxel of the stacks counted at the end.

    Parameters
    ----------
    problem : Problem
    config : LeastSquaresConfig
    start : (Z, Y, X) float32 array
        Where the first round begins.
    prior : Prior, optional
    report : callable
    """
    volume, places = start, blocks(problem)
    given = problem.counts
    for number in range(config.rounds):
        slope = _typical_slope(volume)
        found = np.empty_like(volume)
        for k, block in enumerate(places):
            done = (number + k / len(places)) / config.rounds
            report(Progress(done, f"solving, round {number + 1} of {config.rounds}"))
            found[block.kept] = _solved(problem, config, block, volume, slope, prior, number)[block.core]
        volume = found
        if number + 1 < config.rounds:
            problem = reweighted(replace(problem, counts=given), volume, config.robust)
    report(Progress(1.0))
    return volume, problem


def _typical_slope(volume: Volume) -> float:
    """Return the root mean square of the difference of neighbours."""
    squares = [float(np.square(np.diff(volume, axis=axis)).mean()) for axis in range(3) if volume.shape[axis] > 1]
    return float(np.sqrt(np.mean(squares) + _TINY)) if squares else 1.0


def _solved(
    problem: Problem, config: LeastSquaresConfig, block: Block, volume: Volume, slope: float, prior: Prior | None,
    number: int,
) -> Volume:  # fmt: skip
    start = np.ascontiguousarray(volume[block.place])
    reference = float(np.mean(problem.noise))
    rough = config.smoothness * _ROUGH * reference / slope
    bends = _edge_weights(start, config.edges, slope) if number and config.edges else None
    wanted, parts = np.zeros(start.size, np.float32), []
    for k, (view, noise, count) in enumerate(zip(problem.views, problem.noise, problem.counts, strict=True)):
        seen = problem.operator(k, block)
        weights = count.reshape(-1)[seen.index] * np.float32((reference / noise) ** 2)
        parts.append((seen.matrix, seen.transposed, weights))
        wanted += seen.transposed @ (weights * view.voxels.reshape(-1)[seen.index])
    pull = np.float32(0.0 if prior is None else prior.weight)
    if prior is not None:
        near = np.ascontiguousarray(prior.volume[block.place])
        wanted += (pull * near + np.float32(rough) * _roughness(near, bends)).ravel()

    def product(x: Volume) -> Volume:
        flat = x.ravel()
        found = pull * flat
        for matrix, transposed, weights in parts:
            found = found + transposed @ (weights * (matrix @ flat))
        return np.asarray(found.reshape(x.shape) + np.float32(rough) * _roughness(x, bends), np.float32)

    return conjugate_gradients(product, wanted.reshape(start.shape), start, config.steps)


def conjugate_gradients(product: Any, wanted: Volume, start: Volume, steps: int) -> Volume:
    """Return nearly the x for which ``product(x)`` is ``wanted`` (symmetric, positive), some steps from ``start``."""
    found = start.astype(np.float32)
    rest = wanted - product(found)
    direction, size = rest, float(np.vdot(rest, rest))
    limit = 1e-10 * float(np.vdot(wanted, wanted))
    for _ in range(steps):
        if size <= limit:
            break
        mapped = product(direction)
        length = size / max(float(np.vdot(direction, mapped)), _TINY)
        found = found + np.float32(length) * direction
        rest = rest - np.float32(length) * mapped
        size, last = float(np.vdot(rest, rest)), size
        direction = rest + np.float32(size / last) * direction
    return found


def _along(axis: int, part: slice) -> tuple[slice, ...]:
    return tuple(part if k == axis else slice(None) for k in range(3))


def _roughness(volume: Volume, weights: list[Volume] | None) -> Volume:
    """Return half the slope of the sum of squared, weighted differences of neighbours."""
    slope = np.zeros_like(volume)
    for axis in range(3):
        step = np.diff(volume, axis=axis)
        if weights is not None:
            step *= weights[axis]
        slope[_along(axis, slice(1, None))] += step
        slope[_along(axis, slice(None, -1))] -= step
    return slope


def _edge_weights(volume: Volume, edges: float, slope: float) -> list[Volume]:
    """Return what each difference of neighbours counts: less where the volume is steep."""
    squares = np.zeros_like(volume)
    for axis in range(3):
        step = np.square(np.diff(volume, axis=axis)) / 2
        squares[_along(axis, slice(1, None))] += step
        squares[_along(axis, slice(None, -1))] += step
    squares *= (edges / slope) ** 2 / 3
    weights = 1 / np.sqrt(1 + squares)
    weights /= weights.mean()
    pairs = ((weights[_along(axis, slice(1, None))], weights[_along(axis, slice(None, -1))]) for axis in range(3))
    return [np.asarray((first + second) / 2, np.float32) for first, second in pairs]


def reweighted(problem: Problem, volume: Volume, robust: float) -> Problem:
    """Return the problem in which voxels and sections whose residuals are unusually large count less."""
    counts = []
    for number, count in enumerate(problem.counts):
        residual = np.abs(problem.views[number].voxels - simulated(problem, number, volume))
        used = np.isfinite(residual) & (count > 0)
        if not used.any():
            counts.append(count)
            continue
        residual = np.where(used, residual, 0)
        typical = max(1.4826 * float(np.median(residual[used])), _TINY)
        voxels = np.minimum(1, robust * typical / np.maximum(residual, _TINY))
        counts.append((count * voxels * _section_weights(residual, used, robust)[:, None, None]).astype(np.float32))
    return replace(problem, counts=tuple(counts))


def _section_weights(residual: Volume, used: Any, robust: float) -> Volume:
    """Return (Z,) 1 for usual sections, less for those whose residuals are larger than those of most others."""
    totals = used.sum(axis=(1, 2))
    means = np.sqrt(np.square(residual).sum(axis=(1, 2)) / np.maximum(totals, 1))
    known = means[totals > 0]
    usual = max(float(np.median(known)), _TINY)
    ratio = means / usual
    allowed = 1 + robust / 3
    return np.where(ratio > allowed, np.square(allowed / np.maximum(ratio, _TINY)) ** 2, 1.0).astype(np.float32)
