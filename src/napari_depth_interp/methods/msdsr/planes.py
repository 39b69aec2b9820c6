"""Planes to train on: pieces of XY images of the stack itself, or of XZ and YZ planes of dense stacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from torch import Tensor

from ...nn.batches import at_once
from ...nn.windows import Window, Windows
from ...numerics.rows import all_rows_at
from ...system.transfer import sent

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

    @cached_property
    def _windows(self) -> Windows:
        return Windows([self.images])

    def draw(self, rng: np.random.Generator) -> Tensor:
        """Return pieces along both image axes, flipped at random."""
        turned = rng.random() < 0.5
        count, *size = self.images.shape
        height, width = size[::-1] if turned else size
        step = min(self.steps[1] if turned else self.steps[0], height - 1.0)
        rows = max(2, min(self.most_rows, int((height - 1) / step) + 1))
        length, columns = min(height, int(np.ceil((rows - 1) * step)) + 1), min(self.columns, width)
        places = []
        for _ in range(at_once(self.batch)):
            top, left = int(rng.integers(height - length + 1)), int(rng.integers(width - columns + 1))
            number = int(rng.integers(count))
            corner = (number, left, top) if turned else (number, top, left)
            places.append(Window(0, corner, (2, 1) if turned else (1, 2), _mirrored(rng)))
        [found], _ = all_rows_at(self._windows.cut(places, (length, columns)), [np.arange(rows) * step])
        return found


@dataclass(frozen=True, eq=False)
class FromStacks:
    """XZ and YZ planes of dense stacks (Z, Y, X), as Ohashi 2025 (eq. 6); stacks may differ in size."""

    stacks: Sequence[Tensor]
    batch: int
    columns: int
    most_rows: int

    @cached_property
    def _windows(self) -> Windows:
        return Windows(self.stacks)

    def draw(self, rng: np.random.Generator) -> Tensor:
        """Return pieces of planes of one stack, mirrored left to right at random."""
        stack = int(rng.integers(len(self.stacks)))
        axis = int(rng.integers(1, 3))
        shape = self.stacks[stack].shape
        height, width, count = shape[0], shape[3 - axis], shape[axis]
        rows, columns = min(self.most_rows, height), min(self.columns, width)
        places = []
        for _ in range(at_once(self.batch)):
            top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
            number = int(rng.integers(count))
            corner = (top, number, left) if axis == 1 else (top, left, number)
            places.append(Window(stack, corner, (0, 3 - axis), (1,) if rng.random() < 0.5 else ()))
        return self._windows.cut(places, (rows, columns))


def _mirrored(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(axis for axis in (0, 1) if rng.random() < 0.5)


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
    return Pieces(planes, *sent(planes.device, mask))
