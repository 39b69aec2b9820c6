"""What is held back is never learned from, and data are told apart by what they hold."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_depth_interp.nn.contract import TrainingData
from napari_depth_interp.nn.data import fingerprint_of, hashes_of, hold_back, signed
from napari_depth_interp.stack import Grid, Stack


def data(files, shape=(5, 40, 30)):
    """Stacks whose voxels are all different numbers."""
    count = int(np.prod(shape))
    grid = Grid(np.arange(shape[0]) * 1.0, (1.0, 1.0), "um")
    stacks = [Stack(np.arange(count).reshape(shape) + count * i, grid) for i in range(len(files))]
    return TrainingData(tuple(stacks), tuple(Path(name) for name in files))


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


@pytest.mark.parametrize(
    ("share", "at_least", "kept"),
    [
        (0.0, 0, 0),
        (0.0, 1, 0),
        (0.1, 0, 0),
        (0.1, 1, 1),
        (0.4, 1, 2),
        (0.4, 0, 2),
        (0.5, 1, 2),
        (0.9, 0, 4),
        (1.0, 1, 4),
    ],
)
def test_whole_files_are_divided_and_never_all(share, at_least, kept):
    learned, held = hold_back(data(list("abcde")), share, 0, at_least=at_least)
    assert sorted(learned + held) == list(range(5))
    assert len(held) == kept


def test_channels_of_a_file_stay_together():
    found = data(["a", "a", "b", "b", "c", "c"])
    for seed in range(5):
        learned, held = hold_back(found, 0.3, seed)
        assert {found.files[i] for i in learned}.isdisjoint({found.files[i] for i in held})
        assert len(held) == 2


def test_the_division_depends_on_the_seed_only():
    divisions = [hold_back(data(list("abcdefgh")), 0.3, seed) for seed in (0, 0, 1, 2)]
    assert divisions[0] == divisions[1]
    assert len({tuple(held) for _, held in divisions}) > 1


def test_a_single_file_is_not_divided():
    assert hold_back(data(["a", "a"]), 0.5, 0, at_least=1) == ([0, 1], [])
