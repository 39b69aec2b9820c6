"""Simulated cells that fill the space, with stained walls between them, as a confocal microscope takes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from napari_depth_interp.simulate import Optics
from napari_depth_interp.simulate.optics import expose, record
from napari_depth_interp.stack import Dataset

_APART, _WALL, _CYTOPLASM = 7.0, 0.4, 0.1
"""um between the middles of neighbours; um of half a wall; brightness of the inside, that of walls being 1."""
_BENT, _BENDS = 0.8, 3.0
"""um by which walls are bent, and over which."""


def cells(
    shape: tuple[int, int, int], voxel_size: tuple[float, float, float], seed: int
) -> tuple[Dataset, NDArray[np.uint16]]:
    """Return cells, darker than their walls, and identifiers (Z, Y, X) of them: cells of space around random places.

    Parameters
    ----------
    shape : (Z, Y, X)
    voxel_size : (z, y, x) in um
    seed : int
    """
    geometry, noise = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
    low, high = np.full(3, -_APART), np.multiply(shape, voxel_size) + _APART
    candidates = geometry.uniform(low, high, (int(4 * np.prod((high - low) / _APART)), 3))
    near, free = cKDTree(candidates), np.ones(len(candidates), bool)
    for number, place in enumerate(candidates):
        if free[number]:
            free[near.query_ball_point(place, _APART)] = False
            free[number] = True
    at = np.stack(np.meshgrid(*(np.arange(n) * step for n, step in zip(shape, voxel_size, strict=True)), indexing="ij"))
    bends = [gaussian_filter(geometry.standard_normal(shape), np.divide(_BENDS, voxel_size)) for _ in range(3)]
    bent = at + np.stack([_BENT * each / each.std() for each in bends])
    distance, which = cKDTree(candidates[free]).query(np.moveaxis(bent, 0, -1), k=2)
    wall = np.exp(-(((distance[..., 1] - distance[..., 0]) / 2 / _WALL) ** 2))
    optics = Optics()
    brightness = (_CYTOPLASM + (1 - _CYTOPLASM) * wall).astype(np.float32)
    voxels = record(expose(brightness, voxel_size, optics), optics, noise, "uint16")
    labels = np.unique(which[..., 0], return_inverse=True)[1].reshape(shape) + 1
    made = Dataset.from_array(voxels, z_spacing=voxel_size[0], pixel_size=voxel_size[1:], unit="um")
    return made, labels.astype(np.uint16)
