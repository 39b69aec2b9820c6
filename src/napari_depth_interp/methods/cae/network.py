"""A convolutional auto-encoder: strided convolutions down to a code, transposed ones back (Yamashita)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from ..enhancement.networks import EnhancingNetwork, give_mean, output_of


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
