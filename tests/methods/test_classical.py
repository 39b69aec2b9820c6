"""Nearest, linear and cubic against closed forms and scipy."""

import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline, CubicSpline
from scipy.ndimage import zoom

from napari_depth_interp.method import Runtime
from napari_depth_interp.methods.classical import CUBIC, LINEAR, NEAREST
from napari_depth_interp.progress import silent
from napari_depth_interp.stack import Acquisition, Grid, Stack

EVEN = np.arange(9) * 2.0
UNEVEN = np.array([0, 1, 3, 6, 10, 11, 12, 16, 20.0])


def make_stack(values, depths, n=1):
    """A stack whose section k is ``values[k]`` everywhere, or ``values`` itself if it is 3-D."""
    voxels = np.asarray(values, np.float64)
    if voxels.ndim == 1:
        voxels = voxels[:, None, None] + np.zeros((1, 2, 3))
    return Stack(voxels, Grid(np.asarray(depths, float), (1.0, 1.0), "um"), Acquisition(n))


def values_at(spec, stack, z, **parameters):
    method = spec.create(spec.config(**parameters), Runtime())
    method.prepare(stack, report=silent)
    return method.sections_at(stack, list(z), report=silent).values


@pytest.mark.parametrize("depths", [EVEN, UNEVEN])
class TestLinear:
    def test_equals_numpy_interp(self, depths):
        values = np.random.default_rng(0).random(9)
        z = np.linspace(depths[0], depths[-1], 31)
        np.testing.assert_allclose(
            values_at(LINEAR, make_stack(values, depths), z)[:, 0, 0], np.interp(z, depths, values)
        )

    def test_ends_are_held(self, depths):
        values = np.random.default_rng(0).random(9)
        got = values_at(LINEAR, make_stack(values, depths), [depths[0] - 5, depths[-1] + 5])[:, 0, 0]
        np.testing.assert_allclose(got, [values[0], values[-1]])


def test_linear_equals_scipy_zoom():
    voxels = np.random.default_rng(1).random((5, 6, 7))
    dense = values_at(LINEAR, make_stack(voxels, np.arange(5)), np.arange(17) / 4)
    np.testing.assert_allclose(dense, zoom(voxels, (17 / 5, 1, 1), order=1), atol=1e-12)


def test_nearest_takes_the_closest_and_the_lower_one_of_two():
    stack = make_stack([1, 2, 3], [0.0, 1.0, 4.0])
    got = values_at(NEAREST, stack, [-1, 0.4, 0.5, 0.6, 2.4, 2.5, 2.6, 9])[:, 0, 0]
    np.testing.assert_array_equal(got, [1, 1, 1, 2, 2, 2, 3, 3])


@pytest.mark.parametrize("depths", [EVEN, UNEVEN])
class TestCubic:
    def test_spline_equals_scipy_natural_spline(self, depths):
        values = np.random.default_rng(2).random(9)
        z = np.linspace(depths[0], depths[-1], 40)
        got = values_at(CUBIC, make_stack(values, depths), z, kind="spline", overshoot="keep")[:, 0, 0]
        np.testing.assert_allclose(got, CubicSpline(depths, values, bc_type="natural")(z), atol=1e-12)

    @pytest.mark.parametrize("kind", ["spline", "catmull-rom"])
    def test_passes_through_the_sections(self, depths, kind):
        values = np.random.default_rng(3).random(9)
        got = values_at(CUBIC, make_stack(values, depths), depths, kind=kind)[:, 0, 0]
        np.testing.assert_allclose(got, values, atol=1e-12)

    def test_catmull_rom_reproduces_a_parabola_inside(self, depths):
        """Second-order finite differences are exact for parabolas, so the curve is."""
        z = np.linspace(depths[1], depths[-2], 25)
        got = values_at(CUBIC, make_stack(depths**2, depths), z, kind="catmull-rom", overshoot="keep")[:, 0, 0]
        np.testing.assert_allclose(got, z**2, atol=1e-9)

    @pytest.mark.parametrize("kind", ["spline", "catmull-rom"])
    def test_overshoot(self, depths, kind):
        """A step makes a cubic swing; clip holds it to the range of the stack."""
        values = np.where(np.arange(9) < 4, 0.0, 1.0)
        z = np.linspace(depths[0], depths[-1], 101)
        kept = values_at(CUBIC, make_stack(values, depths), z, kind=kind, overshoot="keep")
        clipped = values_at(CUBIC, make_stack(values, depths), z, kind=kind)
        assert kept.min() < -0.001
        assert kept.max() > 1.001
        assert (clipped.min(), clipped.max()) == (0, 1)


def test_catmull_rom_kernel():
    """The well-known weights half-way between two sections: -1/16, 9/16, 9/16, -1/16."""
    weights = [
        values_at(CUBIC, make_stack(np.eye(6)[i], np.arange(6)), [2.5], overshoot="keep")[0, 0, 0] for i in range(6)
    ]
    np.testing.assert_allclose(weights, [0, -1 / 16, 9 / 16, 9 / 16, -1 / 16, 0], atol=1e-12)


@pytest.mark.parametrize("kind", ["spline", "catmull-rom"])
def test_long_stacks_use_a_window_that_changes_nothing(kind):
    rng = np.random.default_rng(4)
    depths = np.cumsum(rng.uniform(0.5, 2.0, 400))
    values = rng.random(400)
    z = rng.uniform(depths[0], depths[-1], 1000)
    z.sort()
    got = values_at(CUBIC, make_stack(values, depths), z, kind=kind, overshoot="keep")[:, 0, 0]
    whole = {
        "spline": CubicSpline(depths, values, bc_type="natural"),
        "catmull-rom": CubicHermiteSpline(depths, values, np.gradient(values, depths)),
    }[kind]
    np.testing.assert_allclose(got, whole(z), atol=1e-6)


class TestProjections:
    """A recorded image is the mean of n sections."""

    @pytest.mark.parametrize(
        ("spec", "parameters"), [(NEAREST, {}), (LINEAR, {}), (CUBIC, {}), (CUBIC, {"kind": "spline"})]
    )
    @pytest.mark.parametrize("n", [2, 5, 6])
    def test_average_of_the_result_is_the_data(self, spec, parameters, n):
        stack = make_stack(np.random.default_rng(n).random(40), np.arange(40) * n, n)
        fine = values_at(spec, stack, stack.fine_depths().ravel(), **parameters)
        np.testing.assert_allclose(fine.reshape(40, n, 2, 3).mean(axis=1), stack.voxels, atol=1e-7)

    def test_matching_can_be_switched_off(self):
        stack = make_stack([0, 0, 1, 0, 0], np.arange(5) * 6.0, 6)
        fine = values_at(LINEAR, stack, stack.fine_depths().ravel(), match_projections=False)[:, 0, 0]
        assert fine.reshape(5, 6).mean(axis=1)[2] == pytest.approx(0.75, abs=0.01)

    def test_a_ramp_is_recovered(self):
        """The mean of a linear ramp over a projection is its value at the centre; inside, nothing is lost."""
        centres = np.arange(12) * 6 + 2.5
        stack = make_stack(centres, centres, 6)
        fine = values_at(CUBIC, stack, np.arange(24, 48))[:, 0, 0]
        np.testing.assert_allclose(fine, np.arange(24, 48), atol=0.05)
