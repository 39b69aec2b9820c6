"""How far sections are blurred along z, from the stack alone."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from napari_depth_interp.numerics.axial import FWHM, matching_blur, overlapping_thickness, rows_as_sections

GAP = 8


def specimen(seed=0, sigma=0.0, noise=0.0, shape=(161, 96, 96)):
    """Grains alike along all axes, blurred along z by ``sigma`` pixels, then recorded; every 8th section is kept."""
    rng = np.random.default_rng(seed)
    grains = gaussian_filter(rng.standard_normal(shape), 1.5)
    grains = gaussian_filter1d(grains / grains.std(), sigma, axis=0) if sigma else grains / grains.std()
    return (grains + noise * rng.standard_normal(shape))[::GAP].astype(np.float32)


class TestMatchingBlur:
    def test_what_is_alike_along_all_axes_is_not_blurred(self):
        assert matching_blur(specimen(), GAP) < 0.6

    @pytest.mark.parametrize("noise", [0.0, 0.1])
    @pytest.mark.parametrize("sigma", [5.0, 8.0])
    def test_a_known_blur_is_found(self, sigma, noise):
        assert matching_blur(specimen(sigma=sigma, noise=noise), GAP) == pytest.approx(sigma * FWHM / GAP, rel=0.25)

    def test_brightness_and_offset_do_not_matter(self):
        stack = specimen(sigma=6.0)
        assert matching_blur(1000 + 50 * stack, GAP) == pytest.approx(matching_blur(stack, GAP), rel=1e-3)

    @pytest.mark.parametrize("shape", [(3, 40, 40), (9, 16, 16), (9, 2, 2)])
    def test_nothing_is_found_where_nothing_can_be(self, shape):
        assert matching_blur(np.random.default_rng(0).normal(size=shape), GAP) == 0

    def test_only_the_axes_that_are_asked_for_are_looked_at(self):
        stack = specimen(sigma=6.0)
        narrow, both = stack[:, : 2 * GAP], matching_blur(stack, GAP)
        assert matching_blur(narrow, GAP) == matching_blur(narrow, GAP, (2,)) > 0
        assert matching_blur(stack, GAP, (1,)) == pytest.approx(both, rel=0.25)
        assert matching_blur(stack, GAP, ()) == 0

    def test_a_constant_stack(self):
        assert matching_blur(np.ones((6, 40, 40)), 3.0) == 0


class TestRowsAsSections:
    def test_no_blur_changes_nothing(self):
        images = specimen()
        assert rows_as_sections(images, 1, 0.0) is images

    def test_clean_images_are_blurred_along_one_axis(self):
        images = np.zeros((2, 64, 64), np.float32)
        images[:, 32, 32] = 1
        found = rows_as_sections(images, 1, 3.0)
        np.testing.assert_allclose(found, gaussian_filter1d(images, 3.0, axis=1), atol=1e-6)

    @pytest.mark.parametrize("axis", [1, 2])
    def test_the_noise_is_as_it_was_before(self, axis):
        images = np.random.default_rng(0).normal(5, 0.3, (4, 100, 100)).astype(np.float32)
        assert rows_as_sections(images, axis, 4.0).std() == pytest.approx(0.3, rel=0.1)

    def test_brighter_voxels_have_their_own_noise(self):
        rng = np.random.default_rng(0)
        images = np.full((4, 100, 100), 1.0) + 0.02 * rng.standard_normal((4, 100, 100))
        images[:, :, 50:] = 9 + 0.5 * rng.standard_normal((4, 100, 50))
        found = rows_as_sections(images.astype(np.float32), 1, 4.0)
        assert found[:, :, :40].std() < 0.05
        assert found[:, :, 60:].std() == pytest.approx(0.5, rel=0.2)


class TestOverlappingThickness:
    @staticmethod
    def threes(sigma, structure=0.0):
        """Noise that is smoothed along z by ``sigma`` sections, over structure that goes on from section to section."""
        rng = np.random.default_rng(0)
        noise = gaussian_filter(rng.standard_normal((40, 48, 48)), (sigma, 0, 0))
        grains = gaussian_filter(rng.standard_normal((40, 48, 48)), (1, 2, 2))
        made = noise / noise.std() + structure * grains / grains.std()
        return np.stack([made[z : z + 3] for z in range(0, 36, 3)])

    @pytest.mark.parametrize("sigma", [0.6, 0.7, 0.8])
    def test_the_thickness_that_shares_the_noise_is_found(self, sigma):
        assert overlapping_thickness(self.threes(sigma)) == pytest.approx(FWHM * sigma, rel=0.2)

    def test_sections_with_noise_of_their_own_are_thin(self):
        assert overlapping_thickness(self.threes(0.0)) == 0
        assert overlapping_thickness(self.threes(0.0, structure=1.0)) == 0

    def test_structure_that_goes_on_is_no_noise(self):
        assert overlapping_thickness(self.threes(0.0, structure=20.0)) == 0

    @pytest.mark.parametrize("shape", [(0, 3, 9, 9), (2, 3, 2, 9), (2, 3, 9, 9)])
    def test_nothing_is_found_where_nothing_is(self, shape):
        assert overlapping_thickness(np.zeros(shape)) == 0
