"""How far sections are blurred along z beyond the images themselves, as the stack alone tells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, gaussian_filter, gaussian_filter1d
from scipy.optimize import brentq

from ..stack.profile import FWHM, Profile, ProfileKind

__all__ = ["FWHM", "matching_blur", "matching_thickness", "overlapping_thickness", "rows_as_sections"]

_SHARES = (0.0, 0.15, 0.3, 0.45, 0.6, 0.8, 1.0, 1.3, 1.8, 2.5, 3.5)
"""Blurs that are tried: full widths at half maximum over the distance of sections."""
_FEWEST, _IMAGES = 4, 12
"""Sections without which nothing is known about z, and images whose rows are looked at."""
_LEVELS = (0.0, 0.3, 0.6, 0.8, 0.9, 0.96, 1.0)
"""Quantiles of the intensities between which the noise is measured."""
_LOCAL = 1.5
_THICKEST = 1.5
"""Gaps beyond which nothing is gained: a Gaussian as wide (FWHM) leaves little that sections miss between them."""
_EXACT = 0.01
"""Error of a thickness that is found, as a share of the gap."""
_SHARED, _CERTAIN = 0.05, 6.0
"""Correlation of the noise of neighbouring sections from which on they overlap, and how many of its standard errors
that must be."""
_CORRELATIONS = np.linspace(0.0, 0.625, 126)[1:]
"""Of neighbouring sections after a Gaussian blur; that of sections two apart is its fourth power, and the difference
grows no further."""
_MOSTLY_NOISE = 0.3
"""Share of noise in what changes from section to section, from which on what they share is noise, not structure."""
_TINY = 1e-12

Images = NDArray[np.float32]


def matching_blur(voxels: NDArray[Any], gap: float, axes: Sequence[int] = (1, 2)) -> float:
    """Return the blur that makes rows of the images change with the distance as sections do; 0 if none is needed.

    What is compared is how much more changes over two gaps than over one: contrast and brightness drop out, and the
    noise is taken off (ECLARE, Remedios et al. 2025, matches spectra for the same end).

    Parameters
    ----------
    voxels : (Z, Y, X) array, sections one gap apart
    gap : float
        Distance of the sections in pixels.
    axes : sequence of int
        Image axes (1, 2) along which pixels are as large as the gap is counted in.

    Returns
    -------
    float
        Full width at half maximum over the gap, 0 to 3.5; less than 0.15 counts as none. 0 where there are fewer than
        four sections, nothing changes along z, or images are smaller than two gaps along all axes.
    """
    lag = max(1, round(gap))
    axes = [axis for axis in axes if voxels.shape[axis] > 2 * lag]
    if len(voxels) < _FEWEST or not axes:
        return 0.0
    sections = voxels.astype(np.float32)
    images = sections[:: max(1, len(sections) // _IMAGES)]
    noise = float(_noise(images)) ** 2
    beyond = _change(sections, 0, 2, noise)
    if beyond <= _TINY:
        return 0.0
    along = _change(sections, 0, 1, noise) / beyond
    ratios = [_ratio_of_rows(images, axes, share * gap / FWHM, lag, noise) for share in _SHARES]
    found = float(np.interp(-along, -np.minimum.accumulate(ratios), _SHARES))
    return found if found >= _SHARES[1] else 0.0


def matching_thickness(voxels: NDArray[Any], gap: float, kind: ProfileKind) -> float:
    """Return how thick sections are, if their rows are as thin as they look; 0 if no thickness is needed.

    As :func:`matching_blur`, but sections are compared along z and along rows after all of them were blurred along
    their rows: only then are the same structures compared, as thick along z as along rows. Where nothing but the
    thickness tells z from XY that finds it (the blur of the microscope counts, too). Noise is not taken off, because
    the blur takes most of it.

    Parameters
    ----------
    voxels : (Z, Y, X) array, sections one gap apart
    gap : float
        Distance of the sections in pixels.
    kind : {"box", "gaussian"}

    Returns
    -------
    float
        Thickness over the gap, 0 to 1.5 (a box: 2.2); less than 0.15 counts as none. 0 where :func:`matching_blur` is.
    """
    lag = max(1, round(gap))
    if len(voxels) < _FEWEST or 2 * lag >= min(voxels.shape[1:]):
        return 0.0
    sections = voxels.astype(np.float32)

    def too_sharp(share: float) -> float:
        """Return how much faster rows of that thickness change than sections."""
        kernel = Profile(kind, share * gap).kernel(1.0)
        blurred = [correlate1d(sections, kernel, axis=axis) for axis in (1, 2)]
        rows = [sum(_change(each, axis, n * lag, 0.0) for axis, each in enumerate(blurred, 1)) for n in (1, 2)]
        along = [sum(_change(each, 0, n, 0.0) for each in blurred) for n in (1, 2)]
        return math.log(rows[0] / rows[1]) - math.log(along[0] / along[1])

    low, high = _SHARES[1], _THICKEST * Profile("gaussian", 1.0).sigma / Profile(kind, 1.0).sigma
    if too_sharp(low) <= 0:
        return 0.0
    return high if too_sharp(high) > 0 else float(brentq(too_sharp, low, high, xtol=_EXACT))


def overlapping_thickness(sections: NDArray[Any]) -> float:
    """Return how thick sections must be for neighbours to share as much noise as they do; 0 where they share none.

    Sections of their own have noise of their own. Those that were averaged, smoothed or resampled along z share it with
    the sections between them: these are then nearer to linear interpolation than left-out sections, which lie
    farther apart, can tell. Signs are compared, as strong edges would outweigh the noise.

    Parameters
    ----------
    sections : (N, 3, Y, X) array
        Threes of consecutive sections, evenly spaced.

    Returns
    -------
    float
        Full width at half maximum of a Gaussian profile over the distance of the sections. 0 too where most of
        what changes from section to section is structure.
    """
    threes = sections.astype(np.float32)
    if not len(threes) or min(threes.shape[2:]) < 3:
        return 0.0
    noise = float(np.mean([_noise(each) ** 2 for each in threes]))
    change = float(np.mean([_change(each, 0, 1, 0.0) for each in threes]))
    signs = np.sign([_response(each) for each in threes])
    counted = (signs != 0).all(axis=1).sum()
    if not counted or noise < _MOSTLY_NOISE * change:
        return 0.0
    near, far = (float(np.sin(math.pi / 2 * (signs[:, 0] * signs[:, n]).sum() / counted)) for n in (1, 2))
    beyond = near - max(0.0, far)
    if beyond <= max(_SHARED, _CERTAIN * math.pi / 2 / math.sqrt(counted)):
        return 0.0
    shared = float(np.interp(beyond, _CORRELATIONS - _CORRELATIONS**4, _CORRELATIONS))  # structure is in both alike
    return FWHM / math.sqrt(-4 * math.log(shared))


def rows_as_sections(images: Images, axis: int, sigma: float) -> Images:
    """Return images blurred along an axis by ``sigma`` pixels, with the noise that they had before.

    Sections are blurred before they are recorded, and their noise is not.
    """
    if sigma <= 0:
        return images
    smooth = gaussian_filter1d(images, sigma, axis=axis)
    lost = math.sqrt(1 - _kept(sigma))
    grains = np.random.default_rng(axis).standard_normal(images.shape, np.float32)
    return np.asarray(smooth + lost * _noise_at(images, smooth) * grains, np.float32)


def _kept(sigma: float) -> float:
    """Return the share of the noise's variance that a Gaussian blur leaves."""
    return min(1.0, 1 / (2 * math.sqrt(math.pi) * sigma)) if sigma > 0 else 1.0


