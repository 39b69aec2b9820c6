"""Training: it learns, stops when told, repeats itself."""

import numpy as np
import pytest
import torch
from blobs import blobs

from napari_depth_interp.method import Runtime
from napari_depth_interp.methods.section_sr.fit import Plan, contrast_error, fit
from napari_depth_interp.methods.section_sr.network import RowNet, interpolate
from napari_depth_interp.methods.section_sr.patches import Patches
from napari_depth_interp.nn.runtime import torch_on
from napari_depth_interp.progress import Cancelled

IMAGES = torch.from_numpy(blobs((6, 64, 64), sigma=4).astype(np.float32) / 1000)


def trained(steps, *, seed=0, squared=False, report=lambda done: None):
    with torch_on(Runtime(seed=seed)):
        network = RowNet(8, (1,), float(IMAGES.mean()), float(IMAGES.std()))
        return fit(network, Patches(IMAGES, 4), Plan(steps, 4, 4.0, squared), seed, report)


def errors(network, gap=4.0):
    """Root mean square errors of the network and of linear interpolation on rows of other images."""
    images = torch.from_numpy(blobs((6, 64, 64), sigma=4, seed=1).astype(np.float32) / 1000)
    batch = Patches(images, 20).draw(gap, np.random.default_rng(99))
    with torch.no_grad(), torch_on(Runtime()):
        bases = network(batch.rows, batch.gap)
    found = (interpolate(batch.rows, each, batch.shares) - batch.hidden for each in (bases, 0 * bases))
    return tuple(float(each.square().mean().sqrt()) for each in found)


@pytest.mark.parametrize("squared", [False, True])
def test_it_learns_what_linear_interpolation_misses(squared):
    own, linear = errors(trained(150, squared=squared))
    assert own < 0.8 * linear


def test_it_is_not_about_one_gap_only():
    network = trained(150)
    for gap in (3.0, 6.0):
        own, linear = errors(network, gap)
        assert own < 0.95 * linear


def test_steps_are_reported_one_by_one():
    seen = []
    trained(20, report=seen.append)
    np.testing.assert_allclose([each.fraction for each in seen], np.arange(1, 21) / 20)


def test_it_stops_at_the_step_that_cancels():
    seen = []

    def cancel(done):
        seen.append(done)
        if len(seen) == 7:
            raise Cancelled

    with pytest.raises(Cancelled):
        trained(20, report=cancel)
    assert len(seen) == 7


def test_same_seed_same_network():
    first, second, other = (trained(15, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_every_weight_takes_part():
    """None of the optimisers forgets a part of the network."""
    torch.manual_seed(0)
    fresh = dict(RowNet(8, (1,), float(IMAGES.mean()), float(IMAGES.std())).named_parameters())
    for name, weights in trained(40).named_parameters():
        assert not torch.equal(weights, fresh[name]), name


def test_contrast_counts_wherever_it_lies():
    """Rows that are moved a little have it, and smoothed ones, which are nearer to the truth, do not."""
    truth = torch.rand(2, 3, 4, 64, generator=torch.Generator().manual_seed(0))
    moved = truth.roll(2, -1)
    smooth = torch.nn.functional.avg_pool1d(truth.flatten(0, 2), 5, 1, 2).view_as(truth)
    assert (smooth - truth).abs().mean() < (moved - truth).abs().mean()
    assert contrast_error(moved, truth) < 0.5 * contrast_error(smooth, truth)
    assert contrast_error(truth, truth) == 0
