"""Telling label images from grey ones."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, label, zoom

from napari_depth_interp.stack.label_images import looks_grey, looks_like_labels
from napari_depth_interp.stack.lazy import LazyVoxels, as_array

RNG = np.random.default_rng(0)
SMOOTH = gaussian_filter(RNG.random((5, 96, 96)), (1, 8, 8)) - 0.49
BLOBS = gaussian_filter(RNG.random((5, 96, 96)), (1, 3, 3)) > 0.51
CELLS = zoom(RNG.permutation(5 * 12 * 12).reshape(5, 12, 12) + 1, (1, 8, 8), order=0)

LABELS = {
    "a mask": BLOBS.astype(np.uint8),
    "a mask of 255": BLOBS * np.uint8(255),
    "objects with a number each": label(BLOBS)[0].astype(np.uint16),
    "cells side by side": np.where(gaussian_filter(BLOBS * 1.0, (0, 9, 9)) > 0.4, CELLS, 0).astype(np.int32),
    "regions within regions": np.digitize(SMOOTH, [0, 0.01, 0.02]).astype(np.uint8) * np.uint8(10),
    "large identifiers": label(BLOBS)[0].astype(np.uint64) * 2**40,
    "two empty sections": np.concatenate([np.zeros((2, 96, 96), np.uint8), BLOBS.astype(np.uint8)]),
}
GREY = {
    "noise": RNG.integers(0, 200, (5, 96, 96)).astype(np.uint8),
    "single photons": RNG.poisson(0.1, (5, 96, 96)).astype(np.uint8),
    "a few photons": RNG.poisson(3, (5, 96, 96)).astype(np.uint16),
    "smooth over black": np.clip(SMOOTH * 4000, 0, 255).astype(np.uint8),
    "smooth in 12 of 16 bits": np.clip(SMOOTH * 4000, 0, 255).astype(np.uint16) * 16,
    "floats": BLOBS.astype(np.float32),
    "constant sections": np.broadcast_to(np.arange(5, dtype=np.uint8)[:, None, None], (5, 96, 96)),
    "one value": np.full((5, 96, 96), 7, np.uint8),
    "nothing": np.zeros((5, 96, 96), np.uint8),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels(name):
    voxels = LABELS[name][None, None]
    assert looks_like_labels(voxels)
    assert looks_like_labels(as_array(LazyVoxels(voxels)))
    assert not looks_grey(voxels)


@pytest.mark.parametrize("name", GREY)
def test_grey(name):
    assert not looks_like_labels(GREY[name][None, None])


@pytest.mark.parametrize("kind", [np.uint16, np.uint8])
def test_simulated_tissue_is_grey(tissue, kind):
    voxels = tissue.voxels
    assert not looks_like_labels((voxels / max(1, voxels.max() / np.iinfo(kind).max)).astype(kind))


@pytest.mark.parametrize("name", ["noise", "a few photons", "smooth in 12 of 16 bits"])
def test_looks_grey(name):
    assert looks_grey(as_array(LazyVoxels(GREY[name][None, None])))


def test_points_do_not_look_grey():
    assert not looks_grey(np.where(RNG.random((1, 1, 5, 96, 96)) < 0.05, RNG.integers(1, 9, (5, 96, 96)), 0))
