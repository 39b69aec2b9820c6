"""Matching grey values: neither lost sections nor noise change what is told of the stacks."""

import numpy as np
import pytest

from napari_depth_interp.errors import RequestError
from napari_depth_interp.fusion.contrast import agreement, matched
from napari_depth_interp.fusion.views import View, isotropic
from napari_depth_interp.stack.profile import Profile
from thick_stacks import affine_along, thick


def gains(arrays):
    views = [
        View(each / 1000, affine_along(axis), Profile("box", 4.0)) for each, axis in zip(arrays, (2, 1), strict=True)
    ]
    return matched(views, isotropic(views[0]))[1][1].gains


def test_a_lost_section_is_no_drift():
    first, second = thick(2), thick(1)
    slow = np.linspace(0.8, 1.2, len(second), dtype=np.float32)[:, None, None]
    drifting = second * slow
    spoilt = drifting.copy()
    spoilt[3] *= 0.1
    as_it_is, without, still = gains([first, drifting]), gains([first, spoilt]), gains([first, second])
    assert np.ptp(as_it_is) > np.ptp(still) + 0.1  # a drift is seen
    assert np.abs(without / as_it_is - 1).max() < 0.12


def noisy_pair(noise, second):
    arrays = (thick(2, noise=noise), second)
    return [
        View(each / 1000, affine_along(axis), Profile("box", 4.0), name)
        for each, axis, name in zip(arrays, (2, 1), ("first", "second"), strict=True)
    ]


def test_noise_makes_no_other_contrast():
    views = noisy_pair(900, thick(1, noise=900))
    comparable, _ = matched(views, isotropic(views[0]))
    assert agreement(comparable, 1, isotropic(views[0])) < 0.6


def test_noise_makes_nothing_alike():
    """Noise alone, as strong as before."""
    noise = np.random.default_rng(2).normal(500, 900, thick(1).shape).astype(np.float32)
    views = noisy_pair(900, noise)
    with pytest.raises(RequestError, match="does not show what 'first' shows"):
        matched(views, isotropic(views[0]))
