"""Reading and writing datasets; the suffix of the name chooses the format."""

from __future__ import annotations

import logging
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Literal, Protocol, cast

from ..errors import InputError, OutputError
from ..stack import Dataset, Grid
from .dicom import advice as dicom_advice
from .dicom import is_dicom
from .files import check_output, check_readable, replacing

__all__ = ["SUFFIXES", "SectionAxis", "check_format", "check_output", "format_of", "read", "write"]

SectionAxis = Literal["auto", "x", "y", "z"]
SUFFIXES = {".tif": "tiff", ".tiff": "tiff", ".btf": "tiff", ".nii": "nifti", ".nii.gz": "nifti"}

_log = logging.getLogger(__name__)


class _Format(Protocol):
    def read(self, path: Path, *, axis: SectionAxis, axes: str | None) -> Dataset: ...
    def write(self, path: Path, dataset: Dataset, *, float_output: bool) -> None: ...
    def check(self, dataset: Dataset, grid: Grid, *, float_output: bool) -> None: ...


def read(path: str | PathLike[str], *, axis: SectionAxis = "auto", axes: str | None = None) -> Dataset:
    """Read a TIFF or NIfTI file.

    Parameters
    ----------
    path : path
        ``.tif``, ``.tiff``, ``.btf``, ``.nii`` or ``.nii.gz``.
    axis : {"auto", "x", "y", "z"}
        NIfTI only: the axis along which the sections lie; ``"auto"`` takes the coarsest one.
    axes : str, optional
        TIFF only: the names of the file's axes, such as ``"TZYX"``, where the file does not say.

    Returns
    -------
    Dataset
        Voxels (t, c, z, y, x); its grid has no depths where the file gives no z spacing.

    Raises
    ------
    InputError
        If the file is missing, damaged, no image, or an image without sections (RGB, complex ...).
    """
    path = Path(path)
    check_readable(path)
    dataset = _format(path, InputError).read(path, axis=axis, axes=axes)
    _log.debug("read %s: (t, c, z, y, x) = %s, %s", path, dataset.voxels.shape, dataset.voxels.dtype)
    return dataset


def write(path: str | PathLike[str], dataset: Dataset, *, overwrite: bool = False, float_output: bool = False) -> None:
    """Write a dataset; a failed or interrupted write leaves no file behind.

    Parameters
    ----------
    path : path
        The suffix chooses the format, as in :func:`read`.
    dataset : Dataset
        NIfTI needs even depths and a pixel size, and loses channel names; TIFF holds anything.
    overwrite : bool
        Replace an existing file.
    float_output : bool
        Write real values as float32, even where the source file stored scaled integers.

    Raises
    ------
    OutputError
        If the file exists, the folder is missing or not writable, or the disk is full.
    """
    path = Path(path)
    writer = _format(path, OutputError)
    with replacing(path, overwrite=overwrite) as temporary:
        writer.write(temporary, dataset, float_output=float_output)
    _log.debug("wrote %s", path)


def check_format(
    path: str | PathLike[str], dataset: Dataset, grid: Grid | None = None, *, float_output: bool = False
) -> None:
    """Ask before a long computation whether :func:`write` could store its result.

    Parameters
    ----------
    path : path
    dataset : Dataset
        The input; type and range of the result are taken to be the same.
    grid : Grid, optional
        Of the result. Default: that of ``dataset``.
    float_output : bool
        As for :func:`write`.

    Raises
    ------
    OutputError
        If the format cannot hold the type of the voxels or the grid.
    """
    path = Path(path)
    _format(path, OutputError).check(dataset, grid or dataset.grid, float_output=float_output)


def format_of(path: str | PathLike[str]) -> str | None:
    """Return ``"tiff"``, ``"nifti"`` or None, judged by the name alone."""
    name = Path(path).name.lower()
    return next((kind for suffix, kind in SUFFIXES.items() if name.endswith(suffix)), None)


def _format(path: Path, error: type[InputError | OutputError]) -> _Format:
    kind = format_of(path)
    if kind is None:
        if error is InputError and is_dicom(path):
            raise InputError(dicom_advice(path))
        raise error(f"'{path.name}' has no known suffix; use one of {', '.join(SUFFIXES)}")
    return cast(_Format, import_module(f".{kind}", __name__))
