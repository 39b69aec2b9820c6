"""How well an expected error predicts the true one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

INTERVAL_90 = 2.2
"""Half-width of the 90 % interval over the expected absolute error: 2.06 for Gaussian, 2.30 for Laplacian errors."""
_VOXELS_PER_SECTION = 4096


@dataclass
class Calibration:
    """Collects voxels of hidden sections: their expected and their true absolute errors."""

    _expected: list[NDArray[Any]] = field(default_factory=list)
    _true: list[NDArray[Any]] = field(default_factory=list)

    def add(self, truth: NDArray[Any], values: NDArray[Any], uncertainty: NDArray[Any]) -> None:
        """Add a hidden section; at most some thousand voxels on an even raster are kept. NaN is left out."""
        step = max(1, truth.size // _VOXELS_PER_SECTION)
        error = np.abs(truth.ravel()[::step].astype(np.float64) - values.ravel()[::step])
        expected = uncertainty.ravel()[::step].astype(np.float64)
        known = np.isfinite(error) & np.isfinite(expected)
        self._true.append(error[known])
        self._expected.append(expected[known])

    def scores(self) -> dict[str, float | None]:
        """Return the rank correlation of expected and true error, and the coverage of the 90 % interval."""
        from scipy.stats import spearmanr

        true, expected = (np.concatenate(each) if each else np.zeros(0) for each in (self._true, self._expected))
        if not len(true):
            return {"spearman": None, "coverage_90": None}
        varied = np.ptp(true) > 0 and np.ptp(expected) > 0
        rank = float(spearmanr(expected, true).statistic) if varied else None
        return {"spearman": rank, "coverage_90": float((true <= INTERVAL_90 * expected).mean())}
