"""The simulated retina: speckle against its closed form, the same eye however it is sampled."""

import numpy as np
import pytest

from napari_depth_interp.errors import RequestError
from napari_depth_interp.simulate import FULL_BRIGHTNESS
from napari_depth_interp.simulate.oct import retina

SMALL = {"shape": (2, 96, 80), "voxel_size": (30.0, 18.0, 40.0)}


def voxels(dataset):
    return dataset.voxels[0, 0].astype(float)


def test_the_mean_of_many_frames_tends_to_the_expected_image():
    few, many = (retina(frames=frames, **SMALL) for frames in (4, 64))
    errors = [float(np.sqrt(np.mean((voxels(each.averaged) - voxels(each.truth)) ** 2))) for each in (few, many)]
    assert errors[1] == pytest.approx(errors[0] / 4, rel=0.1)
    assert abs(float(np.mean(voxels(many.averaged) - voxels(many.truth)))) < 0.002


def test_speckle_is_multiplicative_and_of_the_contrast_of_a_fourth_root():
    eye = retina(frames=1, **SMALL)
    relative = voxels(eye.noisy) / voxels(eye.truth)
    gamma = 0.8862269254527580 / 0.9064024770554771**2  # gamma(3/2) / gamma(5/4)^2
    assert relative.std() == pytest.approx(np.sqrt(gamma - 1), rel=0.05)
    dark, bright = (relative[voxels(eye.truth) < np.quantile(voxels(eye.truth), q)].std() for q in (0.3, 1.0))
    assert dark == pytest.approx(bright, rel=0.1)


def test_the_same_eye_however_finely_it_is_sampled():
    coarse = retina(frames=1, noise=0, shape=(1, 96, 80), voxel_size=(30.0, 16.0, 40.0))
    fine = retina(frames=1, noise=0, shape=(1, 192, 160), voxel_size=(30.0, 8.0, 20.0))
    pooled = voxels(fine.truth).reshape(1, 96, 2, 80, 2).mean(axis=(2, 4))
    assert np.corrcoef(pooled.ravel(), voxels(coarse.truth).ravel())[0, 1] > 0.95
    other = retina(frames=1, seed=1, shape=(1, 96, 80), voxel_size=(30.0, 16.0, 40.0))
    assert np.corrcoef(pooled.ravel(), voxels(other.truth).ravel())[0, 1] < 0.9


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_types_and_repeatability(dtype):
    first, again = (retina(frames=2, dtype=dtype, seed=5, **SMALL) for _ in range(2))
    assert first.noisy.voxels.dtype == first.averaged.voxels.dtype == dtype
    np.testing.assert_array_equal(first.noisy.voxels, again.noisy.voxels)
    assert 0.2 * FULL_BRIGHTNESS[dtype] < first.truth.voxels.max() <= FULL_BRIGHTNESS[dtype]
    assert (first.noisy.grid.spacing, first.noisy.grid.pixel_size, first.noisy.grid.unit) == (30.0, (18.0, 40.0), "um")


@pytest.mark.parametrize(
    "wrong", [{"frames": 0}, {"shape": (1, 0, 5)}, {"voxel_size": (1, 1, -1)}, {"dtype": "int64"}, {"noise": -1}]
)
def test_what_cannot_be_simulated_is_said(wrong):
    with pytest.raises(RequestError, match=r"got|choose"):
        retina(**{**SMALL, **wrong})
