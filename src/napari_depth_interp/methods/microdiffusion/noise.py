"""White noise of recorded images: how much there is, and images without it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_EDGELESS = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])
"""A mask that straight edges do not pass (Immerkaer, CVIU 1996); white noise leaves it 6 times as strong."""
_WHITE = 0.01
"""Correlation of neighbouring pixels above which what is taken out is no white noise, however many pixels there are."""
_TAKEN = 2.5
"""No grey value changes by more than this many standard deviations of the noise."""
_LITTLE = 1e-3
"""Noise weaker than this part of the standard deviation of the images is not worth a thought."""
_LOOKED_AT = 512
"""Rows and columns, at most, on which noise is measured."""


def white_noise(images: NDArray[Any]) -> float:
    """Return the standard deviation of the white noise of images (N, Y, X); 0 where it cannot be told from texture.

    What non-local means would take out has to be uncorrelated from pixel to pixel as far as chance allows: fine
    structure that was recorded through a lens is not.
    """
    top, left = (max(0, (size - _LOOKED_AT) // 2) for size in images.shape[1:])
    seen = images[:, top : top + _LOOKED_AT, left : left + _LOOKED_AT].astype(np.float64)
    if min(seen.shape[1:]) < 8:
        return 0.0
    inner = np.abs([ndimage.convolve(image, _EDGELESS)[1:-1, 1:-1] for image in seen])
    sigma = 1.4826 * float(np.median(inner)) / 6
    if sigma <= _LITTLE * float(seen.std()):
        return 0.0
    taken = seen - without_noise(seen, sigma)
    taken -= taken.mean(axis=(1, 2), keepdims=True)
    variance = float(np.square(taken).mean())
    beside = [(taken[:, 1:] * taken[:, :-1]).mean(), (taken[:, :, 1:] * taken[:, :, :-1]).mean()]
    allowed = max(_WHITE, 3 / math.sqrt(taken.size)) * variance
    return sigma if variance > 0 and max(map(abs, beside)) <= allowed else 0.0


def without_noise(images: NDArray[Any], sigma: float) -> NDArray[Any]:
    """Return images (N, Y, X) without white noise of this standard deviation: non-local means, limited to the noise."""
    from skimage.restoration import denoise_nl_means

    quiet = [
        denoise_nl_means(image, patch_size=5, patch_distance=6, h=0.8 * sigma, sigma=sigma, fast_mode=True)
        for image in images
    ]
    limit = _TAKEN * sigma
    return np.asarray(images + np.clip(np.stack(quiet) - images, -limit, limit))
