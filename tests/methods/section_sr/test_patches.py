"""Training pairs: hidden rows are the rows of the image that lie between the observed ones."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_depth_interp.methods.section_sr.patches import Patches, gaussian
from napari_depth_interp.numerics.rows import rows_at

SIZE = 90


def coded(size=SIZE):
    """Return an image that tells for each pixel where it stands, in no order, and how to read it."""
    codes = np.random.default_rng(0).permutation(size)
    place = np.argsort(codes)
    image = codes[:, None] + 1000.0 * codes[None, :]

    def read(values):
        values = values.numpy().astype(int)
        return np.stack([place[values % 1000], place[values // 1000]])

    return torch.from_numpy(image[None]), read


def patches(images, seed=0, *, blur=0.0, **options):
    if blur:
        options["kernel"] = gaussian(blur)
    source, rng = Patches(images, options.pop("batch", 6), **options), np.random.default_rng(seed)
    return SimpleNamespace(draw=lambda gap: source.draw(gap, rng))


class TestRowsAt:
    images = torch.from_numpy(np.random.default_rng(0).random((2, 9, 4)))

    def test_whole_positions_give_the_rows_themselves(self):
        found = rows_at(self.images, np.array([0.0, 3.0, 8.0, 3.0]))
        np.testing.assert_array_equal(found, self.images[:, [0, 3, 8, 3]])

    @pytest.mark.parametrize("degree", [0, 1, 2])
    def test_curves_up_to_squares_are_exact_between_rows(self, degree):
        image = torch.arange(12.0)[None, :, None] ** degree
        positions = np.array([1.25, 4.5, 8.9])
        np.testing.assert_allclose(rows_at(image, positions)[0, :, 0], positions**degree, rtol=1e-5)

    def test_it_is_continuous_at_whole_positions(self):
        near = rows_at(self.images, np.array([3 - 1e-4, 3 + 1e-4]))
        torch.testing.assert_close(near, self.images[:, [3, 3]], atol=1e-3, rtol=0)

    def test_the_ends_are_held(self):
        image = torch.full((1, 5, 3), 7.0)
        np.testing.assert_allclose(rows_at(image, np.array([0.0, 0.4, 3.7, 4.0])), 7.0, rtol=1e-6)


class TestHiddenRows:
    @pytest.mark.parametrize("gap", [2.0, 3.0, 5.0, 7.0])
    def test_whole_gaps_take_the_rows_of_the_image(self, gap):
        """Every pixel of a patch says which row and column it is: observed, hidden and columns fit together."""
        image, read = coded()
        source = patches(image)
        axes, directions = set(), set()
        for _ in range(6):
            batch = source.draw(gap)
            assert batch.gap == gap
            for rows, hidden in zip(
                read(batch.rows[:, 0]).swapaxes(0, 1), read(batch.hidden).swapaxes(0, 1), strict=True
            ):
                along = 0 if rows[0, 0, 0] != rows[0, 1, 0] else 1
                step = rows[along, 1, 0] - rows[along, 0, 0]
                assert abs(step) == gap
                assert (np.diff(rows[along], axis=0) == step).all()
                for share, between in zip(batch.shares.tolist(), hidden[along], strict=True):
                    np.testing.assert_array_equal(between, rows[along, :-1] + round(share * step))
                across = rows[1 - along]
                assert (across == across[0]).all()
                assert (hidden[1 - along] == across[0]).all()
                assert (np.abs(np.diff(across[0])) == 1).all()
                axes.add(along)
                directions.add((np.sign(step), np.sign(across[0, 1] - across[0, 0])))
        assert axes == {0, 1}
        assert len(directions) == 4, "flipped at random in both directions"

    def test_shares_lie_within_the_gap_and_differ_from_step_to_step(self):
        source = patches(torch.rand(2, 64, 64))
        for gap, least in ((2.0, 1), (3.0, 1), (9.0, 10), (2.5, 20)):
            drawn = [tuple(source.draw(gap).shares.tolist()) for _ in range(20)]
            for shares in drawn:
                assert len(shares) == len(set(shares)) > 0
                assert 0 <= min(shares) <= max(shares) < 1
            assert len(set(drawn)) >= least

    def test_fractional_gaps_are_resampled(self):
        """On an image linear along its rows, hidden rows lie between the observed ones by their shares."""
        image = torch.from_numpy(np.add.outer(np.arange(80.0), 100 * np.arange(80.0)))[None]
        batch = patches(image, batch=20).draw(2.5)
        below, above = batch.rows[:, :, 1:-2], batch.rows[:, :, 2:-1]  # the outermost are continued, not linear
        steps = (above - below).abs()
        assert ((steps - 2.5).abs().max() < 1e-2) or ((steps - 250).abs().max() < 1e-2)
        expected = below + batch.shares.view(1, -1, 1, 1) * (above - below)
        torch.testing.assert_close(batch.hidden[:, :, 1:-1], expected, rtol=1e-4, atol=0.1)

    def test_nearly_whole_gaps_become_whole(self):
        source = patches(torch.rand(1, 64, 64))
        assert source.draw(4.1).gap == 4
        assert source.draw(2.45).gap == 2.45

    def test_images_of_the_whole_stack_are_used(self):
        stack = torch.arange(7.0)[:, None, None] * torch.ones(7, 32, 32)
        source = patches(stack)
        assert {float(value) for _ in range(20) for value in source.draw(2.0).rows.unique()} == set(range(7))


class TestLowImages:
    @pytest.mark.parametrize("shape", [(5, 5), (7, 7), (6, 40), (40, 6), (2, 30), (30, 1), (16, 16)])
    @pytest.mark.parametrize("gap", [1.3, 2.0, 5.0, 300.0])
    def test_gaps_are_no_wider_than_the_image_allows(self, shape, gap):
        source = patches(torch.rand(2, *shape), batch=3)
        for _ in range(6):
            batch = source.draw(gap)
            count, columns = batch.rows.shape[2:]
            assert batch.rows.shape == (3, 1, count, columns)
            assert batch.hidden.shape == (3, len(batch.shares), count - 1, columns)
            assert count >= 2
            assert math.ceil((count - 1) * batch.gap) < max(shape)
            assert batch.gap <= max(1.13 * gap, 2)
            assert torch.isfinite(batch.hidden).all()


class TestRepeatable:
    def test_same_seed_same_batches(self):
        images = torch.rand(3, 50, 60)
        first, second, other = (patches(images, seed, blur=0.7) for seed in (1, 1, 2))
        for gap in (2.0, 3.3):
            one, two, three = first.draw(gap), second.draw(gap), other.draw(gap)
            assert torch.equal(one.rows, two.rows)
            assert torch.equal(one.hidden, two.hidden)
            assert torch.equal(one.shares, two.shares)
            assert not torch.equal(one.rows, three.rows)

    def test_the_images_are_not_changed(self):
        images = torch.rand(3, 50, 60)
        before = images.clone()
        source = patches(images, blur=1.0)
        for _ in range(5):
            source.draw(3.0).rows.zero_()
        assert torch.equal(images, before)


class TestBlur:
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 120, 120)).astype(np.float32))

    @pytest.mark.parametrize("sigma", [0.8, 1.5, 3.0])
    def test_noise_is_smoothed_as_a_gaussian_does(self, sigma):
        rows = patches(self.noise, batch=40, blur=sigma).draw(8.0).rows[:, :, 2:-2]
        expected = math.sqrt(1 / (2 * sigma * math.sqrt(math.pi)))
        assert float(rows.std()) == pytest.approx(expected, rel=0.1)

    def test_only_across_the_rows(self):
        """Neighbouring pixels of a row stay unrelated; neighbouring rows do not."""
        batch = patches(self.noise, batch=40, blur=2.0).draw(2.0)
        row = batch.rows[:, 0, 2:-2].flatten(0, 1)
        assert abs(float((row[:, 1:] * row[:, :-1]).mean() / row.var())) < 0.05
        middle = batch.hidden[:, 0, 2:-2].flatten()
        below = batch.rows[:, 0, 2:-3].flatten()
        assert float(torch.corrcoef(torch.stack([middle, below]))[0, 1]) > 0.8

    def test_brightness_is_kept(self):
        flat = patches(torch.full((1, 40, 40), 5.0), blur=2.0).draw(3.0)
        torch.testing.assert_close(flat.hidden, torch.full_like(flat.hidden, 5.0))

    @pytest.mark.parametrize("around", [False, True])
    def test_the_outermost_rows_are_blurred_from_rows_beyond_them(self, around):
        """A ramp stays a ramp where there are rows beyond; elsewhere its ends are continued."""
        ramp = torch.arange(120.0)[:, None].expand(120, 120)[None].clone()
        steps = patches(ramp, blur=3.0, around=around).draw(4.0).rows[:, 0].diff(dim=1)
        level = steps[(steps[:, 5].abs() - 4).abs().amax(dim=1) < 1e-3]  # patches whose rows go down the ramp
        assert len(level)
        assert bool((level.abs() - 4).abs().max() < 1e-3) == around


class TestMeans:
    """Rows that are means of rows, as projections are of sections."""

    def batch(self, gap=6.0, n=6):
        image = torch.from_numpy(np.random.default_rng(0).random((1, SIZE, SIZE)))
        return image[0], patches(image, n=n, batch=4).draw(gap)

    def test_hidden_rows_average_to_the_observed_ones(self):
        """Of the rows between two centres, each belongs to one of the two means."""
        image = torch.arange(SIZE, dtype=torch.float64)[:, None].expand(SIZE, SIZE)[None]
        batch = patches(image.clone(), n=6).draw(6.0)
        steps = batch.rows[:, 0].diff(dim=1)
        assert batch.gap == 6
        varies = steps.abs().amax(dim=(1, 2)) > 1  # the others are cut along the other axis
        np.testing.assert_allclose(steps[varies].abs(), 6, atol=1e-4)
        between = batch.rows[:, 0, None, :-1] + batch.shares.view(1, -1, 1, 1) * steps[:, None]
        np.testing.assert_allclose(batch.hidden[varies], between[varies], atol=1e-4)  # on a ramp, the linear value

    def test_shares_are_those_of_sections(self):
        _, batch = self.batch()
        assert set((batch.shares * 12).round().int().tolist()) <= {1, 3, 5, 7, 9, 11}

    @pytest.mark.parametrize(("gap", "n"), [(3.0, 6), (7.3, 3), (44.0, 2)])
    def test_any_gap(self, gap, n):
        _, batch = self.batch(gap, n)
        assert torch.isfinite(batch.rows).all()
        assert batch.rows.shape[2] >= 2
        assert batch.hidden.shape[2] == batch.rows.shape[2] - 1
