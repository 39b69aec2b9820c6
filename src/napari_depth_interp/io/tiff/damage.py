"""Is the whole of a TIFF file there? Asked before its pixels are read.

tifffile reads what it can of a damaged file and logs the rest; a section that silently turned
into zeros would be interpolated like any other, so here every doubt is an error.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from ...errors import InputError, TooLargeError

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_FIRST_PRIVATE_TAG = 32768
_IMAGEJ_TAGS = (50838, 50839)


def damaged(path: Path, what: str) -> InputError:
    return InputError(f"'{path.name}' is damaged: {what}; copy or export the file again")


def check_structure(path: Path) -> int:
    """Follow the chain of image directories to its end and return their number.

    Raises
    ------
    InputError
        If the file is no TIFF, or the chain breaks.
    """
    file_size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        magic = struct.unpack(f"{order}H", head[2:4])[0] if order and len(head) >= 4 else None
        if magic not in (42, 43):
            raise InputError(
                f"'{path.name}' is not a TIFF file (it begins with {head[:8]!r}); give an image saved as TIFF"
            )
        layout = _Layout(order or "<", big=magic == 43)
        if len(head) < layout.header:
            raise damaged(path, "it ends within its header")
        offset = struct.unpack(layout.offset, head[layout.header - layout.offset_bytes : layout.header])[0]
        visited: set[int] = set()
        while offset:
            if offset in visited:
                raise damaged(path, "its list of images runs in a circle")
            visited.add(offset)
            offset = _next_directory(file, layout, offset, file_size, f"image {len(visited)}", path)
    if not visited:
        raise damaged(path, "it holds no image")
    return len(visited)


class _Layout:
    """Sizes of the fields of classic TIFF and BigTIFF."""

    def __init__(self, order: str, *, big: bool) -> None:
        self.header = 16 if big else 8
        self.offset_bytes = 8 if big else 4
        self.offset = f"{order}{'Q' if big else 'I'}"
        self.count = f"{order}{'Q' if big else 'H'}"
        self.entry = f"{order}HH{'Q8s' if big else 'I4s'}"  # tag, type, count, value or its offset


def _next_directory(file: BinaryIO, layout: _Layout, offset: int, file_size: int, image: str, path: Path) -> int:
    """Check one directory and return the offset of the next; 0 at the end."""
    cut = damaged(path, f"it is cut off, {image} is not complete (the file has {file_size} bytes)")
    if offset + struct.calcsize(layout.count) > file_size:
        raise cut
    file.seek(offset)
    raw = file.read(struct.calcsize(layout.count))
    entries = struct.unpack(layout.count, raw)[0] * struct.calcsize(layout.entry)
    if offset + len(raw) + entries + layout.offset_bytes > file_size:
        raise cut
    for tag, kind, count, value in struct.iter_unpack(layout.entry, file.read(entries)):
        size = _TYPE_BYTES.get(kind, 0) * count
        ours = tag < _FIRST_PRIVATE_TAG or tag in _IMAGEJ_TAGS
        if ours and size > layout.offset_bytes and struct.unpack(layout.offset, value)[0] + size > file_size:
            raise cut
    following: int = struct.unpack(layout.offset, file.read(layout.offset_bytes))[0]
    return following


def check_data(series: Any, path: Path) -> None:
    """Check that the data of a tifffile series lie inside the file."""
    file_size = series.keyframe.parent.filehandle.size
    if series.dataoffset is not None and not series.is_multifile:  # uncompressed, in one piece
        if series.dataoffset + series.nbytes > file_size:
            raise damaged(path, f"it has {file_size} bytes but should hold {series.nbytes} bytes of voxels")
    else:
        for index, page in enumerate(series, 1):
            if page is None:
                raise damaged(path, f"image {index} of {len(series)} is missing")
            if (page.shape, page.dtype) != (series.keyframe.shape, series.keyframe.dtype):
                raise damaged(path, f"image {index} has another size or type than the first one")
            _check_page(page, index, path)


def check_memory(series: Any, path: Path) -> None:
    """Check that the voxels of a tifffile series fit into memory."""
    available = psutil.virtual_memory().available
    if series.nbytes > available:
        raise TooLargeError(
            f"'{path.name}' needs {series.nbytes / 1e9:.1f} GB but only {available / 1e9:.1f} GB of memory are free; "
            "crop the image or use a machine with more memory"
        )


def _check_page(page: Any, index: int, path: Path) -> None:
    frame = page.keyframe
    file_size = page.parent.filehandle.size
    offsets, counts = page.dataoffsets, page.databytecounts
    # a page in one piece may list fewer strips than it has
    expected = 1 if frame.is_contiguous else math.prod(page.chunked)
    if min(len(offsets), len(counts)) < expected or not all(offsets) or not all(counts):
        raise damaged(path, f"image {index} lacks a part of its data")
    needed = max(offset + count for offset, count in zip(offsets, counts, strict=False))
    if frame.is_contiguous:
        needed = max(needed, offsets[0] + page.nbytes)
    bits = page.size * frame.bitspersample if frame.compression == 1 else 0
    if needed > file_size or bits > 8 * file_size:
        raise damaged(path, f"the data of image {index} reach beyond the end of the file ({file_size} bytes)")
