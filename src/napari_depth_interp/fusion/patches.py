"""Patches of sections in which images are compared, and whitening within them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Array = NDArray[np.float64]
_SIDE = 64
"""Pixels of a patch along each axis of a section, at most."""
_MOST = 50_000
"""Voxels of a stack that are compared, at most; more only where a single patch has more."""
_SMOOTH = 1.5
"""Standard deviation, in samples, over which a power spectrum is smoothed."""
_FLOOR = 0.1
"""Least power that is believed, as a share of its mean."""
_TINY = 1e-30


@dataclass(frozen=True, eq=False)
class Patches:
    """Parts of equal size of some sections of a stack: all of a small one, scattered ones of a large one.

    Attributes
    ----------
    shape : (count, height, width)
    index : (count * height * width,) int array
        Their voxels, in flat order of the stack.
    """

    shape: tuple[int, int, int]
    index: NDArray[np.int64]

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> Patches:
        """Return the patches of a stack (Z, Y, X); the same ones each time."""
        sections, rows, columns = shape
        high, wide = (size // math.ceil(size / _SIDE) for size in (rows, columns))
        corners = np.array(list(product(range(sections), _starts(rows, high), _starts(columns, wide))))
        count = max(1, _MOST // (high * wide))
        if len(corners) > count:
            corners = corners[np.sort(np.random.default_rng(0).choice(len(corners), count, replace=False))]
        inner = np.arange(high)[:, None] * columns + np.arange(wide)
        index = (corners @ [rows * columns, columns, 1])[:, None, None] + inner
        return cls((len(corners), high, wide), index.ravel().astype(np.int64))

    def detail(self, images: Array, there: NDArray[np.bool_], wide: Array) -> Array:
        """Return images (K, M), known where (N,) True, without what changes slowly within the sections.

        Nothing but what is known counts for that, so that two images of which other parts are known stay comparable.

        Parameters
        ----------
        images : (K, M) array
        there : (N,) bool array, M of them True
        wide : (2,) array
            Standard deviation of what is taken off, in pixels along y and x.
        """
        whole = np.zeros((len(images) + 1, len(there)))
        whole[0, there], whole[1:, there] = 1.0, images
        slow = gaussian_filter(whole.reshape(-1, *self.shape), (0, 0, *wide), mode="constant").reshape(whole.shape)
        return np.asarray(images - slow[1:, there] / np.maximum(slow[0, there], _TINY))

    def whitened(self, images: Array) -> Array:
        """Return images (K, N) filtered so that the first one, what is left to explain, has white noise of variance 1.

        All frequencies within the sections then count by how well they are explained (generalised least squares).
        """
        patches = np.fft.rfft2(images.reshape(-1, *self.shape))
        return np.asarray(np.fft.irfft2(patches * self._filter(images[0]), s=self.shape[1:]).reshape(images.shape))

    def _filter(self, rest: Array) -> Array:
        _, high, wide = self.shape
        window = np.hanning(high + 2)[1:-1, None] * np.hanning(wide + 2)[1:-1]
        power = np.square(np.abs(np.fft.fft2(rest.reshape(self.shape) * window))).mean(axis=0)
        power = gaussian_filter(power / max(float(np.square(window).sum()), _TINY), _SMOOTH, mode="wrap")
        power = np.maximum(power, _FLOOR * power.mean() + _TINY)
        return np.asarray(1 / np.sqrt(power[:, : wide // 2 + 1]))


def _starts(size: int, length: int) -> range:
    return range(0, size - length + 1, length)
