"""Slice profiles as weights of voxels."""

import numpy as np
import pytest

from napari_depth_interp.errors import RequestError
from napari_depth_interp.stack import Acquisition
from napari_depth_interp.stack.profile import Profile


@pytest.mark.parametrize("kind", ["box", "gaussian"])
@pytest.mark.parametrize("thickness", [0.1, 1.0, 4.0, 7.3])
def test_weights_are_those_of_the_profile(kind, thickness):
    profile = Profile(kind, thickness)
    weights = profile.kernel(0.5)
    at = 0.5 * (np.arange(len(weights)) - len(weights) // 2)
    assert len(weights) % 2 == 1
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights, weights[::-1])
    assert np.sqrt(weights @ at**2) == pytest.approx(profile.sigma, abs=0.15)  # reading between voxels blurs, too


def test_a_box_of_whole_voxels_is_their_mean():
    np.testing.assert_allclose(Profile("box", 4.0).kernel(1.0), [0.125, 0.25, 0.25, 0.25, 0.125])


@pytest.mark.parametrize("thickness", [0.0, -1.0, np.nan, np.inf])
def test_a_thickness_is_positive(thickness):
    with pytest.raises(RequestError, match="positive"):
        Profile("box", thickness)


def test_slices_are_thick_and_projections_are_not():
    thick = Acquisition(profile=Profile("gaussian", 3.0))
    assert thick.is_thick
    assert not thick.is_projection
    assert str(thick) == "slice, 3 thick (gaussian)"
    with pytest.raises(RequestError, match="no thickness"):
        Acquisition(6, Profile("box", 3.0))
