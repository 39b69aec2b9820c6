"""How wrong a new section probably is, voxel by voxel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...metrics.uncertainty import INTERVAL_90

_SMOOTH = 1.5
"""Pixels: errors are predicted for neighbourhoods."""
_BANDS = 6
"""Classes of equally many voxels, by what the features predict, in which errors are measured."""
_LEVEL, _LOWEST_LEVEL = 0.9, 0.7
"""Share of the errors that the interval holds, and the least in a band where others hold more."""
_WIDER = 1.08
"""Factor of the errors at the real gap: how far they fall is itself not known for sure."""
_FALL = (0.3, 1.1)
"""Bounds of the ratio of errors at the real gap to those at the doubled one."""
_FAINT = 1e-2
"""Share of the mean error below which the errors of a band are as good as none, and say nothing of how they fall."""

_TINY = 1e-12

Image = NDArray[np.float32]
Vector = NDArray[np.float64]


def features(
    linear: Image, others: Image, mixture: Image, change: Image, share: float, *, apart: bool = False
) -> Image:
    """Return what errors go with, (FEATURES, Y, X), all in intensity units.

    Parameters
    ----------
    linear, mixture : (Y, X) arrays
    others : (C, Y, X) array, what each candidate gives
    change : (Y, X) array, absolute difference of the observed sections above and below
    share : float, where in the gap the section lies, 0 to 1
    apart : bool, the rows of the arrays are no neighbours of each other
    """
    from scipy.ndimage import gaussian_filter

    reach = (0.0 if apart else _SMOOTH, _SMOOTH)
    std = np.sqrt(np.mean((np.concatenate([linear[None], others]) - mixture) ** 2, axis=0))
    depth = 2 * np.sqrt(max(share * (1 - share), 0.0))
    rough = np.abs(mixture - gaussian_filter(mixture, reach))
    found = [gaussian_filter(each, reach) for each in (std, change * depth, rough * depth)]
    return np.stack([*found, np.full_like(linear, depth)])


@dataclass(frozen=True, eq=False)
class Tried:
    """Voxels of known sections: their features ``found`` (n, FEATURES) and absolute ``errors`` (n,)."""

    found: Image
    errors: Image


@dataclass(frozen=True, eq=False)
class ErrorModel:
    """Expected absolute error: a sum of features, and what errors were where the sum was so large.

    Attributes
    ----------
    weights : (FEATURES,) array, 0 or more
    sums, errors : (B,) arrays
        The expected error at sums of features; linear between them, in proportion below and above.
    """

    weights: Vector
    sums: Vector
    errors: Vector

    @classmethod
    def fit(cls, tried: Tried) -> ErrorModel:
        """Fit so that the 90 % interval holds 90 % of the errors, in each band of voxels alike.

        The weights are fitted so that large expectations do not rule. Where nothing is missed, as in a dark
        background, all errors are held: what is left of the 90 % falls to the other bands.
        """
        from scipy.optimize import nnls

        weights = np.ones(tried.found.shape[1])
        floor = max(float(tried.errors.mean()) * 0.05, 1e-9)
        for _ in range(3):
            balance = 1 / (tried.found @ weights + floor)
            weights = nnls(tried.found * balance[:, None], tried.errors * balance)[0]
        sums = tried.found @ weights
        errors = _residual_scale(sums, tried.errors)
        counted = np.mean(errors > _FAINT * errors.mean()) if errors.any() else 1.0
        level = np.clip(1 - (1 - _LEVEL) / counted, _LOWEST_LEVEL, _LEVEL)
        return cls(weights, _means(sums), _residual_scale(sums, tried.errors, level))

    def as_json(self) -> dict[str, list[float]]:
        """Return the numbers as JSON holds them."""
        return {name: getattr(self, name).tolist() for name in ("weights", "sums", "errors")}

    @classmethod
    def from_json(cls, values: Mapping[str, Sequence[float]]) -> ErrorModel:
        """Return a model that was written by :meth:`as_json`."""
        return cls(*(np.array(values[name], float) for name in ("weights", "sums", "errors")))

    def fall(self, near: Tried, far: Tried) -> Vector:
        """Return in each band the logarithm of the errors across one gap over those across a gap twice as wide.

        NaN where there are hardly any, as in a dark background.
        """
        ours, theirs = (_residual_scale(each.found @ self.weights, each.errors) for each in (near, far))
        faint = max(_FAINT * float(theirs.mean()), _TINY)
        ratio = np.maximum(ours, faint) / np.maximum(theirs, faint)
        return np.where(theirs > faint, np.log(ratio), np.nan)

    def moved(self, here: Image, sections: Vector | None, rows: Vector | None) -> ErrorModel:
        """Return the model for the real gap, where errors are smaller than at the doubled one.

        The voxels of which most, or least, is predicted are taken to be the same share of all at both gaps. What is
        noise does not become smaller with the gap: voxels of little error say how much that is. Sections and rows count
        one half each.

        Parameters
        ----------
        here : (n, FEATURES) array
            Features at the real gap.
        sections, rows : (B,) arrays or None
            The :meth:`fall` of errors from four times the gap to the doubled one, on left-out sections, and from
            the doubled to the real one, on hidden rows of the XY images. NaN: not known there.
        """
        falls = np.array([np.full(_BANDS, np.nan) if each is None else each for each in (sections, rows)])
        fall = np.nansum(falls, axis=0) / np.maximum(np.isfinite(falls).sum(axis=0), 1)
        errors = _WIDER * self.errors * np.exp(np.clip(fall, *np.log(_FALL)))
        return ErrorModel(self.weights, _means(here @ self.weights), np.maximum.accumulate(errors))

    def expect(self, found: Image) -> Image:
        """Return the expected absolute error (Y, X) of a section from its features."""
        sums = np.tensordot(self.weights.astype(np.float32), found, axes=1)
        expected = np.interp(sums, self.sums, self.errors)
        low, high = self.sums[0], self.sums[-1]
        if low > 0:
            expected = np.where(sums < low, self.errors[0] * sums / low, expected)
        if high > 0:
            expected = np.where(sums > high, self.errors[-1] * sums / high, expected)
        return np.asarray(expected, np.float32)


def _split(sums: Vector, values: NDArray[Any]) -> list[NDArray[Any]]:
    order = np.argsort(sums, kind="stable")
    if len(order) < _BANDS:  # images of a pixel or two
        order = np.repeat(order, _BANDS)
    return np.array_split(values[order], _BANDS)


def _means(sums: Vector) -> Vector:
    """Return the mean of the sums in each band (B,)."""
    return np.array([each.mean() for each in _split(sums, sums)])


def _residual_scale(sums: Vector, errors: Image, level: float = _LEVEL) -> Vector:
    """Return in each band (B,) the error of which the interval is as wide as a share ``level`` of all errors."""
    return np.array([np.quantile(each, level) for each in _split(sums, errors)]) / INTERVAL_90
