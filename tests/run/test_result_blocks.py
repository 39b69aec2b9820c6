"""Blocks cover a result, share no file, and wait for those that they are made of."""

import numpy as np
import pytest

from napari_depth_interp.errors import RequestError
from napari_depth_interp.run.blocks import BLOCK, Blocks, LevelShape, Pending, shard_shape

LEVELS = [
    LevelShape((21, 130, 70)),
    LevelShape((11, 65, 35), (2, 2, 2)),
    LevelShape((11, 33, 18), (1, 2, 2)),
]


@pytest.mark.parametrize("finest", [None, (16, 32, 32), (8, 130, 70)])
def test_they_cover_every_resolution_once(finest):
    blocks = Blocks(2, [(0, 1), (2,)], LEVELS, (8, 32, 32), finest)
    seen = [np.zeros((2, 3, *level.shape), int) for level in LEVELS]
    for number in range(len(blocks)):
        block = blocks[number]
        assert block.number == number
        for channel in block.channels:
            seen[block.level][block.time, channel, block.sections, block.rows, block.columns] += 1
    assert all((each == 1).all() for each in seen)
    assert sum(blocks.count(level) for level in range(blocks.levels)) == len(blocks)


def test_coarser_and_finer_are_the_same_relation():
    blocks = Blocks(1, [(0,)], LEVELS, (8, 32, 32), (16, 130, 70))
    up = {(n, m) for n in range(len(blocks)) for m in blocks.coarser(n)}
    down = {(m, n) for n in range(len(blocks)) for m in blocks.finer(n)}
    assert up == down
    assert {n for n, _ in up} == set(range(blocks.count(0) + blocks.count(1)))


@pytest.mark.parametrize("done", [0, 40, 50])
def test_a_block_is_given_out_once_and_after_what_it_is_made_of(done):
    blocks = Blocks(1, [(0,)], LEVELS, (8, 32, 32))
    rng = np.random.default_rng(done)
    there = set(range(done))
    pending, out = Pending(blocks, there), []
    while not pending.all_done:
        while (number := pending.take()) is not None:
            assert number not in there
            assert set(blocks.finer(number)) <= there
            out.append(number)
        number = out.pop(rng.integers(len(out)))
        pending.finished(number)
        there.add(number)
    assert there == set(range(len(blocks)))


def test_ten_terabytes_are_a_hundred_thousand_files():
    shape = (1, 1, 20_000, 20_000, 25_000)  # 10^13 voxels of 8 bits
    assert shard_shape(None, shape) == BLOCK
    blocks = Blocks(1, [(0,)], [LevelShape(shape[2:])], BLOCK)
    assert 10**5 < len(blocks) < 2 * 10**5
    assert shard_shape(None, (1, 1, 64, 1024, 1024)) is None


@pytest.mark.parametrize("given", ["64", "0,1,1", "12,256,256", "a,b,c", "8,300,256"])
def test_what_is_no_size_of_a_file(given):
    with pytest.raises(RequestError, match=f"--shard '{given}' is no size of a file: give"):
        shard_shape(given, (1, 1, 9, 9, 9))
