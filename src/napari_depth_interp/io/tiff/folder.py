"""The folder that Micro-Manager makes of a data set: NDTiff files and their index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError
from ...stack import Dataset
from . import in_words
from . import read as read_file
from . import series as series_of_file
from .ndtiff import first_of, index_of

if TYPE_CHECKING:
    from .. import SectionAxis

__all__ = ["read", "series"]


def read(
    path: Path,
    *,
    axis: SectionAxis = "auto",
    axes: str | None = None,
    lazy: bool = False,
    labels: bool = False,
    series: str | None = None,
) -> Dataset:
    """Read one position of the data set, at the full resolution.

    Parameters and errors as for :func:`~napari_depth_interp.io.tiff.read`.
    """
    return read_file(_file(path), axis=axis, axes=axes, lazy=lazy, labels=labels, series=series)


def series(path: Path) -> list[str]:
    """Return the names of the positions."""
    return series_of_file(_file(path))


def _file(folder: Path) -> Path:
    index = index_of(folder)
    if index is None:
        raise InputError(f"'{folder}' holds no NDTiff.index; give the folder in which Micro-Manager wrote it")
    with in_words(index):
        return first_of(index)
