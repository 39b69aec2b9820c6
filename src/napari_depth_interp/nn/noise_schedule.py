"""The noise schedules that the diffusion models share. Imports torch only where a schedule is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

if TYPE_CHECKING:
    from torch import Tensor

STEPS = 1000
"""Steps of the noise schedule in training."""

Schedule = Annotated[
    Literal["scaled_linear", "linear", "cosine"],
    Field(
        title="Noise schedule",
        description="How the noise grows over its 1000 steps. scaled_linear: Stable Diffusion's; linear: DDPM's (beta "
        "0.0001 to 0.02); cosine: more steps with little noise, ends nearest to pure noise.",
    ),
]
"""A parameter of the methods that draw."""

Spacing = Literal["trailing", "leading"]
"""Where few sampling steps lie among all: up to the last one, or from the first one on."""

_BETAS: Mapping[str, Mapping[str, Any]] = {
    "scaled_linear": {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
    "linear": {"beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02},
    "cosine": {"beta_schedule": "squaredcos_cap_v2"},
}


def sampler(*, schedule: str = "scaled_linear", zero_snr: bool, spacing: Spacing = "trailing") -> Any:
    """Return diffusers' DDIM sampler for networks that predict the image.

    With eta = 1 and all steps it is DDPM.

    Parameters
    ----------
    schedule : {"scaled_linear", "linear", "cosine"}
        How beta grows: as in Stable Diffusion, DDPM (Ho 2020), or improved DDPM (Nichol 2021).
    zero_snr : bool
        Rescale it so that its last step holds no image (Lin 2024).
    spacing : {"trailing", "leading"}
        Of 200 steps the first one is 999, or 996.
    """
    from diffusers import DDIMScheduler

    scheduler: Any = DDIMScheduler
    return scheduler(
        num_train_timesteps=STEPS,
        **_BETAS[schedule],
        rescale_betas_zero_snr=zero_snr,
        timestep_spacing=spacing,
        steps_offset=1 if spacing == "leading" else 0,
        clip_sample=False,
        prediction_type="sample",
    )


def balanced_offset(alphas: Tensor) -> Tensor:
    """Return how adjusted offset noise grows with the step, 1 at the last one (Kutsuna 2024, balanced).

    With q(x_t | x_t-1, xi) = N(sqrt(alpha_t) x_t-1 + gamma_t xi, beta_t) and a_t the product of the alphas,
    x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) eps + phi_t xi, where phi_t = sqrt(alpha_t) phi_t-1 + gamma_t. The noise in the
    input is eps + phi_t / sqrt(1 - a_t) xi; the noise to predict is eps + gamma_t sqrt(1 - a_t) / beta_t xi. They are
    the same where gamma_t = phi_t beta_t / (1 - a_t), which gives phi_t = C (1 - a_t) / sqrt(a_t), and so
    C sqrt((1 - a_t) / a_t) as the coefficient of xi. The full derivation stands in the documentation of msdsr.

    Parameters
    ----------
    alphas : (T,) tensor
        a_t; the last one must not be 0.

    Returns
    -------
    (T,) float64 tensor
    """
    exact = alphas.double()
    growth = ((1 - exact) / exact).sqrt()
    return growth / growth[-1]
