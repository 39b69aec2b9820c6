"""Noise, masks, planes and interpolation, each against a closed form."""

import math

import numpy as np
import pytest
import torch

from napari_depth_interp.methods.msdsr import MsdsrConfig
from napari_depth_interp.methods.msdsr.diffusion import STEPS, Diffusion
from napari_depth_interp.methods.msdsr.fit import loss_of
from napari_depth_interp.methods.msdsr.network import PlaneNet, between
from napari_depth_interp.methods.msdsr.planes import FromImages, FromStacks, Pieces, masked
from napari_depth_interp.methods.msdsr.sample import _noise


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


class TestDiffusion:
    @pytest.mark.parametrize("schedule", ["scaled_linear", "linear"])
    @pytest.mark.parametrize("prediction", ["v", "noise"])
    def test_a_right_predicting_gives_the_clean_image(self, prediction, schedule):
        diffusion = Diffusion(MsdsrConfig(prediction=prediction, schedule=schedule, zero_snr=False))
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
        middle = means[(step > 480) & (step < 520)].std()
        assert float(middle) == pytest.approx(math.hypot(self.strength(500), 1 / 6), rel=0.08)

    @staticmethod
    def strength(step):
        """Of adjusted offset noise, by Stable Diffusion's betas."""
        betas = np.linspace(0.00085**0.5, 0.012**0.5, STEPS) ** 2
        alpha = np.cumprod(1 - betas)
        ratio = np.sqrt((1 - alpha) / alpha)
        return float(ratio[step] / ratio[-1])

    @pytest.mark.parametrize(("adjusted", "first", "wanted"), [(False, 500, 0.5), (True, 999, 0.5)])
    @pytest.mark.parametrize("axis", [1, 2])
    def test_sampling_starts_with_the_offset_of_its_first_step(self, adjusted, first, wanted, axis):
        """One number per plane across the axis, beside the noise of every voxel."""
        config = MsdsrConfig(offset_noise=0.5, adjusted_offset=adjusted, zero_snr=False)
        volume = _noise(Diffusion(config), torch.zeros(40, 600, 600), axis, first, shared=False)
        others = (0, 3 - axis)
        assert float(volume.mean(others).std()) == pytest.approx(wanted, rel=0.1)
        assert float(volume.std(others).mean()) == pytest.approx(1, abs=0.02)
        assert float(volume.mean(axis).std()) == pytest.approx(600**-0.5, rel=0.1)

    def test_adjusted_offset_is_weak_where_sampling_starts_early(self):
        config = MsdsrConfig(offset_noise=0.5, adjusted_offset=True, zero_snr=False)
        volume = _noise(Diffusion(config), torch.zeros(40, 600, 600), 1, 500, shared=False)
        assert float(volume.mean((0, 2)).std()) == pytest.approx(0.5 * self.strength(500), rel=0.1)

    def test_shared_noise_shares_its_offset(self):
        config = MsdsrConfig(offset_noise=0.5, zero_snr=False)
        volume = _noise(Diffusion(config), torch.zeros(5, 6, 7), 1, 999, shared=True)
        assert torch.equal(volume, volume[:, :1].expand_as(volume))

    @pytest.mark.parametrize("config", [{"prediction": "noise"}, {"prediction": "noise", "schedule": "cosine"}])
    def test_noise_is_not_predicted_where_nothing_else_is_left(self, config):
        with pytest.raises(ValueError, match="prediction=noise and zero_snr=true exclude each other") as error:
            MsdsrConfig(**config)
        assert "give zero_snr=false, or prediction=v" in str(error.value)

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
            pieces = FromImages(images, (1.5, 2.0), 4, 48, 33).draw(np.random.default_rng(seed))
            assert pieces.shape[0] == 4
            steps |= set(pieces.diff(dim=1).abs()[:, 2:-2].unique().tolist())
        assert steps == {1.5, 200.0}

    def test_more_pixels_than_there_are_give_the_outermost_two_rows(self):
        images = torch.arange(20.0)[None, :, None].expand(2, 20, 40)
        for seed in range(10):
            pieces = FromImages(images, (30.0, 3.0), 4, 48, 33).draw(np.random.default_rng(seed))
            assert pieces.shape[1] == 2 or pieces.shape[2] == 20
            assert torch.isfinite(pieces).all()

    def test_planes_of_stacks_are_xz_and_yz(self):
        z, y, x = np.meshgrid(np.arange(7), np.arange(20), np.arange(30), indexing="ij")
        stack = torch.from_numpy(z + 100.0 * y + 10000.0 * x)
        kinds = set()
        for seed in range(20):
            for piece in FromStacks([stack], 2, 48, 33).draw(np.random.default_rng(seed)):
                assert piece.shape[0] == 7
                torch.testing.assert_close(piece.diff(dim=0), torch.ones_like(piece[1:]))
                kinds.add(int(piece.diff(dim=1).abs()[0, 0]))
        assert kinds == {100, 10000}

    def test_regular_masks_are_regular_and_random_ones_are_not(self):
        planes = torch.zeros(50, 33, 4)
        rng = np.random.default_rng(0)
        regular = masked(planes, MsdsrConfig(masks="regular"), 4, rng).mask.numpy()
        for each in regular:
            assert set(np.diff(np.flatnonzero(each))) == {4}
        assert len({int(np.flatnonzero(each)[0]) for each in regular}) == 4
        counts = masked(planes, MsdsrConfig(masks="random"), 4, rng).mask.sum(1)
        assert 3 <= counts.min() < counts.max() <= 17
        few = MsdsrConfig(masks="random", fewest_observed=5 / 48, most_observed=20 / 48)
        counts = masked(torch.zeros(2000, 48, 4), few, 4, rng).mask.sum(1)
        assert (counts.min(), counts.max()) == (5, 20)
        every = MsdsrConfig(masks="random", fewest_observed=1.0, most_observed=1.0)
        assert set(masked(planes, every, 4, rng).mask.sum(1).tolist()) == {32}
        both = masked(planes, MsdsrConfig(masks="both"), 4, rng).mask.numpy()
        is_regular = [set(np.diff(np.flatnonzero(each))) == {4} for each in both]
        assert 10 < sum(is_regular) < 40


def test_fewest_above_most_is_refused():
    with pytest.raises(ValueError, match=r"fewest_observed=0\.6 is above most_observed=0\.5"):
        MsdsrConfig(fewest_observed=0.6)


class Constant(torch.nn.Module):
    """Predicts the same everywhere."""

    def scaled(self, planes, _linear):
        return planes

    def forward(self, planes, *_):
        return torch.full_like(planes, 3.0)


def test_the_loss_is_squared_or_absolute_on_hidden_rows():
    """Noise of standard normal size, predicted as 3: E(3 - e)^2 = 10, E|3 - e| = 3.0008."""
    diffusion = Diffusion(MsdsrConfig(prediction="noise", zero_snr=False))
    mask = torch.zeros(100, 30)
    mask[:, ::3] = 1
    pieces = Pieces(torch.randn(100, 30, 40), mask)
    found = {kind: float(loss_of(Constant(), diffusion, pieces, kind)) for kind in ("l2", "l1")}
    assert found["l2"] == pytest.approx(10, rel=0.02)
    assert found["l1"] == pytest.approx(3.0008, rel=0.01)


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
