"""White noise is found and taken out; texture is not mistaken for it."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_depth_interp.methods.microdiffusion.noise import white_noise, without_noise


def tissue(sigma, size=96, seed=0):
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(4, size, size)), (0, sigma, sigma), mode="wrap")
    return 100 * field / field.std()


def cells(size=96):
    """Bright spots on a dark ground."""
    return np.maximum(tissue(4, size) - 100, 0)


def noise(strength, shape, seed=1):
    return np.random.default_rng(seed).normal(0, strength, shape)


@pytest.mark.parametrize("strength", [2.0, 8.0])
def test_its_strength_is_found(strength):
    clean = cells()
    assert white_noise(clean + noise(strength, clean.shape)) == pytest.approx(strength, rel=0.15)


@pytest.mark.parametrize("sigma", [0.7, 1.0])
def test_fine_texture_is_no_noise(sigma):
    assert white_noise(tissue(sigma)) == 0


def test_noise_that_a_lens_has_blurred_is_left_alone():
    clean = cells()
    assert white_noise(clean + gaussian_filter(noise(8, clean.shape), (0, 0.6, 0.6))) == 0


@pytest.mark.parametrize("images", [np.full((3, 20, 20), 7), np.zeros((2, 6, 40)), np.ones((2, 3, 3))])
def test_what_holds_none_or_is_too_small(images):
    assert white_noise(images) == 0


def test_taking_it_out_comes_nearer_to_the_truth_and_never_goes_far():
    clean = cells()
    seen = clean + noise(8, clean.shape)
    quiet = without_noise(seen, 8.0)
    assert np.sqrt(np.mean((quiet - clean) ** 2)) < 0.6 * np.sqrt(np.mean((seen - clean) ** 2))
    assert np.abs(quiet - seen).max() <= 2.5 * 8 + 1e-9


def test_a_large_image_is_measured_in_its_middle():
    clean = cells(700)
    clean[:, :80] += noise(50, clean[:, :80].shape)
    assert white_noise(clean + noise(3, clean.shape)) == pytest.approx(3, rel=0.15)
