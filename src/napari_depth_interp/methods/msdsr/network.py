"""The U-Net of diffusers on planes of any size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...models.folder import fill


class PlaneNet(nn.Module):
    """Predicts the noise, or v, of the hidden rows of planes.

    Parameters
    ----------
    channels, levels : int
    guide : str
        ``none``, ``shown`` (linear interpolation is a further input) or ``residual`` (it is also subtracted).
    """

    def __init__(self, channels: int, levels: int, guide: str) -> None:
        from diffusers import UNet2DModel

        super().__init__()
        self.factor, self.channels = 2 ** (levels - 1), channels
        widths = tuple(channels * min(4, 2**level) for level in range(levels))
        self.unet: Any = UNet2DModel(  # type: ignore[no-untyped-call]
            in_channels=2 if guide == "none" else 3,
            out_channels=1,
            layers_per_block=1,
            block_out_channels=widths,
            down_block_types=("DownBlock2D",) * levels,
            up_block_types=("UpBlock2D",) * levels,
            norm_num_groups=8,
            add_attention=False,
        )
        self._guide = guide
        self.register_buffer("gain", torch.ones(()))

    def forward(self, planes: Tensor, mask: Tensor, linear: Tensor, step: Tensor) -> Tensor:
        """Return (B, R, X) for noisy planes (B, R, X), as :meth:`scaled` makes them.

        Parameters
        ----------
        planes : (B, R, X) tensor
            Observed rows are clean.
        mask : (B, R) tensor
            1 where a row is observed.
        linear : (B, R, X) tensor
            Linear interpolation of the observed rows.
        step : (B,) tensor
        """
        rows = mask[:, :, None].expand_as(planes).to(planes.dtype)
        seen = torch.stack([planes, rows] if self._guide == "none" else [planes, rows, linear], 1)
        height, width = planes.shape[1:]
        padded = functional.pad(seen, (0, -width % self.factor, 0, -height % self.factor), mode="replicate")
        found: Tensor = self.unet(padded, step).sample
        return found[:, 0, :height, :width].float()

    gain: Tensor

    def scaled(self, planes: Tensor, linear: Tensor) -> Tensor:
        """Return planes as they are diffused: as they are, or what linear interpolation misses at a size of about 1."""
        return (planes - linear) * self.gain if self._guide == "residual" else planes

    def restored(self, scaled: Tensor, linear: Tensor) -> Tensor:
        """Undo :meth:`scaled`."""
        return scaled / self.gain + linear if self._guide == "residual" else scaled

    @classmethod
    def from_model(cls, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> PlaneNet:
        """Return the network that a model folder describes."""
        network = cls(int(config["channels"]), int(config["levels"]), str(config["guide"]))
        fill(network, tensors)
        return network.eval()


def between(planes: Tensor, mask: Tensor) -> Tensor:
    """Return linear interpolation of the observed rows of planes (B, R, X) with masks (B, R); ends are held."""
    count = mask.shape[1]
    places = torch.arange(count, device=mask.device).expand_as(mask)
    below = torch.where(mask > 0, places, -1).cummax(1).values
    above = torch.where(mask > 0, places, count).flip(1).cummin(1).values.flip(1)
    first = torch.where(below < 0, above, below).clamp_max(count - 1)
    last = torch.where(above >= count, below, above).clamp_min(0)
    share = (places - first) / (last - first).clamp_min(1)
    rows = [planes.gather(1, index[:, :, None].expand_as(planes)) for index in (first, last)]
    return rows[0] + share[:, :, None] * (rows[1] - rows[0])
