"""How learned methods use the machine: threads, number format, seeds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..method import Runtime

_WITH_UNITS = 7, 0
"""CUDA's compute capability from which on there are tensor cores for float16."""


@contextmanager
def torch_on(runtime: Runtime) -> Iterator[torch.device]:
    """Hold torch to the threads and the seed of a run, and leave both as they were; yield the device."""
    device = torch.device(runtime.device)
    threads = torch.get_num_threads()
    torch.set_num_threads(runtime.threads)
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(runtime.seed)
            yield device
    finally:
        torch.set_num_threads(threads)


def allow_compiling() -> None:
    """Let torch.compile find Triton, which is otherwise kept away (see ``nn/__init__.py``); never beside a window."""
    if "qtpy" not in sys.modules and sys.modules.get("triton", sys) is None:
        del sys.modules["triton"]


def half_precision(device: torch.device) -> torch.autocast:
    """Return a context that computes convolutions in the half precision that the hardware has.

    That is bfloat16, else float16 where a GPU has units for it and no gradients are taken: they would be lost in its
    narrow range. Without either it is a context that changes nothing.
    """
    number = _half(device)
    return torch.autocast(device.type, number or torch.bfloat16, enabled=number is not None)


def _half(device: torch.device) -> torch.dtype | None:
    if device.type == "cpu":
        return torch.bfloat16 if _cpu_has_bfloat16() else None
    module = torch.get_device_module(device)
    if not hasattr(module, "is_bf16_supported"):  # Apple's
        return None
    if module.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    has_units = module.get_device_capability(device) >= _WITH_UNITS
    return torch.float16 if has_units and not torch.is_grad_enabled() else None


def _cpu_has_bfloat16() -> bool:
    """Return whether the processor itself computes in bfloat16.

    Torch takes it on all that have AVX-512. Those without the instructions for it emulate it, slower than single
    precision.
    """
    emulates = torch.cpu._is_avx512_supported() and not torch.cpu._is_avx512_bf16_supported()
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and not emulates
