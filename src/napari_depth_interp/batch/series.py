"""DICOM series as files of a batch: each one is a stack, named by its folder, and by itself where it is not alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .. import io
from ..io.dicom import holds_dicom
from ..io.formats import BY_KEY
from ..io.opening import decoding, needs

_LONGEST = 50
"""Letters of a series in the name of its result."""


def holds_series(folder: Path) -> bool:
    """Return whether one of the first files in a folder, but not below it, is DICOM."""
    try:
        return holds_dicom(each for each in folder.iterdir() if each.is_file() and not each.name.startswith("."))
    except OSError:
        return False


def series_in(folder: Path, root: Path) -> list[tuple[str, tuple[Path, ...]]]:
    """Return the names of the series of a folder, as ``root / NAME`` is read, and their files.

    Raises
    ------
    InputError
        If pydicom is missing.
    """
    needs("pydicom", "scanners", folder)
    from ..io.scanners.dicom.series import find_series

    with decoding(folder, "DICOM"):
        found = find_series(folder)
    here = "" if folder == root else folder.relative_to(root).as_posix()
    if here and len(found) == 1:
        return [(here, _from(folder, found[0].files))]
    named = []
    for number, each in enumerate(found):
        name = f"{here}::{each.name}"
        unclear = io.format_of(name) is not None or each.name.isdecimal()
        named.append((f"{here}::{number}" if unclear else name, _from(folder, each.files)))
    return [(name, files) for name, files in named if files]


def _from(folder: Path, files: Iterable[Path]) -> tuple[Path, ...]:
    """Return the files with one first that lies in the folder itself: it is read with all of its series."""
    return tuple(sorted(files, key=lambda each: (each.parent != folder, each)))


def result_of(name: str) -> str:
    """Return the path of the result of a series, below the folder of the results."""
    folder, _, series = name.partition("::")
    words = [Path(folder).name, series.strip(". ")[:_LONGEST]]
    return (Path(folder).parent / ("_".join(filter(None, words)) + BY_KEY["dicom"].result)).as_posix()
