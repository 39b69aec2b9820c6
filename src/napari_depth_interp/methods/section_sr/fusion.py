"""Joining what the XZ and the YZ planes say of the same voxel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_EDGE = 1.0
"""Pixels over which edges and their strength are smoothed."""
_FLAT = 1e-12


def shares_of_xz(sections: NDArray[np.float32], pixel_size: tuple[float, float]) -> NDArray[np.float32]:
    """Return how much of the XZ planes' word counts between two sections; the rest is that of the YZ planes.

    A plane sees best how an edge moves from section to section if it cuts across it. So the planes count in
    proportion to how much the sections change along x, and along y (rms gradients around the voxel).

    Parameters
    ----------
    sections : (N, Y, X) array
    pixel_size : (float, float), along y and x

    Returns
    -------
    (N-1, Y, X) array, 0 to 1; 0.5 where nothing changes
    """
    below, shares = None, np.empty((max(0, len(sections) - 1), *sections.shape[1:]), np.float32)
    for number, section in enumerate(sections):  # gradients of two sections at a time are in memory
        above = [_squared_gradients(section, axis, size) for axis, size in enumerate(pixel_size)]
        if below is not None:
            strong_y, strong_x = (np.sqrt(up + down) for up, down in zip(above, below, strict=True))
            shares[number - 1] = (strong_x + _FLAT) / (strong_x + strong_y + 2 * _FLAT)
        below = above
    return shares


def _squared_gradients(section: NDArray[np.float32], axis: int, size: float) -> NDArray[np.float32]:
    from scipy.ndimage import gaussian_filter

    edges = gaussian_filter(section, _EDGE, order=[int(axis == 0), int(axis == 1)]) / size
    return np.asarray(gaussian_filter(np.square(edges), _EDGE), np.float32)
