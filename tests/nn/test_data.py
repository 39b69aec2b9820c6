"""What is held back is never learned from, and data are told apart by what they hold."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_depth_interp.nn.contract import TrainingData
from napari_depth_interp.nn.data import fingerprint_of, hashes_of, hold_back, signed, split
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
    split = hold_back(given, 0.25, seed=0)
    assert [each.voxels.shape for each in split.kept] == [(5, 30, 30)] * 2
    assert [each.voxels.shape for each in split.held] == [(5, 10, 30)] * 2
    for kept, held, whole in zip(voxels(split.kept), voxels(split.held), voxels(given.stacks), strict=True):
        assert not kept & held
        assert kept | held == whole


def test_the_longer_side_is_cut():
    split = hold_back(data(["a"], (5, 20, 50)), 0.2, seed=0)
    assert split.held[0].voxels.shape == (5, 20, 10)


def test_large_images_are_cut_where_the_specimen_is():
    given = data(["a"], (5, 60, 30))
    split = hold_back(given, 0.2, seed=0)
    assert [each.voxels.shape for each in split.kept] == [(5, 24, 30)] * 2
    np.testing.assert_array_equal(split.held[0].voxels, given.stacks[0].voxels[:, 24:36])


def test_of_many_files_whole_ones_are_held_back_with_all_their_channels():
    given = data(["a", "a", "b", "b", "c", "d", "e", "f", "g", "h"])
    split = hold_back(given, 0.25, seed=0)
    assert len(split.kept) + len(split.held) == 10
    assert 2 <= len(split.held) <= 4
    held_files = {path for stack, path in zip(given.stacks, given.files, strict=True) if stack in split.held}
    kept_files = {path for stack, path in zip(given.stacks, given.files, strict=True) if stack in split.kept}
    assert len(held_files) == 2
    assert not held_files & kept_files
    again = hold_back(given, 0.25, seed=0)
    assert again.held == split.held


@pytest.mark.parametrize(("share", "shape"), [(0.0, (5, 40, 30)), (0.3, (5, 20, 20))])
def test_nothing_is_held_back_if_not_asked_for_or_too_small(share, shape):
    given = data(["a"], shape)
    split = hold_back(given, share, seed=0)
    assert split.kept == given.stacks
    assert split.held == ()


def test_data_are_told_apart_by_files_or_by_signatures(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"abc")
    given = TrainingData(data(["a", "a"]).stacks, (tmp_path / "a.tif",) * 2)
    assert hashes_of(given) == ["ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"] * 2
    layers = TrainingData(given.stacks, given.files, ("1", "2"))
    assert hashes_of(layers) == ["1", "2"]
    assert fingerprint_of(layers, {"seed": 0}) == fingerprint_of(layers, {"seed": 0})
    assert (
        len(
            {
                fingerprint_of(given, {"seed": 0}),
                fingerprint_of(layers, {"seed": 0}),
                fingerprint_of(layers, {"seed": 1}),
            }
        )
        == 3
    )


def test_other_recorded_inputs_are_other_data():
    stacks = data(["a", "b"]).stacks
    layers = TrainingData(stacks, (Path("a"), Path("b")), ("1", "2"))
    one, other = (replace(layers, inputs=(None, stack)) for stack in stacks)
    assert len({fingerprint_of(each, {}) for each in (layers, one, other)}) == 3


def test_files_are_known_by_what_they_were_when_they_were_read(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"abc")
    given = TrainingData(data(["a"]).stacks, (tmp_path / "a.tif",))
    read = signed(given)
    (tmp_path / "a.tif").unlink()
    assert hashes_of(read) == ["ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"]


@pytest.mark.parametrize(("share", "kept"), [(0.0, 0), (0.1, 1), (0.4, 2), (0.5, 2), (1.0, 4)])
def test_whole_files_are_divided(share, kept):
    learned, looked_at = split(data(list("abcde")), share, 0)
    assert sorted(learned + looked_at) == list(range(5))
    assert len(looked_at) == kept


def test_channels_of_a_file_stay_together():
    found = data(["a", "a", "b", "b", "c", "c"])
    for seed in range(5):
        learned, looked_at = split(found, 0.3, seed)
        assert {found.files[i] for i in learned}.isdisjoint({found.files[i] for i in looked_at})
        assert len(looked_at) == 2


def test_the_division_depends_on_the_seed_only():
    divisions = [split(data(list("abcdefgh")), 0.3, seed) for seed in (0, 0, 1, 2)]
    assert divisions[0] == divisions[1]
    assert len({tuple(looked_at) for _, looked_at in divisions}) > 1


def test_a_single_file_is_not_divided():
    assert split(data(["a", "a"]), 0.5, 0) == ([0, 1], [])
