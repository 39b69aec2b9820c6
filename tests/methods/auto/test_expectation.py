"""What gain to expect, and whether XY is a fair model of Z."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from napari_depth_interp.methods.auto import expectation
from napari_depth_interp.methods.auto.blend import Evidence
from napari_depth_interp.methods.auto.expectation import expect
from napari_depth_interp.stack import Grid, Stack


def mismatch(stack):
    return expectation.mismatch([stack])


def evidence(left, before=1.0):
    """One candidate that leaves this share of linear's squared error, in each section."""
    left = np.asarray(left, float)
    before = np.broadcast_to(before, left.shape).astype(float)
    gain = before * (1 - np.sqrt(left))  # the candidate adds a part of what is missed
    return Evidence(before[:, None, None] * (1 - np.sqrt(left))[:, None, None] ** 2, gain[:, None], before)


ALL = np.array([1.0])


class TestExpect:
    def test_linear_alone_gains_nothing(self):
        rows = evidence([0.5]), evidence([0.6])
        for each in (None, rows):
            assert expect(evidence([0.5, 0.6]), each, np.zeros(1)).gain_db == 0

    def test_more_on_left_out_sections_is_more(self):
        gains = [expect(evidence([left, left]), None, ALL).gain_db for left in (0.95, 0.7, 0.4)]
        assert 0 < gains[0] < gains[1] < gains[2]

    def test_a_loss_is_predicted_as_a_loss(self):
        worse = Evidence(np.full((2, 1, 1), 1.0), np.zeros((2, 1)), np.ones(2))
        assert expect(worse, None, ALL).gain_db < -1

    def test_rows_at_the_real_gap_are_believed(self):
        sections = evidence([0.7, 0.7])
        alike, better = (expect(sections, (evidence([left]), evidence([0.8])), ALL) for left in (0.7, 0.5))
        assert better.gain_db > alike.gain_db > 0
        worse = Evidence(np.full((2, 1, 1), 1.0), np.zeros((2, 1)), np.ones(2))
        assert expect(sections, (worse, sections), ALL).gain_db < -1
        easy = Evidence(worse.gram / 100, worse.gain, worse.error / 100)
        assert expect(sections, (easy, worse), ALL).gain_db >= sections.gain_db(ALL)

    def test_a_part_of_what_sections_gain_more_than_rows_at_the_same_gap_is_added(self):
        rows = evidence([0.7])
        less, same, more = (expect(evidence([left]), (rows, evidence([0.6])), ALL).gain_db for left in (0.8, 0.6, 0.4))
        assert same == pytest.approx(1.2 * rows.gain_db(ALL))
        assert less - same == pytest.approx(0.35 * 10 * np.log10(0.6 / 0.8))
        assert more - same == pytest.approx(0.35 * 10 * np.log10(0.6 / 0.4))
        far = expect(evidence([1e-4]), (rows, evidence([0.6])), ALL).gain_db
        assert far - same == pytest.approx(0.35 * 3)

    def test_less_added_along_z_than_on_rows_is_less_to_expect(self):
        """As where sections differ by noise, which rows of smooth images do not have."""
        rows = evidence([0.4]), evidence([0.6])
        little, some, alike, more = (
            expect(evidence([0.6]), rows, ALL, added).gain_db for added in (0.1, 0.4, 1.0, 2.0)
        )
        assert 0 < little < some < alike == more
        assert alike == expect(evidence([0.6]), rows, ALL).gain_db
        worse = Evidence(np.full((2, 1, 1), 1.0), np.zeros((2, 1)), np.ones(2))
        losses = (expect(worse, (worse, worse), ALL, added).gain_db for added in (0.1, 1.0))
        assert len(set(losses)) == 1

    def test_sections_unlike_rows_and_large_gains_are_less_sure(self):
        rows = evidence([0.5]), evidence([0.5])
        stds = [expect(evidence([left, left]), rows, ALL).std_db for left in (0.5, 0.8, 0.95)]
        assert 0 < stds[0] < stds[1] < stds[2]
        alike = [expect(evidence([left] * 2), (evidence([left]),) * 2, ALL).std_db for left in (0.9, 0.5, 0.1)]
        assert 0 < alike[0] < alike[1] < alike[2]

    def test_few_and_unlike_sections_are_less_sure(self):
        sure, scattered, single = (
            expect(evidence(left), None, ALL).std_db for left in ([0.5] * 8, [0.1, 0.9] * 4, [0.1, 0.9])
        )
        assert 0 < sure < scattered < single

    def test_an_exact_linear_interpolation_gives_numbers(self):
        nothing = Evidence(np.zeros((2, 1, 1)), np.zeros((2, 1)), np.zeros(2))
        found = expect(nothing, (nothing, nothing), ALL)
        assert found.gain_db == 0
        assert np.isfinite(found.std_db)


def isotropic(seed=0, shape=(60, 60, 60)):
    return gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.5) * 1000


def stack_of(voxels, spacing=4.0, pixel_size=(1.0, 1.0)):
    return Stack(voxels, Grid(spacing * np.arange(len(voxels)), pixel_size, "um"))


class TestMismatch:
    @pytest.mark.parametrize("seed", range(4))
    def test_isotropic_tissue_is_fine(self, seed):
        assert mismatch(stack_of(isotropic(seed)[::4])) == ()

    def test_non_square_pixels_are_fine(self):
        assert mismatch(stack_of(isotropic()[::4, ::2], pixel_size=(2.0, 1.0))) == ()

    def test_whole_numbers_are_fine(self):
        voxels = isotropic()[::4]
        assert mismatch(stack_of(((voxels - voxels.min()) / np.ptp(voxels) * 255).astype(np.uint8))) == ()

    def test_axial_blur(self):
        (line,) = mismatch(stack_of(gaussian_filter1d(isotropic(), 12, axis=0)[::4]))
        assert "only 0." in line
        assert "axial blur" in line

    @pytest.mark.parametrize("seed", range(4))
    def test_sections_in_the_wrong_order(self, seed):
        tissue = isotropic(seed)[::2]
        assert mismatch(stack_of(tissue, 2.0)) == ()
        order = np.random.default_rng(seed).permutation(len(tissue))
        shuffled = np.concatenate([tissue[order], tissue[order[::-1]]])
        (line,) = mismatch(stack_of(shuffled, 1.0))
        assert "times as much along z" in line
        assert "wrong z spacing" in line

    def test_changing_brightness(self):
        factors = np.where(np.arange(15) % 2, 1.0, 3.0)[:, None, None]
        assert len(mismatch(stack_of((isotropic()[::4] + 500) * factors))) == 1

    def test_a_z_spacing_that_is_far_too_large_or_small(self):
        tissue = isotropic()
        assert "only" in mismatch(stack_of(tissue, 10.0))[0]
        assert "only" not in mismatch(stack_of(tissue[::6], 1.0))[0]

    def test_no_pixel_size(self):
        (line,) = mismatch(stack_of(isotropic()[::4], pixel_size=None))
        assert "no pixel size" in line

    @pytest.mark.parametrize("shape", [(4, 1, 1), (4, 3, 40), (2, 20, 20)])
    def test_small_stacks_give_no_error(self, shape):
        mismatch(stack_of(np.random.default_rng(0).random(shape)))

    def test_images_without_structure(self):
        assert mismatch(stack_of(np.arange(5.0)[:, None, None] * np.ones((5, 20, 20)))) == ()
