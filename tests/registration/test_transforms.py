"""Transforms are applied, undone and kept without a loss that is not said."""

import json
from dataclasses import replace

import numpy as np
import pytest

from displaced_stacks import dataset, tissue_like, with_moves
from napari_depth_interp import io
from napari_depth_interp.errors import InputError, OutputError, RequestError
from napari_depth_interp.registration import Transforms, estimate
from napari_depth_interp.stack.lazy import LazyVoxels, as_array, is_lazy

INNER = (slice(None), slice(12, -12), slice(12, -12))


@pytest.fixture(scope="module")
def stack():
    return tissue_like(8)


@pytest.fixture(scope="module")
def jittered(stack):
    return dataset(with_moves(stack, {2: (3, -2), 5: (-1.5, 2.5)}))


@pytest.fixture(scope="module")
def moves(jittered):
    return estimate(jittered)


class TestApply:
    def test_brings_sections_back(self, stack, jittered, moves):
        before, after = (abs(d.voxels[0, 0].astype(float) - stack)[INNER] for d in (jittered, moves.apply(jittered)))
        assert after[[2, 5]].mean() < 0.15 * before[[2, 5]].mean()

    def test_what_stays_is_the_same_bit_for_bit(self, jittered, moves):
        aligned = moves.apply(jittered).voxels
        stays = ~moves.moved[0]
        np.testing.assert_array_equal(aligned[:, :, stays], jittered.voxels[:, :, stays])
        assert aligned.dtype == jittered.voxels.dtype

    def test_nothing_moves_nothing(self, jittered):
        still = Transforms.translations(np.zeros((8, 2)), (72, 72))
        assert still.apply(jittered) is jittered

    def test_the_input_is_not_changed(self, stack):
        given = dataset(stack.copy())
        Transforms.translations([(1.5, 0)] * 8, (72, 72)).apply(given)
        np.testing.assert_array_equal(given.voxels[0, 0], stack)

    @pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "uint64", "float16", "float32", "float64"])
    def test_every_type_keeps_its_range(self, dtype):
        values = (np.arange(64).reshape(1, 8, 8) % 7 * 17).astype(dtype)
        moved = Transforms.translations([(0.4, -0.6)], (8, 8)).apply(dataset(values)).voxels
        assert moved.dtype == dtype
        assert moved.min() >= values.min()
        assert moved.max() <= values.max()

    def test_the_largest_integers_do_not_turn_over(self):
        values = np.zeros((1, 9, 9), np.uint64)
        values[0, 3:6, 3:6] = np.iinfo(np.uint64).max
        moved = Transforms.translations([(0.5, 0)], (9, 9)).apply(dataset(values)).voxels[0, 0, 0]
        assert moved[4, 4] > 2**63
        assert moved[0, 0] == 0

    def test_large_identifiers_stay_exact(self):
        values = np.full((1, 6, 6), 2**60 + 1, np.int64)
        values[0, :3] = 7
        labels = dataset(values, holds_labels=True)
        moved = Transforms.translations([(1.3, 0.2)], (6, 6)).apply(labels).voxels
        assert set(np.unique(moved).tolist()) == {7, 2**60 + 1}

    def test_whole_pixels_are_copied_and_edges_continued(self, stack):
        moved = Transforms.translations([(3, -2)] * 8, (72, 72)).apply(dataset(stack)).voxels[0, 0]
        np.testing.assert_array_equal(moved[:, :-3, 2:], stack[:, 3:, :-2])
        np.testing.assert_array_equal(moved[:, -1], moved[:, -4])
        np.testing.assert_array_equal(moved[:, :, 0], moved[:, :, 2])

    def test_labels_are_not_blended(self, stack):
        labels = dataset((stack > 100).astype(np.uint16) * 900, holds_labels=True)
        moved = Transforms.translations([(0.4, 0.3)] * 8, (72, 72)).apply(labels).voxels
        assert set(np.unique(moved)) == {0, 900}

    def test_not_a_number_stays_where_it_belongs(self, stack):
        holed = stack.astype(np.float32)
        holed[:, 20:30, 30:40] = np.nan
        moved = Transforms.translations([(4.5, 0)] * 8, (72, 72)).apply(dataset(holed)).voxels[0, 0]
        assert np.isnan(moved[:, 17:24, 32:38]).all()
        assert not np.isnan(moved[:, 28:, 30:40]).any()
        assert not np.isnan(moved[:, :, :28]).any()

    def test_other_sizes_are_refused(self, stack, moves):
        with pytest.raises(InputError, match="8 sections and 72 x 72 pixels, but the image has 1, 7"):
            moves.apply(dataset(stack[:7]))

    def test_voxels_in_a_file_stay_there(self, jittered, moves):
        lazy = replace(jittered, voxels=as_array(LazyVoxels(jittered.voxels)))
        found = moves.apply(lazy).voxels
        assert is_lazy(found)
        whole = moves.apply(jittered).voxels
        np.testing.assert_array_equal(np.asarray(found), whole)
        np.testing.assert_array_equal(found[0, 0, 2:6, 10:20, 5], whole[0, 0, 2:6, 10:20, 5])
        np.testing.assert_array_equal(np.asarray(found[:, :, ::-2, 3:9]), whole[:, :, ::-2, 3:9])


