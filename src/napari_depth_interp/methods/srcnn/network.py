"""SRCNN: three convolutions, no up-scaling (Dong et al., TPAMI 2016; for OCT: Yamashita)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from ..enhancement.networks import EnhancingNetwork, give_mean, output_of


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
