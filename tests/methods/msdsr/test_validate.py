"""Validation of msdsr: on held-back planes, the same for the same weights, beside linear interpolation."""

import numpy as np
import pytest
import torch

from napari_depth_interp.methods.msdsr import MsdsrConfig
from napari_depth_interp.methods.msdsr.network import PlaneNet
from napari_depth_interp.methods.msdsr.validate import validation_of
from napari_depth_interp.stack import Grid, Stack

CONFIG = MsdsrConfig(channels=8, levels=1, steps=2, training_steps=200)
CPU = torch.device("cpu")


def stack(shape=(13, 20, 24), seed=0):
    z, y, x = np.indices(shape)
    waves = np.sin(z / 1.5 + y / 4) + np.cos(x / 5) + np.random.default_rng(seed).normal(0, 0.05, shape)
    return Stack(waves.astype(np.float32), Grid(np.arange(shape[0]) * 1.0, (1.0, 1.0), "um"))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return PlaneNet(8, 1, "residual").eval()


def test_it_is_the_same_for_the_same_weights_and_leaves_the_random_numbers_alone(network):
    validation = validation_of([stack()], CONFIG, 4, CPU, seed=0)
    assert validation.every == 10
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = validation.measure(network), validation.measure(network)
    assert torch.equal(torch.rand(3), expected)
    assert first.scores == second.scores
    np.testing.assert_array_equal(first.picture, second.picture)


def test_the_baseline_is_linear_interpolation_of_the_hidden_rows(network):
    given = stack((13, 12, 12))
    found = validation_of([given], CONFIG, 4, CPU, seed=0).measure(network)
    voxels = given.voxels.astype(np.float64)
    low, high = np.percentile(voxels, (0.1, 99.9))
    scaled = 2 * (voxels - low) / (high - low) - 1
    weights = np.array([0, 0.25, 0.5, 0.75])[None, :, None, None]
    below, above = scaled[:-1:4, None], scaled[4::4, None]
    linear = ((1 - weights) * below + weights * above).reshape(12, 12, 12)
    hidden = np.arange(12) % 4 > 0
    planes = np.unique(np.linspace(0, 11, 8)[1:-1].round().astype(int))
    squares = (linear - scaled[:-1])[hidden] ** 2
    mean = np.concatenate([squares[:, planes].ravel(), squares[:, :, planes].ravel()]).mean()
    assert found.scores["psnr_linear"] == pytest.approx(10 * np.log10(4 / mean), abs=0.01)


def test_the_picture_shows_linear_drawn_and_truth(network):
    found = validation_of([stack()], CONFIG, 4, CPU, seed=0).measure(network)
    linear, drawn, truth = found.picture
    assert found.captions == ("linear interpolation", "drawn now", "truth")
    np.testing.assert_allclose(linear[::4], truth[::4], atol=1e-5)
    np.testing.assert_allclose(drawn[::4], truth[::4], atol=1e-5)
    assert not np.allclose(drawn, linear)


def test_nothing_to_look_at_is_no_validation():
    assert validation_of([], CONFIG, 4, CPU, seed=0) is None
    assert validation_of([stack((3, 20, 24))], CONFIG, 4, CPU, seed=0) is None
