"""K-Planes as Ohashi 2025 publishes them, piece by piece (section 3.5, equations 14 to 20)."""

import numpy as np
import pytest
import torch

from napari_depth_interp.method import Runtime
from napari_depth_interp.methods.kplanes import KPLANES, KPlanesConfig
from napari_depth_interp.methods.kplanes.adam import (
    Steps,
    _misfit_at_pixels,
    _penalty,
    polish,
    random_planes,
    total_variation,
)
from napari_depth_interp.methods.kplanes.als import Observed, Penalties, split_sections, sweep
from napari_depth_interp.methods.kplanes.field import Lerp, Mlp, Planes, Sampling, render
from napari_depth_interp.methods.kplanes.method import Images, _knots, _observed, _scaling, _steps, fit
from napari_depth_interp.stack import Grid, Stack

CPU = torch.device("cpu")


def published(**changes):
    return KPlanesConfig(**{**KPLANES.presets["published"], **changes})


def at_knots(*sizes):
    return Sampling(*(Lerp.of(np.arange(n, dtype=float), np.arange(n, dtype=float), CPU) for n in sizes))


def equation_19(planes):
    """Sum over the planes of 1/(cells) times the squared distances of every cell to the one before it on both axes."""
    total = 0.0
    for plane in planes.tensors():
        rows, columns, _ = plane.shape
        for a in range(rows):
            for b in range(columns):
                before = [plane[a - 1, b]] * (a > 0) + [plane[a, b - 1]] * (b > 0)
                total += sum(float((plane[a, b] - each).square().sum()) for each in before) / (rows * columns)
    return total


class TestTotalVariation:
    planes = Planes(
        *(torch.randn(*size, 3, generator=torch.Generator().manual_seed(0)) for size in ((4, 5), (3, 4), (3, 5)))
    )

    def test_is_equation_19(self):
        steps = Steps(1, 0.01, tv=0.001, smoothness=0.0, tv_published=True)
        assert float(_penalty(self.planes, steps)) == pytest.approx(0.001 * equation_19(self.planes), rel=1e-5)

    def test_features_are_added_not_averaged(self):
        twice = Planes(*(torch.cat([plane, plane], -1) for plane in self.planes.tensors()))
        steps = Steps(1, 0.01, tv=1.0, smoothness=0.0, tv_published=True)
        assert float(_penalty(twice, steps)) == pytest.approx(2 * float(_penalty(self.planes, steps)), rel=1e-5)

    def test_one_cell_along_an_axis_has_no_neighbour(self):
        flat = Planes(torch.ones(1, 1, 2), torch.ones(1, 1, 2), torch.ones(1, 1, 2))
        assert float(_penalty(flat, Steps(1, 0.01, 1.0, 0.0, tv_published=True))) == 0

    def test_least_squares_weigh_all_planes_alike(self):
        """Sweeps end where equation 20 has no slope on any plane, unlike under our own weighting."""
        rng = np.random.default_rng(0)
        images = torch.from_numpy(rng.normal(size=(6, 8, 7)).cumsum(0).cumsum(1).astype(np.float32) / 10)
        one, slopes = Observed(images, at_knots(6, 8, 7)), {}
        for form in (True, False):
            planes = split_sections(images, 3)
            for _ in range(30):
                sweep(planes, [one], Penalties(0.01, 0.0, form), lambda: None)
            slopes[form] = slopes_of_equation_20(planes, images, 0.01)
        assert sum(slopes[True]) < 0.2 * sum(slopes[False])


def slopes_of_equation_20(planes, images, tv):
    leaves = [plane.clone().requires_grad_() for plane in planes.tensors()]
    field = torch.einsum("yxm,kym,kxm->kyx", *leaves)
    loss = (field - images).square().mean() + tv * total_variation(Planes(*leaves))
    loss.backward()
    return [float(leaf.grad.norm()) for leaf in leaves]


class TestMisfit:
    def test_is_the_mean_squared_error_of_equation_18(self):
        """Random pixels of all sections: their expectation is the mean over all voxels."""
        torch.manual_seed(0)
        planes, images = random_planes((4, 6, 5), 3, CPU), torch.rand(4, 6, 5)
        network, one = Mlp(3, 8, over_sum=False), Observed(images, at_knots(4, 6, 5))
        with torch.no_grad():
            found = float(_misfit_at_pixels(planes, network, one, np.random.default_rng(0), 200_000))
            wanted = float((render(planes, one.at, network) - images).square().mean())
        assert found == pytest.approx(wanted, rel=0.02)

    def test_a_coarse_pixel_counts_at_its_mapped_centre_only(self):
        """Pixel u of an image 4 times coarser supervises the field at 4 (u + 1/2) - 1/2."""
        fine = Images(np.zeros((2, 16, 16), np.float32), np.array([0.0, 2.0]))
        coarse = Images(np.ones((1, 4, 4), np.float32), np.array([1.0]), coarser=4.0)
        knots = _knots([fine, coarse], published())
        one = _observed(coarse, knots, 0.0, 1.0, CPU)
        assert one.images.shape == (1, 4, 4)
        for axis in (one.at.y, one.at.x):
            np.testing.assert_allclose(axis.first + axis.share, [1.5, 5.5, 9.5, 13.5])