def _mask(images: Images) -> Images:
    """Return the absolute response to a mask that straight edges do not pass, 6 times the noise."""
    return np.asarray(np.abs(_response(images)))


def _response(images: Images) -> Images:
    rows = images[:, :-2] - 2 * images[:, 1:-1] + images[:, 2:]
    return np.asarray(rows[:, :, :-2] - 2 * rows[:, :, 1:-1] + rows[:, :, 2:])


def _noise(images: Images) -> float:
    """Return the standard deviation of the noise (Immerkaer, CVIU 1996)."""
    return 1.4826 * float(np.median(_mask(images))) / 6 if min(images.shape[1:]) > 2 else 0.0


def _noise_at(images: Images, wanted: Images) -> Images:
    """Return the standard deviation of the noise at the intensities wanted: brighter voxels may have more."""
    if min(images.shape[1:]) < 3:
        return np.zeros_like(wanted)
    local = gaussian_filter(images, (0, _LOCAL, _LOCAL))[:, 1:-1, 1:-1]
    mask, edges = _mask(images), np.unique(np.quantile(local, _LEVELS))
    band = np.clip(np.searchsorted(edges, local, side="right") - 1, 0, max(0, len(edges) - 2))
    used = [band == number for number in np.unique(band)]
    levels = [float(local[where].mean()) for where in used]
    noise = [1.4826 * float(np.median(mask[where])) / 6 for where in used]
    return np.interp(wanted, levels, noise).astype(np.float32)


def _ratio_of_rows(images: Images, axes: Sequence[int], sigma: float, lag: int, noise: float) -> float:
    """Return the change over one gap to that over two, of rows and columns blurred by ``sigma`` pixels."""
    left = noise * _kept(sigma)
    smooth = [gaussian_filter1d(images, sigma, axis=axis) if sigma else images for axis in axes]
    near, far = (
        sum(_change(each, axis, n * lag, left) for each, axis in zip(smooth, axes, strict=True)) for n in (1, 2)
    )
    return near / far


def _change(voxels: Images, axis: int, lag: int, noise: float) -> float:
    """Return half the variance of differences over a distance, without that of noise."""
    planes = np.moveaxis(voxels, axis, 0)
    return max(float(np.var(planes[lag:] - planes[:-lag], axis=(1, 2)).mean()) / 2 - noise, _TINY)
