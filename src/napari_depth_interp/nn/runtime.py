"""How learned methods use the machine: threads, number format, seeds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..method import Runtime


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
    """Return a context that computes convolutions in bfloat16 where the hardware does so natively."""
    if device.type == "cpu":
        native = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    else:
        native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, torch.bfloat16, enabled=native)
