"""Training pairs from the stack's own XY images: rows a gap apart, and the rows between them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...nn.rows import rows_at

_ROWS = 14
"""Observed rows of a patch, where the images are high enough."""
_COLUMNS = 64
_LOWEST = 5
"""Rows without which nothing can be hidden between two gaps."""
_SHARES = 4
"""At most so many rows of each gap are predicted in one step."""
_ROUNDED = 0.13
"""A gap this close (relative) to a whole number of pixels becomes that number: nothing is resampled."""


@dataclass(frozen=True, eq=False)
class Batch:
    """``rows`` (B, 1, N, X), ``hidden`` (B, T, N-1, X), the gap in pixels, ``shares`` (T,) of the gap."""

    rows: Tensor
    hidden: Tensor
    gap: float
    shares: Tensor


class Patches:
    """Draws batches from images, along both image axes, flipped at random.

    Parameters
    ----------
    images : (Z, Y, X) tensor, about 0 to 1.
    batch : int
        Patches per batch.
    blur : float
        Standard deviation in pixels by which rows are blurred, as the axial point spread function blurs sections.
    """

    def __init__(self, images: Tensor, batch: int, blur: float = 0.0) -> None:
        self._images = images
        self._batch = batch
        self._kernel = _gaussian(blur).to(images.device) if blur > 0 else None

    def draw(self, gap: float, rng: np.random.Generator) -> Batch:
        """Return one batch whose observed rows are about ``gap`` pixels apart, less where images are low."""
        transposed = bool(rng.random() < 0.5)
        height, width = self._images.shape[1:][:: -1 if transposed else 1]
        if height < _LOWEST:
            transposed, height, width = not transposed, width, height
        gap = min(gap, (height - 1) / 2)
        if abs(round(gap) / gap - 1) < _ROUNDED and round(gap) >= 2:
            gap = float(round(gap))
        count = max(2, min(_ROWS, int((height - 1) / gap) + 1))
        length = min(height, math.ceil((count - 1) * gap) + 1)
        windows = torch.stack(
            [self._window(transposed, length, min(_COLUMNS, width), rng) for _ in range(self._batch)]
        ).float()
        if self._kernel is not None:
            windows = _blur_rows(windows, self._kernel)
        positions = np.arange(count) * gap
        shares = _shares(gap, rng)
        rows = rows_at(windows, positions)
        hidden = torch.stack([rows_at(windows, positions[:-1] + share * gap) for share in shares], 1)
        return Batch(rows[:, None], hidden, gap, torch.tensor(shares, dtype=torch.float32, device=rows.device))

    def _window(self, transposed: bool, length: int, columns: int, rng: np.random.Generator) -> Tensor:
        image = self._images[int(rng.integers(len(self._images)))]
        if transposed:
            image = image.T
        top = int(rng.integers(image.shape[0] - length + 1))
        left = int(rng.integers(image.shape[1] - columns + 1))
        window = image[top : top + length, left : left + columns]
        flips = [axis for axis in (0, 1) if rng.random() < 0.5]
        return window.flip(flips) if flips else window


def _shares(gap: float, rng: np.random.Generator) -> list[float]:
    """Return shares of the gap: whole pixel rows where the gap is a whole number of pixels."""
    if gap != round(gap):
        return [float((i + rng.random()) / _SHARES) for i in range(_SHARES)]
    steps = np.arange(1, int(gap))
    if len(steps) > _SHARES:
        steps = np.sort(rng.choice(steps, _SHARES, replace=False))
    return [float(step / gap) for step in steps]


def _gaussian(sigma: float) -> Tensor:
    reach = max(1, math.ceil(3 * sigma))
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    return weights / weights.sum()


def _blur_rows(images: Tensor, kernel: Tensor) -> Tensor:
    """Blur (B, Y, X) images across their rows; edges are continued."""
    reach = len(kernel) // 2
    padded = functional.pad(images[:, None], (0, 0, reach, reach), mode="replicate")
    return functional.conv2d(padded, kernel.view(1, 1, -1, 1))[:, 0]
