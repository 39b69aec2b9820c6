"""From what a generator gives to fine volumes, alike in training and validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...nn.runtime import half_precision
from .lattice import Lattice

if TYPE_CHECKING:
    from . import GanConfig

_EVERY_AXIS = 4


def lattice_of(config: GanConfig) -> Lattice:
    """Return 4 x 4 x 4 means, or sections along z."""
    from . import AlongZConfig

    if isinstance(config, AlongZConfig):
        return Lattice((config.factor, 1, 1), means=False)
    return Lattice((_EVERY_AXIS,) * 3)


def precision(config: GanConfig, device: torch.device) -> torch.autocast:
    """Return the context of the number format that the parameters ask for."""
    return torch.autocast(device.type, enabled=False) if config.precision == "float32" else half_precision(device)


def finished(blocks: Tensor, coarse: Tensor, lattice: Lattice, config: GanConfig) -> Tensor:
    """Return the fine volumes (B, 1, Z, Y, X) from the blocks that the generator gives."""
    fine = lattice.consistent(blocks) if config.back_projection else blocks
    if config.back_projection or config.base != "none":
        fine = fine + lattice.base(coarse)
    return lattice.crop(fine)
