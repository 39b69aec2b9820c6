"""The preset ``published``, piece by piece (Hui et al., CVPR 2024, section 4.2 and algorithm 1)."""

import numpy as np
import pytest
import torch
from test_microdiffusion import STACK

from napari_depth_interp.method import Runtime
from napari_depth_interp.methods.microdiffusion import MICRODIFFUSION, MicroDiffusionConfig
from napari_depth_interp.methods.microdiffusion import fit as fitting
from napari_depth_interp.methods.microdiffusion.examples import means
from napari_depth_interp.methods.microdiffusion.fit import Noise, blended, seen_by, state_of
from napari_depth_interp.methods.microdiffusion.network import SectionNet
from napari_depth_interp.nn.loop import Trained


def published(**changed):
    return MicroDiffusionConfig(**MICRODIFFUSION.presets["published"] | changed)


@pytest.fixture(scope="module")
def network():
    return SectionNet(published(), 0)


def test_the_prior_is_the_published_field():
    assert published().prior == "inr"
    assert published().effort == "published"
    assert published().prior_training == "frozen"


def test_grey_values_of_the_projection_are_made_noisy_and_asked_back():
    options = published()
    prior = np.zeros((30, 24, 24), np.float32)
    example = means(STACK, prior, torch.from_numpy, each=options.learn == "projection", noised=options.noised)[0]
    np.testing.assert_array_equal(example.clean, example.target)
    np.testing.assert_array_equal(example.target[0], STACK.voxels[0])
    assert state_of(example.clean, example.prior, None, options.draws) is example.clean


def test_the_network_sees_the_blend_with_a_tenth_of_the_prior_and_no_prior_beside():
    state, prior = torch.randn(2, 4, 4), torch.randn(2, 4, 4)
    torch.testing.assert_close(blended(state, prior, published()), 0.1 * prior + 0.9 * state)
    assert seen_by(state, prior, published()).shape[1] == 1


def test_the_network(network):
    added = [name for name, _ in network.named_modules() if name.endswith(".condition")]
    assert len(added) == 2 * published().levels + 1
    assert network.position[0].in_features == 512
    assert network.codes is not None
    assert network.looking is not None
    assert network.attention is None


def test_adamw_at_a_constant_rate(network, monkeypatch):
    seen = {}

    def train(moving, optimisers, loss, plan, *, report):
        seen.update(group=optimisers[0].param_groups[0], kind=type(optimisers[0]), plan=plan)
        return Trained(moving, None)

    monkeypatch.setattr(fitting, "train", train)
    examples = means(STACK, np.zeros((30, 24, 24), np.float32), torch.from_numpy, each=True, noised="projection")
    fitting.fit(network, [examples], published(), 0, lambda _: None)
    assert seen["kind"] is torch.optim.AdamW
    assert (seen["group"]["lr"], seen["group"]["weight_decay"]) == (2e-4, 1e-4)
    assert {seen["plan"].rate(step) for step in (0, 1000, 21_999)} == {1.0}


def test_the_schedule_is_the_one_of_ddpm():
    alphas = Noise.of(published(), torch.device("cpu")).alphas
    expected = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    np.testing.assert_allclose(alphas.numpy(), expected, rtol=1e-4)


def test_samples_are_drawn_by_all_steps_and_left_as_they_are():
    options = published()
    assert (options.steps, options.eta, options.samples) == (1000, 1.0, 1)
    assert (options.correct, options.self_check, options.noise) == (False, False, "keep")


def test_it_runs():
    quick = {"training_steps": 10, "prior_training_steps": 10, "steps": 2, "channels": 8, "levels": 2, "window": 16}
    method = MICRODIFFUSION.create(published(**quick), Runtime())
    method.prepare(STACK, report=lambda _: None)
    found = method.sections_at(STACK, STACK.fine_depths().ravel().tolist(), report=lambda _: None)
    assert np.isfinite(found.values).all()
