"""Intensities to about 0 to 1 and back."""

import numpy as np
import pytest

from napari_depth_interp.stack import scaling
from napari_depth_interp.stack.scaling import Scaling


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float16", "float32", "float64"])
def test_there_and_back(dtype):
    voxels = np.random.default_rng(0).integers(3, 120, (4, 20, 21)).astype(dtype)
    scaling = Scaling.of(voxels)
    scaled = scaling.apply(voxels)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaling.undo(scaled), voxels, rtol=1e-5)


def test_most_values_lie_between_0_and_1_and_outliers_are_kept():
    voxels = np.random.default_rng(0).normal(1000, 100, 100_000)
    voxels[:3] = 1e5, -1e5, 1e4
    scaled = Scaling.of(voxels).apply(voxels)
    assert np.percentile(scaled, [0.1, 99.9]) == pytest.approx([0, 1], abs=1e-3)
    assert (scaled[[0, 2]] > 10).all()
    assert scaled[1] < -10


def test_a_large_offset_costs_no_digits():
    """Counts near 2**31 that differ by a few: float32 alone would make them equal."""
    voxels = 2_000_000_000 + np.arange(1000, dtype=np.int32).reshape(10, 10, 10) % 50
    scaling = Scaling.of(voxels)
    assert len(np.unique(scaling.apply(voxels))) == 50
    np.testing.assert_allclose(scaling.undo(scaling.apply(voxels).astype(np.float64)), voxels, rtol=0, atol=1e-3)


def test_a_few_bright_voxels_give_the_range_where_percentiles_are_equal():
    voxels = np.zeros((10, 40, 40))
    voxels[3, 5, 5] = 80
    assert Scaling.of(voxels) == Scaling(0.0, 80.0)


def test_a_constant_stack_is_shifted_only():
    scaling = Scaling.of(np.full((3, 4, 4), 7, np.uint8))
    assert scaling == Scaling(7.0, 1.0)
    assert (scaling.apply(np.full((3, 4, 4), 7, np.uint8)) == 0).all()


def test_of_a_large_stack_a_part_is_looked_at():
    rng = np.random.default_rng(0)
    large = rng.normal(50, 10, (5, 700, 900)).astype(np.float32)
    exact = np.percentile(large, (0.1, 99.9))
    scaling = Scaling.of(large)
    assert (scaling.offset, scaling.offset + scaling.scale) == pytest.approx(exact, abs=0.5)


def test_what_is_looked_at_is_not_a_single_column():
    """A thousand sections of 1000 x 1000 pixels, in small: every 40th voxel of rows of 40 is the left edge."""
    voxels = np.random.default_rng(0).normal(50, 10, (40, 40, 40))
    voxels[:, :, 0] = np.linspace(-1, 1, 40)  # the dark edge
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scaling, "_SAMPLED", voxels.size // 40)
        found = scaling.Scaling.of(voxels)
    assert found.offset + found.scale == pytest.approx(np.percentile(voxels, 99.9), rel=0.1)


@pytest.mark.parametrize("shape", [(1000, 1000, 1000), (500, 1000, 1000), (1000, 1000, 3), (64, 2048, 2048)])
def test_rows_and_columns_are_looked_at_all_over_the_image(shape):
    step = scaling._step(shape)
    assert step < 2 * max(1, np.prod(shape) // 1_000_000)
    places = np.arange(0, np.prod(shape), step) % (shape[1] * shape[2])
    for numbers, size in ((places // shape[2], shape[1]), (places % shape[2], shape[2])):
        assert len(np.unique(numbers)) >= size // 8


def test_differences_scale_with_the_span_only():
    scaling = Scaling(100.0, 50.0)
    assert scaling.undo(np.array([0.0, 0.5, 1.0])).tolist() == [100, 125, 150]
    assert scaling.apply(np.array([100, 125, 150])).tolist() == [0, 0.5, 1]
