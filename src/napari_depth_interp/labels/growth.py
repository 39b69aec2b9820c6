"""How large an object is on its way through a gap, from its areas on the annotated sections around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_BLUNT = 4.0
"""How blunt the ends are of what is seen on one section alone: 2 is an ellipsoid, more is blunter."""

Areas = NDArray[np.float64]


def end_of(area: float, beyond: float | None, width: float) -> float:
    """Return after which share of a gap an object ends that is on one of its sections only.

    Objects that are shrinking end sooner, and so do those that are small against the gap. The rule is a straight
    line, fitted to experts' labels of cells, nuclei, a lumen and neurites at gaps of 2, 4 and 8 sections; for labels
    left out of the fit it is 0.14 to 0.20 of the gap away from where they end, where a half is 0.25 away.
    What is on one annotated section only, or may go on beyond the last one, is kept to half of the gap at least: how
    small it is there says little of how tall it is, as the section may only graze it.

    Parameters
    ----------
    area : float
        On the section where it is, in pixels.
    beyond : float or None
        On the annotated section before that one; 0: it is not there; None: there is none.
    width : float
        Of the gap, in pixels.
    """
    size = np.log(np.clip(np.sqrt(area / np.pi) / width, 0.1, 3.0))
    if beyond is None:
        base, soonest = 0.62, 0.5
    elif beyond <= 0:
        base, soonest = 0.72, 0.5
    else:
        base, soonest = 0.31 + 0.35 * np.sqrt(min(area / beyond, 1.5)), 0.1
    return float(np.clip(base + 0.18 * size, soonest, 0.95))


def ending_areas(area: float, beyond: float | None, end: float, ways: ArrayLike, last: float) -> Areas:
    """Return the areas of an object that ends, as a parabola through what is known: an ellipsoid is one.

    Parameters
    ----------
    area, beyond : float
        As for :func:`end_of`.
    end : float
        The share of the gap where the area is 0.
    ways : sequence of float
        How far into the gap, as shares of it.
    last : float
        How far the section before the one where it was seen is away, as a share of the gap.
    """
    way = np.asarray(ways, float)
    if beyond is None or beyond <= 0:
        return np.asarray(area * np.maximum(0, 1 - (way / end) ** _BLUNT))
    ratio = float(np.clip(beyond / area, 0.5, 4.0))
    # 1 + slope w + bend w^2 is the ratio at w = -last and 0 at w = end
    slope = -(1 + (ratio - 1) * (end / last) ** 2) / (end + end**2 / last)
    bend = (ratio - 1 + slope * last) / last**2
    return np.asarray(area * np.maximum(0, 1 + slope * way + bend * way**2) * (way < end))


def passing_areas(
    areas: tuple[float, float],
    beyond: tuple[float | None, float | None],
    places: tuple[float, float],
    width: float,
    shares: ArrayLike,
) -> Areas:
    """Return the areas of an object that is on both sections of a gap: a cubic whose slopes come from its neighbours.

    Parameters
    ----------
    areas : (below, above)
    beyond : (before, after)
        As for :func:`end_of`. An object that is not there any more ends on the way.
    places : (before, after)
        Where those sections lie, as shares of the gap: below 0 and above 1.
    width : float
        Of the gap, in pixels.
    shares : sequence of float
        Where the areas are wanted.
    """
    t = np.asarray(shares, float)
    first, second = areas
    step = second - first
    start = _slope(step, first, beyond[0], -places[0], width)
    stop = -_slope(-step, second, beyond[1], places[1] - 1, width)
    cubic = (
        (2 * t**3 - 3 * t**2 + 1) * first + (t**3 - 2 * t**2 + t) * start
        + (3 * t**2 - 2 * t**3) * second + (t**3 - t**2) * stop
    )  # fmt: skip
    return np.asarray(np.maximum(cubic, 0.25 * min(first, second)))


def _slope(step: float, area: float, beyond: float | None, away: float, width: float) -> float:
    """Return the slope of the parabola through the areas on three sections, at the one in the middle."""
    if beyond is None:
        return step
    if beyond <= 0:
        away *= end_of(area, 0.0, away * width)
    return ((area - beyond) / away + step * away) / (1 + away)
