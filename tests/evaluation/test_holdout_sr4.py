"""The protocol sr4: means of 4 x 4 x 4 voxels, and back to the pixels of the reference."""

import numpy as np
import pytest

from napari_depth_interp.errors import RequestError
from napari_depth_interp.evaluation.holdout import Protocol, keep_every, make_trials, pooled
from napari_depth_interp.stack import Acquisition, Dataset, Grid


def volume(shape=(9, 12, 16)):
    voxels = np.random.default_rng(3).random((2, 1, *shape)).astype(np.float32)
    return Dataset(voxels, Grid(2.0 * np.arange(shape[0]), (0.5, 0.7), "um", origin=(1.0, 2.0)))


@pytest.mark.parametrize(("height", "width"), [(12, 16), (15, 17), (8, 8)])
def test_means_of_blocks_are_shown_at_their_centres(height, width):
    data = volume((9, height, width))
    (trial,) = make_trials(data, Protocol("sr4"))
    rows, columns = height // 4, width // 4
    assert trial.visible.voxels.shape == (2, 1, 2, rows, columns)
    for t, k, i, j in np.ndindex(2, 2, rows, columns):
        block = data.voxels[t, 0, 4 * k : 4 * k + 4, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4]
        assert trial.visible.voxels[t, 0, k, i, j] == pytest.approx(block.mean(dtype=float), rel=1e-5)
    assert trial.visible.acquisition == Acquisition(4)
    assert trial.visible.grid.depths.tolist() == [3.0, 11.0]  # of sections at 0 to 6, and at 8 to 14
    assert trial.visible.grid.pixel_size == pytest.approx((2.0, 2.8))
    assert trial.visible.grid.origin == pytest.approx((1.0 + 0.75, 2.0 + 1.05))
    assert trial.depths.tolist() == (2.0 * np.arange(8)).tolist()
    assert trial.reference.tolist() == trial.truth_at.tolist() == list(range(8))
    assert trial.in_plane == 4


def test_means_of_integers_are_not_rounded_and_no_pixel_size_is_needed():
    voxels = np.zeros((1, 1, 8, 8, 8), np.uint8)
    voxels[0, 0, 0, 0, 0] = 1
    (trial,) = pooled(Dataset(voxels, Grid(np.arange(8.0))))
    assert trial.visible.voxels[0, 0, 0, 0, 0] == 1 / 64
    assert trial.visible.grid.pixel_size is None


def test_a_section_is_brought_to_the_pixels_of_the_reference_with_edges_aligned():
    (trial,) = pooled(volume((8, 16, 20)))
    section = np.random.default_rng(0).random((4, 5))
    rows = [np.interp(np.arange(20), 4 * np.arange(5) + 1.5, row) for row in section]
    expected = [np.interp(np.arange(16), 4 * np.arange(4) + 1.5, column) for column in np.array(rows).T]
    found = trial.on_reference_grid(section)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.array(expected).T, atol=1e-6)
    flat = trial.on_reference_grid(np.full((4, 5), 7, np.uint16))
    np.testing.assert_array_equal(flat, np.full((16, 20), 7))


def test_a_section_with_the_pixels_of_the_reference_stays_as_it_is():
    (trial,) = pooled(volume((8, 16, 20)))
    section = np.ones((16, 20))
    assert trial.on_reference_grid(section) is section
    (other,) = keep_every(volume(), 2)
    small = np.ones((12, 16))
    assert other.on_reference_grid(small) is small


@pytest.mark.parametrize("shape", [(8, 7, 20), (8, 20, 7), (7, 20, 20)])
def test_what_is_too_small_is_refused(shape):
    with pytest.raises(RequestError, match=r"sr4 averages 4 x 4 pixels and needs 8 x 8|at least 2n sections"):
        make_trials(volume(shape), Protocol("sr4"))


def test_uneven_sections_are_refused():
    data = volume((8, 8, 8))
    uneven = Dataset(data.voxels, Grid(np.cumsum(np.arange(8.0))))
    with pytest.raises(RequestError, match="not defined"):
        pooled(uneven)
