"""What a hostile file is: its kind, its path, and what may become of it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

SHAPE = (4, 24, 20)
"""Of the stack that every file is made from."""


@dataclass(frozen=True)
class Case:
    """One file.

    Attributes
    ----------
    kind, name : str
        Row of the table; what is odd about the file.
    path : Path
    expect : str
        "error": a clear line; "ok": the result of the undamaged stack; "either": one of the two, or a result for
        damage that nobody can see (a changed grey value).
    options : tuple of str
        Further options of ``run``.
    """

    kind: str
    name: str
    path: Path
    expect: str = "error"
    options: tuple[str, ...] = ()


def stack(dtype: str = "uint16") -> np.ndarray:
    """Return the voxels of the undamaged stack (z, y, x)."""
    z, y, x = np.indices(SHAPE)
    values = (np.sin(y / 3) + np.cos(x / 4) + 2) * 40 + 7 * z
    return values.astype(dtype)


@cache
def gzipped_zeros() -> bytes:
    """Return 256 MB of zeros as gzip members, one after the other: quickly made, and read like a single one."""
    return gzip.compress(bytes(2**22), mtime=0) * 64


@cache
def deflated_zeros() -> bytes:
    """Return 200 MB of zeros as one zlib stream."""
    return zlib.compress(bytes(200 * 2**20), 1)


class Folder:
    """Collects cases; every file has a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cases: list[Case] = []

    def add(
        self, kind: str, name: str, file: str, content: bytes | Callable[[Path], object], expect: str = "error",
        options: tuple[str, ...] = (),
    ) -> Path:  # fmt: skip
        """Make one file from its bytes, or by a function that writes it."""
        folder = self.root / f"{len(self.cases):03d}"
        folder.mkdir(parents=True)
        path = folder / file
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            content(path)
        self.cases.append(Case(kind, name, path, expect, options))
        return path
