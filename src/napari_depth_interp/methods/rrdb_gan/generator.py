"""The generators: 3-D RRDB-Net (Ha et al. 2024; Nishioka 2026, section 3.3.1) and the residual one of 3D-SRCGAN.

Either also in 2-D, section by section: those of ESRGAN and SRGAN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

SCALE = 0.2
"""Share of a residual that is added: alpha of eq. 3.4 and 3.6."""
_SLOPE = 0.2
_SMALL = 0.1
"""Of ESRGAN: residual blocks begin with weights this much smaller than usual."""

LEARNED = ("generator", "features", "growth", "blocks", "tail", "base", "scale", "factor", "dimensions")
"""Parameters that belong to the trained network, whatever a later run says."""
ADDED_LATER = {"dimensions": 3}
"""Those that older models do not name, and what they are there."""


def _conv(inside: int, outside: int, dimensions: int = 3) -> nn.Conv3d:
    if dimensions == 2:
        return nn.Conv3d(inside, outside, (1, 3, 3), padding=(0, 1, 1))
    return nn.Conv3d(inside, outside, 3, padding=1)


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees all before it: ``DB(u) = alpha T(u) + u`` (eq. 3.4)."""

    def __init__(self, features: int, growth: int, dimensions: int = 3) -> None:
        super().__init__()
        grown = [_conv(features + i * growth, growth, dimensions) for i in range(4)]
        self.convolutions = nn.ModuleList([*grown, _conv(features + 4 * growth, features, dimensions)])
        _begin_small(self)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, Z, Y, X) for the same."""
        known = features
        for convolution in self.convolutions[:-1]:
            known = torch.cat([known, functional.leaky_relu(convolution(known), _SLOPE)], 1)
        return torch.add(features, self.convolutions[-1](known), alpha=SCALE)


class Rrdb(nn.Module):
    """Three dense blocks in a residual: ``RRDB(h) = alpha DB(DB(DB(h))) + h`` (eq. 3.5, 3.6)."""

    def __init__(self, features: int, growth: int, dimensions: int = 3) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(DenseBlock(features, growth, dimensions) for _ in range(3)))

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, Z, Y, X) for the same."""
        return torch.add(features, self.blocks(features), alpha=SCALE)


class ResidualBlock(nn.Module):
    """Two convolutions in a residual, as in SRGAN, without batch normalisation."""

    def __init__(self, features: int, dimensions: int = 3) -> None:
        super().__init__()
        self.first, self.second = (_conv(features, features, dimensions) for _ in range(2))
        self.slope = nn.PReLU()
        _begin_small(self)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, Z, Y, X) for the same."""
        inner: Tensor = self.second(self.slope(self.first(features)))
        return features + inner


class Generator(nn.Module):
    """Convolution, trunk, convolution, global residual, voxel shuffles, convolution.

    Parameters
    ----------
    kind : str
        ``rrdb`` or ``residual`` (the trunk's blocks).
    features, growth, blocks : int
        Channels, channels that each convolution of a dense block adds, blocks of the trunk.
    tail : str
        ``staged``: a convolution and a shuffle for each prime factor, then a convolution on the fine voxels, as
        published; ``direct``: one convolution and one shuffle by all factors.
    factors : (z, y, x)
    quiet : bool
        Begin with an output of zero, for a generator that adds to a base estimate.
    dimensions : int
        3, or 2: each section is enlarged by itself, and sections between are interpolated linearly.
    """

    def __init__(
        self, kind: str, features: int, growth: int, blocks: int, tail: str, factors: Sequence[int], quiet: bool,
        dimensions: int = 3,
    ) -> None:  # fmt: skip
        super().__init__()
        self.first = _conv(1, features, dimensions)
        rrdb = kind == "rrdb"
        trunk = [
            Rrdb(features, growth, dimensions) if rrdb else ResidualBlock(features, dimensions) for _ in range(blocks)
        ]
        self.trunk = nn.Sequential(*trunk, _conv(features, features, dimensions))
        z, y, x = (int(each) for each in factors)
        self._along_z = z if dimensions == 2 else 1
        z //= self._along_z
        self._stages = stages((z, y, x)) if tail == "staged" else []
        self.stages = nn.ModuleList(_conv(features, features * math.prod(stage), dimensions) for stage in self._stages)
        self._direct = (1, 1, 1) if tail == "staged" else (z, y, x)
        self.last = _conv(features, math.prod(self._direct), dimensions)
        if quiet:
            nn.init.zeros_(self.last.weight)
            assert self.last.bias is not None
            nn.init.zeros_(self.last.bias)

    def forward(self, coarse: Tensor) -> Tensor:
        """Return (B, 1, kZ, kY, kX), float32, for (B, 1, Z, Y, X)."""
        shallow = self.first(coarse)
        features = shallow + self.trunk(shallow)
        for stage, convolution in zip(self._stages, self.stages, strict=True):
            features = functional.leaky_relu(shuffled(convolution(features), stage), _SLOPE)
        with torch.autocast(coarse.device.type, enabled=False):  # bfloat16 would show as steps of intensity
            made = shuffled(self.last(features.float()), self._direct)
            if self._along_z > 1:
                made = functional.interpolate(made, scale_factor=(self._along_z, 1, 1), mode="trilinear")
            return made

    def bytes_per_voxel(self) -> int:
        """Return about how many bytes of memory each coarse voxel takes (inference, float32)."""
        features = self.first.out_channels
        wide, fine = [features * 8], 1
        for stage in self._stages:
            wide.append(3 * features * fine * math.prod(stage))
            fine *= math.prod(stage)
        return 4 * max(*wide, 3 * self.last.out_channels * fine) + 8 * fine * self._along_z

    @classmethod
    def of(cls, about: Mapping[str, Any], factors: Sequence[int]) -> Generator:
        """Return the generator that a config or a model's description asks for."""
        features, growth, blocks = (int(about[name]) for name in ("features", "growth", "blocks"))
        quiet = about["base"] != "none"
        dimensions = int(about.get("dimensions", ADDED_LATER["dimensions"]))
        return cls(str(about["generator"]), features, growth, blocks, str(about["tail"]), factors, quiet, dimensions)


def stages(factors: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    """Return the factors of each shuffle: 4 x 4 x 4 is (2, 2, 2) twice."""
    primes = [_primes(factor) for factor in factors]
    longest = max(map(len, primes))
    z, y, x = ([*each, *[1] * (longest - len(each))] for each in primes)
    return list(zip(z, y, x, strict=True))


def _primes(number: int) -> list[int]:
    found, divisor = [], 2
    while number > 1:
        while number % divisor == 0:
            found.append(divisor)
            number //= divisor
        divisor += 1
    return found


def shuffled(features: Tensor, factors: tuple[int, int, int]) -> Tensor:
    """Move channels into space: (B, C*a*b*c, Z, Y, X) becomes (B, C, aZ, bY, cX) (voxel shuffle)."""
    if factors == (1, 1, 1):
        return features
    a, b, c = factors
    batch, channels, z, y, x = features.shape
    inner = channels // (a * b * c)
    split = features.reshape(batch, inner, a, b, c, z, y, x).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return split.reshape(batch, inner, a * z, b * y, c * x)


def _begin_small(block: nn.Module) -> None:
    for each in block.modules():
        if isinstance(each, nn.Conv3d):
            nn.init.kaiming_normal_(each.weight, _SLOPE)
            each.weight.data.mul_(_SMALL)
            assert each.bias is not None
            nn.init.zeros_(each.bias)
