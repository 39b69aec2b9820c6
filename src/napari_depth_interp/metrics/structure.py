"""Metrics of shape: local structure and objects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .comparison import Comparison


def ssim(pair: Comparison, where: NDArray[np.bool_]) -> float | None:
    """Mean local SSIM over the voxels ``where`` whose window is inside the image; None for tiny images."""
    if pair.ssim_map is None:
        return None
    used = where & pair.ssim_valid
    return float(pair.ssim_map[used].mean()) if used.any() else None


def dice(pair: Comparison, where: NDArray[np.bool_]) -> float | None:
    """Dice overlap of the Otsu objects of both images, smoothing 1."""
    if not where.any():
        return None
    reference, test = (mask[where] for mask in pair.masks)
    return dice_of(int((reference & test).sum()), int(reference.sum()) + int(test.sum()))


def dice_of(overlap: int, total: int) -> float:
    """``(2 |A and B| + 1) / (|A| + |B| + 1)``."""
    return (2 * overlap + 1) / (total + 1)
