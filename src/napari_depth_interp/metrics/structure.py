"""Metrics of shape: local structure and objects."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .comparison import SSIM_WINDOW, Comparison, halve

_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales (Wang, Simoncelli & Bovik, Asilomar 2003)."""


def ssim(pair: Comparison, where: NDArray[np.bool_]) -> float | None:
    """Mean local SSIM over the voxels ``where`` whose window is inside the image; None for tiny images."""
    if pair.ssim_map is None:
        return None
    used = where & pair.ssim_valid
    return float(pair.ssim_map[used].mean()) if used.any() else None


def ms_ssim(pair: Comparison, where: NDArray[np.bool_]) -> float | None:
    """Multi-scale SSIM (Wang 2003): contrast and structure at every scale, luminance at the coarsest.

    As many of the five scales are used as the window fits into (all from 176 pixels on); the weights of fewer
    scales are made to sum to 1. None for tiny images or where no voxel is left at a scale.
    """
    scales = min(len(_SCALE_WEIGHTS), int(np.log2(min(pair.reference.shape) / SSIM_WINDOW)) + 1)
    if min(pair.reference.shape) < SSIM_WINDOW or not where.any():
        return None
    weights = np.array(_SCALE_WEIGHTS[:scales]) / sum(_SCALE_WEIGHTS[:scales])
    product = 1.0
    for number, (level, mask) in enumerate(zip(pair.scales(scales), _halved(where, scales), strict=True)):
        similarity = level.contrast * level.luminance if number == scales - 1 else level.contrast
        inner = mask[level.inside]
        if not inner.any():
            return None
        product *= max(float(similarity[inner].mean()), 0.0) ** weights[number]
    return product


def _halved(mask: NDArray[np.bool_], scales: int) -> Iterator[NDArray[np.bool_]]:
    """Yield the mask at each scale: a voxel stays if at least half of its four do."""
    for _ in range(scales):
        yield mask
        mask = halve(mask.astype(np.float64)) >= 0.5


def dice(pair: Comparison, where: NDArray[np.bool_]) -> float | None:
    """Dice overlap of the Otsu objects of both images, smoothing 1."""
    if not where.any():
        return None
    reference, test = (mask[where] for mask in pair.masks)
    return dice_of(int((reference & test).sum()), int(reference.sum()) + int(test.sum()))


def dice_of(overlap: int, total: int) -> float:
    """``(2 |A and B| + 1) / (|A| + |B| + 1)``."""
    return (2 * overlap + 1) / (total + 1)


def volume_bias(pair: Comparison, where: NDArray[np.bool_]) -> float | None:
    """Area of the Otsu objects over that of the truth's, less 1; None where the truth has none."""
    reference, test = (mask[where] for mask in pair.masks)
    return bias_of(int(test.sum()), int(reference.sum()))


def bias_of(found: int, true: int) -> float | None:
    """``found / true - 1``."""
    return found / true - 1 if true else None


def boundary_mae(pair: Comparison, where: NDArray[np.bool_]) -> float | None:
    """Mean absolute error within 2 pixels of the boundaries of the truth's Otsu foreground, in input units."""
    near = where & pair.near_boundary
    return float(np.sqrt(pair.squared_error[near]).mean()) if near.any() else None
