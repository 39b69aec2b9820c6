"""Which device a method computes on. torch is imported only where a GPU could be used."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from ..errors import DeviceError, RequestError

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


def resolve_device(name: str, supported: tuple[str, ...]) -> tuple[str, str | None]:
    """Return the device to use and, where it is not the one asked for, a warning.

    Parameters
    ----------
    name : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    supported : tuple of str
        What the method can use, out of ``cpu cuda mps``.

    Raises
    ------
    RequestError
        If the name is no device name.
    DeviceError
        If this machine has no such device.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?|mps", name):
        raise RequestError(f"device '{name}' is not known; use auto, cpu, cuda, cuda:N or mps")
    if name == "cpu" or (name == "auto" and supported == ("cpu",)):
        return "cpu", None
    available = available_devices()
    if name == "auto":
        return next((device for device in available if device.split(":")[0] in supported), "cpu"), None
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in available:
        raise DeviceError(
            f"device '{name}' is not there; use auto, or what this machine has: {', '.join(reversed(available))}"
        )
    if wanted.split(":")[0] not in supported:
        return "cpu", f"this method has no code for {name}; it runs on the CPU"
    return wanted, None


def available_devices() -> list[str]:
    """Return the devices of this machine, the fastest first, the CPU last."""
    import torch

    found = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def default_threads() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Hold BLAS and OpenMP to ``threads``."""
    with _thread_pools(len(sys.modules)).limit(limits=threads):
        yield


@lru_cache(maxsize=1)
def _thread_pools(_modules: int) -> ThreadpoolController:
    """Return the thread pools of this process; they are looked for again, which takes long, after a further import."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
