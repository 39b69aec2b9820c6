"""The segmenter of the benchmarks for cells that touch, known by the walls between them."""

from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree
from skimage.segmentation import find_boundaries

import _cells
from _walls import between_walls
from napari_depth_interp.metrics.objects import object_scores
from napari_depth_interp.stack import Dataset, Grid

STEP, RADIUS = 2.0, 9.0


def cells():
    """Make cells on a jittered grid 16 pixels wide, with dark walls: stack and labels."""
    rng = np.random.default_rng(0)
    middles = np.stack(np.meshgrid(*[np.arange(8, 64, 16)] * 3, indexing="ij"), -1).reshape(-1, 3)
    middles = middles + rng.uniform(-3, 3, middles.shape)
    places = np.stack(np.meshgrid(np.arange(32) * STEP, np.arange(64), np.arange(64), indexing="ij"), -1)
    far, which = cKDTree(middles).query(places, k=2)
    image = 1000 * (1 - np.exp(-(((far[..., 1] - far[..., 0]) / 3) ** 2))) + rng.normal(0, 50, far.shape[:3])
    grid = Grid(np.arange(32) * STEP, (1.0, 1.0), "um")
    return Dataset(image.clip(0).astype(np.uint16)[None, None], grid), which[..., 0] + 1


def test_cells_that_fill_the_space_are_told_apart_by_their_walls():
    stack, drawn = cells()
    scores = object_scores(drawn, between_walls(stack, RADIUS), stack.grid.depths, (1.0, 1.0))
    assert scores["drawn"] == 64
    assert scores["f1"] > 0.9


def test_simulated_cells_are_darker_than_their_walls_and_are_found_by_them():
    stack, drawn = _cells.cells((48, 56, 56), (0.5, 0.5, 0.5), 7)
    voxels = stack.voxels[0, 0]
    walls = find_boundaries(drawn)
    assert voxels[walls].mean() > 2 * voxels[~walls].mean()
    sizes = np.bincount(drawn.ravel())[1:]
    assert sizes.min() > 0
    bright = replace(stack, voxels=voxels.max() - stack.voxels)
    radius = (0.75 * np.median(sizes) / np.pi) ** (1 / 3)
    scores = object_scores(drawn, between_walls(bright, radius), stack.grid.depths, stack.grid.pixel_size)
    assert scores["f1"] > 0.7
    again, same = _cells.cells((48, 56, 56), (0.5, 0.5, 0.5), 7)
    np.testing.assert_array_equal(again.voxels, stack.voxels)
    np.testing.assert_array_equal(same, drawn)
    assert (_cells.cells((48, 56, 56), (0.5, 0.5, 0.5), 8)[1] != drawn).any()


def test_an_image_of_one_value_has_no_objects():
    flat = Dataset(np.full((1, 1, 16, 32, 32), 7, np.uint16), Grid(np.arange(16) * STEP, (1.0, 1.0), "um"))
    assert not between_walls(flat, RADIUS).any()
