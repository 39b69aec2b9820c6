"""Crops, variants and hidden pixels of the training patches."""

import numpy as np
import pytest
import torch

from napari_depth_interp.methods.enhancement.config import EnhanceConfig
from napari_depth_interp.methods.enhancement.pairs import Pair, self_supervised
from napari_depth_interp.methods.enhancement.patches import Patches, hidden

DISTINCT = torch.arange(300 * 280, dtype=torch.float32).reshape(300, 280)
"""An image whose pixels tell where they were."""


def drawn(config, pairs=None, hide=None, seed=0):
    pairs = [Pair(DISTINCT, -DISTINCT)] if pairs is None else pairs
    return Patches(pairs, config, seed, hide=hide).draw(np.random.default_rng(1))


def test_both_images_of_a_pair_are_cut_and_turned_alike():
    batch = drawn(EnhanceConfig(batch=40))
    assert batch.seen.shape == batch.wanted.shape == (40, 1, 41, 41)
    assert batch.count is None
    torch.testing.assert_close(batch.wanted, -batch.seen)


def variant_of(patch):
    """Return how a patch of DISTINCT was turned, from the steps to the right and downwards."""
    right, down = patch[0, 1] - patch[0, 0], patch[1, 0] - patch[0, 0]
    return int(right), int(down)


def test_five_variants_as_published():
    batch = drawn(EnhanceConfig(batch=200))
    found = {variant_of(patch[0]) for patch in batch.seen}
    assert found == {(1, 280), (-1, 280), (1, -280), (280, -1), (-280, 1)}


def corners(config):
    """Return the first row and column of every patch, whichever way it is turned."""
    batch = drawn(config)
    lowest = [int(patch.min()) for patch in batch.seen]
    return {divmod(value, 280) for value in lowest}


def test_patches_lie_on_the_grid_of_a_few_crops():
    config = EnhanceConfig(batch=400, crops=1, crop=227, stride=14)
    found = corners(config)
    rows, columns = ({place[axis] for place in found} for axis in (0, 1))
    assert all((row - min(rows)) % 14 == 0 for row in rows)
    assert all((column - min(columns)) % 14 == 0 for column in columns)
    assert len(rows) == len(columns) == (227 - 41) // 14 + 1
    assert len({(row % 14, column % 14) for row, column in corners(config.model_copy(update={"crops": 0}))}) > 50


def test_small_images_give_small_patches():
    batch = drawn(EnhanceConfig(batch=3), [Pair(torch.ones(20, 60), torch.zeros(20, 60))])
    assert batch.seen.shape == (3, 1, 20, 20)


@pytest.mark.parametrize("radius", [0, 2])
def test_a_hidden_pixel_is_not_seen_nor_what_lies_around_it(radius):
    images = torch.arange(4 * 30 * 30, dtype=torch.float32).reshape(4, 1, 30, 30)
    batch = hidden(images, radius, np.random.default_rng(0))
    torch.testing.assert_close(batch.wanted, images)
    assert batch.count.flatten(1).any(1).all()
    for image, row, column in np.argwhere(batch.count[:, 0].numpy()):
        block = (slice(max(0, row - radius), row + radius + 1), slice(max(0, column - radius), column + radius + 1))
        assert not torch.isin(batch.seen[image, 0][block], images[image, 0][block]).any()
    changed = (batch.seen != images).float().mean()
    assert 0 < changed < 0.4


def test_neighbours_are_paired_both_ways():
    images = torch.rand(3, 20, 20)
    pairs, hide = self_supervised([images], EnhanceConfig(targets="neighbours"))
    found = [(_index(images, pair.seen), _index(images, pair.wanted)) for pair in pairs]
    assert found == [
        (0, 1),
        (1, 0),
        (1, 2),
        (2, 1),
    ]
    assert hide is None


def _index(images, image):
    return next(i for i, each in enumerate(images) if torch.equal(each, image))


def test_grains_are_hidden_whole():
    from scipy.ndimage import gaussian_filter

    white = np.random.default_rng(0).normal(size=(3, 64, 64)).astype(np.float32)
    grains = [white, gaussian_filter(white, (0, 1, 1)), gaussian_filter(white, (0, 2, 2))]
    radii = [self_supervised([torch.from_numpy(each)], EnhanceConfig())[1] for each in grains]
    assert radii == [0, 2, 3]
    assert self_supervised([torch.from_numpy(white)], EnhanceConfig(blind_radius=4))[1] == 4
