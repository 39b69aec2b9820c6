"""Stacks whose scores are known."""

import numpy as np

from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.stack import Dataset, Grid

EVERY_2 = Protocol("keep_every", every=2)


def make(voxels, gap=2.0, **kwargs):
    voxels = np.asarray(voxels)
    voxels = voxels.reshape((1,) * (5 - voxels.ndim) + voxels.shape)
    return Dataset(voxels, Grid(gap * np.arange(voxels.shape[2]), unit="um"), axes="TCZYX", **kwargs)


def ramp(curve, size=12):
    """Sections of a pattern times a curve of z; the pattern runs from 1 to 2."""
    pattern = np.linspace(1, 2, size * size).reshape(size, size)
    return np.asarray(curve, float)[:, None, None] * pattern
