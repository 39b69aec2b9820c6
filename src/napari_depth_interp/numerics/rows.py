"""Image rows at fractional positions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..system.transfer import sent

_WHOLE = 1e-6
"""Pixels from a row within which a position is that row."""


def rows_at(images: Tensor, positions: NDArray[np.floating[Any]]) -> Tensor:
    """Return (B, len(positions), X): rows of (B, Y, X) at fractional positions, by Catmull-Rom interpolation."""
    nearest = np.rint(positions)
    last = images.shape[1] - 1
    if _are_rows(nearest, positions):
        return images[:, nearest.astype(int).clip(0, last)]
    first = np.floor(positions).astype(int)
    t = torch.tensor(positions - first, dtype=torch.float32, device=images.device)
    a, b, c, d = (images[:, np.clip(first + i, 0, last)] for i in (-1, 0, 1, 2))
    return _between(a, b, c, d, t)


def all_rows_at(
    images: Tensor, groups: Sequence[NDArray[np.floating[Any]]], *arrays: NDArray[Any]
) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    """Return the rows at several groups of positions, as :func:`rows_at` does, and arrays as tensors beside them.

    On a device other than a CPU all of it goes there by one copy, and all rows are taken by one kernel.
    """
    device = images.device
    if device.type == "cpu":
        return [rows_at(images, each) for each in groups], sent(device, *arrays)
    positions = np.concatenate([_snapped(each) for each in groups])
    if arrays:
        taps, share, *others = sent(device, *_taps(positions, images.shape[1]), *arrays)
    else:
        (taps, share), others = _kept_taps(positions.tobytes(), images.shape[1], str(device)), []
    a, b, c, d = images[:, taps].unbind(1)
    rows = torch.split(_between(a, b, c, d, share), [len(each) for each in groups], 1)
    return list(rows), tuple(others)


def _taps(positions: NDArray[np.floating[Any]], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the four rows (4, P) out of ``count`` around each position, and its share between the inner two."""
    first = np.floor(positions)
    taps = first[None].astype(np.int64) + np.arange(-1, 3)[:, None]
    return taps.clip(0, count - 1), (positions - first).astype(np.float32)


@lru_cache(maxsize=16)
def _kept_taps(positions: bytes, count: int, device: str) -> tuple[Tensor, Tensor]:
    """Return the taps on a device, where they stay: some are wanted at every step of a training."""
    taps, share = sent(torch.device(device), *_taps(np.frombuffer(positions), count))
    return taps, share


def _snapped(positions: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    nearest = np.rint(positions)
    return np.asarray(nearest if _are_rows(nearest, positions) else positions, np.float64)


def _are_rows(nearest: NDArray[np.floating[Any]], positions: NDArray[np.floating[Any]]) -> bool:
    """Return whether all positions are rows; asked at every step, where ``np.allclose`` takes ten times as long."""
    return bool(np.abs(nearest - positions).max(initial=0) <= _WHOLE)


def _between(a: Tensor, b: Tensor, c: Tensor, d: Tensor, share: Tensor) -> Tensor:
    """Return (B, P, X) between b and c, at shares (P,) of the way."""
    t = share[None, :, None]
    return b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
