"""Small stacks and what is asked of them, for the tests of requests and targets."""

import numpy as np

from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Acquisition, Dataset, Grid


def make(depths=(10.0, 12.0, 14.0, 16.0), unit="um", pixel_size=(0.5, 0.4), dtype=np.uint8, n=1, voxels=None):
    depths = np.asarray(depths, float)
    if voxels is None:
        voxels = np.arange(len(depths) * 6).reshape(1, 1, -1, 2, 3).astype(dtype)
    return Dataset(voxels, Grid(depths, pixel_size, unit), Acquisition(n))


def asked(data, **settings):
    return resolve(data, make_settings(device="cpu", **settings))
