"""Segments of a CZI file that are read here: its XML, on which pylibCZIrw may hang, and the attachment of times."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO

import numpy as np

_METADATA_PLACE = 32 + 60
"""Where the header of the file says where the XML is."""
_XML_PLACE, _LARGEST_XML = 256, 2**27
_HEAD = struct.Struct("<16sqq")
"""Of each segment: its name, how many bytes it may take, and how many it takes."""
_DIRECTORY_PLACE = 32 + 72
"""Where the header of the file says where the directory of attachments is."""
_DIRECTORY_HEAD, _ENTRY = 256, 128
_ENTRY_PLACE, _ENTRY_NAME = 12, 48
_STAMPS_PLACE = 256
"""Of the content of an attachment, after the head of its segment."""
_MOST_ENTRIES, _MOST_STAMPS = 1000, 1_000_000


def xml_of(path: Path) -> bytes:
    """Return the metadata of the file; nothing where it has none, or is damaged there."""
    try:
        with path.open("rb") as file:
            file.seek(_METADATA_PLACE)
            (place,) = struct.unpack("<q", file.read(8))
            if _segment(file, place) != b"ZISRAWMETADATA":
                return b""
            (length,) = struct.unpack("<i", file.read(4))
            file.seek(_XML_PLACE - 4, 1)
            return file.read(length) if 0 < length <= _LARGEST_XML else b""
    except (OSError, struct.error, ValueError, OverflowError):
        return b""


def time_stamps(path: Path) -> list[float]:
    """Return the seconds at which time points were recorded; none where the file does not say, or is damaged there."""
    try:
        with path.open("rb") as file:
            return _stamps(file)
    except (OSError, struct.error, ValueError, OverflowError):
        return []


def _stamps(file: IO[bytes]) -> list[float]:
    file.seek(_DIRECTORY_PLACE)
    (directory,) = struct.unpack("<q", file.read(8))
    if _segment(file, directory) != b"ZISRAWATTDIR":
        return []
    (count,) = struct.unpack("<i", file.read(4))
    file.seek(_DIRECTORY_HEAD - 4, 1)
    for _ in range(min(count, _MOST_ENTRIES)):
        entry = file.read(_ENTRY)
        if entry[_ENTRY_NAME:].split(b"\0")[0] == b"TimeStamps":
            (place,) = struct.unpack_from("<q", entry, _ENTRY_PLACE)
            return _content(file, place)
    return []


def _content(file: IO[bytes], place: int) -> list[float]:
    if _segment(file, place) != b"ZISRAWATTACH":
        return []
    file.seek(_STAMPS_PLACE, 1)
    _, count = struct.unpack("<ii", file.read(8))
    if not 0 < count <= _MOST_STAMPS:
        return []
    found = np.frombuffer(file.read(8 * count), "<f8")
    return found.tolist() if len(found) == count and np.isfinite(found).all() else []


def _segment(file: IO[bytes], place: int) -> bytes:
    """Go to the content of a segment and return its name."""
    if place <= 0:
        return b""
    file.seek(place)
    name: bytes = _HEAD.unpack(file.read(_HEAD.size))[0]
    return name.rstrip(b"\0")
