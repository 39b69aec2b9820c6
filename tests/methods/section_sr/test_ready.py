"""The weights that section_sr starts from."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_depth_interp.method import Runtime
from napari_depth_interp.methods.section_sr import SECTION_SR, SectionSRConfig, ready
from napari_depth_interp.methods.section_sr.network import RowNet
from napari_depth_interp.models.weights import read
from napari_depth_interp.progress import silent
from napari_depth_interp.stack import Grid, Stack


def tissue():
    field = gaussian_filter(np.random.default_rng(0).normal(size=(33, 48, 48)), 3, mode="wrap")
    return gaussian_filter((field > 0).astype(np.float32), 0.7)


def error(**config):
    """Return the error of the hidden sections with hardly any training."""
    dense = tissue()
    stack = Stack(dense[::4], Grid(np.arange(9) * 4.0, (1.0, 1.0), "um"))
    method = SECTION_SR.create(SectionSRConfig(training_steps=10, scale=1.0, flips=False, **config), Runtime())
    method.prepare(stack, report=silent)
    hidden = [z for z in range(33) if z % 4]
    found = method.sections_at(stack, [float(z) for z in hidden], report=silent).values
    return float(np.sqrt(np.mean((found - dense[hidden]) ** 2)))


@pytest.mark.parametrize("size", ready.SIZES)
def test_they_are_small_and_fit_the_network(size):
    assert ready.file_of(size).stat().st_size < 2_000_000
    network = RowNet(*ready.SIZES[size], 0.1, 0.3)
    ready.start(network, 0.3)
    head = read(ready.file_of(size))["head.weight"]
    np.testing.assert_allclose(network.state_dict()["head.weight"], head * (0.3 / ready.STD))


def test_with_them_a_few_steps_are_enough():
    from_scratch, from_ready = error(start="scratch"), error(start="ready")
    assert from_ready < 0.95 * from_scratch


@pytest.mark.parametrize("config", [{"channels": 8}, {"blocks": 2}])
def test_other_networks_start_from_scratch(config):
    assert error(start="ready", **config) == error(start="scratch", **config)
