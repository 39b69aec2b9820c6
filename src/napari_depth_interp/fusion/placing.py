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
from .groupwise import Known, Placement, register_groupwise
from .lost import Lost, empty_sections, lost_sections, without_sections
from .problem import Problem, filled, upsampled
from .refining import distance
from .registering import register_all, within_range
from .request import FusionRequest
from .same_contrast import check_same_contrast
from .views import View

_LITTLE = 0.05
"""Share of a stack that must meet the volume."""
_TURNS = 2
"""How often the stacks are registered where lost sections are found on the way."""
_NOTHING = 0.1
"""Voxels under which a motion need not be doubted."""
_UNSURE, _UNSURE_ANGLE = 0.3, 0.25
"""Voxels of the result, and degrees, beyond which what is not known of a motion is told."""


@dataclass(frozen=True, eq=False)
class Placed:
    """Stacks brought onto each other, with grey values that mean the same.

    Attributes
    ----------
    problem : Problem
        Without the sections that are lost.
    whole : Problem
        The same with all sections that are not NaN.
    lost : tuple of (Z,) bool arrays
    scaling : Scaling
        From the grey values of the first stack to those of the problem.
    matches : tuple of Match
    before, after : tuple of float
        Correlation of each stack with the others before and after the registration.
    known : tuple of Known
        How well each stack's place is known; NaN for the first and where nothing was registered.
    notes : tuple of str
        What is doubtful about the registration, a line each.
    """

    problem: Problem
    whole: Problem
    lost: Lost
    scaling: Scaling
    matches: tuple[Match, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    known: tuple[Known, ...]
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
    known, notes = [Known()] * len(views), []
    if not request.given:
        fits, lost = _registered(request, views, part(report, 0.1, 1.0))
        left = _without(views, lost)
        for number in range(1, len(views)):
            doubt = _doubt(request, left, fits, number)
            notes += [doubt.words] if doubt else []
            if doubt and doubt.refused:
                fits[number] = Placement(views[number].motion, Known())
        views = [view.moved(fit.motion) for view, fit in zip(views, fits, strict=True)]
        known = [fit.known for fit in fits]
    lost = lost_sections(views, lattice)
    comparable, matches = matched(_without(views, lost), lattice)
    if not request.settings.unchecked:
        check_same_contrast(comparable, lattice)
    after = tuple(agreement(comparable, k, lattice) for k in range(len(views)))
    alike = [view.with_voxels(match.apply(view.voxels)) for view, match in zip(views, matches, strict=True)]
    whole = Problem.of(alike, lattice)
    _check_seen(whole)
    report(Progress(1.0))
    return Placed(whole.without(lost), whole, lost, scaling, tuple(matches), before, after, tuple(known), tuple(notes))


def _without(views: Sequence[View], lost: Lost) -> list[View]:
    return [without_sections(view, gone) for view, gone in zip(views, lost, strict=True)]


def _registered(request: FusionRequest, views: Sequence[View], report: Report) -> tuple[list[Placement], Lost]:
    """Return where the stacks lie, and which sections are lost.

    Each is registered to the first one, and then all to each other; sections that are found to be lost on the way are
    left out, and it is begun again.
    """
    kind, lattice = request.settings.registration, request.lattice
    lost: Lost = tuple(empty_sections(view) for view in views)
    for turn in range(_TURNS):
        inner = part(report, turn / _TURNS, (turn + 1) / _TURNS)
        moved = register_all(_filled(views, lost), kind, threads=request.runtime.threads, report=part(inner, 0.0, 0.4))
        found = lost_sections(_places(views, moved), lattice)
        fits = register_groupwise(_filled(_places(views, moved), found), lattice, kind, part(inner, 0.4, 1.0))
        same = all(np.array_equal(one, other) for one, other in zip(found, lost, strict=True))
        lost = found
        if same:
            break
    return fits, lost


def _places(views: Sequence[View], moved: Sequence[View]) -> list[View]:
    return [view.moved(other.motion) for view, other in zip(views, moved, strict=True)]


def _filled(views: Sequence[View], lost: Lost) -> list[View]:
    """Return the stacks with numbers everywhere: lost sections are interpolated."""
    found = [filled(view, gone) for view, gone in zip(views, lost, strict=True)]
    return [view.with_voxels(np.nan_to_num(view.voxels)) for view in found]


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
    elif fit.known.distance >= moved and 1 - found > (1 - filed) / 2:
        why = f"the motion of {moved:.2g}{unit} that was found is known to within {fit.known.distance:.2g}{unit} only"
    elif fit.known.distance > _UNSURE * lattice.voxel or fit.known.angle > _UNSURE_ANGLE:
        return _Doubt(
            f"'{view.name}' is registered to within {fit.known.distance:.2g}{unit} and {fit.known.angle:.2g} degrees "
            "only, as far as its parts and the stacks agree, and so the finest detail may be blurred or doubled; look "
            "at its overlay, or give --transforms",
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
