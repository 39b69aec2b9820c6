"""Metrics of single voxels: squared error and what follows from it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .comparison import Comparison


def mean_squared_error(pair: Comparison, where: NDArray[np.bool_]) -> float | None:
    """Mean of squared differences, in squared input units; None without voxels."""
    return float(pair.squared_error[where].mean()) if where.any() else None


def rmse(pair: Comparison, where: NDArray[np.bool_]) -> float | None:
    """Root of the mean squared error, in input units."""
    error = mean_squared_error(pair, where)
    return None if error is None else math.sqrt(error)


def mae(pair: Comparison, where: NDArray[np.bool_]) -> float | None:
    """Mean absolute error, in input units; None without voxels."""
    return float(np.sqrt(pair.squared_error[where]).mean()) if where.any() else None


def psnr(pair: Comparison, where: NDArray[np.bool_]) -> float | None:
    """Peak signal-to-noise ratio in dB; None for identical images, where it is infinite."""
    error = mean_squared_error(pair, where)
    return None if error is None else psnr_of(error, pair.peak)


def psnr_of(error: float, peak: float) -> float | None:
    """``10 log10(R^2 / MSE)``; None for a mean squared error of 0."""
    return 20 * math.log10(peak) - 10 * math.log10(error) if error > 0 else None


def data_range_of(volume: NDArray[Any]) -> tuple[float, float]:
    """Return the percentiles 0.1 and 99.9 of a volume, NaN left out."""
    values = volume[np.isfinite(volume)] if volume.dtype.kind == "f" else volume
    low, high = np.percentile(values, (0.1, 99.9))
    return float(low), float(high)
