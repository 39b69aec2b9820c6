"""At which depths the new sections lie, from what was asked for, and which observed sections lie there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..method import MethodSpec
from ..methods import registry
from ..stack import SPACING_RTOL, Dataset, Grid, fine_depths, missing_spacing
from ..stack.units import convert, parse_length
from .settings import Settings, StackSettings, chosen_targets

MAX_SECTIONS = 100_000
"""More target sections than this is a slip of the keyboard, not a stack."""
SAME_GRID: dict[str, Any] = {
    "factor": None,
    "spacing": None,
    "isotropic": False,
    "enhance": None,
    "enhance_parameters": {},
}
"""What settings say about the target where a method enhances."""


def target_depths(dataset: Dataset, settings: Settings) -> tuple[NDArray[np.float64], list[str]]:
    """Return the depths that factor, spacing or isotropic ask for, and notes on how they were understood.

    Where sections are excluded and nothing is asked for, those of the input.
    """
    enlarges = registry.get(settings.method).enlarges
    if enlarges > 1:
        _one_of(settings)
        return _enlarged(dataset, settings, enlarges), []
    if settings.exclude is not None and not chosen_targets(settings):
        return known_depths(dataset.grid), []
    return denser_depths(dataset, settings)


def denser_depths(dataset: Dataset, settings: StackSettings) -> tuple[NDArray[np.float64], list[str]]:
    """Return :func:`target_depths` for whatever makes sections only, be it of an image or of labels."""
    _one_of(settings)
    grid = dataset.grid
    if settings.spacing is not None:
        return _regular(dataset, in_unit(settings.spacing, grid.unit))
    if settings.isotropic:
        if grid.pixel_size is None:
            raise RequestError("no pixel size is known, so isotropic has no meaning; use --factor or --spacing")
        return _regular(dataset, min(grid.pixel_size))
    factor = settings.factor
    if factor is None and dataset.acquisition.is_projection:
        factor = dataset.acquisition.n
    if factor is None:
        raise RequestError("say how dense the result should be: --factor 4, --spacing 2um or --isotropic")
    if factor < 2:
        raise RequestError(f"the factor must be 2 or more, got {factor}; 4 gives 3 new sections in each gap")
    return _multiplied(dataset, factor)


def _one_of(settings: StackSettings) -> None:
    chosen = chosen_targets(settings)
    if len(chosen) > 1:
        raise RequestError(f"{' and '.join(chosen)} exclude each other; give one of them")


def _enlarged(dataset: Dataset, settings: Settings, enlarges: int) -> NDArray[np.float64]:
    """Return the depths of a method that enlarges all axes: as many sections for each, filling the gap around it."""
    chosen = chosen_targets(settings)
    if chosen and settings.factor != enlarges:
        raise RequestError(
            f"{settings.method} makes all three axes {enlarges} times finer, and nothing else; "
            f"leave {chosen[0]} out, or choose another method"
        )
    return _fine_sections(dataset.grid, enlarges)


def _multiplied(dataset: Dataset, factor: int) -> tuple[NDArray[np.float64], list[str]]:
    """Return the grid of median gap / factor: (N-1)*factor+1 sections, or N*factor for projections."""
    grid = dataset.grid
    assert grid.depths is not None
    assert grid.spacing is not None
    if dataset.acquisition.is_projection:
        return _fine_sections(grid, factor), []
    _check_count((len(grid.depths) - 1) * factor + 1)
    if grid.is_even:
        steps = np.arange((len(grid.depths) - 1) * factor + 1) / factor
        return np.interp(steps, np.arange(len(grid.depths)), grid.depths), []
    step = grid.spacing / factor
    distance = f"{step:.6g} {grid.unit}" if grid.unit else f"{step:.6g}"
    note = f"the sections are unevenly spaced; the result is regular, {distance} apart"
    return _spaced(dataset, step), [note]


def _fine_sections(grid: Grid, factor: int) -> NDArray[np.float64]:
    """Return the depths of ``factor`` sections for each image, which is taken to be their mean."""
    if not grid.is_even:
        gaps = np.diff(known_depths(grid))
        raise RequestError(
            f"images that are means of sections must be evenly spaced, each the mean of those up to the next one; "
            f"got gaps from {gaps.min():g} to {gaps.max():g}; correct --depths, or use --acquisition slice and a "
            "method that adds sections only"
        )
    _check_count(len(known_depths(grid)) * factor)
    return fine_depths(grid, factor).ravel()


def _regular(dataset: Dataset, step: float) -> tuple[NDArray[np.float64], list[str]]:
    grid, depths = dataset.grid, _spaced(dataset, step)
    if grid.spacing is None or step <= grid.spacing * (1 + SPACING_RTOL):
        return depths, []
    return depths, [f"sections {step:.6g} apart are coarser than the stack's, {grid.spacing:.6g}"]


def known_depths(grid: Grid) -> NDArray[np.float64]:
    """Return the depths of the sections, or raise a :class:`MissingSpacingError`."""
    if grid.depths is None:
        raise missing_spacing()
    return grid.depths


def _spaced(dataset: Dataset, step: float) -> NDArray[np.float64]:
    """Return first + i*step up to the last observed depth (rounding of the file's spacing forgiven).

    The file's first section stays where it is, so a file stored from top to bottom begins at the top. Projections
    reach half a gap farther on both sides; the sections fill that reach as they do for a factor.
    """
    depths = known_depths(dataset.grid)
    if dataset.acquisition.is_projection:
        beyond = (dataset.grid.spacing or 0.0) / 2 - step / 2
        depths = np.array([depths[0] - beyond, depths[-1] + beyond])
    length = float(depths[-1] - depths[0])
    _check_count(length / step + 1 if step > 0 else np.inf)  # 1e-320nm in mm is 0
    count = int(np.floor(length / step * (1 + 1e-9) + SPACING_RTOL)) + 1
    if count < 2:
        unit = f" {dataset.grid.unit}" if dataset.grid.unit else ""
        whole = f"the whole stack ({length:g}{unit})"
        raise RequestError(f"a spacing of {step:g}{unit} is longer than {whole}; ask for a smaller one")
    steps = np.arange(count) * step
    if dataset.source is not None and dataset.source.reversed_sections:
        return np.asarray((depths[-1] - steps)[::-1])
    return np.asarray(depths[0] + steps)


def _check_count(count: float) -> None:
    if count > MAX_SECTIONS:
        many = f"{count:,.0f}" if count < 1e9 else f"{count:.3g}"
        raise RequestError(f"that makes {many} sections, more than {MAX_SECTIONS}; ask for fewer")


def in_unit(length: str, unit: str | None) -> float:
    """Return a length such as ``2um`` in a unit; one without a unit is in it already."""
    value, given = parse_length(length)
    if given is None or given == unit:
        return value
    if unit is None:
        raise RequestError(f"the depths have no unit, so '{length}' cannot be compared with it; leave the unit out")
    return convert(value, given, unit)


def explicit_depths(
    dataset: Dataset, settings: Settings, depths: Sequence[float], *, extrapolate: bool
) -> NDArray[np.float64]:
    """Return the depths given one by one, checked against the stack's and the settings.

    Raises
    ------
    InputError
        If they are no increasing, finite numbers.
    RequestError
        If they reach beyond the stack and may not, or the settings ask for others.
    """
    chosen = chosen_targets(settings)
    if chosen:
        raise RequestError(f"explicit depths and {' and '.join(chosen)} exclude each other; give one of them")
    wanted = known_depths(Grid(np.asarray(depths, float)))
    grid = dataset.grid
    holds_fine = dataset.acquisition.is_projection or registry.get(settings.method).enlarges > 1
    margin = (grid.spacing or 0.0) * (0.5 if holds_fine else SPACING_RTOL)
    first, last = known_depths(grid)[[0, -1]]
    if not extrapolate and (wanted[0] < first - margin or wanted[-1] > last + margin):
        raise RequestError(
            f"depths {wanted[0]:g} to {wanted[-1]:g} reach beyond the observed {first:g} to {last:g}; "
            "ask for depths in between, or in Python pass extrapolate=True"
        )
    return wanted


def match_observed(dataset: Dataset, depths: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return for each depth the index of the observed section there, or -1. A projection is at no depth."""
    observed = known_depths(dataset.grid)
    if dataset.acquisition.is_projection:
        return np.full(len(depths), -1)
    nearest = np.searchsorted((depths[1:] + depths[:-1]) / 2, observed)  # one target for each: they may be very dense
    tolerance = SPACING_RTOL * float(np.diff(observed).min())
    there = np.abs(depths[nearest] - observed) <= tolerance
    matched = np.full(len(depths), -1)
    matched[nearest[there]] = np.flatnonzero(there)
    return matched


def check_same_grid(spec: MethodSpec, settings: Settings, depths: Sequence[float] | None) -> None:
    """Refuse a target: an enhanced stack has the sections of the input.

    Raises
    ------
    RequestError
    """
    given = chosen_targets(settings)
    if given or depths is not None:
        what = " and ".join(given) or "new depths"
        raise RequestError(
            f"{spec.name} enhances the sections that there are and makes no new ones, so {what} cannot be asked of it; "
            f"leave the target out, or let it work before another method: --method auto --enhance {spec.name}"
        )
    if settings.enhance is not None:
        raise RequestError(f"{spec.name} enhances by itself; leave --enhance {settings.enhance} out")


def check_enhancer(spec: MethodSpec) -> None:
    """Refuse to enhance with a method that makes new sections."""
    if not spec.enhances:
        raise RequestError(f"{spec.name} makes new sections and does not enhance; for --enhance choose srcnn or cae")


def changes_observed(spec: MethodSpec) -> str:
    """Return what a user has to know about an enhanced stack."""
    return f"the sections were enhanced by {spec.name}: none of them is as it was recorded"
