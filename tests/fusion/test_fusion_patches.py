"""Patches of a stack, and whitening within them."""

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_depth_interp.fusion.patches import Patches


def test_all_of_a_small_stack_and_scattered_parts_of_a_large_one():
    small = Patches.of((5, 20, 30))
    assert small.shape == (5, 20, 30)
    assert np.array_equal(small.index, np.arange(5 * 20 * 30))
    shape = (30, 130, 200)
    large = Patches.of(shape)
    count, high, wide = large.shape
    assert max(high, wide) <= 64
    assert 40_000 < large.index.size < 60_000
    assert len(np.unique(large.index)) == large.index.size == count * high * wide
    z, y, x = (each.reshape(large.shape) for each in np.unravel_index(large.index, shape))
    assert (np.ptp(z, axis=(1, 2)) == 0).all()  # each lies within a section
    assert (np.ptp(y, axis=(1, 2)) == high - 1).all()
    assert (np.ptp(x, axis=(1, 2)) == wide - 1).all()


def test_whitening_makes_noise_white_and_of_variance_one():
    patches = Patches.of((12, 60, 48))
    rng = np.random.default_rng(0)
    smooth = 7 * gaussian_filter(rng.normal(size=(12, 60, 48)), (0, 0.9, 0.0))  # along the rows only
    noise = np.stack([smooth, np.roll(smooth, 1, axis=2)]).reshape(2, -1)
    white = patches.whitened(noise).reshape(2, 12, 60, 48)
    assert np.isclose(white[0].std(), 1, atol=0.2)
    below = np.corrcoef(white[0, :, :-1].ravel(), white[0, :, 1:].ravel())[0, 1]
    assert np.corrcoef(smooth[:, :-1].ravel(), smooth[:, 1:].ravel())[0, 1] > 0.7
    assert abs(below) < 0.3
    assert np.allclose(np.roll(white[0], 1, axis=2), white[1])  # all images get the same filter


def test_detail_is_what_changes_within_a_section_of_what_is_known():
    patches = Patches.of((4, 40, 30))
    rng = np.random.default_rng(1)
    there = np.ones((4, 40, 30), bool)
    there[:, 25:] = False
    slow = np.broadcast_to(np.arange(4.0)[:, None, None] + 10, there.shape)  # another brightness in each section
    fine = rng.normal(size=there.shape)
    found = patches.detail(np.stack([slow[there], fine[there]]), there.ravel(), np.array([6.0, 6.0]))
    assert np.allclose(found[0], 0)  # also at the rim of what is known
    assert np.corrcoef(found[1], fine[there])[0, 1] > 0.95
