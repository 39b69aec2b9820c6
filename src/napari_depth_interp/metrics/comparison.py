"""Two images of one section side by side, and what several metrics need of them, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

SSIM_WINDOW = 11
"""Pixels: the Gaussian window of Wang 2004 (sigma 1.5) cut at 3.5 sigma."""


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

    @cached_property
    def masks(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(Y, X) objects of the reference and of the test image, each above its own Otsu threshold."""
        return above_otsu(self.reference), above_otsu(self.test)


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
