"""Interpolation along one axis as a matrix: each new value is a weighted sum of known ones.

Where a known value is the mean of a stretch of new ones, the matrix is un-averaged first: with ``W`` the interpolation
and ``P`` the averaging, ``W (P W)^-1`` is the limit of repeated back-projection, so that averaging the result gives
the known values back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64]


def _nearest(depths: Weights, z: Weights) -> Weights:
    """Half-way between two sections the first one counts."""
    middles = (depths[1:] + depths[:-1]) / 2
    return np.eye(len(depths))[np.searchsorted(middles, z, side="left")]


def _linear(depths: Weights, z: Weights) -> Weights:
    return np.stack([np.interp(z, depths, unit) for unit in np.eye(len(depths))], axis=1)


def _spline(depths: Weights, z: Weights) -> Weights:
    """Natural cubic spline: continuous curvature, none at the ends."""
    from scipy.interpolate import CubicSpline

    spline = CubicSpline(depths, np.eye(len(depths)), bc_type="natural")
    return np.asarray(spline(np.clip(z, depths[0], depths[-1])))


def _catmull_rom(depths: Weights, z: Weights) -> Weights:
    """Cubic Hermite with second-order finite-difference slopes (Catmull-Rom on even gaps)."""
    from scipy.interpolate import CubicHermiteSpline

    unit = np.eye(len(depths))
    curve = CubicHermiteSpline(depths, unit, np.gradient(unit, depths, axis=0))
    return np.asarray(curve(np.clip(z, depths[0], depths[-1])))


_KINDS = {"nearest": _nearest, "linear": _linear, "spline": _spline, "catmull-rom": _catmull_rom}


def weights(kind: str, depths: Weights, z: Weights) -> Weights:
    """Return (len(z), len(depths)) weights; the ends are held.

    Parameters
    ----------
    kind : str
        ``nearest``, ``linear``, ``spline`` or ``catmull-rom``.
    depths : (N,) array, strictly increasing
        Where values are known. N >= 2 unless the kind is nearest or linear.
    z : array
        Where they are wanted.
    """
    return _KINDS[kind](depths, z)


def at_places(sections: NDArray[Any], places: NDArray[np.float64]) -> NDArray[Any]:
    """Return sections (K, Y, X) at fractional places among ``sections``, by linear interpolation.

    At whole places they come back as they are, even beside NaN.
    """
    first = np.clip(np.floor(places).astype(int), 0, max(0, len(sections) - 2))
    share = (places - first)[:, None, None].astype(sections.dtype)
    below, above = sections[first], sections[np.minimum(first + 1, len(sections) - 1)]
    mixed = np.where(share == 1, above, below + share * (above - below))
    return np.asarray(np.where(share == 0, below, mixed))


def unaverage(kind: str, depths: Weights, fine: NDArray[np.float64]) -> Weights:
    """Return ``(P W)^-1``: recorded means -> values whose interpolation averages to them.

    ``fine`` is (len(depths), n): the depths of the n values that each recorded one is the mean of.
    """
    averaged = weights(kind, depths, fine.ravel()).reshape(*fine.shape, len(depths)).mean(axis=1)
    return np.linalg.inv(averaged)


def enlarging(count: int, factor: int, kind: str) -> tuple[Weights, Weights]:
    """Return ``W`` (count * factor, count) and ``(P W)^-1`` (count, count) of one axis, voxel edges aligned.

    A single value is repeated.
    """
    centres = np.arange(count, dtype=float)
    fine = centres[:, None] + (np.arange(factor) - (factor - 1) / 2) / factor
    if count == 1 or factor == 1:
        return np.repeat(np.eye(count), factor, axis=0), np.eye(count)
    return weights(kind, centres, fine.ravel()), unaverage(kind, centres, fine)
