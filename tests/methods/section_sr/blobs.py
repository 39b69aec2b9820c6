"""Smooth random blobs that look alike in all directions: what XY images teach holds along z."""

import numpy as np
from scipy.ndimage import gaussian_filter


def blobs(shape, sigma=2.5, seed=0):
    """Values 0 to 1000; ``sigma``, the size of a blob in voxels, may differ between the axes."""
    field = gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma)
    return 1000 / (1 + np.exp(-field / field.std() / 0.3))
