"""How wrong a new section probably is, voxel by voxel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...metrics.uncertainty import INTERVAL_90
from .trials import Answer, Known

_SMOOTH = 1.5
"""Pixels: errors are predicted for neighbourhoods."""
_BANDS = 6
"""Classes of equally many voxels, by what the features predict, in which errors are measured."""
_LEVEL, _LOWEST_LEVEL = 0.9, 0.7
"""Share of the errors that the interval holds, and the least in a band where others hold more."""
_FALL = (0.08, 1.1)
"""Bounds of the ratio of errors at the real gap to those at the doubled one."""
_STEEPER, _FLATTER = 1.15, 0.6
"""How many times as much errors fall along z as on hidden rows, or as from four times the gap to the doubled one
(logarithms; benchmarks/proving_ground.py)."""
_BRIGHT, _AT_MOST = 0.88, 0.95
"""Share of the errors in the foreground that the interval must hold, unless it would hold more than so many of all."""
_FEWEST = 30
"""Voxels of the foreground under which nothing is known of it."""
_FAINT = 1e-2
"""Share of the mean error below which the errors of a band are as good as none, and say nothing of how they fall."""

_VOXELS = 200_000
"""Voxels of known sections on which the uncertainty is fitted."""

_TINY = 1e-12
_ARRAYS = ("weights", "sums", "errors")

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


def mixed(
    linear: Image, others: Image, change: Image, share: float, weights: Vector, *, apart: bool = False
) -> tuple[NDArray[Any], Image]:
    """Return the mixture (Y, X) of what linear interpolation and the candidates give, and what its errors go with."""
    mixture = linear + np.tensordot(weights.astype(linear.dtype), others - linear, axes=1)
    return mixture, features(linear, others, mixture, change, share, apart=apart)


def peaks_of(mixture: NDArray[Any], linear: Image, change: Image, share: float) -> NDArray[Any]:
    """Return the largest of the mixture and the observed sections above and below: what is bright may be there."""
    return np.asarray(np.maximum(mixture, linear + change * max(share, 1 - share)))


@dataclass(frozen=True, eq=False)
class Tried:
    """Voxels of known sections: their features ``found`` (n, FEATURES) and absolute ``errors`` (n,).

    ``peaks`` (n,), see :func:`peaks_of`, and ``truth`` (n,) tell which of them are bright.
    """

    found: Image
    errors: Image
    peaks: NDArray[Any] | None = None
    truth: NDArray[Any] | None = None

    @classmethod
    def of(cls, known: Sequence[Answer], weights: Vector) -> Tried:
        """Look at a mixture on an even raster of the voxels of known sections."""
        step = max(1, sum(answer.truth.size for answer in known) // _VOXELS)
        looked_at = []
        for each in known:
            mixture, about = mixed(each.linear, each.others, each.change, each.share, weights, apart=each.apart)
            peaks = peaks_of(mixture, each.linear, each.change, each.share)
            flat = (image.ravel()[::step] for image in (np.abs(each.truth - mixture), peaks, each.truth))
            looked_at.append((about.reshape(len(about), -1)[:, ::step].T, *flat))
        return cls(*(np.concatenate(values) for values in zip(*looked_at, strict=True)))


@dataclass(frozen=True, eq=False)
class ErrorModel:
    """Expected absolute error: a sum of features, and what errors were where the sum was so large.

    Attributes
    ----------
    weights : (FEATURES,) array, 0 or more
    sums, errors : (B,) arrays
        The expected error at sums of features; linear between them, in proportion below and above.
    bright, factor : float
        Where a voxel may be as bright as this, so many times the error is expected.
    """

    weights: Vector
    sums: Vector
    errors: Vector
    bright: float = 0.0
    factor: float = 1.0

    @classmethod
    def of(cls, known: Known, weights: Vector) -> ErrorModel:
        """Return how errors of a mixture go with features at the doubled gap, as they are at the real one."""
        tried = Tried.of(known.doubled, weights)
        model = cls.fit(tried)
        sections = model.fall(tried, Tried.of(known.wider, weights)) if known.wider else None
        rows = None if known.rows is None else model.fall(*(Tried.of(each, weights) for each in known.rows))
        bright, factor = model.foreground(tried)
        moved = model.moved(Tried.of(known.here, weights).found, sections, rows)
        return replace(moved, bright=bright, factor=factor)

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
        arrays = {name: getattr(self, name).tolist() for name in _ARRAYS}
        return arrays | {"foreground": [self.bright, self.factor]}

    @classmethod
    def from_json(cls, values: Mapping[str, Sequence[float]]) -> ErrorModel:
        """Return a model that was written by :meth:`as_json`."""
        weights, sums, errors = (np.array(values[name], float) for name in _ARRAYS)
        return cls(weights, sums, errors, *values.get("foreground", ()))

    def foreground(self, tried: Tried) -> tuple[float, float]:
        """Return from which intensity on a voxel is in the foreground, and how much larger errors are expected there.

        The interval then holds most errors of voxels that truly are in the foreground, if it does not have to hold too
        many of all for that: where the truth is bright, errors are not what they are where the mixture is bright.
        """
        from skimage.filters import threshold_otsu

        if tried.truth is None or tried.peaks is None or not np.ptp(tried.truth) > 0:
            return 0.0, 1.0
        level = float(threshold_otsu(tried.truth))
        may_be, bright = tried.peaks >= level, tried.truth > level
        if np.sum(may_be & bright) < _FEWEST:
            return level, 1.0
        widths = np.maximum(INTERVAL_90 * self.expect(tried.found.T), _TINY)
        relative = tried.errors / widths
        elsewhere = np.sum(relative[bright & ~may_be] <= 1)
        wanted = (_BRIGHT * bright.sum() - elsewhere) / np.sum(may_be & bright)
        factor = max(1.0, float(np.quantile(relative[may_be & bright], min(wanted, 1.0))))
        wide = [f for f in np.linspace(1.0, factor, 9) if np.mean(relative <= np.where(may_be, f, 1.0)) <= _AT_MOST]
        return level, float(max(wide, default=1.0))

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
        noise does not become smaller with the gap: hidden rows show how much that is, as they are hidden at the real
        gap too. Left-out sections, from four times the gap to the doubled one, are asked only where there are no rows.

        Parameters
        ----------
        here : (n, FEATURES) array
            Features at the real gap.
        sections, rows : (B,) arrays or None
            The :meth:`fall` of errors from four times the gap to the doubled one, on left-out sections, and from
            the doubled to the real one, on hidden rows of the XY images. NaN: not known there; then they do not fall.
        """
        fall = np.zeros(_BANDS)
        for known, times in ((rows, _STEEPER), (sections, _FLATTER)):
            if known is not None and np.isfinite(known).any():
                fall = times * np.nan_to_num(known)
                break
        errors = self.errors * np.exp(np.clip(fall, *np.log(_FALL)))
        return ErrorModel(self.weights, _means(here @ self.weights), np.maximum.accumulate(errors))

    def expect(self, found: Image, peaks: NDArray[Any] | None = None) -> Image:
        """Return the expected absolute error (Y, X) of a section from its features, and how bright it may be."""
        sums = np.tensordot(self.weights.astype(np.float32), found, axes=1)
        expected = np.interp(sums, self.sums, self.errors)
        low, high = self.sums[0], self.sums[-1]
        if low > 0:
            expected = np.where(sums < low, self.errors[0] * sums / low, expected)
        if high > 0:
            expected = np.where(sums > high, self.errors[-1] * sums / high, expected)
        if peaks is not None and self.factor > 1:
            expected = np.where(peaks >= self.bright, self.factor * expected, expected)
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
