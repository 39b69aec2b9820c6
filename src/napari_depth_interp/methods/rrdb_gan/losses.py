"""What generator and discriminator make small (Nishioka 2026, section 3.4)."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

REAL = 0.99
"""Label of real volumes (section 3.4.2: label smoothing)."""
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2
"""Of the structural similarity with a range of 1 (eq. 3.9)."""


def ssim(made: Tensor, real: Tensor) -> Tensor:
    """Return the mean structural similarity of volumes (B, 1, Z, Y, X) with a range of 1 (eq. 3.9).

    Gaussian windows of 11 voxels (fewer where the volume is smaller), sigma 1.5, inside the volume only.
    """
    with torch.autocast(made.device.type, enabled=False):
        a, b = made.float(), real.float()
        maps = _blurred(torch.cat([a, b, a * a, b * b, a * b], 1).flatten(0, 1)[:, None])
        mean_a, mean_b, aa, bb, ab = maps.view(len(a), 5, *maps.shape[2:]).unbind(1)
        likeness = (2 * mean_a * mean_b + _C1) * (2 * (ab - mean_a * mean_b) + _C2)
        size = (mean_a.square() + mean_b.square() + _C1) * (aa - mean_a.square() + bb - mean_b.square() + _C2)
        return (likeness / size).mean()


def _blurred(volumes: Tensor) -> Tensor:
    """Return weighted means in Gaussian windows, one axis after the other, as products with a banded matrix."""
    for axis in (2, 3, 4):
        bands = _bands(volumes.shape[axis], str(volumes.device))
        volumes = torch.matmul(volumes.movedim(axis, -1), bands).movedim(-1, axis)
    return volumes


@lru_cache(maxsize=64)
def _bands(size: int, device: str) -> Tensor:
    """Return (size, windows) weights of the windows that lie inside an axis."""
    window = min(_WINDOW, (size - 1) // 2 * 2 + 1)
    kernel = torch.exp(-0.5 * ((torch.arange(window) - window // 2) / _SIGMA).square())
    bands = torch.zeros(size, size - window + 1)
    for column in range(bands.shape[1]):
        bands[column : column + window, column] = kernel / kernel.sum()
    return bands.to(device)


def deceives(logits: Tensor) -> Tensor:
    """Return the adversarial loss of the generator from the discriminator's logits of what it made (eq. 3.10)."""
    return functional.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))


def judges(real: Tensor, made: Tensor) -> Tensor:
    """Return the loss of the discriminator from its logits (eq. 3.11)."""
    taken = functional.binary_cross_entropy_with_logits(real, torch.full_like(real, REAL))
    return taken + functional.binary_cross_entropy_with_logits(made, torch.zeros_like(made))


def relative(these: Tensor, others: Tensor) -> Tensor:
    """Return logits of these being more real than the others are on average (Jolicoeur-Martineau 2019; ESRGAN)."""
    return these - others.mean()


def relativistic(real: Tensor, made: Tensor) -> Tensor:
    """Return the loss of a relativistic discriminator; with both exchanged that of the generator."""
    return judges(relative(real, made), relative(made, real)) / 2
