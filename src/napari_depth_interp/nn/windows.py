"""Windows of images at many places: on a CPU one slice each, on a device all of them by one table and one kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..system.transfer import sent


@dataclass(frozen=True)
class Window:
    """Where a window lies.

    Attributes
    ----------
    source : int
        Number of the tensor that it is cut from.
    corner : tuple of int
        The first voxel along every axis of that tensor.
    axes : tuple of int
        The axis of the tensor along which each axis of the window runs; all others stand at the corner.
    flips : tuple of int
        Axes of the window that are mirrored.
    """

    source: int
    corner: tuple[int, ...]
    axes: tuple[int, ...]
    flips: tuple[int, ...] = ()


class Windows:
    """Tensors that windows are cut from.

    Parameters
    ----------
    sources : sequence of tensors
        On one device and of one type, of any sizes. One that is there several times is kept once.
    """

    def __init__(self, sources: Sequence[Tensor]) -> None:
        self.device = sources[0].device
        self._first = np.zeros(len(sources), np.int64)
        self._strides = [_strides(tuple(each.shape)) for each in sources]
        on_cpu = self.device.type == "cpu"
        self._sources = sources if on_cpu else ()
        self._flat = None if on_cpu else self._joined(sources)

    def _joined(self, sources: Sequence[Tensor]) -> Tensor:
        """Return all sources one after the other, and remember where each begins."""
        places: dict[int, int] = {}
        parts: list[Tensor] = []
        size = 0
        for number, each in enumerate(sources):
            if id(each) not in places:
                places[id(each)] = size
                parts.append(each.reshape(-1))
                size += each.numel()
            self._first[number] = places[id(each)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def cut(self, places: Sequence[Window], size: tuple[int, ...]) -> Tensor:
        """Return the windows (B, *size)."""
        [windows], _ = cut_together([(self, places, size)])
        return windows

    def slices(self, places: Sequence[Window], size: tuple[int, ...]) -> Tensor:
        """Return the windows one by one: the shortest way on a CPU."""
        return torch.stack([self._slice(each, size) for each in places])

    def _slice(self, window: Window, size: tuple[int, ...]) -> Tensor:
        place: list[Any] = list(window.corner)
        for axis, length in zip(window.axes, size, strict=True):
            place[axis] = slice(place[axis], place[axis] + length)
        found = self._sources[window.source][tuple(place)]
        order = [sum(other < axis for other in window.axes) for axis in window.axes]
        found = found if order == sorted(order) else found.permute(order)
        return found.flip(window.flips) if window.flips else found

    def table(self, places: Sequence[Window], size: tuple[int, ...]) -> NDArray[np.int64]:
        """Return (B, 1 + axes): the first voxel of each window, and the steps along its axes."""
        rows = np.empty((len(places), 1 + len(size)), np.int64)
        for row, each in zip(rows, places, strict=True):
            strides = self._strides[each.source]
            steps = [strides[axis] for axis in each.axes]
            row[0] = self._first[each.source] + sum(a * b for a, b in zip(each.corner, strides, strict=True))
            for axis in each.flips:
                row[0] += (size[axis] - 1) * steps[axis]
                steps[axis] = -steps[axis]
            row[1:] = steps
        return rows

    def taken(self, table: Tensor, size: tuple[int, ...]) -> Tensor:
        """Return the windows (B, *size) of a table on the device."""
        assert self._flat is not None
        index = table[:, 0].view(-1, *[1] * len(size))
        for axis, length in enumerate(size):
            shape = [-1 if other == axis else 1 for other in range(len(size))]
            along = torch.arange(length, device=self.device).view(shape)
            index = index + table[:, 1 + axis].view(-1, *[1] * len(size)) * along
        return self._flat[index]


Wanted = tuple[Windows, Sequence[Window], tuple[int, ...]]
"""Sources, places in them, and the size of the windows."""


def cut_together(wanted: Sequence[Wanted], *arrays: NDArray[Any]) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    """Return several kinds of windows, and arrays as tensors beside them: one copy to the device for all."""
    device = wanted[0][0].device
    if device.type == "cpu":
        return [windows.slices(places, size) for windows, places, size in wanted], sent(device, *arrays)
    tables = [windows.table(places, size) for windows, places, size in wanted]
    there = sent(device, *tables, *arrays)
    found = [windows.taken(table, size) for (windows, _, size), table in zip(wanted, there, strict=False)]
    return found, there[len(wanted) :]


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(np.prod(shape[axis + 1 :], dtype=np.int64)) for axis in range(len(shape)))
