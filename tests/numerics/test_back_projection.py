"""Back-projection: whatever a method renders, averages of its sections become the recorded images."""

import numpy as np
import pytest

from napari_depth_interp.numerics.back_projection import Floor, back_projected
from napari_depth_interp.numerics.interpolation import unaverage, weights
from napari_depth_interp.progress import Progress
from napari_depth_interp.stack import Acquisition, Grid, Stack


def stack_of(voxels, n, gap=6.0):
    return Stack(np.asarray(voxels), Grid(np.arange(len(voxels)) * gap, (1.0, 1.0), "um"), Acquisition(n))


def noisy(z, _report):
    """Something that has little to do with the data, and is the same at the same depth."""
    rng = np.random.default_rng(0)
    waves = rng.normal(size=(3, 4, 5))
    return np.stack([waves[0] + waves[1] * np.sin(depth) + waves[2] * np.cos(depth / 3) for depth in z])


@pytest.mark.parametrize("n", [2, 3, 6])
def test_averages_of_any_rendering_become_the_images(n):
    stack = stack_of(np.random.default_rng(1).random((30, 4, 5)), n)
    found = back_projected(noisy, stack, stack.fine_depths().ravel())
    np.testing.assert_allclose(found.reshape(30, n, 4, 5).mean(axis=1), stack.voxels, atol=1e-9)


def test_of_slices_the_sections_themselves_are_put_back():
    stack = stack_of(np.random.default_rng(1).random((5, 4, 5)), 1)
    np.testing.assert_allclose(back_projected(noisy, stack, stack.depths), stack.voxels, atol=1e-12)


def test_a_rendering_that_fits_stays_as_it_is():
    stack = stack_of(np.zeros((8, 4, 5)), 6)
    z = stack.fine_depths()
    fitting = stack_of(noisy(z.ravel(), None).reshape(8, 6, 4, 5).mean(axis=1), 6)
    np.testing.assert_allclose(back_projected(noisy, fitting, z.ravel()), noisy(z.ravel(), None), atol=1e-12)


def test_some_sections_are_those_of_the_whole_and_other_depths_lie_between():
    stack = stack_of(np.random.default_rng(1).random((30, 4, 5)), 6)
    z = stack.fine_depths().ravel()
    whole = back_projected(noisy, stack, z)
    np.testing.assert_allclose(back_projected(noisy, stack, z[60:66]), whole[60:66], atol=2e-3)
    below = np.array([60, 61, 63, 64])  # what is added bends at the centre of an image, between 62 and 63
    halves = (z[below] + z[below + 1]) / 2
    between = back_projected(noisy, stack, halves) - noisy(halves, None)
    added = whole - noisy(z, None)
    np.testing.assert_allclose(between, (added[below] + added[below + 1]) / 2, atol=2e-3)


def test_the_correction_is_smooth_along_z():
    """One image that is missed changes its sections more in the middle than at its ends, and never by a step."""
    voxels = np.zeros((9, 1, 1))
    voxels[4] = 1.0
    stack = stack_of(voxels, 6)
    found = back_projected(lambda z, _: np.zeros((len(z), 1, 1)), stack, stack.fine_depths().ravel())[:, 0, 0]
    assert found[24:30].argmax() in (2, 3)
    assert np.abs(np.diff(found)).max() < 0.35


def test_unaveraging_is_the_inverse_of_averaging_the_interpolation():
    depths = np.arange(7) * 6.0
    fine = depths[:, None] + np.arange(6) - 2.5
    averaged = weights("linear", depths, fine.ravel()).reshape(7, 6, 7).mean(axis=1)
    np.testing.assert_allclose(averaged @ unaverage("linear", depths, fine), np.eye(7), atol=1e-12)


def test_progress_goes_to_the_rendering():
    seen = []

    def render(z, report):
        report(Progress(0.5))
        return noisy(z, report)

    stack = stack_of(np.zeros((3, 4, 5)), 2)
    back_projected(render, stack, stack.fine_depths().ravel(), seen.append)
    assert [each.fraction for each in seen] == [0.5, 1.0]


class TestFloor:
    def test_is_the_smallest_value_where_many_voxels_have_it(self):
        voxels = np.random.default_rng(0).random((5, 20, 20)) + 1
        assert Floor.of(stack_of(voxels, 6)) == Floor()
        voxels[1, :4, :4] = 0.5  # 16 of 2000 voxels
        assert Floor.of(stack_of(voxels, 6)) == Floor()
        voxels[3, :4, :4] = 0.5
        assert Floor.of(stack_of(voxels, 6)) == Floor(0.5)

    def test_slices_have_none(self):
        assert Floor.of(stack_of(np.zeros((5, 4, 4)), 1)) == Floor()

    def test_lifted_sections_are_the_nearest_that_are_allowed(self):
        rng = np.random.default_rng(0)
        images, sections = rng.random((4, 3, 3)), rng.normal(size=(24, 3, 3))
        images[2, 0] = 0.0
        found = Floor(0.0).lift(sections, images).reshape(4, 6, 3, 3)
        assert found.min() == 0
        np.testing.assert_allclose(found.mean(axis=1), images, atol=1e-12)
        assert (found[2, :, 0] == 0).all()
        for _ in range(50):  # no others that average to the images are nearer
            other = rng.dirichlet(np.ones(6), size=(4, 3, 3)).transpose(0, 3, 1, 2) * 6 * images[:, None]
            near, far = (np.square(each - sections.reshape(4, 6, 3, 3)).sum(axis=1) for each in (found, other))
            assert (near <= far + 1e-9).all()

    def test_sections_that_are_allowed_stay(self):
        sections = np.random.default_rng(0).random((24, 3, 3)) + 1
        images = sections.reshape(4, 6, 3, 3).mean(axis=1)
        np.testing.assert_allclose(Floor(0.5).lift(sections, images), sections, atol=1e-12)

    def test_a_few_sections_are_those_of_all(self):
        voxels = np.random.default_rng(1).random((30, 4, 5)) * (np.random.default_rng(2).random((30, 4, 5)) > 0.3)
        stack = stack_of(voxels, 6)
        z, floor = stack.fine_depths().ravel(), Floor.of(stack)
        assert floor == Floor(0.0)

        def render(at):
            return back_projected(noisy, stack, at)

        whole = floor.held(render, stack, z)
        np.testing.assert_allclose(whole.reshape(30, 6, 4, 5).mean(axis=1), voxels, atol=1e-9)
        some = [61, 64, 100]
        np.testing.assert_allclose(floor.held(render, stack, z[some]), whole[some], atol=5e-3)
        assert floor.held(render, stack, z[:-1] + 0.5).min() == 0  # between the sections: not below it

    def test_none_changes_nothing(self):
        stack, z = stack_of(np.zeros((3, 2, 2)), 6), np.array([1.0])
        np.testing.assert_array_equal(Floor().held(lambda at: -np.ones((1, 2, 2)), stack, z), -np.ones((1, 2, 2)))
