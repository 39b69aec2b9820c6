"""Between the host and a device: few copies, and none that waits where it need not. Imports torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Part = TypeVar("Part")

_ALIGNED = 8
"""Bytes: where each array of a packed copy begins, so that it can be seen as any type of numbers."""
_PINNED = 64 * 2**20
"""Bytes up to which values are first copied to pinned memory, from where the rest of the copy needs no host."""


def sent(device: torch.device, *arrays: NDArray[Any]) -> tuple[Tensor, ...]:
    """Return arrays as tensors on a device, by one copy for all of them that does not wait.

    Tables of a training step are small: each copy of its own would cost about as long as a kernel.

    Parameters
    ----------
    device : torch.device
    *arrays : arrays
        Of any shapes and types that torch knows. On a CPU the tensors share their memory.
    """
    whole = [np.ascontiguousarray(each) for each in arrays]
    if device.type == "cpu":
        return tuple(torch.from_numpy(each) for each in whole)
    starts = np.cumsum([0, *(-(-each.nbytes // _ALIGNED) * _ALIGNED for each in whole)])
    packed = np.zeros(int(starts[-1]), np.uint8)
    for start, each in zip(starts, whole, strict=False):
        packed[start : start + each.nbytes] = each.reshape(-1).view(np.uint8)
    there = on_its_way(torch.from_numpy(packed), device)
    return tuple(
        there[int(start) : int(start) + each.nbytes].view(torch.from_numpy(each).dtype).view(each.shape)
        for start, each in zip(starts, whole, strict=False)
    )


def on_its_way(values: Tensor, device: torch.device) -> Tensor:
    """Return values of the host on a device; the copy may not have arrived, which only the host has to know."""
    if device.type == "cpu":
        return values
    pins = device.type == "cuda" and values.nbytes <= _PINNED
    return (values.pin_memory() if pins else values).to(device, non_blocking=device.type != "mps")


def fetched(results: Iterable[tuple[Part, Tensor]]) -> Iterator[tuple[Part, NDArray[Any]]]:
    """Yield results on the host, each of them while the device is at work on the next one.

    Parameters
    ----------
    results : iterable of (what it is of, tensor)
        Computed as they are asked for.
    """
    waiting: tuple[Part, _Fetch] | None = None
    for part, found in results:
        if found.device.type == "cpu":
            yield part, found.numpy()
            continue
        coming = _Fetch(found)
        if waiting is not None:
            yield waiting[0], waiting[1].values()
        waiting = part, coming
    if waiting is not None:
        yield waiting[0], waiting[1].values()


class _Fetch:
    """A copy to the host that was started and may not have arrived."""

    def __init__(self, found: Tensor) -> None:
        device = found.device
        module: Any = torch.get_device_module(device)
        self._event: Any = module.Event() if device.type != "mps" else None
        self._values = found.to("cpu", non_blocking=self._event is not None)  # torch makes the memory pinned
        if self._event is not None:
            self._event.record(*_stream_of(module, device))

    def values(self) -> NDArray[Any]:
        """Wait for this copy alone, and return it."""
        if self._event is not None:
            self._event.synchronize()
        return np.asarray(self._values.numpy())


def _stream_of(module: Any, device: torch.device) -> tuple[Any, ...]:
    return (module.current_stream(device),) if hasattr(module, "current_stream") else ()
