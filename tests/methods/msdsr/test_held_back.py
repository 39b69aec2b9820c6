"""What is held back is never learned from: whole files, or a slab of each stack."""

from pathlib import Path

import numpy as np
import pytest

from napari_depth_interp.methods.msdsr.held_back import divided
from napari_depth_interp.nn.contract import TrainingData
from napari_depth_interp.stack import Grid, Stack


def data(files, shape=(5, 40, 30)):
    """Stacks whose voxels are all different numbers."""
    count = int(np.prod(shape))
    grid = Grid(np.arange(shape[0]) * 1.0, (1.0, 1.0), "um")
    stacks = [Stack(np.arange(count).reshape(shape) + count * i, grid) for i in range(len(files))]
    return TrainingData(tuple(stacks), tuple(Path(name) for name in files))


def voxels(stacks):
    return [set(stack.voxels.ravel().tolist()) for stack in stacks]


def test_few_files_each_give_a_slab_that_nobody_learns_from():
    given = data(["a", "b"])
    kept, held = divided(given, 0.25, seed=0)
    assert [each.voxels.shape for each in kept] == [(5, 30, 30)] * 2
    assert [each.voxels.shape for each in held] == [(5, 10, 30)] * 2
    for left, slab, whole in zip(voxels(kept), voxels(held), voxels(given.stacks), strict=True):
        assert not left & slab
        assert left | slab == whole


def test_the_longer_side_is_cut():
    _, held = divided(data(["a"], (5, 20, 50)), 0.2, seed=0)
    assert held[0].voxels.shape == (5, 20, 10)


def test_large_images_are_cut_where_the_specimen_is():
    given = data(["a"], (5, 60, 30))
    kept, held = divided(given, 0.2, seed=0)
    assert [each.voxels.shape for each in kept] == [(5, 24, 30)] * 2
    np.testing.assert_array_equal(held[0].voxels, given.stacks[0].voxels[:, 24:36])


def test_of_many_files_whole_ones_are_held_back_with_all_their_channels():
    given = data(["a", "a", "b", "b", "c", "d", "e", "f", "g", "h"])
    kept, held = divided(given, 0.25, seed=0)
    assert len(kept) + len(held) == 10
    assert 2 <= len(held) <= 4
    held_files = {path for stack, path in zip(given.stacks, given.files, strict=True) if stack in held}
    kept_files = {path for stack, path in zip(given.stacks, given.files, strict=True) if stack in kept}
    assert len(held_files) == 2
    assert not held_files & kept_files
    _, again = divided(given, 0.25, seed=0)
    assert again == held


@pytest.mark.parametrize(("share", "shape"), [(0.0, (5, 40, 30)), (0.3, (5, 20, 20))])
def test_nothing_is_held_back_if_not_asked_for_or_too_small(share, shape):
    given = data(["a"], shape)
    kept, held = divided(given, share, seed=0)
    assert kept == list(given.stacks)
    assert held == []
