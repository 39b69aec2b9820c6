"""Interpolation along one axis as a matrix."""

import numpy as np
import pytest

from napari_depth_interp.numerics.interpolation import enlarging, unaverage, weights

KINDS = pytest.mark.parametrize("kind", ["nearest", "linear", "spline", "catmull-rom"])
DEPTHS = np.array([0.0, 1.0, 2.5, 3.0, 5.0])


@KINDS
def test_known_values_stay_and_constants_too(kind):
    np.testing.assert_allclose(weights(kind, DEPTHS, DEPTHS), np.eye(5), atol=1e-12)
    np.testing.assert_allclose(weights(kind, DEPTHS, np.linspace(-1, 6, 23)).sum(1), 1)


@pytest.mark.parametrize("kind", ["linear", "spline", "catmull-rom"])
def test_ends_are_held_and_lines_are_kept_inside(kind):
    matrix = weights(kind, DEPTHS, np.array([-3.0, 1.7, 9.0]))
    np.testing.assert_allclose(matrix @ (2 * DEPTHS + 1), [1.0, 4.4, 11.0], atol=0.2 if kind == "catmull-rom" else 1e-9)


@pytest.mark.parametrize("kind", ["linear", "catmull-rom"])
@pytest.mark.parametrize(("count", "factor"), [(6, 4), (2, 3), (1, 4), (5, 1)])
def test_enlarged_values_average_to_the_known_ones(kind, count, factor):
    plain, unaveraged = enlarging(count, factor, kind)
    assert plain.shape == (count * factor, count)
    means = (plain @ unaveraged).reshape(count, factor, count).mean(1)
    np.testing.assert_allclose(means, np.eye(count), atol=1e-9)


def test_edges_are_aligned():
    plain, _ = enlarging(3, 4, "linear")
    np.testing.assert_allclose(plain @ [0, 1, 2], np.clip((np.arange(12) - 1.5) / 4, 0, 2))


def test_unaveraging_undoes_averaging():
    fine = DEPTHS[:, None] + np.array([-0.2, 0.0, 0.2])
    matrix = weights("linear", DEPTHS, fine.ravel()) @ unaverage("linear", DEPTHS, fine)
    np.testing.assert_allclose(matrix.reshape(5, 3, 5).mean(1), np.eye(5), atol=1e-9)
