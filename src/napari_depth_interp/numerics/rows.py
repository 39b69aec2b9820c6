"""Image rows at fractional positions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def rows_at(images: Tensor, positions: NDArray[np.floating[Any]]) -> Tensor:
    """Return (B, len(positions), X): rows of (B, Y, X) at fractional positions, by Catmull-Rom interpolation."""
    nearest = np.rint(positions)
    last = images.shape[1] - 1
    if np.allclose(nearest, positions, rtol=0, atol=1e-6):
        return images[:, nearest.astype(int).clip(0, last)]
    first = np.floor(positions).astype(int)
    t = torch.tensor(positions - first, dtype=torch.float32, device=images.device)[None, :, None]
    a, b, c, d = (images[:, np.clip(first + i, 0, last)] for i in (-1, 0, 1, 2))
    return b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
