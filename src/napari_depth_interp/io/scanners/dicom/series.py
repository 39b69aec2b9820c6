"""Which files of a folder belong to one series; names say what was recorded, never of whom."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_MOST_FILES = 50_000
_TAGS = ["SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "Modality", "Rows", "Columns",
         "ImageOrientationPatient", "NumberOfFrames", "SOPInstanceUID", "EchoNumbers"]  # fmt: skip
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_META, _STEP, _LARGEST_DEFLATED = 2**12, 2**20, 2**28
_ROUGHLY = 2
"""Digits of the direction cosines in which the images of a stack agree."""


@dataclass(frozen=True)
class Series:
    """Images that make one stack: of one series, one size and one orientation."""

    name: str
    files: tuple[Path, ...]


def find_series(folder: Path, *, deep: bool = True) -> list[Series]:
    """Return the series in a folder and, if ``deep``, in those in it (or of one file), in order of their numbers."""
    import pydicom

    groups: dict[tuple[Any, ...], list[Path]] = {}
    names: dict[tuple[Any, ...], tuple[int, str]] = {}
    for file in _files(folder, deep=deep):
        if not readable(file):
            continue
        try:
            data = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_TAGS)
        except (pydicom.errors.InvalidDicomError, OSError, ValueError, EOFError, AttributeError, KeyError, TypeError):
            continue
        if not data.get("Rows") or not data.get("Columns"):
            continue  # reports, DICOMDIR ...
        key = _key(data, file)
        groups.setdefault(key, []).append(file)
        names.setdefault(key, (_number(data.get("SeriesNumber")), _name(data)))
    ordered = sorted(groups, key=lambda key: (names[key][0], names[key][1], str(groups[key][0])))
    return [
        Series(word, tuple(sorted(groups[key]))) for key, word in zip(ordered, _told_apart(names, ordered), strict=True)
    ]


def lost_files(folder: Path) -> list[str]:
    """Return the names of entries that may have been images of a series: empty files, and links that lead nowhere."""
    there = (each for each in sorted(folder.rglob("*"))[:_MOST_FILES] if not each.name.startswith("."))
    return [each.name for each in there if not each.is_dir() and not (each.is_file() and each.stat().st_size)]


def readable(file: Path) -> bool:
    """Return whether a file is DICOM, and does not unpack to more than a series can be.

    A file that is packed as a whole is unpacked as a whole, whatever is wanted of it.
    """
    try:
        with file.open("rb") as opened:
            head = opened.read(_META)
            if head[128:132] != b"DICM":
                return False
            if _DEFLATED not in head:
                return True
            (length,) = struct.unpack_from("<I", head, 140) if head[132:138] == b"\2\0\0\0UL" else (0,)
            opened.seek(144 + length)
            return _unpacks(opened)
    except (OSError, struct.error, zlib.error):
        return False


def _unpacks(packed: IO[bytes]) -> bool:
    unpack, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    waiting = packed.read(_STEP)
    while waiting and not unpack.eof:
        size += len(unpack.decompress(waiting, _STEP))
        if size > _LARGEST_DEFLATED:
            return False
        waiting = unpack.unconsumed_tail or packed.read(_STEP)
    return True


def _files(folder: Path, *, deep: bool) -> Iterator[Path]:
    if not folder.is_dir():
        yield folder
        return
    for count, file in enumerate(sorted(folder.rglob("*") if deep else folder.iterdir())):
        if count >= _MOST_FILES:
            return
        if file.is_file() and not file.name.startswith("."):
            yield file


def _key(data: Any, file: Path) -> tuple[Any, ...]:
    frames = _number(data.get("NumberOfFrames"))
    turn = data.get("ImageOrientationPatient") or ()
    alone = str(file) if frames > 1 else ""  # a file of many frames is a stack by itself
    echo = str(data.get("EchoNumbers") or "")
    return (
        str(data.get("SeriesInstanceUID") or ""), int(data.Rows), int(data.Columns),
        tuple(round(float(each), _ROUGHLY) + 0.0 for each in turn), alone, echo,
    )  # fmt: skip


def _number(value: Any) -> int:
    try:
        return int(value or 0)
    except (TypeError, ValueError):
        return 0


def _name(data: Any) -> str:
    words = re.sub(r"[^\w .+-]", " ", str(data.get("SeriesDescription") or "")).strip()
    return words or f"{data.get('Modality') or 'series'} {data.get('SeriesNumber') or ''}".strip()


def _told_apart(names: dict[tuple[Any, ...], tuple[int, str]], keys: list[tuple[Any, ...]]) -> list[str]:
    """Return names of which each is there once."""
    words: list[str] = []
    for key in keys:
        name, number = names[key][1], 2
        while name in words:
            name, number = f"{names[key][1]} ({number})", number + 1
        words.append(name)
    return words
