"""How coarse and fine voxels lie on each other, and the estimate that needs no network.

Volumes are (B, C, Z, Y, X) tensors. A network gives ``n * factor`` voxels for ``n`` along each axis, in blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...numerics.interpolation import enlarging, weights

_CUBIC = "catmull-rom"


@dataclass(frozen=True)
class Lattice:
    """The lattice of fine voxels over the coarse ones.

    Attributes
    ----------
    factors : (z, y, x)
        Fine voxels per coarse one.
    means : bool
        Coarse voxels are means of blocks of fine ones, edges aligned (Nishioka 2026). Otherwise each coarse section is
        the first fine one of its block along z, which is the only axis that is refined.
    """

    factors: tuple[int, int, int]
    means: bool = True

    def __post_init__(self) -> None:
        if not self.means and self.factors[1:] != (1, 1):
            raise ValueError(f"sections that are observed as they are can be refined along z only, got {self.factors}")

    def fine_size(self, coarse: tuple[int, ...]) -> tuple[int, int, int]:
        """Return the fine voxels between the edges of a coarse volume, or its first and last section."""
        z, y, x = (size * factor for size, factor in zip(coarse, self.factors, strict=True))
        return (z if self.means else z - self.factors[0] + 1), y, x

    def coarse_size(self, fine: tuple[int, ...]) -> tuple[int, int, int]:
        """Return the largest coarse volume that fits into a fine one."""
        z, y, x = (size // factor for size, factor in zip(fine, self.factors, strict=True))
        return (z if self.means else (fine[0] - 1) // self.factors[0] + 1), y, x

    def coarsen(self, fine: Tensor) -> Tensor:
        """Return the coarse voxels of fine ones: means of blocks, or every so many-th section."""
        return functional.avg_pool3d(fine, self.factors) if self.means else fine[:, :, :: self.factors[0]]

    def crop(self, blocks: Tensor) -> Tensor:
        """Leave out of whole blocks what lies beyond the last coarse section."""
        return blocks if self.means else blocks[:, :, : blocks.shape[2] - self.factors[0] + 1]

    def base(self, coarse: Tensor, sections: slice = slice(None)) -> Tensor:
        """Return cubic interpolation in blocks; of means, back-projected to its limit.

        Of some coarse ``sections`` only, if they are given; the others are still seen.
        """
        values = coarse
        with torch.autocast(coarse.device.type, enabled=False):
            values = values.float()
            for axis, factor in enumerate(self.factors, start=2):
                if factor > 1:
                    matrix = _matrix(values.shape[axis], factor, self.means, str(values.device))
                    if axis == 2:
                        matrix = matrix.view(-1, factor, matrix.shape[1])[sections].flatten(0, 1)
                    values = torch.matmul(values.movedim(axis, -1), matrix.T).movedim(-1, axis)
        return values

    def consistent(self, blocks: Tensor) -> Tensor:
        """Take out of an addition to the base what the coarse voxels contradict: it coarsens to zero then."""
        if self.means:
            return blocks - self.base(functional.avg_pool3d(blocks, self.factors))
        observed = torch.arange(blocks.shape[2], device=blocks.device) % self.factors[0] == 0
        return blocks.masked_fill(observed.view(-1, 1, 1), 0.0)


@lru_cache(maxsize=64)
def _matrix(count: int, factor: int, means: bool, device: str) -> Tensor:
    """Return (count * factor, count): cubic interpolation of one axis."""
    if means or count == 1:
        plain, unaveraged = enlarging(count, factor, _CUBIC)
        matrix = plain @ unaveraged
    else:
        matrix = weights(_CUBIC, np.arange(count, dtype=float), np.arange(count * factor) / factor)
    return torch.from_numpy(matrix).float().to(device)
