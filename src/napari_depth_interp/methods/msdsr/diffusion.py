"""Noise: the schedule, how noisy rows are made for training, and what a prediction means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...nn.noise_schedule import STEPS, balanced_offset, sampler
from ...system.transfer import sent

if TYPE_CHECKING:
    from . import MsdsrConfig


@dataclass(frozen=True, eq=False)
class _Tables:
    """For every step (T,): the share of the image's variance that is left, and the strength of the offset noise."""

    alpha: Tensor
    strength: Tensor


class Diffusion:
    """A noise schedule of diffusers and its arithmetic on images at about -1 to 1."""

    def __init__(self, config: MsdsrConfig) -> None:
        self._config = config
        self.sampler = sampler(schedule=config.schedule, zero_snr=config.zero_snr, spacing=config.step_spacing)
        self._alpha: Tensor = self.sampler.alphas_cumprod
        self._tables: dict[str, _Tables] = {}

    def noisy(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return noisy images, what the network should predict, and the step of each image (B,)."""
        step = torch.randint(STEPS, (len(images),), device=images.device)
        noise = torch.randn_like(images) + self.offset(step).view(-1, *[1] * (images.ndim - 1))
        signal, rest = self._parts(step, images)
        wanted = signal * noise - rest * images if self._config.prediction == "v" else noise
        return signal * images + rest * noise, wanted, step

    def clean(self, noisy: Tensor, predicted: Tensor, step: Tensor) -> Tensor:
        """Return the image that a prediction means."""
        signal, rest = self._parts(step, noisy)
        if self._config.prediction == "v":
            return signal * noisy - rest * predicted
        return (noisy - rest * predicted) / signal.clamp_min(1e-3)

    def _parts(self, step: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        alpha = self._on(like.device).alpha[step].view(-1, *[1] * (like.ndim - 1))
        return alpha.sqrt(), (1 - alpha).sqrt()

    def _on(self, device: torch.device) -> _Tables:
        """Return the tables on a device; they go there once."""
        if str(device) not in self._tables:
            strength = torch.full((STEPS,), self._config.offset_noise)
            if self._config.adjusted_offset:
                strength = strength * balanced_offset(self._alpha).float()
            self._tables[str(device)] = _Tables(*sent(device, self._alpha.numpy(), strength.numpy()))
        return self._tables[str(device)]

    def offset(self, step: Tensor) -> Tensor:
        """Return noise that is one number per plane, for planes at these steps (B,).

        Adjusted, it grows to full strength at the last step.
        """
        if not self._config.offset_noise:
            return torch.zeros(len(step), device=step.device)
        return self._on(step.device).strength[step] * torch.randn(len(step), device=step.device)
