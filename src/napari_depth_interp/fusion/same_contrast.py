"""Whether stacks that lie over each other show one contrast: told from what neither noise nor blur can explain.

Noise and small displacements count least in what is seen coarsely, uneven brightness in what is seen finely; stacks of
one contrast go together nearly perfectly in one of both, whereas what another contrast shows of its own stays in both.
And a line tells the grey values of the one from those of the other nearly as well as a bent one does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from .contrast import compared_thinned, noise_beside
from .views import Lattice, View

_COARSE = 2.5
"""Standard deviation of the blur with which stacks are seen coarsely, in thicknesses."""
_TOGETHER = 0.88
"""Correlation, noise aside, that stacks of one contrast have at least, seen finely or coarsely."""
_BESIDE = 1.5
"""Thicknesses within which stacks are sought that do not lie over each other: those are judged by held-out sections."""
_BENT, _LEFT = 1.6, 0.05
"""How many times as much a line may leave unexplained as a bent one, and the share of the variance under which what it
leaves does not count."""
_PIECES = 6
"""Pieces of the bent line, with equally many voxels each."""
_TINY = 1e-12


@dataclass(frozen=True)
class Likeness:
    """How the grey values of two stacks go together.

    Attributes
    ----------
    together : float
        Correlation, noise aside, of what is seen finely or coarsely, perhaps some voxels beside: the largest one.
    straight, bent : float
        Share of the variance that a line, and a bent one, do not explain.
    """

    together: float
    straight: float
    bent: float


def likeness(view: View, other: View, lattice: Lattice) -> Likeness:
    """Return how the grey values of a stack go with those of another one, which lies over it and is matched.

    Parameters
    ----------
    view, other : View
        Numbers or NaN, which does not count.
    lattice : Lattice
        Of the volume.
    """
    pair = compared_thinned(view, other, lattice)
    noise = noise_beside(view, other, lattice)
    level = np.where(pair.there, pair.ours - pair.theirs, 0).sum(axis=(1, 2)) / np.maximum(
        pair.there.sum(axis=(1, 2)), 1
    )
    ours, theirs = (
        each[pair.there].astype(np.float64) for each in (pair.ours - level[:, None, None], pair.theirs)
    )  # a drift that is told wrongly, as by lost sections, bends nothing
    bent = min(_left_by_pieces(ours, theirs), _left_by_pieces(theirs, ours))
    together = max(pair.without_noise(noise, coarser) for coarser in (0.0, _COARSE))
    if together < _TOGETHER:
        together = max(pair.without_noise(noise, coarser, _BESIDE) for coarser in (0.0, _COARSE))
    return Likeness(together, 1 - float(np.corrcoef(ours, theirs)[0, 1]) ** 2, bent)


def check_same_contrast(views: Sequence[View], lattice: Lattice) -> None:
    """Refuse stacks that show another contrast than the first one.

    Parameters
    ----------
    views : sequence of View
        As registered, with matched grey values; NaN does not count.
    lattice : Lattice
        Of the volume.

    Raises
    ------
    RequestError
    """
    for view in views[1:]:
        found = likeness(view, views[0], lattice)
        if found.together < _TOGETHER:
            why = f"noise and blur aside their grey values correlate by {found.together:.2f} only"
        elif found.straight > max(_LEFT, _BENT * found.bent):
            why = (
                f"a line leaves {found.straight:.0%} of their grey values unexplained, and a bent one "
                f"{found.bent:.0%} only"
            )
        else:
            continue
        raise RequestError(
            f"'{view.name}' shows another contrast than '{views[0].name}', or does not lie over it: {why}; only stacks "
            "of one contrast can be fused: give --transforms, or fuse them as they are with --unchecked"
        )


def _left_by_pieces(values: NDArray[np.float64], by: NDArray[np.float64]) -> float:
    """Return the share of the variance of grey values that others leave by a bent line."""
    knots = np.unique(np.quantile(by, np.linspace(0, 1, _PIECES + 1)))
    design = np.stack([np.interp(by, knots, each) for each in np.eye(len(knots))], axis=1)
    normal = design.T @ design
    normal += _TINY * np.trace(normal) * np.eye(len(normal))
    rest = values - design @ np.linalg.solve(normal, design.T @ values)
    return float(rest.var() / max(float(values.var()), _TINY))
