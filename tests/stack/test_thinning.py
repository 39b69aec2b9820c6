"""What is seen and what is hidden when sections are left out."""

import numpy as np
import pytest

from napari_depth_interp.stack import Acquisition, Grid, Stack
from napari_depth_interp.stack.thinning import every_kth, joined, spread_over, thinned


def a_stack(count, n=1):
    voxels = np.arange(count * 6, dtype=np.uint16).reshape(count, 2, 3)
    return Stack(voxels, Grid(np.arange(count) * 2.0, (1.0, 1.0), "um"), Acquisition(n))


@pytest.mark.parametrize(
    ("count", "k", "first", "kept", "hidden"),
    [
        (7, 2, 0, [0, 2, 4, 6], [1, 3, 5]),
        (7, 2, 1, [1, 3, 5], [2, 4]),
        (9, 4, 0, [0, 4, 8], [1, 2, 3, 5, 6, 7]),
        (9, 4, 2, [2, 6], [3, 4, 5]),
        (3, 4, 1, [1], []),
        (2, 4, 3, [], []),
    ],
)
def test_sections_are_kept_or_hidden_between_kept_ones(count, k, first, kept, hidden):
    found = every_kth(count, k, first)
    assert [each.tolist() for each in found] == [kept, hidden]


def test_a_thinned_stack_holds_nothing_of_the_hidden_sections():
    stack = a_stack(6)
    made = thinned(stack, 2, 1)
    np.testing.assert_array_equal(made.seen.voxels, stack.voxels[[1, 3, 5]])
    np.testing.assert_array_equal(made.seen.depths, [2.0, 6.0, 10.0])
    assert made.hidden.tolist() == [2, 4]


def test_projections_are_joined_in_pairs():
    stack = a_stack(7, n=3)
    made = joined(stack, 1)
    assert made.pairs.tolist() == [[1, 2], [3, 4], [5, 6]]
    np.testing.assert_array_equal(made.seen.voxels, stack.voxels[1:].reshape(3, 2, 2, 3).mean(axis=1))
    assert made.seen.voxels.dtype == np.float32
    assert made.seen.acquisition.n == 6
    np.testing.assert_array_equal(made.seen.depths, [3.0, 7.0, 11.0])
    assert joined(a_stack(4, n=3), 1) is None


@pytest.mark.parametrize(("length", "count", "found"), [(10, 3, [5, 9, 14]), (3, 6, [5, 6, 7]), (0, 3, [])])
def test_few_are_evenly_spread(length, count, found):
    assert spread_over(np.arange(5, 5 + length), count).tolist() == found
