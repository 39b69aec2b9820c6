"""Known sections: what is seen and what is asked for never overlap, and the truth is the stack's."""

import numpy as np
import pytest

from napari_depth_interp.method import Sections
from napari_depth_interp.methods.auto import trials
from napari_depth_interp.methods.auto.trials import answers, change_between, hidden_rows, left_out
from napari_depth_interp.stack import Grid, Stack


def coded(shape=(9, 20, 24), depths=None, pixel_size=(0.5, 0.5)):
    """Every voxel has its own value."""
    voxels = np.random.default_rng(0).permutation(int(np.prod(shape))).reshape(shape).astype(np.float64)
    return Stack(voxels, Grid(2.0 * np.arange(shape[0]) if depths is None else np.array(depths), pixel_size, "um"))


class Constant:
    """Gives the depth asked for, times a factor, everywhere."""

    def __init__(self, factor):
        self.factor = factor

    def sections_at(self, stack, z, *, report):
        return Sections(np.ones((len(z), *stack.voxels.shape[1:])) * self.factor * np.array(z)[:, None, None])


class TestLeftOut:
    @pytest.mark.parametrize("count", [4, 5, 9, 10, 40])
    def test_the_truth_is_not_seen(self, count):
        stack = coded((count, 5, 6))
        questions = left_out(stack)
        assert len(questions) == 2
        asked = []
        for question in questions:
            assert not np.isin(question.truth, question.seen.voxels).any()
            for depth, truth in zip(question.z, question.truth, strict=True):
                np.testing.assert_array_equal(truth, stack.voxels[int(depth / 2)])
                assert question.seen.depths[0] < depth < question.seen.depths[-1]
            assert np.isin(question.seen.voxels, stack.voxels).all()
            asked += question.z
        assert len(set(asked)) == len(asked) >= min(count - 2, 6)

    def test_all_inner_sections_of_a_short_stack_are_asked_for(self):
        asked = sorted(depth for question in left_out(coded((7, 4, 4))) for depth in question.z)
        assert asked == [2, 4, 6, 8, 10]

    def test_what_is_seen_has_twice_the_gap_and_its_own_depths(self):
        stack = coded(depths=[0, 1, 3, 6, 10, 15, 21, 28, 36.0])
        even, odd = left_out(stack)
        assert even.seen.depths.tolist() == [0, 3, 10, 21, 36]
        assert odd.seen.depths.tolist() == [1, 6, 15, 28]
        np.testing.assert_array_equal(odd.seen.voxels, stack.voxels[1::2])
        assert even.z == [1, 6, 15, 28]
        assert odd.z == [3, 10, 21]

    def test_every_fourth_section_with_the_middle_one_asked_for(self):
        stack = coded((14, 5, 6))
        questions = left_out(stack, 4)
        assert [(np.array(each.seen.depths) / 2).tolist() for each in questions] == [
            [0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10], [3, 7, 11],
        ]  # fmt: skip
        assert [(np.array(each.z) / 2).tolist() for each in questions] == [[2, 6, 10], [3, 7, 11], [4, 8], [5, 9]]
        for question in questions:
            assert not np.isin(question.truth, question.seen.voxels).any()

    def test_a_stack_too_short_for_a_gap_asks_nothing(self):
        assert left_out(coded((4, 5, 6)), 4) == []
        assert [each.z for each in left_out(coded((5, 5, 6)), 4)] == [[4.0]]

    def test_of_large_sections_rows_around_the_middle_are_taken(self, monkeypatch):
        monkeypatch.setattr(trials, "_VOXELS", 1)
        stack = coded((5, 100, 4))
        for question in left_out(stack):
            assert question.truth.shape[1:] == (64, 4)
            np.testing.assert_array_equal(
                question.seen.voxels[0, 0], stack.voxels[int(question.seen.depths[0] / 2), 18]
            )
            np.testing.assert_array_equal(question.truth[0, -1], stack.voxels[int(question.z[0] / 2), 81])


class TestHiddenRows:
    @pytest.mark.parametrize("gap", [2, 3, 5])
    def test_rows_between_are_hidden(self, gap):
        stack = coded((9, 21, 26))
        along_y, along_x = hidden_rows(stack, gap, pixel=0.5)
        for question, images in ((along_y, stack.voxels), (along_x, stack.voxels.swapaxes(1, 2))):
            assert not np.isin(question.truth, question.seen.voxels).any()
            np.testing.assert_allclose(np.diff(question.seen.depths), 0.5 * gap)
            for depth, truth in zip(question.z, question.truth, strict=True):
                row = round(depth / 0.5)
                assert row % gap
                for each in truth:  # one row of one image each
                    assert (each == images[:, row]).all(axis=1).sum() == 1
            for depth, seen in zip(question.seen.depths, question.seen.voxels, strict=True):
                assert np.isin(seen, images[:, round(depth / 0.5)]).all()

    def test_images_stand_as_far_apart_as_sections(self):
        question = hidden_rows(coded(), 4, pixel=0.5)[0]
        assert question.seen.grid.pixel_size == (2.0, 0.5)
        assert question.seen.grid.unit == "um"

    def test_too_few_rows_for_two_gaps(self):
        assert hidden_rows(coded((5, 9, 9)), 5, 0.5) == []
        assert len(hidden_rows(coded((5, 9, 20)), 5, 0.5)) == 1

    def test_gaps_are_bounded_in_number(self):
        question = hidden_rows(coded((4, 600, 5)), 2, 0.5)[0]
        assert len(question.seen.depths) < 100


class TestAnswers:
    def test_every_section_with_what_each_made_of_it(self):
        stack = coded((7, 4, 5))
        question = left_out(stack)[0]
        found = list(answers(question, Constant(1.0), {"a": Constant(2.0), "b": Constant(-3.0)}))
        assert len(found) == len(question.z)
        for answer, depth, truth in zip(found, question.z, question.truth, strict=True):
            np.testing.assert_array_equal(answer.truth, truth)
            np.testing.assert_array_equal(answer.linear, np.full((4, 5), depth))
            np.testing.assert_array_equal(answer.others, depth * np.array([2, -3])[:, None, None] * np.ones((4, 5)))
            middle = int(depth / 2)
            np.testing.assert_array_equal(answer.change, np.abs(stack.voxels[middle + 1] - stack.voxels[middle - 1]))

    def test_where_in_its_gap_each_lies_and_whether_its_rows_are_neighbours(self):
        stack = coded((7, 21, 20))
        (along, _), (section, *_) = hidden_rows(stack, 4, pixel=0.5), left_out(stack)
        rows = list(answers(along, Constant(1.0), {"a": Constant(2.0)}))
        assert [each.share for each in rows[:4]] == [0.25, 0.5, 0.75, 0.25]
        assert all(each.apart for each in rows)
        assert [(each.share, each.apart) for each in answers(section, Constant(1.0), {"a": Constant(2.0)})] == [
            (0.5, False), (0.5, False), (0.5, False),
        ]  # fmt: skip

    def test_changes_of_unsigned_numbers_do_not_wrap(self):
        voxels = np.array([[[250]], [[3]]], np.uint8)
        change = change_between(Stack(voxels, Grid(np.arange(2.0))), 0)
        assert change.tolist() == [[247]]
