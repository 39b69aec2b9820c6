"""Bringing the stacks onto each other: registration, grey values, and whether what was found is to be believed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import RequestError
from ..progress import Progress, Report, part, silent
from ..stack.scaling import Scaling
from .contrast import Match, agreement, matched
from .groupwise import Placement, register_groupwise
from .problem import Problem, upsampled
from .refining import distance
from .registering import register_all, within_range
from .request import FusionRequest
from .views import View

_LITTLE = 0.05
"""Share of a stack that must meet the volume."""
_NOTHING = 0.1
"""Voxels under which a motion need not be doubted."""


@dataclass(frozen=True, eq=False)
class Placed:
    """Stacks brought onto each other, with grey values that mean the same.

    Attributes
    ----------
    problem : Problem
    scaling : Scaling
        From the grey values of the first stack to those of the problem.
    matches : tuple of Match
    before, after : tuple of float
        Correlation of each stack with the others before and after the registration.
    uncertainties : tuple of float
        Expected distance of each stack's voxels from where they belong; NaN for the first and where nothing was
        registered.
    notes : tuple of str
        What is doubtful about the registration, a line each.
    """

    problem: Problem
    scaling: Scaling
    matches: tuple[Match, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    uncertainties: tuple[float, ...]
    notes: tuple[str, ...] = ()


def place_stacks(request: FusionRequest, report: Report = silent) -> Placed:
    """Register the stacks and match their grey values.

    A stack whose registration its grey values do not support is left where its file says, with a note.

    Raises
    ------
    RequestError
        If stacks do not overlap, or do not show the same thing in the same contrast.
    """
    scaling = Scaling.of(np.nan_to_num(request.views[0].voxels))
    views = [view.with_voxels(scaling.apply(view.voxels)) for view in request.views]
    lattice = request.lattice
    report(Progress(0.0, "comparing the stacks"))
    before = tuple(agreement(views, k, lattice) for k in range(len(views)))
    uncertainties, notes = [math.nan] * len(views), []
    if not request.given:
        numbers = [view.with_voxels(np.nan_to_num(view.voxels)) for view in views]
        fits = _registered(request, numbers, part(report, 0.1, 1.0))
        for number in range(1, len(views)):
            doubt = _doubt(request, numbers, fits, number)
            notes += [doubt.words] if doubt else []
            if doubt and doubt.refused:
                fits[number] = Placement(views[number].motion, math.nan)
        views = [view.moved(fit.motion) for view, fit in zip(views, fits, strict=True)]
        uncertainties = [fit.uncertainty for fit in fits]
    comparable, matches = matched(views, lattice)
    after = tuple(agreement(comparable, k, lattice) for k in range(len(views)))
    problem = Problem.of(comparable, lattice)
    _check_seen(problem)
    report(Progress(1.0))
    return Placed(problem, scaling, tuple(matches), before, after, tuple(uncertainties), tuple(notes))


def _registered(request: FusionRequest, views: Sequence[View], report: Report) -> list[Placement]:
    """Return where the stacks lie: each registered to the first one, and then all to each other."""
    kind, lattice = request.settings.registration, request.lattice
    moved = register_all(views, kind, threads=request.runtime.threads, report=part(report, 0.0, 0.4))
    return register_groupwise(moved, lattice, kind, part(report, 0.4, 1.0))


@dataclass(frozen=True)
class _Doubt:
    """What speaks against a registration, in a line, and whether it is not to be used."""

    words: str
    refused: bool


def _doubt(request: FusionRequest, views: Sequence[View], fits: Sequence[Placement], number: int) -> _Doubt | None:
    """Return what speaks against the registration of a stack, compared with where its file says that it lies."""
    lattice, view, fit = request.lattice, views[number], fits[number]
    unit = f" {request.unit}" if request.unit else ""
    moved = distance(view, view.motion, fit.motion)
    if moved < _NOTHING * lattice.voxel:
        return None
    others = [each.moved(other.motion) for each, other in zip(views, fits, strict=True)]
    found = _likeness(others, number, request)
    others[number] = view
    filed = _likeness(others, number, request)
    if not within_range(view.lattice, views[0].lattice, fit.motion, view.motion):
        why = "it would lie further from there than is sought"
    elif found <= filed:
        why = f"moved by {moved:.2g}{unit} it would correlate with the others by {found:.3f} instead of {filed:.3f}"
    elif fit.uncertainty >= moved and 1 - found > (1 - filed) / 2:
        why = f"the motion of {moved:.2g}{unit} that was found is known to within {fit.uncertainty:.2g}{unit} only"
    elif fit.uncertainty > lattice.voxel:
        return _Doubt(
            f"'{view.name}' is registered to within {fit.uncertainty:.2g}{unit} only, more than a voxel of the result; "
            "look at its overlay, or give --transforms",
            False,
        )
    else:
        return None
    return _Doubt(f"'{view.name}' could not be registered and was left where its file says that it lies: {why}", True)


def _likeness(views: Sequence[View], number: int, request: FusionRequest) -> float:
    """Return how a stack correlates with the others once drifts of the brightness are taken off; 0 where it cannot."""
    try:
        comparable, _ = matched(views, request.lattice)
    except RequestError:
        return 0.0
    found = agreement(comparable, number, request.lattice)
    return 0.0 if math.isnan(found) else found


def _check_seen(problem: Problem) -> None:
    for view in problem.views:
        _, reached = upsampled(view, problem.lattice)
        if reached.mean() < _LITTLE:
            raise RequestError(
                f"'{view.name}' meets only {reached.mean():.1%} of the result; check that it shows the same specimen, "
                "or leave it out"
            )
