"""Planes to train on: pieces of XY images of the stack itself, or of XZ and YZ planes of dense stacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from ...numerics.rows import rows_at

if TYPE_CHECKING:
    from . import MsdsrConfig


@dataclass(frozen=True, eq=False)
class Pieces:
    """Clean planes (B, R, X) and which of their rows are observed (B, R), 0 or 1."""

    planes: Tensor
    mask: Tensor


class Source(Protocol):
    """Where pieces come from."""

    def draw(self, rng: np.random.Generator) -> Tensor:
        """Return clean planes (B, R, X)."""


@dataclass(frozen=True, eq=False)
class FromImages:
    """XY images (N, Y, X) of one stack, whose rows stand for sections.

    ``steps`` are the pixels between those rows along y and, where columns stand for rows, along x.
    """

    images: Tensor
    steps: tuple[float, float]
    batch: int
    columns: int
    most_rows: int

    def draw(self, rng: np.random.Generator) -> Tensor:
        """Return pieces along both image axes, flipped at random."""
        turned = rng.random() < 0.5
        images, step = (self.images.transpose(1, 2), self.steps[1]) if turned else (self.images, self.steps[0])
        step = min(step, images.shape[1] - 1.0)
        rows = max(2, min(self.most_rows, int((images.shape[1] - 1) / step) + 1))
        length, columns = int(np.ceil((rows - 1) * step)) + 1, min(self.columns, images.shape[2])
        windows = []
        for _ in range(self.batch):
            top = int(rng.integers(max(1, images.shape[1] - length + 1)))
            left = int(rng.integers(images.shape[2] - columns + 1))
            window = images[int(rng.integers(len(images))), top : top + length, left : left + columns]
            windows.append(_flipped(window, rng))
        return rows_at(torch.stack(windows), np.arange(rows) * step)


@dataclass(frozen=True, eq=False)
class FromStacks:
    """XZ and YZ planes of dense stacks (Z, Y, X), as Ohashi 2025 (eq. 6); stacks may differ in size."""

    stacks: Sequence[Tensor]
    batch: int
    columns: int
    most_rows: int

    def draw(self, rng: np.random.Generator) -> Tensor:
        """Return pieces of planes of one stack, mirrored left to right at random."""
        stack = self.stacks[int(rng.integers(len(self.stacks)))]
        axis = int(rng.integers(1, 3))
        planes = stack.movedim(axis, 0)
        rows, columns = min(self.most_rows, planes.shape[1]), min(self.columns, planes.shape[2])
        windows = []
        for _ in range(self.batch):
            top = int(rng.integers(planes.shape[1] - rows + 1))
            left = int(rng.integers(planes.shape[2] - columns + 1))
            window = planes[int(rng.integers(len(planes))), top : top + rows, left : left + columns]
            windows.append(window.flip(1) if rng.random() < 0.5 else window)
        return torch.stack(windows)


def _flipped(window: Tensor, rng: np.random.Generator) -> Tensor:
    flips = [axis for axis in (0, 1) if rng.random() < 0.5]
    return window.flip(flips) if flips else window


def masked(planes: Tensor, config: MsdsrConfig, gap: int, rng: np.random.Generator) -> Pieces:
    """Choose which rows are observed: every ``gap``-th from a random one on, or a random number of random rows."""
    count, rows = planes.shape[:2]
    most = max(1, min(rows - 1, round(config.most_observed * rows)))
    fewest = min(most, max(1, round(config.fewest_observed * rows)))
    mask = np.zeros((count, rows), np.float32)
    for each in mask:
        if config.masks == "regular" or (config.masks == "both" and rng.random() < 0.5):
            each[int(rng.integers(min(gap, rows))) :: gap] = 1
        else:
            each[rng.choice(rows, int(rng.integers(fewest, most + 1)), replace=False)] = 1
    return Pieces(planes, torch.from_numpy(mask).to(planes.device))
