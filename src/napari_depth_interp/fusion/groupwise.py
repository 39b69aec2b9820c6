"""Registering all stacks to each other at once (groupwise): each to what the others show, the first one as well.

Registering a stack to the others and the others to it are two looks at one motion, each with errors of its own. All
looks are weighed by how sharply each tells the motion and how well its parts agree; the first stack then stays where
it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..progress import Progress, Report, part, silent
from .configs import LeastSquaresConfig
from .contrast import matched
from .least_squares import solve
from .problem import Problem, average
from .refining import Fit, Frame, Registration, distance, refine
from .views import Affine, Lattice, View

Array = NDArray[np.float64]
_ROUNDS, _SETTLED = 6, 0.02
"""Rounds at most; change in voxels under which none follows."""
_QUICK = LeastSquaresConfig(smoothness=0.4, rounds=1, steps=10)
_EVEN = 0.3
"""Share of the covariance of what parts of a stack pull that is taken to be as its information, only larger: the parts
are few."""
_DAMPING = 1e-3
"""Share of the usual curvature that is added: what no stack tells stays as it is."""


class Known(NamedTuple):
    """How well the place of a stack is known: infinite if nothing tells, NaN if nobody asked.

    Attributes
    ----------
    distance : float
        Expected distance of its voxels from where they belong (root mean square).
    angle : float
        Expected error of its turn (or linear change), in degrees.
    """

    distance: float = math.nan
    angle: float = math.nan


UNKNOWN = Known(math.inf, math.inf)


@dataclass(frozen=True, eq=False)
class Placement:
    """Where a stack lies.

    Attributes
    ----------
    motion : (4, 4) array
    known : Known
        How well.
    """

    motion: Affine
    known: Known


def register_groupwise(
    views: Sequence[View], lattice: Lattice, kind: Registration, report: Report = silent
) -> list[Placement]:
    """Return where the stacks lie, beginning with where they are; the first one does not move.

    Parameters
    ----------
    views : sequence of View
        Already near to each other.
    lattice : Lattice
        Of the volume.
    kind : {"rigid", "affine"}
    report : callable
    """
    frame, moved = Frame.of(lattice, kind), list(views)
    known = [Known()] * len(views)
    for turn in range(_ROUNDS):
        inner = part(report, turn / _ROUNDS, (turn + 1) / _ROUNDS)
        try:
            comparable, _ = matched(moved, lattice)
        except RequestError:  # what was found is worse than what the files say, or these are wrong as well
            return [Placement(view.motion, UNKNOWN) for view in moved]
        fits = [_looked(comparable, number, lattice, frame, inner) for number in range(len(views))]
        steps, known = combined(frame, comparable, fits)
        motions = [frame.moved(view.motion, step) for view, step in zip(moved, steps, strict=True)]
        changes = [distance(view, view.motion, motion) for view, motion in zip(moved, motions, strict=True)]
        moved = [view.moved(motion) for view, motion in zip(moved, motions, strict=True)]
        if max(changes) < _SETTLED * lattice.voxel:
            break
    return [Placement(view.motion, each) for view, each in zip(moved, known, strict=True)]


def _looked(views: Sequence[View], number: int, lattice: Lattice, frame: Frame, report: Report) -> Fit:
    """Return how one of the stacks lies on what the others show."""
    report(Progress(number / len(views), f"refining {views[number].name}"))
    others = Problem.of([each for k, each in enumerate(views) if k != number], lattice)
    volume, _ = solve(others, _QUICK, average(others, 1))
    return refine(views[number], others, volume, frame)


def combined(frame: Frame, views: Sequence[View], fits: Sequence[Fit]) -> tuple[list[Array], list[Known]]:
    """Return the step of each stack, and how well its place is known, by the fits of all.

    Each fit tells how its stack should move against the mean of the others. What they contradict each other by, and
    what parts of a stack disagree by, is how well the places are known.
    """
    count, size = len(fits), frame.count
    steps = [frame.step(view.motion, fit.motion) for view, fit in zip(views, fits, strict=True)]
    looks = [_look(number, count, size) for number in range(count)]
    weights = [_weight(fit) for fit in fits]
    normal = sum(look.T @ weight @ look for look, weight in zip(looks, weights, strict=True))
    pull = sum(look.T @ weight @ step for look, weight, step in zip(looks, weights, steps, strict=True))
    unknown = (count - 1) * size
    damping = _DAMPING * np.trace(normal) / unknown * np.eye(unknown)
    if not np.trace(normal) > 0:
        return [np.zeros(size)] * count, [Known(), *[UNKNOWN] * (count - 1)]
    found = np.linalg.solve(normal + damping, pull)
    spread = np.linalg.inv(normal + damping)
    spreads = (weight @ _covariance(fit) @ weight for weight, fit in zip(weights, fits, strict=True))
    parts = spread @ sum(look.T @ each @ look for look, each in zip(looks, spreads, strict=True)) @ spread
    contradiction = sum(float(np.square(look @ found - step).sum()) for look, step in zip(looks, steps, strict=True))
    alone = np.linalg.inv(sum(look.T @ look for look in looks))
    known = [Known()]
    for number in range(1, count):
        own = slice((number - 1) * size, number * size)
        squares = np.diag(parts)[own] + contradiction / size * alone[own, own][0, 0]
        told = fits[number].information.any() and np.isfinite(squares).all()
        known.append(_known(frame, squares) if told else UNKNOWN)
    return [np.zeros(size), *found.reshape(count - 1, size)], known


def _covariance(fit: Fit) -> Array:
    """Return the covariance of the motion of a fit, by how its parts disagree."""
    inverse = np.linalg.pinv(fit.information)
    return np.asarray(inverse @ fit.disagreement @ inverse)


def _weight(fit: Fit) -> Array:
    """Return the inverse of the covariance of a fit, in part of one that is only larger than its information says."""
    if not (fit.information.any() and np.isfinite(fit.disagreement).all()):
        return fit.information
    ratio = float(np.trace(np.linalg.pinv(fit.information) @ fit.disagreement)) / len(fit.information)
    mixed = (1 - _EVEN) * fit.disagreement + _EVEN * ratio * fit.information
    return np.asarray(fit.information @ np.linalg.pinv(mixed) @ fit.information)


def _known(frame: Frame, squares: Array) -> Known:
    """Return how well a place is known by the expected squares of the errors of its parameters."""
    angle = math.degrees(math.sqrt(squares[3:].sum()) * frame.voxel / frame.radius)
    return Known(frame.voxel * math.sqrt(squares.sum()), angle)


def _look(number: int, count: int, size: int) -> Array:
    """Return how the steps of all stacks but the first make one against the mean of the others."""
    weights = np.full(count, -1 / (count - 1))
    weights[number] = 1.0
    return np.kron(weights[1:], np.eye(size))
