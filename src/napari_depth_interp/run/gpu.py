"""One GPU per worker process: the first that nobody else on this machine has."""

from __future__ import annotations

import getpass
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..methods import registry
from .settings import Settings

_held: dict[Path, Any] = {}
"""Locks that this process holds until it ends, so that the system frees them whatever kills it."""
_own: list[int] = []


def with_own_gpu(settings: Settings) -> Settings:
    """Return the settings with the one GPU of this process, where they leave the choice and there is one."""
    if settings.device not in ("auto", "cuda") or "cuda" not in registry.get(settings.method).devices:
        return settings
    if not _own:
        names = _gpus()
        if not names:
            return settings
        _own.append(claim(names))
    return settings.model_copy(update={"device": f"cuda:{_own[0]}"})


def claim(names: Sequence[str], folder: Path | None = None) -> int:
    """Return the index of a GPU that fewest processes of this user have taken, and take it for this process.

    Parameters
    ----------
    names : sequence of str
        What each GPU is called on this machine by every process that sees it.
    folder : path, optional
        Where the locks lie. Default: a folder of the user among the temporary files.
    """
    from filelock import FileLock, Timeout

    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()  # in a container the user may have no name
    folder = folder or Path(tempfile.gettempdir()) / f"depth-interp-gpus-{user}"
    folder.mkdir(exist_ok=True)
    place = 0
    while True:
        for index, name in enumerate(names):
            lock = FileLock(folder / f"{name}-{place}.lock", timeout=0, thread_local=False)
            try:
                lock.acquire()
            except Timeout:
                continue
            _held[folder / f"{name}-{place}"] = lock
            return index
        place += 1


def _gpus() -> list[str]:
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [str(getattr(torch.cuda.get_device_properties(i), "uuid", i)) for i in range(count)]
