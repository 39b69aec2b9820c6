"""A small U-Net on XY sections, told the closest recorded image and the depth at every residual block."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from . import MicroDiffusionConfig

_TIMES = 16
"""Frequencies of the features of the noise step; each gives a sine and a cosine."""
_STD = 1.5
"""Standard deviation of the Gaussian frequencies, cycles per half of the stack or of the image."""
_HEADS = 4


class SectionNet(nn.Module):
    """Predicts clean sections from noisy ones.

    All layers look at neighbouring pixels only (norms are over the channels of a pixel), so that tiles with a margin
    of :attr:`halo` give what the whole section gives; attention and the global code look at all pixels of a tile.
    """

    frequencies: Tensor
    gain: Tensor

    def __init__(self, config: MicroDiffusionConfig, seed: int) -> None:
        super().__init__()
        widths = [config.channels * 2**level for level in range(config.levels)]
        self.factor = 2 ** (config.levels - 1)
        self.halo = self.factor * (4 * config.levels + 6)
        told = 4 * config.channels
        self._told, self._how = told, config.condition
        gaussian = np.random.default_rng(seed).normal(0, _STD, (2, config.frequencies))
        octaves = np.tile(2.0 ** np.linspace(-1, 3, config.frequencies), (2, 1))
        drawn = gaussian if config.positions == "gaussian" else octaves
        self.register_buffer("frequencies", torch.from_numpy(drawn).float())
        self.register_buffer("gain", torch.ones(()))
        self.time = nn.Sequential(nn.Linear(2 * _TIMES, told), nn.SiLU(), nn.Linear(told, told))
        inputs = 4 * config.frequencies
        self.position = nn.Sequential(nn.Linear(inputs, told), nn.SiLU(), nn.Linear(told, config.channels))
        seen = 2 if config.prior != "none" and config.prior_use != "blend" else 1
        self.image = nn.ModuleList(
            nn.Conv2d(before, width, 3, stride=1 if level == 0 else 2, padding=1)
            for level, (before, width) in enumerate(zip([seen, *widths], widths, strict=False))
        )
        added = config.channels if config.condition == "added" else 0
        self.entry = nn.Conv2d(1, widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            _Block(before, width, told, width + added if added else 0)
            for before, width in zip([widths[0], *widths], widths, strict=False)
        )
        self.middle = _Block(widths[-1], widths[-1], told, widths[-1] + added if added else 0)
        self.attention = (
            nn.MultiheadAttention(widths[-1], _HEADS, batch_first=True) if config.condition == "attention" else None
        )
        self.tokens = nn.Linear(config.channels, widths[-1])
        self.up = nn.ModuleList(
            _Block(2 * width + (widths[level + 1] - width if level + 1 < len(widths) else 0), width, told,
                   width + added if added else 0)
            for level, width in enumerate(widths)
        )  # fmt: skip
        self.looking = nn.MultiheadAttention(widths[-1], _HEADS, batch_first=True) if config.self_attention else None
        self.codes = (
            nn.ModuleList(nn.Linear(widths[-1], width) for width in widths) if config.image_code == "global" else None
        )
        self.exit = nn.Conv2d(widths[0], 1, 3, padding=1)
        nn.init.zeros_(self.exit.weight)
        nn.init.zeros_(self.exit.bias)  # type: ignore[arg-type]

    def forward(self, noisy: Tensor, step: Tensor, seen: Tensor, place: Tensor, known: Tensor) -> Tensor:
        """Return (B, Y, X): the clean sections, or what the prior misses of them.

        Parameters
        ----------
        noisy : (B, Y, X) tensor
            Blended with the prior (eq. 9).
        step : (B,) tensor
            Share of the noise schedule, 0 to 1.
        seen : (B, 1 or 2, Y, X) tensor
            The closest recorded image, and the prior where it is given as a condition.
        place : (B, 2) tensor
            Depth of the section in the stack and in the recorded image, -1 to 1.
        known : (B,) tensor
            0 where the condition is dropped.
        """
        height, width = noisy.shape[1:]
        edges = (0, -width % self.factor, 0, -height % self.factor)
        features = self.entry(functional.pad(noisy[:, None], edges, mode="replicate"))
        told = self.time(_waves(step[:, None], 2.0 ** torch.linspace(-1, 6, _TIMES, device=step.device)[None]))
        conditions, tokens = self._conditions(functional.pad(seen, edges, mode="replicate"), place, known)
        kept = []
        for level, block in enumerate(self.down):
            if level:
                features = functional.avg_pool2d(features, 2)
            features = block(features, told, conditions[level])
            kept.append(features)
        features = self.middle(features, told, conditions[-1])
        if self.looking is not None:
            features = features + _attended(self.looking, features, None)
        if self.attention is not None:
            features = features + _attended(self.attention, features, tokens)
        for level in reversed(range(len(self.up))):
            if level + 1 < len(self.up):
                features = functional.interpolate(features, scale_factor=2.0, mode="nearest")
            features = self.up[level](torch.cat([features, kept[level]], 1), told, conditions[level])
        found: Tensor = self.exit(functional.silu(features))
        return found[:, 0, :height, :width].float()

    def _conditions(self, seen: Tensor, place: Tensor, known: Tensor) -> tuple[list[Tensor | None], Tensor | None]:
        """Return what is added at each level (eq. 8: image and depth side by side), and tokens for attention."""
        if self._how == "none":
            return [None] * len(self.image), None
        depth = self.position(torch.cat([_waves(place[:, i : i + 1], self.frequencies[i : i + 1]) for i in (0, 1)], 1))
        maps = self._image_features(seen)
        if self._how == "added":
            wide = [depth[:, :, None, None].expand(-1, -1, *each.shape[2:]) for each in maps]
            told = known.view(-1, 1, 1, 1)
            return [torch.cat(both, 1) * told for both in zip(maps, wide, strict=True)], None
        tokens = torch.cat([maps[-1].flatten(2).transpose(1, 2), self.tokens(depth)[:, None]], 1)
        return [None] * len(self.image), tokens * known.view(-1, 1, 1)

    def _image_features(self, seen: Tensor) -> list[Tensor]:
        """Return features of the closest image at each level: of every place, or the same everywhere."""
        maps: list[Tensor] = []
        for layer in self.image:
            maps.append(functional.silu(layer(maps[-1] if maps else seen)))
        if self.codes is None:
            return maps
        vector = maps[-1].mean((2, 3))
        return [
            code(vector)[:, :, None, None].expand(-1, -1, *each.shape[2:])
            for code, each in zip(self.codes, maps, strict=True)
        ]


class _Block(nn.Module):
    """Two convolutions; time and condition are added to what comes out."""

    def __init__(self, before: int, after: int, told: int, condition: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, padding=1)
        self.second = nn.Conv2d(after, after, 3, padding=1)
        self.skip = nn.Conv2d(before, after, 1) if before != after else nn.Identity()
        self.time = nn.Linear(told, after)
        self.condition = nn.Conv2d(condition, after, 1) if condition else None

    def forward(self, features: Tensor, told: Tensor, condition: Tensor | None) -> Tensor:
        inner = self.first(functional.silu(_normed(features)))
        inner = self.second(functional.silu(_normed(inner)))
        found: Tensor = self.skip(features) + inner + self.time(told)[:, :, None, None]
        if self.condition is not None and condition is not None:
            found = found + self.condition(condition)
        return found


def _attended(attention: nn.MultiheadAttention, features: Tensor, tokens: Tensor | None) -> Tensor:
    """Return what pixels find in the tokens; without tokens, in each other."""
    asked = features.flatten(2).transpose(1, 2)
    given = asked if tokens is None else tokens
    found, _ = attention(asked, given, given, need_weights=False)
    attended: Tensor = found.transpose(1, 2).reshape(features.shape)
    return attended


def _normed(features: Tensor) -> Tensor:
    """Return features whose mean square over the channels of each pixel is 1."""
    return features * torch.rsqrt(features.square().mean(1, keepdim=True) + 1e-3)


def _waves(values: Tensor, frequencies: Tensor) -> Tensor:
    """Return sines and cosines (B, 2 F) of values (B, 1) at frequencies (1, F)."""
    angles = math.pi * values * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)
