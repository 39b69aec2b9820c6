"""The enhancing networks and what they share.

SRCNN: three convolutions, no up-scaling (Dong et al., TPAMI 2016; for OCT: Yamashita). CAE: strided convolutions down
to a code, transposed ones back (Yamashita).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


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


class Srcnn(EnhancingNetwork):
    """Patches (9 x 9), a mapping of each (1 x 1), reconstruction (5 x 5); any image size.

    Parameters
    ----------
    filters, mapped : int
        Filters of the first and of the second convolution.
    output : {"residual", "sigmoid"}
        The last convolution gives what to add to the image, or the image itself through a sigmoid.
    """

    def __init__(self, filters: int, mapped: int, output: str) -> None:
        super().__init__()
        self._output = output
        self.patches = nn.Conv2d(1, filters, 9, padding=4, padding_mode="replicate")
        self.mapping = nn.Conv2d(filters, mapped, 1)
        self.reconstruction = nn.Conv2d(mapped, 1, 5, padding=2, padding_mode="replicate")

    @classmethod
    def from_model(cls, config: Mapping[str, Any]) -> Srcnn:
        """Make the network that a model folder describes."""
        return cls(config["filters"], config["mapped"], config["output"])

    def begin_at(self, mean: float) -> None:
        """Let an untrained network give about the mean of the images, where it gives them itself."""
        if self._output == "sigmoid":
            give_mean(self.reconstruction, mean)

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, 1, Y, X) images of the same shape."""
        inner = functional.relu(self.mapping(functional.relu(self.patches(images))))
        made: Tensor = self.reconstruction(inner)
        return images + made.float() if self._output == "residual" else output_of(made)


class Cae(EnhancingNetwork):
    """Levels of half the resolution each, a code of few channels, and back; any image size.

    The published one has a dense layer, which fixes the image size; here a 1 x 1 convolution makes the code.

    Parameters
    ----------
    filters : int
        Filters of the first level; each further level has twice as many.
    levels : int
    code : int
        Channels of the code.
    """

    def __init__(self, filters: int, levels: int, code: int) -> None:
        super().__init__()
        self._levels = levels
        widths = [1, *(filters * 2**level for level in range(levels))]
        self.down = nn.ModuleList(
            nn.Conv2d(few, many, 3, stride=2, padding=1, padding_mode="replicate") for few, many in pairwise(widths)
        )
        self.encode, self.decode = nn.Conv2d(widths[-1], code, 1), nn.Conv2d(code, widths[-1], 1)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(many, few, 4, stride=2, padding=1)
            for many, few in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )

    @classmethod
    def from_model(cls, config: Mapping[str, Any]) -> Cae:
        """Make the network that a model folder describes."""
        return cls(config["filters"], config["levels"], config["code"])

    def begin_at(self, mean: float) -> None:
        """Let an untrained network give about the mean of the images."""
        last = self.up[-1]
        assert isinstance(last, nn.ConvTranspose2d)
        give_mean(last, mean)

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, 1, Y, X) images of the same shape; edges are continued to whole codes in between."""
        height, width = images.shape[2:]
        whole = 2**self._levels
        inner = functional.pad(images, (0, -width % whole, 0, -height % whole), mode="replicate")
        for each in self.down:
            inner = functional.relu(each(inner))
        inner = functional.relu(self.decode(functional.relu(self.encode(inner))))
        for each in self.up[:-1]:
            inner = functional.relu(each(inner))
        return output_of(self.up[-1](inner))[:, :, :height, :width]