class TestRecipe:
    """What the preset asks for, and what becomes of it."""

    def test_what_the_paper_states(self):
        config = published()
        assert (config.tv, config.tv_weighting, config.scaling, config.smoothness) == (0.001, "published", "unit", 0)
        assert (config.decoder, config.coarse, config.correct) == ("mlp", "mapped", False)

    def test_what_is_taken_from_the_code_of_k_planes(self):
        config = published()
        assert (config.features, config.learning_rate, config.batch, config.gradient_steps()) == (
            32,
            0.01,
            4096,
            30_000,
        )

    def test_planes_begin_between_a_tenth_and_a_half(self):
        torch.manual_seed(0)
        for plane in random_planes((4, 30, 20), 32, CPU).tensors():
            assert 0.1 <= float(plane.min()) < 0.11
            assert 0.49 < float(plane.max()) <= 0.5

    def test_one_row_of_cells_per_trained_depth_and_one_cell_per_pixel(self):
        images = [Images(np.zeros((4, 12, 10)), np.arange(4.0)), Images(np.zeros((3, 3, 2)), np.arange(3) + 0.5, 4.0)]
        z, y, x = _knots(images, published())
        np.testing.assert_array_equal(z, np.arange(7) / 2)
        np.testing.assert_array_equal(y, np.arange(12))
        np.testing.assert_array_equal(x, np.arange(10))

    def test_grey_values_run_from_0_to_1(self):
        voxels = np.random.default_rng(0).normal(500, 100, (3, 8, 8)).astype(np.float32)
        offset, scale = _scaling(voxels, published().scaling)
        assert (offset, offset + scale) == pytest.approx((float(voxels.min()), float(voxels.max())))
        assert _scaling(np.full((2, 2, 2), 7), "unit") == (7, 1)

    def test_adam_moves_planes_and_network_by_its_rate(self):
        """The first step of Adam is the learning rate, whatever the slope."""
        torch.manual_seed(0)
        planes, network = random_planes((3, 6, 5), 4, CPU), Mlp(4, 8, over_sum=False)
        before = [plane.clone() for plane in planes.tensors()] + [network.layers[0].weight.detach().clone()]
        one = Observed(torch.rand(3, 6, 5), at_knots(3, 6, 5))
        steps = _steps(published(training_steps=1))
        polish(planes, network, [one], steps, np.random.default_rng(0), lambda done: None)
        for old, new in zip(before, [*planes.tensors(), network.layers[0].weight.detach()], strict=True):
            moved = (new - old).abs()
            assert float(moved[moved > 0].median()) == pytest.approx(0.01, rel=1e-3)

    def test_the_network_alone_makes_the_grey_value(self):
        assert not fitted(training_steps=1).decoder.over_sum


def scene(depths):
    """Two blobs that grow along z, at any depths."""
    y, x = np.mgrid[:20, :20]
    z = np.asarray(depths, float)[:, None, None]
    return (100 + 800 * np.exp(-((y - 10) ** 2 + (x - 6 - 0.5 * z) ** 2) / (20 + z))).astype(np.float32)


DEPTHS = np.arange(7) * 2.0


def fitted(**changes):
    return fit([Images(scene(DEPTHS), DEPTHS)], published(**changes), Runtime())


def test_it_learns_the_scene_between_its_sections():
    between = DEPTHS[:-1] + 1
    method = KPLANES.create(published(training_steps=250, batch=512), Runtime())
    stack = Stack(scene(DEPTHS), Grid(DEPTHS, (1.0, 1.0), "um"))
    method.prepare(stack)
    found = method.sections_at(stack, between.tolist()).values
    nearest = scene(DEPTHS[:-1])
    wrong = [float(np.sqrt(np.mean((each - scene(between)) ** 2))) for each in (found, nearest)]
    assert wrong[0] < 0.6 * wrong[1]


def test_our_own_scaling_stays_the_default():
    config = KPlanesConfig()
    assert (config.scaling, config.tv_weighting, config.batch, config.fit) == ("zscore", "ours", 0, "als")
