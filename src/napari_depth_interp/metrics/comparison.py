"""Two images of one section side by side, and what several metrics need of them, computed once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

SSIM_WINDOW = 11
"""Pixels: the Gaussian window of Wang 2004 (sigma 1.5) cut at 3.5 sigma."""
_SIGMA, _CUT = 1.5, 3.5
_K1, _K2 = 0.01, 0.03
_NEAR_BOUNDARY = 2.0
"""Pixels from an object's boundary that belong to it."""


@dataclass(frozen=True, eq=False)
class Level:
    """SSIM's parts at one scale, where the window lies inside the image; ``inside`` cuts that out of the image."""

    contrast: NDArray[np.float64]
    luminance: NDArray[np.float64]
    inside: tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class Comparison:
    """A section, its truth, and the explicit data range.

    Attributes
    ----------
    reference, test : (Y, X) arrays in the units of the input
    data_range : (low, high)
        What counts as the full range of intensities; R = high - low.
    foreground : (Y, X) bool array
        Where the reference volume exceeds its own Otsu threshold.
    """

    reference: NDArray[Any]
    test: NDArray[Any]
    data_range: tuple[float, float]
    foreground: NDArray[np.bool_]

    @property
    def peak(self) -> float:
        """The data range R."""
        return self.data_range[1] - self.data_range[0]

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """(Y, X) True where both images hold a number."""
        valid: NDArray[np.bool_] = np.isfinite(self.reference) & np.isfinite(self.test)
        return valid

    @cached_property
    def squared_error(self) -> NDArray[np.float64]:
        """(Y, X) squared differences."""
        difference = self.test.astype(np.float64) - self.reference.astype(np.float64)
        return difference * difference

    @cached_property
    def ssim_map(self) -> NDArray[np.float64] | None:
        """(Y, X) local SSIM (Wang 2004, K1 = .01, K2 = .03); None where the image is smaller than the window."""
        if min(self.reference.shape) < SSIM_WINDOW:
            return None
        from skimage.metrics import structural_similarity

        _, full = structural_similarity(
            np.where(self.valid, self.reference, 0.0).astype(np.float64),
            np.where(self.valid, self.test, 0.0).astype(np.float64),
            data_range=self.peak,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        return np.asarray(full, np.float64)

    @cached_property
    def ssim_valid(self) -> NDArray[np.bool_]:
        """(Y, X) True where the SSIM window lies wholly inside the image."""
        valid = np.zeros(self.reference.shape, bool)
        margin = SSIM_WINDOW // 2
        valid[margin:-margin, margin:-margin] = True
        return valid

    def scales(self, count: int) -> Iterator[Level]:
        """Yield SSIM's parts at scale 1, 1/2, 1/4 ..."""
        images = [np.where(self.valid, each, 0.0).astype(np.float64) for each in (self.reference, self.test)]
        for _ in range(count):
            yield _level(images[0], images[1], self.peak)
            images = [halve(image) for image in images]

    @cached_property
    def near_boundary(self) -> NDArray[np.bool_]:
        """(Y, X) True within 2 pixels of a boundary of the foreground."""
        from scipy.ndimage import distance_transform_edt

        if self.foreground.all() or not self.foreground.any():
            return np.zeros(self.foreground.shape, bool)
        inside, outside = (distance_transform_edt(mask) for mask in (self.foreground, ~self.foreground))
        near: NDArray[np.bool_] = np.maximum(inside, outside) <= _NEAR_BOUNDARY
        return near

    @cached_property
    def masks(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(Y, X) objects of the reference and of the test image, each above its own Otsu threshold."""
        return above_otsu(self.reference), above_otsu(self.test)


def _level(reference: NDArray[np.float64], test: NDArray[np.float64], peak: float) -> Level:
    from scipy.ndimage import gaussian_filter

    margin = SSIM_WINDOW // 2
    inside = (slice(margin, -margin), slice(margin, -margin))
    products = (reference, test, reference * reference, test * test, reference * test)
    a, b, aa, bb, ab = (gaussian_filter(each, _SIGMA, truncate=_CUT)[inside] for each in products)
    c1, c2 = (_K1 * peak) ** 2, (_K2 * peak) ** 2
    contrast = (2 * (ab - a * b) + c2) / (aa - a * a + bb - b * b + c2)
    return Level(contrast, (2 * a * b + c1) / (a * a + b * b + c1), inside)


def halve(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return means of 2 x 2 pixels; an odd last row or column is left out."""
    height, width = (size // 2 for size in image.shape)
    means: NDArray[np.float64] = image[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean(axis=(1, 3))
    return means


def above_otsu(image: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where an image exceeds its Otsu threshold (Otsu 1979); a constant image has no objects."""
    from skimage.filters import threshold_otsu

    finite = image[np.isfinite(image)] if image.dtype.kind == "f" else image.ravel()
    if finite.size == 0 or finite.min() == finite.max():
        return np.zeros(image.shape, bool)
    low, high = finite.min(), finite.max()
    if image.dtype.kind in "iu" and int(high) - int(low) >= 2**16:
        finite = finite.astype(np.float64)  # 256 bins; integers get one bin per value, gigabytes for 32 bits
    try:
        threshold = threshold_otsu(finite)
    except ValueError:  # a range of a few rounding errors cannot be cut into bins
        threshold = low
    mask: NDArray[np.bool_] = image > threshold
    return mask
