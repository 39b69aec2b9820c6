"""Compound files (OIB) that nobody vouches for: chains of sectors that go in circles have no end for a reader."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..opening import damaged

_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_IN_HEAD = 109
"""Sectors of the table of sectors that the head of the file lists."""


def check_chains(path: Path) -> None:
    """Refuse a compound file whose sectors follow each other in a circle; of other files say nothing.

    Raises
    ------
    InputError
    """
    with path.open("rb") as file:
        head = file.read(512)
        if len(head) < 512 or not head.startswith(_MAGIC):
            return
        (shift,) = struct.unpack_from("<H", head, 30)
        fat_length, _, _, _, mini, mini_length, more, more_length = struct.unpack_from("<8I", head, 44)
        size = 2 ** min(shift, 12)
        sectors = path.stat().st_size // size
        listed = list(struct.unpack_from(f"<{_IN_HEAD}I", head, 76))
        for _ in range(more_length):
            if len(listed) > sectors + _IN_HEAD:
                raise damaged(path, "its table of sectors goes in circles")
            content = _sector(file, more, size)
            listed, more = [*listed, *content[:-1].tolist()], int(content[-1]) if len(content) else sectors
            if more >= sectors:
                break
        table = np.concatenate([_sector(file, each, size) for each in listed[: min(fat_length, sectors)]] or [_NONE])
        if not _all_end(table):
            raise damaged(path, "its sectors follow each other in a circle")
        parts, following = [_NONE], mini
        while following < len(table) and len(parts) <= mini_length:
            parts.append(_sector(file, following, size))
            following = int(table[following])
        if not _all_end(np.concatenate(parts)):
            raise damaged(path, "its small sectors follow each other in a circle")


_NONE: NDArray[np.uint32] = np.empty(0, np.uint32)


def _sector(file: IO[bytes], number: int, size: int) -> NDArray[Any]:
    file.seek((number + 1) * size)
    content = file.read(size)
    return np.frombuffer(content[: len(content) // 4 * 4], "<u4")


def _all_end(table: NDArray[Any]) -> bool:
    """Return whether each sector's chain comes to an end; ``table`` holds the sector that follows each."""
    end = len(table)
    following = np.append(np.minimum(table.astype(np.int64), end), end)
    for _ in range(end.bit_length()):  # twice as far each time
        following = following[following]
    return bool((following == end).all())
