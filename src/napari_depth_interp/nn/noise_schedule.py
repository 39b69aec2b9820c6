"""The noise schedule that the diffusion models share."""

from __future__ import annotations

from typing import Any

STEPS = 1000
"""Steps of the noise schedule in training."""


def sampler(*, zero_snr: bool) -> Any:
    """Return diffusers' DDIM sampler for networks that predict the image.

    ``zero_snr``: its last step holds no image. With eta = 1 and all steps it is DDPM.
    """
    from diffusers import DDIMScheduler

    scheduler: Any = DDIMScheduler
    return scheduler(
        num_train_timesteps=STEPS,
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        rescale_betas_zero_snr=zero_snr,
        timestep_spacing="trailing",
        clip_sample=False,
        prediction_type="sample",
    )