class TestUndo:
    def test_an_inverse_brings_sections_back_to_where_they_were(self, jittered, moves):
        back = moves.inverted().apply(moves.apply(jittered))
        off = abs(back.voxels[0, 0].astype(float) - jittered.voxels[0, 0])[INNER]
        assert off.max() <= 3  # of 200: resampled twice
        stays = ~moves.moved[0]
        np.testing.assert_array_equal(back.voxels[0, 0, stays], jittered.voxels[0, 0, stays])

    def test_rigid_ones_too(self):
        rng = np.random.default_rng(2)
        moves = Transforms(
            "rigid", (72, 72), rng.normal(0, 3, (1, 8, 2)), rng.normal(0, 0.05, (1, 8)), np.ones((1, 8), bool)
        )
        given = dataset(tissue_like(8).astype(np.float64))
        back = moves.inverted().apply(moves.apply(given))
        np.testing.assert_allclose(back.voxels[0, 0][INNER], given.voxels[0, 0][INNER], atol=4)
        twice = moves.inverted().inverted()
        np.testing.assert_allclose(twice.shifts, moves.shifts, atol=1e-12)
        assert not twice.inverse


class TestFile:
    def test_round_trip(self, moves, tmp_path):
        moves.save(tmp_path / "moves.json")
        again = Transforms.load(tmp_path / "moves.json")
        np.testing.assert_array_equal(again.shifts, moves.shifts)
        np.testing.assert_allclose(again.angles, moves.angles)
        np.testing.assert_array_equal(again.judged, moves.judged)
        assert (again.kind, again.pixels, again.drift, again.inverse) == ("translation", (72, 72), "keep", False)

    def test_names_what_moves_only(self, moves, tmp_path):
        moves.save(tmp_path / "moves.json")
        written = json.loads((tmp_path / "moves.json").read_text())
        assert [each["section"] for each in written["moves"]] == [2, 5]

    def test_an_existing_file_stays(self, moves, tmp_path):
        (tmp_path / "moves.json").write_text("mine")
        with pytest.raises(OutputError, match="exists"):
            moves.save(tmp_path / "moves.json")
        assert (tmp_path / "moves.json").read_text() == "mine"

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "cannot be read"),
            ("[1]", "holds no transforms"),
            ('{"format": "other"}', "holds no transforms"),
            ("NaN", "holds no transforms"),
        ],
    )
    def test_anything_else_is_refused(self, text, words, tmp_path):
        (tmp_path / "moves.json").write_text(text)
        with pytest.raises((InputError, RequestError), match=words):
            Transforms.load(tmp_path / "moves.json")

    def test_a_section_beyond_the_stack_is_refused(self, moves):
        value = moves.as_json()
        value["moves"][0]["section"] = 8
        with pytest.raises(RequestError, match="section 8"):
            Transforms.from_json(value)

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(InputError, match="No such file"):
            Transforms.load(tmp_path / "none.json")


def test_margins_tell_what_was_not_recorded():
    moves = Transforms.translations([(0, 0), (2.2, -3), (-1, 5)], (64, 64))
    assert moves.margins == (1, 3, 3, 5)


def test_small_moves_are_dropped():
    moves = Transforms.translations([(0.2, 0), (0.2, 0.2), (1, 0)], (64, 64))
    assert moves.without_small(0.25).moved[0].tolist() == [False, True, True]


def test_aligned_files_are_written(jittered, moves, tmp_path):
    lazy = replace(jittered, voxels=as_array(LazyVoxels(jittered.voxels)))
    io.write(tmp_path / "aligned.tif", moves.apply(lazy))
    np.testing.assert_array_equal(io.read(tmp_path / "aligned.tif").voxels, moves.apply(jittered).voxels)
