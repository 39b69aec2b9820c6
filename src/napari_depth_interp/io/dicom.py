"""DICOM is recognised by its content, as its files often have no suffix."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

_LOOKED_AT = 20
"""Files of a folder that are opened to find out what it holds."""


def is_dicom(path: Path) -> bool:
    """Return whether a file has DICOM's preamble, or its name."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM" or path.suffix.lower() == ".dcm"
    except OSError:
        return False


def holds_dicom(files: Iterable[Path]) -> bool:
    """Return whether one of the first files is DICOM."""
    return any(is_dicom(path) for path in islice(files, _LOOKED_AT))


def folder_holds_dicom(folder: Path) -> bool:
    """Return whether a folder, or a folder in it, holds a DICOM series."""
    try:
        return holds_dicom(path for path in folder.rglob("*") if path.is_file())
    except OSError:
        return False
