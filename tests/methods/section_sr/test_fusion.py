"""Planes count where they cut across edges."""

import numpy as np
import pytest

from napari_depth_interp.methods.section_sr.fusion import shares_of_xz

SQUARE = (1.0, 1.0)


def stripes(axis, shape=(3, 24, 24)):
    """Sections that change along one image axis only: 1 is y, 2 is x."""
    along = np.sin(np.arange(24) / 3).astype(np.float32)
    return np.broadcast_to(along[:, None] if axis == 1 else along, shape).copy()


def test_edges_across_x_belong_to_the_xz_planes_and_across_y_to_the_yz_planes():
    assert (shares_of_xz(stripes(2), SQUARE) > 0.99).all()
    assert (shares_of_xz(stripes(1), SQUARE) < 0.01).all()


def test_where_nothing_changes_both_count_alike():
    np.testing.assert_array_equal(shares_of_xz(np.full((4, 9, 9), 7, np.float32), SQUARE), 0.5)


def test_turned_images_swap_the_planes():
    sections = np.random.default_rng(0).random((4, 12, 15), np.float32)
    turned = shares_of_xz(np.ascontiguousarray(sections.swapaxes(1, 2)), SQUARE).swapaxes(1, 2)
    np.testing.assert_allclose(turned, 1 - shares_of_xz(sections, SQUARE), atol=1e-6)


def test_both_sections_of_a_gap_are_asked():
    sections = np.concatenate([stripes(1, (2, 24, 24)), stripes(2, (1, 24, 24))])
    first, second = shares_of_xz(sections, SQUARE)
    assert (first < 0.01).all()
    assert second.mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_contrast_does_not_matter_and_pixels_that_are_longer_along_y_do(factor):
    sections = np.random.default_rng(0).random((3, 16, 16), np.float32)
    shares = shares_of_xz(sections, SQUARE)
    np.testing.assert_allclose(shares_of_xz(factor * sections, SQUARE), shares, atol=1e-4)
    assert shares_of_xz(sections, (1.4, 1.0)).mean() > shares.mean() + 0.03
