"""What every enhancing network is."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class EnhancingNetwork(nn.Module):
    """Turns (B, 1, Y, X) images at about 0 to 1 into images of the same shape, of any size."""

    def begin_at(self, mean: float) -> None:
        """Let an untrained network give about the mean of the images."""


def output_of(made: Tensor) -> Tensor:
    """Return an image through a sigmoid, in full precision."""
    return made.float().sigmoid()


def give_mean(last: nn.Conv2d | nn.ConvTranspose2d, mean: float) -> None:
    """Set the bias of the last convolution before a sigmoid."""
    inside = min(max(mean, 0.01), 0.99)
    assert last.bias is not None
    with torch.no_grad():
        last.bias.fill_(math.log(inside / (1 - inside)))
