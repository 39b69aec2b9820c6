"""Schedules against their published formulas; the coefficient of adjusted offset noise against the forward process."""

import math

import numpy as np
import pytest
import torch

from napari_depth_interp.nn.noise_schedule import STEPS, balanced_offset, sampler


def betas(schedule):
    """Beta of every step, from the papers."""
    t = np.arange(STEPS)
    if schedule == "linear":
        return 1e-4 + t / (STEPS - 1) * (0.02 - 1e-4)
    if schedule == "scaled_linear":
        return (math.sqrt(0.00085) + t / (STEPS - 1) * (math.sqrt(0.012) - math.sqrt(0.00085))) ** 2
    left = np.cos((np.arange(STEPS + 1) / STEPS + 0.008) / 1.008 * math.pi / 2) ** 2
    return np.minimum(1 - left[1:] / left[:-1], 0.999)


@pytest.mark.parametrize(("schedule", "last"), [("scaled_linear", 4.66e-3), ("linear", 4.04e-5), ("cosine", 2.43e-9)])
def test_a_schedule_is_as_published(schedule, last):
    alphas = sampler(schedule=schedule, zero_snr=False).alphas_cumprod.numpy()
    np.testing.assert_allclose(alphas, np.cumprod(1 - betas(schedule)), rtol=2e-3)
    assert alphas[-1] == pytest.approx(last, rel=0.01)


@pytest.mark.parametrize("schedule", ["scaled_linear", "linear", "cosine"])
def test_with_zero_snr_the_last_step_holds_no_image_and_the_first_is_kept(schedule):
    plain, rescaled = (sampler(schedule=schedule, zero_snr=each).alphas_cumprod.double() for each in (False, True))
    root = plain.sqrt()
    wanted = (root - root[-1]) * root[0] / (root[0] - root[-1])
    assert float(rescaled[-1]) == 0
    np.testing.assert_allclose(rescaled.sqrt(), wanted, atol=2e-4)


def test_stable_diffusions_schedule_is_the_default():
    default = sampler(zero_snr=True).alphas_cumprod
    assert torch.equal(default, sampler(schedule="scaled_linear", zero_snr=True).alphas_cumprod)


def test_few_steps_end_at_the_last_level_or_begin_at_the_first():
    visited = {}
    for spacing in ("trailing", "leading"):
        made = sampler(zero_snr=False, spacing=spacing)
        made.set_timesteps(200)
        visited[spacing] = made.timesteps.tolist()
    assert visited["trailing"][:2] == [999, 994]
    assert visited["leading"][:2] == [996, 991]
    assert visited["leading"][-1] == 1


@pytest.mark.parametrize("schedule", ["scaled_linear", "linear", "cosine"])
def test_adjusted_offset_noise_is_balanced_in_the_forward_process(schedule):
    """Recursion over x_t = sqrt(alpha_t) x_t-1 + gamma_t xi + sqrt(beta_t) z, with gamma_t as balance asks for."""
    running = sampler(schedule=schedule, zero_snr=False).alphas_cumprod
    a = running.double().numpy()
    alpha = a / np.concatenate([[1.0], a[:-1]])
    phi, in_input, to_predict = 0.0, [], []
    for t in range(STEPS):
        rest, beta = 1 - a[t], 1 - alpha[t]
        gamma = 1.0 if t == 0 else math.sqrt(alpha[t]) * phi / (rest / beta - 1)
        phi = math.sqrt(alpha[t]) * phi + gamma
        in_input.append(phi / math.sqrt(rest))
        to_predict.append(gamma * math.sqrt(rest) / beta)
    np.testing.assert_allclose(in_input, to_predict, rtol=1e-10)
    np.testing.assert_allclose(balanced_offset(running), np.array(in_input) / in_input[-1], rtol=1e-10)
