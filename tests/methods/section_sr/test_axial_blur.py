"""The axial blur, told from how sections and image rows change with their distance."""

import numpy as np
import pytest
from blobs import blobs
from scipy.ndimage import gaussian_filter1d

from napari_depth_interp.methods.section_sr.axial import FWHM, SHARES, matching_blur

TISSUE = blobs((65, 64, 64))
GAP = 4


def every_fourth(share, *, noise=0.0):
    """One section in four, blurred along z by so many gaps (FWHM), with white noise."""
    sigma = share * GAP / FWHM
    blurred = gaussian_filter1d(TISSUE, sigma, axis=0) if sigma else TISSUE
    sections = (blurred / np.ptp(TISSUE))[::GAP].astype(np.float32)
    return sections + noise * np.random.default_rng(0).normal(size=sections.shape).astype(np.float32)


def test_sharp_sections_have_next_to_none():
    assert matching_blur(every_fourth(0.0), GAP, (1, 2)) < 0.8


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_more_blur_is_found_where_there_is_more(noise):
    little, some, much = (matching_blur(every_fourth(share, noise=noise), GAP, (1, 2)) for share in (0.0, 1.5, 3.0))
    assert little < some < much
    assert 0.9 < some < 2.5


def test_it_stays_within_what_is_tried():
    flat = np.repeat(every_fourth(0.0)[:1], 9, axis=0) + np.linspace(0, 1, 9, dtype=np.float32)[:, None, None]
    assert 0 <= matching_blur(flat, GAP, (1, 2)) <= SHARES[-1]


def test_too_little_to_tell_is_none():
    sections = every_fourth(3.0)
    assert matching_blur(sections[:3], GAP, (1, 2)) == 0
    assert matching_blur(sections, 40.0, (1, 2)) == 0
    assert matching_blur(sections, GAP, ()) == 0
    assert matching_blur(np.zeros((9, 32, 32), np.float32), GAP, (1, 2)) == 0
