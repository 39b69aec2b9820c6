"""Objects that fill the space between walls or membranes: a watershed of the image from the middles of what is bright.

Otsu's threshold, and a watershed of what it finds, look for objects apart from each other; cells known by their walls,
or neurites by their membranes, are not. The constants were chosen on simulated Voronoi cells only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from skimage.segmentation import watershed

from napari_depth_interp.evaluation.segmenters import middles_of, voxel_size
from napari_depth_interp.stack import Dataset

_FINE, _COARSE = 0.12, 0.5
"""Blur of the image and of what it is compared with, as shares of an object's radius."""
_BLUR = 0.7
"""Pixels that the image is blurred by at least."""
_ROUND = 0.25
"""Blur of the distances to walls, as a share of the radius."""
_SMALLEST, _LARGEST = 0.05, 20.0
"""Objects smaller or larger than so many typical ones are none: grains, and what is around the tissue."""


def between_walls(stack: Dataset, radius: float) -> NDArray[Any]:
    """Return identifiers (Z, Y, X) of objects that are brighter than the walls between them.

    Parameters
    ----------
    stack : Dataset
    radius : float
        Of a typical object, in pixels of a section.
    """
    step = np.asarray(voxel_size(stack))
    voxels = stack.voxels[0, 0].astype(np.float32)
    fine = gaussian_filter(voxels, max(_FINE * radius, _BLUR) / step)
    inside = fine > gaussian_filter(voxels, _COARSE * radius / step)
    if not inside.any():
        return np.zeros(voxels.shape, np.int32)
    depth = gaussian_filter(distance_transform_edt(inside, sampling=step), _ROUND * radius / step)
    found = watershed(-fine, middles_of(depth, inside.astype(int), radius, step))
    sizes = np.bincount(found.ravel()) * step.prod() / (4 / 3 * np.pi * radius**3)
    right = (sizes > _SMALLEST) & (sizes < _LARGEST)
    right[0] = False
    return np.asarray((np.cumsum(right) * right)[found], np.int32)
