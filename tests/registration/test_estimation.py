"""Sections displaced by known amounts are found, and slow motion along z is left alone."""

import numpy as np
import pytest

from displaced_stacks import dataset, displaced, tissue_like, with_moves
from napari_depth_interp.errors import RequestError
from napari_depth_interp.progress import Cancelled
from napari_depth_interp.registration import estimate
from napari_depth_interp.stack import Dataset


class TestTranslation:
    @pytest.mark.parametrize("move", [(3.0, -2.0), (-0.7, 4.3), (6.0, 5.0)])
    def test_one_displaced_section_is_found(self, move):
        found = estimate(dataset(with_moves(tissue_like(), {5: move})))
        np.testing.assert_allclose(found.shifts[0, 5], move, atol=0.3)
        assert found.moved[0].nonzero()[0].tolist() == [5]

    def test_black_edges_do_not_hold_a_section_back(self):
        stack = tissue_like()
        stack[5] = np.roll(stack[5], (4, 5), (0, 1))
        stack[5, :4], stack[5, :, :5] = 0, 0
        np.testing.assert_allclose(estimate(dataset(stack)).shifts[0, 5], (4, 5), atol=0.3)

    def test_all_sections_jitter(self):
        jitter = np.random.default_rng(0).normal(0, 2, (24, 2))
        made = with_moves(tissue_like(24), dict(enumerate(jitter)))
        left = jitter - estimate(dataset(made), smallest=0).shifts[0]
        assert np.sqrt((np.diff(left, axis=0) ** 2).mean()) < 0.2 * np.sqrt((np.diff(jitter, axis=0) ** 2).mean())

    def test_an_untouched_stack_stays(self):
        assert not estimate(dataset(tissue_like())).moved.any()

    def test_slant_is_kept_and_removed_where_that_is_asked_for(self):
        stack = tissue_like(slant=1.5)
        assert not estimate(dataset(stack)).moved.any()
        found = estimate(dataset(stack), drift="remove").shifts[0]
        np.testing.assert_allclose(np.diff(found[:, 1]), 1.5, atol=0.3)
        np.testing.assert_allclose(found[:, 0], 0, atol=0.5)

    def test_slant_is_one_in_depth_where_sections_are_uneven(self):
        even = tissue_like(24, slant=1.0)
        kept = [0, 1, 2, 3, 5, 6, 7, 10, 11, 12, 13, 15, 16, 17, 20, 21]
        made = Dataset.from_array(even[kept], depths=[float(k) for k in kept])
        assert not estimate(made).moved.any()

    def test_one_section_displaced_in_a_slanted_stack(self):
        found = estimate(dataset(with_moves(tissue_like(slant=1.0), {6: (0, 4)})))
        np.testing.assert_allclose(found.shifts[0, 6], (0, 4), atol=0.3)


class TestBadSections:
    @pytest.mark.parametrize("bad", ["black", "noise"])
    def test_a_bad_section_stays_and_does_not_spread(self, bad):
        stack = with_moves(tissue_like(16), {11: (3, 3)})
        noise = np.random.default_rng(1).integers(0, 200, stack.shape[1:])
        stack[5] = 0 if bad == "black" else noise
        found = estimate(dataset(stack))
        assert not found.judged[0, 5]
        assert found.moved[0].nonzero()[0].tolist() == [11]
        np.testing.assert_allclose(found.shifts[0, 11], (3, 3), atol=0.3)

    @pytest.mark.parametrize("stack", [np.zeros((5, 40, 40)), np.full((1, 40, 40), 3.0), np.zeros((6, 4, 4))])
    def test_nothing_to_go_by(self, stack):
        found = estimate(dataset(stack))
        assert not found.moved.any()
        assert not found.judged.any()

    def test_of_two_sections_none_is_the_displaced_one(self):
        found = estimate(dataset(with_moves(tissue_like(2), {1: (3, 0)})))
        assert not found.moved.any()
        laid = estimate(dataset(with_moves(tissue_like(2), {1: (3, 0)})), drift="remove").shifts[0]
        np.testing.assert_allclose(laid[1] - laid[0], (3, 0), atol=0.3)

    def test_three_sections(self):
        found = estimate(dataset(with_moves(tissue_like(3), {1: (4, 0)})), smallest=0).shifts[0]
        np.testing.assert_allclose(found[1] - (found[0] + found[2]) / 2, (4, 0), atol=0.3)

    def test_voxels_that_are_not_a_number(self):
        stack = with_moves(tissue_like(), {4: (3, -3)}).astype(np.float32)
        stack[:, 10:14, 20:25] = np.nan
        stack[8] = np.nan
        found = estimate(dataset(stack))
        np.testing.assert_allclose(found.shifts[0, 4], (3, -3), atol=0.3)
        assert not found.judged[0, 8]


class TestRigid:
    def test_a_turned_section_is_found(self):
        stack = tissue_like(size=96)
        found = estimate(dataset(with_moves(stack, {5: (3, -2, 4.0)})), "rigid")
        np.testing.assert_allclose(np.degrees(found.angles[0, 5]), 4.0, atol=0.2)
        np.testing.assert_allclose(found.shifts[0, 5], (3, -2), atol=0.3)
        assert found.moved[0].nonzero()[0].tolist() == [5]

    def test_a_slowly_turning_stack_stays(self):
        stack = tissue_like(size=96)
        turning = with_moves(stack, {k: (0, 0, 1.0 * k - 5) for k in range(len(stack))})
        assert not estimate(dataset(turning), "rigid", smallest=0.5).moved.any()
        laid = estimate(dataset(turning), "rigid", drift="remove")
        np.testing.assert_allclose(np.degrees(np.diff(laid.angles[0])), 1.0, atol=0.15)


class TestChannelsAndTimes:
    def test_channels_move_together_and_time_points_alone(self):
        one, other = tissue_like(seed=1), tissue_like(seed=2)
        first = np.stack([one, other])
        second = np.stack([with_moves(each, {4: (3, 2)}) for each in (one, other)])
        made = Dataset.from_array(np.stack([first, second]), z_spacing=1.0, axes="TCZYX")
        found = estimate(made)
        assert found.moved.nonzero()[0].tolist() == [1]
        assert found.moved.nonzero()[1].tolist() == [4]
        aligned = found.apply(made).voxels
        for channel in range(2):
            before, after = (
                abs(v[1, channel, 4].astype(float) - first[channel, 4])[8:-8, 8:-8] for v in (made.voxels, aligned)
            )
            assert after.mean() < 0.2 * before.mean()

    def test_colours_go_by_their_brightness(self):
        stack = np.stack([tissue_like(dtype=np.uint8)] * 3, axis=-1)
        stack[5] = np.stack([displaced(stack[5, ..., c], (3, 3)) for c in range(3)], axis=-1)
        found = estimate(Dataset.from_array(stack, z_spacing=1.0, axes="ZYXS"))
        np.testing.assert_allclose(found.shifts[0, 5], (3, 3), atol=0.3)


def test_large_images_are_compared_reduced():
    stack = tissue_like(5, 48)
    large = np.kron(stack, np.ones((1, 28, 28), stack.dtype))
    large[2] = np.roll(large[2], (24, -16), (0, 1))
    np.testing.assert_allclose(estimate(dataset(large), smallest=0).shifts[0, 2], (24, -16), atol=1.5)


def test_cancels():
    def report(progress):
        if progress.fraction > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        estimate(dataset(tissue_like()), report=report)


def test_parameters_are_checked():
    with pytest.raises(RequestError, match=r"period.*got 1"):
        estimate(dataset(tissue_like(3)), period=1)
