"""Matching grey values: a lost section does not change what is told of its neighbours."""

import numpy as np

from napari_depth_interp.fusion.contrast import matched
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
