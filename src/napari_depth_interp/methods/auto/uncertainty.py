"""How wrong a new section probably is, voxel by voxel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...metrics.uncertainty import INTERVAL_90

_SMOOTH = 1.5
"""Pixels: errors are foretold for neighbourhoods."""
_MEASURED_SHARE = 0.75
_EXCESS = (0.5, 2.0)
_MISSED, _LEVELS = 0.1, (0.7, 0.9)
"""Share of all voxels that may lie outside the interval, and bounds of the share inside where errors are expected."""
_FACTORS = (0.5, 1.0)
"""How far the ratio of errors that hidden rows show is believed, and within which bounds."""

Image = NDArray[np.float32]


def features(linear: Image, others: Image, mixture: Image, change: Image, share: float) -> Image:
    """Return what errors go with, (FEATURES, Y, X), all in intensity units.

    Parameters
    ----------
    linear, mixture : (Y, X) arrays
    others : (C, Y, X) array, what each candidate gives
    change : (Y, X) array, absolute difference of the observed sections above and below
    share : float, where in the gap the section lies, 0 to 1
    """
    from scipy.ndimage import gaussian_filter

    spread = np.sqrt(np.mean((np.concatenate([linear[None], others]) - mixture) ** 2, axis=0))
    depth = 2 * np.sqrt(max(share * (1 - share), 0.0))
    rough = np.abs(mixture - gaussian_filter(mixture, _SMOOTH))
    found = [gaussian_filter(each, _SMOOTH) for each in (spread, change * depth, rough * depth)]
    return np.stack([*found, np.full_like(linear, depth)])


@dataclass(frozen=True, eq=False)
class ErrorModel:
    """Expected absolute error as a sum of features with weights of 0 or more."""

    weights: NDArray[np.float64]

    @classmethod
    def fit(cls, known: Image, errors: Image) -> ErrorModel:
        """Fit on voxels of known sections: ``known`` (n, FEATURES), absolute ``errors`` (n,).

        The weights are first fitted so that large expectations do not rule, then scaled so that the 90 %
        interval holds 90 % of the errors.
        """
        from scipy.optimize import nnls

        weights = np.ones(known.shape[1])
        floor = max(float(errors.mean()) * 0.05, 1e-9)
        for _ in range(3):
            balance = 1 / (known @ weights + floor)
            weights = nnls(known * balance[:, None], errors * balance)[0]
        expected = known @ weights
        foretold = expected > floor
        if not foretold.any():
            return cls(weights)
        # where nothing is expected nothing is missed: what is left of the 90 % falls to the other voxels
        level = np.clip(1 - _MISSED / foretold.mean(), *_LEVELS)
        excess = np.quantile(errors[foretold] / (INTERVAL_90 * expected[foretold]), level)
        return cls(weights * float(np.clip(excess, *_EXCESS)))

    def moved(self, foretold: float, measured: float) -> ErrorModel:
        """Return the model for the real gap, where errors are smaller than at the doubled one.

        Parameters
        ----------
        foretold : float
            Mean expected error at the real over that at the doubled gap, as the features alone have it.
        measured : float
            The same ratio of errors as hidden rows of the XY images have it.
        """
        factor = np.clip((measured / max(foretold, 1e-6)) ** _MEASURED_SHARE, *_FACTORS)
        return ErrorModel(self.weights * float(factor))

    def expect(self, found: Image) -> Image:
        """Return the expected absolute error (Y, X) of a section from its features."""
        return np.tensordot(self.weights.astype(np.float32), found, axes=1)
