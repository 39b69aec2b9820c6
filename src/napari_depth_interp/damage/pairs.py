"""How one section differs from another: by a shift, by brightness and contrast, by noise alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numerics.motion import single_threaded
from ..registration.pairs import motion_between, prepared
from .views import Image, View, spectrum_of

_INLIERS = 0.8
"""Share of the pixels that brightness and contrast are fitted to: those that fit best."""
_FITTED = 8000
"""About so many pixels are looked at for it."""
_ROUNDS = 3
_LEAST_CONTRAST = 1e-6
_LEAST_GAIN = 0.05
"""Less contrast than this is none that could be brought back."""
_SMALLEST = 16
"""Parts with fewer pixels a side do not tell where they lie."""
_UPSAMPLED = 10
"""Shifts are found to this part of a pixel of the reduced section."""


@dataclass(frozen=True)
class Light:
    """Brightness and contrast of one image over another: second = level + offset + gain * (first - level).

    ``level`` is the mean of the first over the pixels that fit.
    """

    gain: float
    offset: float
    level: float

    def undone(self, values: Image) -> Image:
        """Return values of the second image as they would be in the first."""
        gain = max(self.gain, _LEAST_GAIN)
        return np.asarray((values - (self.level + self.offset)) / gain + self.level, np.float32)


@dataclass(frozen=True, eq=False)
class Pair:
    """How the second of two sections differs from the first.

    Attributes
    ----------
    shift : (2,) float array
        (rows, columns) in pixels of the recorded section; 0 where there is nothing to tell it by.
    alike, alike_moved : float
        Correlation without noise, as they lie and after undoing the shift.
    light : Light
        Brightness and contrast of the second over the first, from pixels at the same place.
    tones : Light
        The same from mean and standard deviation, wherever things are.
    difference : float
        Mean absolute difference.
    """

    shift: NDArray[np.float64]
    alike: float
    alike_moved: float
    light: Light
    tones: Light
    difference: float


def compare(first: View, second: View, *, exactly: bool = False) -> Pair:
    """Return how the second section differs from the first; ``exactly`` with the shift by ECC."""
    difference, factor = float(np.abs(second.values - first.values).mean()), first.factor
    first, second = _unframed(first, second)
    shift = by_ecc(first.small, second.small) if exactly else displacement(first, second)
    moved = correlation(*overlap(first.smooth, second.smooth, shift))
    alike = correlation(first.smooth, second.smooth)
    light, tones = fit(first.smooth, second.smooth), _by_moments(first, second)
    return Pair(shift * factor, alike, moved, light, tones, difference)


def _unframed(first: View, second: View) -> tuple[View, View]:
    """Return both without the rows and columns at their edges that are all equal in one of them only.

    So is what comes in where a section is shifted, or the edge of what is lost; both would tell a wrong place.
    """
    frames = zip(first.frame, second.frame, strict=True)
    top, bottom, left, right = (max(pair) if min(pair) == 0 else 0 for pair in frames)
    rows, columns = first.small.shape
    if not (top or bottom or left or right) or min(rows - top - bottom, columns - left - right) < _SMALLEST:
        return first, second
    inner = slice(top, rows - bottom), slice(left, columns - right)
    small, other = (np.ascontiguousarray(each.small[inner]) for each in (first, second))
    return View(small, small, None, 1, first.scale), View(other, other, None, 1, second.scale)


def fit(first: Image, second: Image) -> Light:
    """Return brightness and contrast of the second image over the first, from the pixels that fit best (both axes)."""
    x, y = (image.ravel()[:: max(1, image.size // _FITTED)].astype(np.float64) for image in (first, second))
    mean_x, mean_y, gain = x.mean(), y.mean(), _ratio(x, y)
    for _ in range(_ROUNDS):
        residual = np.abs((y - mean_y) - gain * (x - mean_x))
        kept = residual <= np.quantile(residual, _INLIERS)
        mean_x, mean_y, gain = x[kept].mean(), y[kept].mean(), _ratio(x[kept], y[kept])
    return Light(float(gain), float(mean_y - mean_x), float(mean_x))


def _by_moments(first: View, second: View) -> Light:
    """Return brightness and contrast of the second section over the first from mean and standard deviation."""
    middle, other = float(first.smooth.mean()), float(second.smooth.mean())
    gain = second.contrast / first.contrast if first.contrast > _LEAST_CONTRAST * abs(middle) else 1.0
    return Light(gain, other - middle, middle)


def _ratio(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    spread = x.std()
    return float(y.std() / spread) if spread > _LEAST_CONTRAST * abs(x.mean()) else 1.0


def displacement(first: View, second: View, upsampled: int = _UPSAMPLED) -> NDArray[np.float64]:
    """Return how far (rows, columns) the second section lies from the first, in pixels of the reduced sections.

    Fading out the edges pulls large shifts towards 0. So what both show is compared once more.
    """
    found = _by_phase(first.spectrum, second.spectrum, upsampled)
    whole = np.rint(found)
    if not whole.any():
        return found
    both = overlap(first.structures, second.structures, whole)
    if min(both[0].shape) < _SMALLEST:
        return found
    first_part, second_part = (spectrum_of(np.ascontiguousarray(each)) for each in both)
    return whole + _by_phase(first_part, second_part, upsampled)


def by_ecc(first: Image, second: Image) -> NDArray[np.float64]:
    """Return how far (rows, columns) the second image lies from the first, by ECC from several starts; 0: unknown."""
    with single_threaded():
        found = motion_between(prepared(first), prepared(second), "translation")
    return np.array(found.shift, np.float64)


def _by_phase(first: NDArray[Any], second: NDArray[Any], upsampled: int) -> NDArray[np.float64]:
    from skimage.registration import phase_cross_correlation

    if not (first.any() and second.any()):
        return np.zeros(2)
    first, second = (each / np.abs(each).max() for each in (first, second))  # squares of large values overflow
    found = phase_cross_correlation(first, second, space="fourier", upsample_factor=upsampled, normalization=None)
    return -np.asarray(found[0], np.float64)


def overlap(first: Image, second: Image, shift: NDArray[np.float64]) -> tuple[Image, Image]:
    """Return what both images show after the second was moved back by whole pixels."""
    rows, columns = (int(np.rint(each)) for each in shift)
    (a, b), (c, d) = _parts(rows, first.shape[0]), _parts(columns, first.shape[1])
    return first[a, c], second[b, d]


def _parts(moved: int, size: int) -> tuple[slice, slice]:
    moved = max(-size + 1, min(size - 1, moved))
    return slice(max(0, -moved), size - max(0, moved)), slice(max(0, moved), size - max(0, -moved))


def correlation(first: NDArray[np.floating[Any]], second: NDArray[np.floating[Any]]) -> float:
    """Return Pearson's correlation; 0 where one of them is constant."""
    x, y = first - first.mean(), second - second.mean()
    size = float(np.sqrt(np.vdot(x, x) * np.vdot(y, y)))
    return float(np.vdot(x, y)) / size if size > 0 else 0.0
