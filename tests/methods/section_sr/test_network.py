"""The network: exact at observed rows, consistent under flips, and it sees no farther than it says."""

import pytest
import torch

from napari_depth_interp.methods.section_sr.network import BASES, RowNet, _widely, interpolate, mixing, unflip


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def random_net(*, dilations=(1, 2), mean=0.0, std=1.0, seed=0):
    """A network whose every weight does something, as if it were trained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = RowNet(6, dilations, mean, std).eval()
        for weights in network.parameters():
            torch.nn.init.normal_(weights, std=0.3)
    return network


def with_gaps(features, weights, bias, step):
    return torch.nn.functional.conv2d(features, weights, bias, padding=(1, step), dilation=(1, step))


class TestColumnsApart:
    @pytest.mark.parametrize("width", [10, 11])
    @pytest.mark.parametrize("step", [1, 2])
    def test_it_is_the_convolution_with_gaps_and_so_are_its_gradients(self, generator, width, step):
        features = torch.randn(2, 4, 5, width, generator=generator).contiguous(memory_format=torch.channels_last)
        weights, bias = torch.randn(3, 4, 3, 3, generator=generator), torch.randn(3, generator=generator)
        weighed = torch.randn(2, 3, 5, width, generator=generator)
        found = []
        for convolve in (_widely, with_gaps):
            inputs = [each.clone().requires_grad_() for each in (features, weights, bias)]
            made = convolve(*inputs, step)
            found.append((made, *torch.autograd.grad((made * weighed).sum(), inputs)))
        for ours, theirs in zip(*found, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


class TestMixing:
    def test_nothing_is_added_at_the_observed_rows(self):
        assert mixing(torch.tensor([0.0, 1.0])).abs().max() == 0

    def test_it_dies_away_towards_the_observed_rows(self):
        near, middle = mixing(torch.tensor([1e-3, 0.5])).abs().amax(dim=1)
        assert near < 0.01 * middle

    def test_the_bases_are_independent(self):
        """As many different curves within a gap as there are bases."""
        assert torch.linalg.matrix_rank(mixing(torch.linspace(0.05, 0.95, 30))) == BASES

    def test_mirrored_shares_give_each_base_with_its_parity(self):
        shares = torch.linspace(0, 1, 11)
        signs = (-1.0) ** torch.arange(BASES)
        torch.testing.assert_close(mixing(1 - shares), signs * mixing(shares), atol=1e-6, rtol=0)


class TestInterpolate:
    def test_observed_rows_come_back_whatever_the_network_says(self, generator):
        rows = torch.randn(2, 1, 5, 7, generator=generator)
        bases = 100 * torch.randn(2, BASES, 4, 7, generator=generator)
        found = interpolate(rows, bases, torch.tensor([0.0, 1.0]))
        torch.testing.assert_close(found[:, 0], rows[:, 0, :-1])
        torch.testing.assert_close(found[:, 1], rows[:, 0, 1:])

    def test_without_a_correction_it_is_linear(self, generator):
        rows = torch.randn(2, 1, 5, 7, generator=generator)
        (quarter,) = interpolate(rows, torch.zeros(2, BASES, 4, 7), torch.tensor([0.25])).unbind(1)
        torch.testing.assert_close(quarter, 0.75 * rows[:, 0, :-1] + 0.25 * rows[:, 0, 1:])

    def test_each_gap_gets_its_own_correction(self):
        bases = torch.zeros(1, BASES, 3, 4)
        bases[0, 0, 1, 2] = 1.0
        found = interpolate(torch.zeros(1, 1, 4, 4), bases, torch.tensor([0.5]))[0, 0]
        assert found[1, 2] > 0
        found[1, 2] = 0
        assert found.abs().max() == 0


@pytest.mark.parametrize("flips", [(), (2,), (3,), (2, 3)])
def test_flipped_images_give_flipped_rows(generator, flips):
    """Rows of a flipped image, turned back, are those that the turned-back bases give."""
    rows = torch.randn(2, 1, 6, 7, generator=generator)
    bases = torch.randn(2, BASES, 5, 7, generator=generator)
    shares = torch.tensor([0.1, 0.5, 0.8])
    mirrored = 1 - shares if 2 in flips else shares
    expected = interpolate(rows.flip(flips), bases, mirrored).flip(flips)
    torch.testing.assert_close(interpolate(rows, unflip(bases, flips), shares), expected)


class TestRowNet:
    @pytest.mark.parametrize(("rows", "columns"), [(2, 1), (2, 9), (7, 3)])
    def test_one_image_per_base_and_gap(self, rows, columns):
        assert random_net()(torch.zeros(3, 1, rows, columns), 4.0).shape == (3, BASES, rows - 1, columns)

    def test_brightness_and_contrast_are_taken_out(self, generator):
        rows = torch.randn(1, 1, 5, 9, generator=generator)
        expected = random_net()(rows, 3.0)
        torch.testing.assert_close(random_net(mean=50.0, std=20.0)(rows * 20 + 50, 3.0), expected)

    def test_a_constant_image_has_no_spread_and_gives_numbers(self):
        assert torch.isfinite(RowNet(4, (1,), 0.5, 0.0)(torch.full((1, 1, 3, 3), 0.5), 4.0)).all()

    def test_it_is_told_the_gap(self, generator):
        rows, network = torch.randn(1, 1, 5, 9, generator=generator), random_net()
        assert (network(rows, 2.0) - network(rows, 8.0)).abs().max() > 0.01

    @pytest.mark.parametrize("dilations", [(), (1,), (1, 2, 1, 2)])
    def test_it_sees_as_many_columns_as_it_says(self, generator, dilations):
        network = random_net(dilations=dilations)
        rows = torch.randn(1, 1, 4, 61, generator=generator)
        changed = rows.clone()
        changed[..., 30] += 1
        difference = (network(changed, 4.0) - network(rows, 4.0)).abs().amax(dim=(0, 1, 2))
        seen = torch.nonzero(difference > 1e-6).flatten()
        assert 30 - int(seen.min()) == int(seen.max()) - 30 == network.reach

    def test_a_new_network_adds_little(self, generator):
        torch.manual_seed(0)
        rows = torch.rand(1, 1, 8, 32, generator=generator)
        network = RowNet(16, (1, 2), float(rows.mean()), float(rows.std()))
        linear = interpolate(rows, torch.zeros(1, BASES, 7, 32), torch.tensor([0.5]))
        assert (interpolate(rows, network(rows, 4.0), torch.tensor([0.5])) - linear).std() < 0.1
