"""The judge: a strided 3-D CNN that gives one logit (Nishioka 2026, section 3.3.2)."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

_LEVELS = 4
_WIDEST = 8
"""Times the first level's channels."""
_SLOPE = 0.2
_NARROW = 4


class Discriminator(nn.Module):
    """Tells real volumes from made ones.

    Parameters
    ----------
    channels : int
        Of the first level; each level doubles them, up to 8 times.
    classes : int
        Classes of volumes, shown as one-hot maps beside the volume; 0: none. (The paper's 11 channels are a volume and
        10 classes.)
    dimensions : int
        3, or 2: each section is looked at by itself.
    """

    def __init__(self, channels: int, classes: int, dimensions: int = 3) -> None:
        super().__init__()
        widths = [1 + classes, *(channels * min(_WIDEST, 2**level) for level in range(_LEVELS))]
        self.classes = classes
        kernel, stride, padding = ((1, 3, 3), (1, 2, 2), (0, 1, 1)) if dimensions == 2 else (3, 2, 1)
        self.convolutions = nn.ModuleList(
            nn.Conv3d(inside, outside, kernel, stride, padding) for inside, outside in pairwise(widths)
        )
        self.logit = nn.Conv3d(widths[-1], 1, 1)

    def forward(self, volumes: Tensor, classes: Tensor) -> Tensor:
        """Return (B,) logits, float32, for (B, 1, Z, Y, X) volumes and the numbers (B,) of their classes."""
        seen = volumes
        if self.classes:
            maps = functional.one_hot(classes, self.classes).to(volumes.dtype)
            maps = maps.view(*maps.shape, 1, 1, 1).expand(-1, -1, *volumes.shape[2:])
            seen = torch.cat([volumes, maps], 1)
        for convolution in self.convolutions:
            seen = functional.leaky_relu(_applied(convolution, seen), _SLOPE)
        with torch.autocast(volumes.device.type, enabled=False):
            found: Tensor = self.logit(seen.float().mean((2, 3, 4), keepdim=True))
        return found.flatten()


def _applied(convolution: nn.Module, seen: Tensor) -> Tensor:
    """Return the convolution; of maps a few voxels wide in float32: oneDNN's bfloat16 gives no numbers there."""
    narrow = min(seen.shape[2:]) <= _NARROW
    with torch.autocast(seen.device.type, enabled=False) if narrow else nullcontext():
        found: Tensor = convolution(seen.float() if narrow else seen)
    return found
