"""How much blurrier a stack is along z than in XY, told from how sections and image rows change with their distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHARES = (0.0, 0.15, 0.3, 0.45, 0.6, 0.8, 1.0, 1.3, 1.8, 2.5, 3.5)
"""Blurs that are tried: full widths at half maximum, as shares of the gap. Less than the second counts as none."""
FWHM = 2.3548
"""Full width at half maximum of a Gaussian of standard deviation 1."""
_FEWEST = 4
_TINY = 1e-12


def matching_blur(sections: NDArray[np.float32], gap: float, axes: Sequence[int]) -> float:
    """Return the blur that makes image rows change with their distance as sections do.

    Structure that is blurred along z changes more smoothly: from one section to the next little, compared with the
    change to the next but one. The images are blurred along their rows until rows one and two gaps apart do alike
    (ECLARE, Remedios et al. 2025, matches spectra for the same end). What noise adds to changes is taken away.

    Parameters
    ----------
    sections : (N, Y, X) array
    gap : float
        Distance of the sections in pixels.
    axes : sequence of int
        Image axes (1, 2) along which pixels are as large as the gap is counted in.

    Returns
    -------
    float
        Full width at half maximum as a share of the gap; 0 where it cannot be told.
    """
    from scipy.ndimage import gaussian_filter1d

    lag = max(1, round(gap))
    axes = [axis for axis in axes if sections.shape[axis] > 2 * lag]
    if not axes or len(sections) < _FEWEST:
        return 0.0
    noise = _noise(sections)
    beyond = _changes(sections, 0, 2, noise)
    if beyond <= _TINY:
        return 0.0
    along_z = _changes(sections, 0, 1, noise) / beyond
    ratios = []
    for share in SHARES:
        sigma = share * gap / FWHM
        left = noise * min(1.0, 1 / (2 * np.sqrt(np.pi) * sigma)) if sigma else noise
        smooth = [gaussian_filter1d(sections, sigma, axis=axis) if sigma else sections for axis in axes]
        near, far = (
            sum(_changes(each, axis, times * lag, left) for each, axis in zip(smooth, axes, strict=True))
            for times in (1, 2)
        )
        ratios.append(near / far)
    found = float(np.interp(-along_z, -np.minimum.accumulate(ratios), SHARES))
    return found if found >= SHARES[1] else 0.0


def _noise(images: NDArray[Any]) -> float:
    """Return the variance of the noise, from a mask that straight edges do not pass (Immerkaer, CVIU 1996)."""
    if min(images.shape[1:]) < 3:
        return 0.0
    rows = images[:, :-2] - 2 * images[:, 1:-1] + images[:, 2:]
    mask = rows[:, :, :-2] - 2 * rows[:, :, 1:-1] + rows[:, :, 2:]
    return float(1.4826 * np.median(np.abs(mask)) / 6) ** 2


def _changes(images: NDArray[Any], axis: int, lag: int, noise: float) -> float:
    """Return half the variance of what changes over a distance, without that of the noise."""
    moved = np.moveaxis(images, axis, 0)
    return max(float(np.var(moved[lag:] - moved[:-lag], axis=(1, 2)).mean()) / 2 - noise, _TINY)
