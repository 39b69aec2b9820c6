"""Statistics over sections, over places in a gap, and over stacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_FEWEST = 6
"""Pairs under which a signed-rank test cannot reach p < 0.05."""
_PLACES = 16
"""Distinct places in gaps that are told apart; more are collected in tenths."""

Row = Mapping[str, Any]


def mean_of(values: Sequence[float | None]) -> float | None:
    """Return the mean of the known values; None without any."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def std_of(values: Sequence[float | None]) -> float | None:
    """Return the standard deviation (n - 1) of the known values; None for fewer than two."""
    known = [value for value in values if value is not None]
    return float(np.std(known, ddof=1)) if len(known) > 1 else None


def paired(own: Sequence[float | None], baseline: Sequence[float | None]) -> dict[str, float | int | None]:
    """Compare two methods on the same sections, or stacks.

    Returns
    -------
    dict
        ``difference``: mean of own less baseline, ``n``: pairs, ``p_value``: of Wilcoxon's signed-rank test (two-sided;
        Wilcoxon 1945). None with fewer than 6 pairs, or where nothing differs. Neighbouring sections are alike, so
        that p-values over sections of one stack are smaller than they should be.
    """
    from scipy.stats import wilcoxon

    pairs = [(a, b) for a, b in zip(own, baseline, strict=True) if a is not None and b is not None]
    differences = np.array([a - b for a, b in pairs])
    p_value = None
    if len(differences) >= _FEWEST and differences.any():
        p_value = float(wilcoxon(differences).pvalue)
    return {"difference": float(differences.mean()) if len(pairs) else None, "p_value": p_value, "n": len(pairs)}


def gap_curve(rows: Sequence[Row], names: Sequence[str]) -> tuple[dict[str, float | int | None], ...]:
    """Return mean scores at each place in a gap (``gap_position``, 0 at the section below to 1 at the one above)."""
    places = np.array([row["gap_position"] for row in rows if row["gap_position"] is not None], float)
    if len(np.unique(places.round(3))) > _PLACES:
        places = (places * 10).round() / 10
    known = [row for row in rows if row["gap_position"] is not None]
    curve = []
    for place in np.unique(places.round(3)):
        there = [row for row, where in zip(known, places.round(3), strict=True) if where == place]
        point: dict[str, float | int | None] = {"position": float(place), "n": len(there)}
        curve.append(point | {name: mean_of([row[name] for row in there]) for name in names})
    return tuple(curve)
