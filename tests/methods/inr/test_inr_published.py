"""Stage 1 of MicroDiffusion as Hui et al. 2024 publish it, piece by piece (section 4.1, equations 1 to 3)."""

import numpy as np
import pytest
import torch
from torch import nn

from napari_depth_interp.method import Runtime
from napari_depth_interp.methods.inr import INR, InrConfig
from napari_depth_interp.methods.inr.fields import FourierMlp, _places
from napari_depth_interp.methods.inr.method import _Fitted, training_plan
from napari_depth_interp.nn.loop import train
from napari_depth_interp.progress import silent
from napari_depth_interp.stack import Acquisition, Grid, Stack

CPU = torch.device("cpu")


def published(**changes):
    return InrConfig(**{**INR.presets["published"], **changes})


def projections(count=4, n=6, size=8):
    voxels = np.random.default_rng(0).uniform(0, 255, (count, size, size)).astype(np.float32)
    return Stack(voxels, Grid(np.arange(count) * n + (n - 1) / 2, (1.0, 1.0), "um"), Acquisition(n))


def fitted(**changes):
    return _Fitted(projections(), published(**changes), 0, CPU)


def test_the_input_is_512_gaussian_fourier_features_of_three_coordinates():
    field = fitted().field
    assert isinstance(field, FourierMlp)
    assert field.frequencies.shape == (3, 256)
    assert float(field.frequencies.std()) == pytest.approx(8, rel=0.05)
    sizes = [(each.in_features, each.out_features) for each in field.layers if isinstance(each, nn.Linear)]
    assert sizes == [(512, 64), *[(64, 64)] * 7, (64, 1)]
    assert all(isinstance(each, nn.ReLU) for each in field.layers[1::2])


def test_each_frequency_gives_a_sine_and_a_cosine():
    field, at = fitted().field, torch.tensor([[0.3, -0.2, 0.9]])
    angles = np.pi * at @ field.frequencies
    wanted = field.layers(torch.cat([angles.sin(), angles.cos()], 1))[:, 0]
    torch.testing.assert_close(field(at), wanted)


def test_coordinates_run_from_minus_1_to_1():
    whole = fitted()
    assert (float(whole.fine.min()), float(whole.fine.max())) == (-1, 1)
    assert whole.fine.shape == (4, 6)
    assert -1 < _places(8)[0] < _places(8)[-1] < 1
    np.testing.assert_allclose(_places(8), np.linspace(-0.875, 0.875, 8))


def test_the_loss_is_that_of_the_plain_mean_of_n_sections():
    """Equation 2: no Gaussian weights in training. A hundredfold, which Adam does not see."""
    whole = fitted(rays=4000)
    with torch.no_grad():
        means = whole.field.sections(whole.fine.flatten()).view(4, 6, 8, 8).mean(1)
        wanted = float((means - whole.images).square().mean())
        found = float(whole.field.loss(whole.images, whole.fine, np.random.default_rng(0)))
    assert found == pytest.approx(100 * wanted, rel=0.1)


def test_sections_are_read_by_the_printed_weights():
    """Equation 3, whose weights become a sum of 1."""
    whole = fitted()
    k = np.arange(1, 7)
    weights = np.exp(-((k / 6 - 0.5) ** 2) / 2)
    weights /= weights.sum()
    at = np.array([8.5]) + k - 3.5
    with torch.no_grad():
        sections = whole.field.sections(torch.from_numpy(whole._normal(at))).double().numpy()
        found = whole(torch.from_numpy(whole.places(np.array([8.5])))).numpy()
    np.testing.assert_allclose(found[0], np.tensordot(weights, sections, 1), atol=1e-5)


def test_adam_at_a_constant_rate_for_5000_steps():
    config = published()
    assert (config.learning_rate, config.training_steps) == (0.001, 5000)
    plan = training_plan(config, 0)
    assert [plan.rate(step) for step in (0, 1, 2500, 4999)] == [1, 1, 1, 1]
    assert (plan.average, plan.clip) == (0, np.inf)


def test_the_last_weights_are_those_of_plain_adam():
    """Our loop under this plan is torch's Adam step by step: nothing is clipped, averaged or slowed down."""

    def loss(network, rng):
        return 1000 * (network(torch.ones(1, 3)) - 2).square().sum()

    torch.manual_seed(0)
    ours, plain = nn.Linear(3, 1), nn.Linear(3, 1)
    plain.load_state_dict(ours.state_dict())
    plan = training_plan(published(training_steps=20, learning_rate=0.05), 0)
    found = train(ours, [torch.optim.Adam(ours.parameters(), lr=0.05)], loss, plan, report=silent).network
    adam = torch.optim.Adam(plain.parameters(), lr=0.05)
    for _ in range(20):
        adam.zero_grad()
        loss(plain, None).backward()
        adam.step()
    torch.testing.assert_close(found.weight, plain.weight)


def test_the_data_are_not_put_back():
    method = INR.create(published(training_steps=1), Runtime())
    stack = projections()
    method.prepare(stack)
    found = method.sections_at(stack, np.arange(24.0).tolist()).values
    missed = found.reshape(4, 6, 8, 8).mean(1) - stack.voxels
    assert np.abs(missed).max() > 20


def test_our_own_training_stays_the_default():
    config = InrConfig()
    assert (config.field, config.optimiser, config.averaging, config.correct) == (
        "factorised",
        "averaged",
        "gaussian",
        True,
    )
    assert training_plan(config, 0).average == 0.95
