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
    along_y, along_x = (_squared_gradients(sections, axis, size) for axis, size in zip((1, 2), pixel_size, strict=True))
    strong_y, strong_x = (np.sqrt(each[1:] + each[:-1]) for each in (along_y, along_x))
    return np.asarray((strong_x + _FLAT) / (strong_x + strong_y + 2 * _FLAT), np.float32)


def _squared_gradients(sections: NDArray[np.float32], axis: int, size: float) -> NDArray[np.float32]:
    from scipy.ndimage import gaussian_filter

    order = [int(axis == 1), int(axis == 2)]
    found = np.empty_like(sections)
    for section, each in zip(sections, found, strict=True):
        edges = gaussian_filter(section, _EDGE, order=order) / size
        gaussian_filter(np.square(edges), _EDGE, output=each)
    return found
