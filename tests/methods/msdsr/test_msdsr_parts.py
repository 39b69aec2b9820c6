"""Noise, masks, planes and interpolation, each against a closed form."""

import math

import numpy as np
import pytest
import torch

from napari_depth_interp.methods.msdsr import MsdsrConfig
from napari_depth_interp.methods.msdsr.diffusion import STEPS, Diffusion
from napari_depth_interp.methods.msdsr.network import PlaneNet, between
from napari_depth_interp.methods.msdsr.planes import FromImages, FromStacks, masked


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


class TestDiffusion:
    @pytest.mark.parametrize("prediction", ["v", "noise"])
    def test_a_right_predicting_gives_the_clean_image(self, prediction):
        diffusion = Diffusion(MsdsrConfig(prediction=prediction, zero_snr=False))
        images = torch.randn(6, 5, 4)
        noisy, wanted, step = diffusion.noisy(images)
        torch.testing.assert_close(diffusion.clean(noisy, wanted, step), images, atol=1e-3, rtol=1e-3)

    def test_the_last_step_holds_no_image_only_with_zero_snr(self):
        last = torch.tensor([STEPS - 1])
        image, wanted = torch.ones(1, 2, 2), torch.zeros(1, 2, 2)
        pure = Diffusion(MsdsrConfig(zero_snr=True)).clean(image, wanted, last)
        assert float(pure.abs().max()) < 1e-6
        assert float(Diffusion(MsdsrConfig(zero_snr=False)).clean(image, wanted, last).abs().max()) > 1e-3

    def test_noise_keeps_the_size_of_the_image(self):
        images = torch.randn(400, 8, 8)
        noisy, _, _ = Diffusion(MsdsrConfig()).noisy(images)
        assert float(noisy.std()) == pytest.approx(1, abs=0.02)

    def test_offset_noise_moves_whole_planes(self):
        plain, offset = (
            Diffusion(MsdsrConfig(prediction="noise", zero_snr=False, offset_noise=strength)) for strength in (0.0, 0.5)
        )
        means = [each.noisy(torch.zeros(2000, 16, 16))[1].mean((1, 2)).std() for each in (plain, offset)]
        assert float(means[0]) == pytest.approx(1 / 16, rel=0.1)
        assert float(means[1]) == pytest.approx(math.hypot(0.5, 1 / 16), rel=0.1)

    def test_adjusted_offset_noise_grows_with_the_noise(self):
        config = MsdsrConfig(prediction="noise", zero_snr=False, offset_noise=1.0, adjusted_offset=True)
        _, noise, step = Diffusion(config).noisy(torch.zeros(20000, 6, 6))
        means = noise.mean((1, 2))
        early, late = means[step < 200].std(), means[step > STEPS - 10].std()
        assert float(early) < 0.25
        assert float(late) == pytest.approx(1, abs=0.2)

    def test_adjusted_offset_noise_needs_some_image_at_the_end(self):
        with pytest.raises(ValueError, match="zero_snr=false"):
            MsdsrConfig(offset_noise=0.1, adjusted_offset=True)


class TestBetween:
    @pytest.mark.parametrize("observed", [[0, 4, 8], [3], [1, 2, 7], list(range(9))])
    def test_is_linear_interpolation_that_holds_the_ends(self, observed):
        planes = torch.randn(2, 9, 3)
        mask = torch.zeros(2, 9)
        mask[:, observed] = 1
        for plane, found in zip(planes, between(planes, mask), strict=True):
            wanted = [np.interp(range(9), observed, column[observed]) for column in plane.T.numpy()]
            np.testing.assert_allclose(found.T, wanted, atol=1e-6)

    def test_hidden_rows_are_not_looked_at(self):
        mask = torch.tensor([[1.0, 0, 0, 1]])
        first, second = torch.randn(1, 4, 2), torch.randn(1, 4, 2)
        second[:, [0, 3]] = first[:, [0, 3]]
        torch.testing.assert_close(between(first, mask), between(second, mask))


class TestPlanes:
    def test_rows_of_images_stand_as_far_apart_as_asked(self):
        ramp = torch.arange(60.0)[:, None].expand(60, 60)
        images = torch.stack([ramp + 100 * ramp.T, ramp + 100 * ramp.T])
        steps = set()
        for seed in range(10):
            pieces = FromImages(images, (1.5, 2.0), 4, 48).draw(np.random.default_rng(seed))
            assert pieces.shape[0] == 4
            steps |= set(pieces.diff(dim=1).abs()[:, 2:-2].unique().tolist())
        assert steps == {1.5, 200.0}

    def test_more_pixels_than_there_are_give_the_outermost_two_rows(self):
        images = torch.arange(20.0)[None, :, None].expand(2, 20, 40)
        for seed in range(10):
            pieces = FromImages(images, (30.0, 3.0), 4, 48).draw(np.random.default_rng(seed))
            assert pieces.shape[1] == 2 or pieces.shape[2] == 20
            assert torch.isfinite(pieces).all()

    def test_planes_of_stacks_are_xz_and_yz(self):
        z, y, x = np.meshgrid(np.arange(7), np.arange(20), np.arange(30), indexing="ij")
        stack = torch.from_numpy(z + 100.0 * y + 10000.0 * x)
        kinds = set()
        for seed in range(20):
            for piece in FromStacks([stack], 2, 48).draw(np.random.default_rng(seed)):
                assert piece.shape[0] == 7
                torch.testing.assert_close(piece.diff(dim=0), torch.ones_like(piece[1:]))
                kinds.add(int(piece.diff(dim=1).abs()[0, 0]))
        assert kinds == {100, 10000}

    def test_regular_masks_are_regular_and_random_ones_are_not(self):
        planes = torch.zeros(50, 33, 4)
        rng = np.random.default_rng(0)
        regular = masked(planes, "regular", 4, rng).mask.numpy()
        for each in regular:
            assert set(np.diff(np.flatnonzero(each))) == {4}
        assert len({int(np.flatnonzero(each)[0]) for each in regular}) == 4
        counts = masked(planes, "random", 4, rng).mask.sum(1)
        assert 3 <= counts.min() < counts.max() <= 17
        both = masked(planes, "both", 4, rng).mask.numpy()
        is_regular = [set(np.diff(np.flatnonzero(each))) == {4} for each in both]
        assert 10 < sum(is_regular) < 40


@pytest.mark.parametrize("guide", ["none", "shown", "residual"])
@pytest.mark.parametrize("size", [(17, 23), (16, 24), (5, 9)])
def test_the_network_takes_planes_of_any_size(guide, size):
    network = PlaneNet(8, 3, guide)
    planes, mask = torch.randn(2, *size), torch.ones(2, size[0])
    found = network(planes, mask, planes, torch.tensor([3, 900]))
    assert found.shape == planes.shape
    assert bool(found.isfinite().all())


def test_residuals_are_scaled_and_put_back():
    network = PlaneNet(8, 1, "residual")
    network.gain.fill_(4.0)
    planes, linear = torch.randn(2, 4, 4), torch.randn(2, 4, 4)
    torch.testing.assert_close(network.scaled(planes, linear), 4 * (planes - linear))
    torch.testing.assert_close(network.restored(network.scaled(planes, linear), linear), planes)
