"""Training pairs from the stack's own XY images: rows a gap apart, and the rows between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ...nn.batches import at_once
from ...nn.windows import Window, Windows
from ...numerics.rows import all_rows_at

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
    kernel : (odd,) tensor, optional
        Weights by which rows are blurred, as sections are along z.
    n : int
        Sections that an observed image is the mean of: observed rows are means of rows, as wide as the gap.
    around : bool
        Look at rows beyond those of a patch where the images have them, so that its outermost rows are blurred rightly.
    """

    def __init__(
        self, images: Tensor, batch: int, kernel: Tensor | None = None, n: int = 1, *, around: bool = False
    ) -> None:
        self._images, self._n = images, n
        self._windows = Windows([images])
        self._batch = batch
        self._kernel = None if kernel is None else kernel.to(images.device)
        self._around = len(kernel) // 2 if around and kernel is not None else 0

    def draw(self, gap: float, rng: np.random.Generator) -> Batch:
        """Return one batch whose observed rows are about ``gap`` pixels apart, less where images are low."""
        transposed = bool(rng.random() < 0.5)
        height, width = self._images.shape[1:][:: -1 if transposed else 1]
        if height < _LOWEST:
            transposed, height, width = not transposed, width, height
        margin = 0 if self._n == 1 else 1  # half a gap on both sides belongs to the outermost means
        gap = self._rounded(min(gap, widest_gap(height, self._n)))
        count = max(2, min(_ROWS, int((height - 1) / gap) + 1 - margin))
        length = min(height, math.ceil((count - 1 + margin) * gap) + 1)
        beyond = min(self._around, (height - length) // 2)
        size = (length + 2 * beyond, min(_COLUMNS, width))
        windows = self._windows.cut(
            [self._window(transposed, size, rng) for _ in range(at_once(self._batch))], size
        ).float()
        if self._kernel is not None:
            windows = _blur_rows(windows, self._kernel)[:, beyond : beyond + length]
        positions = np.arange(count) * gap + margin * (gap - 1) / 2
        shares = _shares(gap, rng) if self._n == 1 else _shares_of_means(self._n, rng)
        thickness = gap if self._n > 1 else 0.0
        groups = [_offset(positions, thickness, self._n)]
        groups += [_offset(positions[:-1] + share * gap, thickness / self._n, 1) for share in shares]
        found, (told,) = all_rows_at(
            windows, [each for group in groups for each in group], np.asarray(shares, np.float32)
        )
        means = [torch.stack([found.pop(0) for _ in group]).mean(0) for group in groups]
        return Batch(means[0][:, None], torch.stack(means[1:], 1), gap, told)

    def _rounded(self, gap: float) -> float:
        """Return the gap as a whole number of pixels, for each section of a mean, if it is near one."""
        whole = self._n * round(gap / self._n)
        return float(whole) if whole >= 2 and abs(whole / gap - 1) < _ROUNDED else gap

    def _window(self, transposed: bool, size: tuple[int, int], rng: np.random.Generator) -> Window:
        number = int(rng.integers(len(self._images)))
        height, width = self._images.shape[1:][:: -1 if transposed else 1]
        top = int(rng.integers(height - size[0] + 1))
        left = int(rng.integers(width - size[1] + 1))
        flips = tuple(axis for axis in (0, 1) if rng.random() < 0.5)
        corner = (number, left, top) if transposed else (number, top, left)
        return Window(0, corner, (2, 1) if transposed else (1, 2), flips)


def widest_gap(height: int, n: int, rows: int = 3) -> float:
    """Return how far apart, in pixels, rows of an image can be; means of n sections are as thick as the gap."""
    return (height - 1) / (rows - 1 if n == 1 else rows)


def _offset(positions: NDArray[Any], thickness: float, n: int) -> list[NDArray[Any]]:
    """Return the positions of the rows whose mean is one ``thickness`` pixels thick, of ``n`` sections; 0: itself."""
    count = n * max(1, round(thickness / n))
    offsets = (np.arange(count) - (count - 1) / 2) / count * thickness
    return [positions + offset for offset in offsets]


def _shares_of_means(n: int, rng: np.random.Generator) -> list[float]:
    """Return where some of the n sections of a mean lie between the centres of two means."""
    shares = ((np.arange(n) - (n - 1) / 2) / n) % 1.0
    return sorted(rng.choice(shares, min(n, _SHARES), replace=False).tolist())


def _shares(gap: float, rng: np.random.Generator) -> list[float]:
    """Return shares of the gap: whole pixel rows where the gap is a whole number of pixels."""
    if gap != round(gap):
        return [float((i + rng.random()) / _SHARES) for i in range(_SHARES)]
    steps = np.arange(1, int(gap))
    if len(steps) > _SHARES:
        steps = np.sort(rng.choice(steps, _SHARES, replace=False))
    return [float(step / gap) for step in steps]


def gaussian(sigma: float) -> Tensor:
    """Return the weights of a Gaussian of a standard deviation in pixels."""
    reach = max(1, math.ceil(3 * sigma))
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    return weights / weights.sum()


def _blur_rows(images: Tensor, kernel: Tensor) -> Tensor:
    """Blur (B, Y, X) images across their rows; edges are continued."""
    reach = len(kernel) // 2
    padded = functional.pad(images[:, None], (0, 0, reach, reach), mode="replicate")
    return functional.conv2d(padded, kernel.view(1, 1, -1, 1))[:, 0]
