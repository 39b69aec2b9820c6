"""The network of section super-resolution: observed rows in, rows at any share of a gap out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

Told = tuple[Tensor, Tensor]
"""Weights and bias of a block's first convolution, which is told the gap."""

BASES = 5
"""Images per gap from which a row at any share of the gap is mixed (Chebyshev polynomials of the share)."""
_HEAD = (4, 5)
"""Observed rows and columns around a gap that the head looks at."""
_USUAL_GAP = 4.0
"""Pixels: the gap at which the network's knowledge of the gap is 0."""
_USUAL_CORRECTION = 0.05
"""Typical size of what linear interpolation misses, with images at about 0 to 1."""


class RowNet(nn.Module):
    """A residual network for what linear interpolation between image rows misses.

    It works on the observed rows only, so its cost does not grow with the number of new rows. It is told how
    many pixels the rows are apart: the same structure looks different across a narrow and a wide gap.

    Parameters
    ----------
    channels : int
        Width of the network.
    dilations : sequence of int
        One residual block each, with this step between the columns that it looks at.
    mean, std : float
        Mean and standard deviation of the images.
    exact : bool
        The rows are sections, which stand; else means of sections, and a section at the same depth differs.
    """

    def __init__(
        self, channels: int, dilations: tuple[int, ...], mean: float, std: float, *, exact: bool = True
    ) -> None:
        super().__init__()
        self.exact = exact
        self.reach = 1 + _HEAD[1] // 2 + sum(dilation + 1 for dilation in dilations)
        self._mean, self._std = mean, std or 1.0
        self.entry = nn.Conv2d(1, channels, 3, padding=1)
        self.blocks = nn.ModuleList(_Block(channels, dilation) for dilation in dilations)
        self.head = nn.Conv2d(channels, BASES, _HEAD, padding=(_HEAD[0] // 2 - 1, _HEAD[1] // 2))
        nn.init.normal_(self.head.weight, std=0.03)

    def about(self) -> dict[str, float | bool]:
        """Return what the network is made with, beside its size."""
        return {"mean": self._mean, "std": self._std, "exact": self.exact}

    def told(self, gap: float) -> list[Told]:
        """Return the weights and biases of the blocks for a gap; whoever asks often for the same gap keeps them."""
        told = torch.full((1, 1), math.log(gap / _USUAL_GAP), device=self.head.weight.device)
        return [block.told(told) for block in self.blocks if isinstance(block, _Block)]

    def forward(self, rows: Tensor, gap: float, told: Sequence[Told] | None = None) -> Tensor:
        """Return what the corrections of each gap are mixed from.

        Parameters
        ----------
        rows : (B, 1, N, X) tensor, the observed rows.
        gap : float
            Distance of the observed rows in pixels.
        told : list, optional
            What :meth:`told` gives for that gap.

        Returns
        -------
        (B, BASES, N-1, X) tensor
        """
        features = self.entry((rows - self._mean) / self._std)
        for block, weights in zip(self.blocks, told or self.told(gap), strict=True):
            features = block(features, weights)
        bases: Tensor = self.head(functional.relu_(features))
        return bases


def mixing(shares: Tensor, *, exact: bool = True) -> Tensor:
    """Return (T, BASES): how much of each base goes into a row at each share (0 to 1) of a gap.

    Nothing at its ends where observed rows are ``exact``.
    """
    angle = torch.arccos((2 * shares - 1).clamp(-1, 1))
    polynomials = _USUAL_CORRECTION * torch.cos(angle[:, None] * torch.arange(BASES, device=shares.device))
    return (4 * shares * (1 - shares))[:, None] * polynomials if exact else polynomials


def interpolate(rows: Tensor, bases: Tensor, shares: Tensor, *, exact: bool = True) -> Tensor:
    """Return the rows at ``shares`` (T,) of every gap, (B, T, N-1, X): linear interpolation and correction."""
    below, above = rows[:, :, :-1], rows[:, :, 1:]
    correction = torch.einsum("tb,nbyx->ntyx", mixing(shares, exact=exact), bases.float())
    return below + shares.view(1, -1, 1, 1) * (above - below) + correction


def unflip(bases: Tensor, flips: tuple[int, ...]) -> Tensor:
    """Return the bases of images whose rows (2) or columns (3) were flipped as those of the images themselves."""
    bases = bases.flip(flips)
    if 2 not in flips:
        return bases
    signs = (-1.0) ** torch.arange(BASES, device=bases.device)  # odd polynomials change sign with the share
    return bases * signs.view(1, -1, 1, 1)


class _Block(nn.Module):
    """Two convolutions; their weights are matrices, as the optimiser Muon wants them."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self._shape = (channels, channels, 3, 3)
        self._dilation = dilation
        self.first = nn.Parameter(torch.randn(channels, channels * 9) * math.sqrt(2 / (channels * 9)))
        self.second = nn.Parameter(torch.zeros(channels, channels * 9))
        self.biases = nn.Parameter(torch.zeros(2, channels))
        last = nn.Linear(16, 2 * channels)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.gate = nn.Sequential(nn.Linear(1, 16), nn.SiLU(), last)

    def told(self, gap: Tensor) -> Told:
        """Return weights and bias of the first convolution for a gap (1, 1)."""
        scale, shift = self.gate(gap)[0].chunk(2)
        first = self.first * (1 + scale)[:, None]  # scales what the convolution gives, at no cost
        return first.view(self._shape), self.biases[0] * (1 + scale) + shift

    def forward(self, features: Tensor, told: Told) -> Tensor:
        inner = _widely(functional.relu(features), *told, self._dilation).relu_()
        # in place, as what follows: memory is slower than arithmetic here
        return functional.conv2d(inner, self.second.view(self._shape), self.biases[1], padding=1).add_(features)


def _widely(features: Tensor, weights: Tensor, bias: Tensor, step: int) -> Tensor:
    """Return a 3 x 3 convolution that looks ``step`` columns to each side.

    In single precision on a CPU the gradients of one without gaps take half the time. So every step-th column
    becomes an image of its own there.
    """
    count, height, width, channels = features.permute(0, 2, 3, 1).shape
    if step == 1 or width % step or features.dtype != torch.float32 or features.device.type != "cpu":
        return functional.conv2d(features, weights, bias, padding=(1, step), dilation=(1, step))
    columns = features.permute(0, 2, 3, 1).reshape(count, height, width // step, step, channels)
    folded = columns.permute(3, 0, 1, 2, 4).reshape(step * count, height, width // step, channels)
    made = functional.conv2d(folded.permute(0, 3, 1, 2), weights, bias, padding=1).permute(0, 2, 3, 1)
    apart = made.reshape(step, count, height, width // step, -1).permute(1, 2, 3, 0, 4)
    return apart.reshape(count, height, width, -1).permute(0, 3, 1, 2)
