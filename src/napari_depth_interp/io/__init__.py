"""Reading and writing datasets; the suffix of the name chooses the format."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, OutputError, RequestError
from ..stack import Dataset, Grid
from ..stack.lazy import is_lazy
from .dicom import folder_holds_dicom, is_dicom
from .files import check_output, check_readable, replacing
from .formats import BY_KEY, FOLDERS, FORMATS, SUFFIXES, WRITTEN, format_of, result_name, split_series, stem_of, url_of
from .streaming import Sink

__all__ = [
    "FORMATS", "STREAMED", "SUFFIXES", "WRITTEN", "SectionAxis", "Sink", "check_format", "check_output", "check_stream",
    "creating", "format_of", "is_placed", "kind_at", "loaded", "offset", "open_stack", "parts", "read", "read_levels",
    "result_name", "section_axis", "series_of", "split_series", "stem_of", "without_parts", "write",
]  # fmt: skip

SectionAxis = Literal["auto", "x", "y", "z"]
STREAMED = ("zarr", "tiff")
"""Formats that are read and written without being held in memory."""
LAZY = (*STREAMED, "companion", "ndtiff", "czi", "lif", "nd2", "ims", "hdf5", "n5", "sequence")
"""Formats whose voxels may stay in their file."""
LARGE_BYTES = 2**28
"""Images larger than this stay in their file until their voxels are asked for."""
_EXPANDED = 64
"""Files are hardly compressed to less than one in so many."""

_log = logging.getLogger(__name__)


class _Format(Protocol):
    def read(
        self, path: Path, *, axis: SectionAxis, axes: str | None, lazy: bool, labels: bool, **series: str | None
    ) -> Dataset: ...
    def series(self, path: Path) -> list[str]: ...
    def write(self, path: Path, dataset: Dataset, *, float_output: bool) -> None: ...
    def check(self, dataset: Dataset, grid: Grid, *, float_output: bool) -> None: ...


class _StreamedFormat(_Format, Protocol):
    def open_sink(self, path: Path, dataset: Dataset, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Sink: ...


def read(
    path: str | PathLike[str],
    *,
    axis: SectionAxis = "auto",
    axes: str | None = None,
    lazy: bool = False,
    labels: bool = False,
) -> Dataset:
    """Read a TIFF, NIfTI or OME-Zarr image, or one of the other formats in :data:`FORMATS`.

    Parameters
    ----------
    path : path
        A file or a folder ``.zarr`` or ``.n5``; a folder of DICOM files or of two-dimensional images; a pattern such as
        ``slices/*.png``. ``FILE::SERIES`` names one of several stacks in a file.
    axis : {"auto", "x", "y", "z"}
        NIfTI and its like only: the axis along which the sections lie; ``"auto"`` takes the coarsest one.
    axes : str, optional
        The names of the file's axes, such as ``"TZYX"``, where a TIFF or a bare zarr array does not say.
    lazy : bool
        Leave the voxels of a TIFF or OME-Zarr image in the file until they are asked for
        (:class:`~napari_depth_interp.stack.lazy.LazyVoxels`). NIfTI is always read at once.
    labels : bool
        The image is known to hold labels: the values of a palette TIFF are then read as identifiers.

    Returns
    -------
    Dataset
        Voxels (t, c, z, y, x); its grid has no depths where the file gives no z spacing.

    Raises
    ------
    InputError
        If the file is missing, damaged, no image, or an image without sections (RGB, complex ...).
    """
    path, series = split_series(path)
    kind = _readable(path)
    chosen = {"series": series} if BY_KEY[kind].series else {}
    if series is not None and not chosen:
        raise RequestError(f"'{path.name}' holds one stack, so that '::{series}' chooses nothing; leave it out")
    dataset = _module(kind).read(path, axis=axis, axes=axes, lazy=lazy, labels=labels, **chosen)
    _log.debug("read %s: (t, c, z, y, x) = %s, %s", path, dataset.voxels.shape, dataset.voxels.dtype)
    return dataset


def chunks_of(path: str | PathLike[str]) -> tuple[int, int, int] | None:
    """Return the sections, rows and columns of the chunks of a file that is streamed to; None: it has none."""
    if format_of(path) != "zarr":
        return None
    from .zarr.sink import CHUNK_GRID

    return CHUNK_GRID


def series_of(path: str | PathLike[str]) -> list[str]:
    """Return the names of the stacks that a file holds, each to be read as ``FILE::NAME``; of other formats none.

    Raises
    ------
    InputError
        As :func:`read`.
    """
    file, _ = split_series(path)
    kind = _readable(file)
    return _module(kind).series(file) if BY_KEY[kind].series else []


def open_stack(path: str | PathLike[str], *, axis: SectionAxis = "auto", labels: bool = False) -> Dataset:
    """Read a small image at once; leave a large one in its file, where the format allows it.

    Parameters and errors as for :func:`read`.
    """
    file, _ = split_series(path)
    kind = _readable(file)
    if kind not in LAZY or (kind == "tiff" and file.is_file() and file.stat().st_size < LARGE_BYTES // _EXPANDED):
        return read(path, axis=axis, labels=labels)
    dataset = read(path, axis=axis, lazy=True, labels=labels)
    return dataset if dataset.voxels.nbytes > LARGE_BYTES else read(path, axis=axis, labels=labels)


def loaded(dataset: Dataset) -> Dataset:
    """Return a dataset whose voxels have been read if they are few; a large one stays where it is."""
    voxels = dataset.voxels
    if not is_lazy(voxels) or voxels.nbytes > LARGE_BYTES:
        return dataset
    return replace(dataset, voxels=np.asarray(voxels))


def read_levels(path: str | PathLike[str]) -> list[Dataset]:
    """Return all resolutions of an OME-Zarr image, finest first, lazily read; of other files the one there is."""
    path = Path(path)
    if format_of(path) != "zarr":
        return [read(str(path))]
    from .zarr import read_levels as levels_of

    _readable(path)
    return levels_of(path)


def write(path: str | PathLike[str], dataset: Dataset, *, overwrite: bool = False, float_output: bool = False) -> None:
    """Write a dataset; a failed or interrupted write leaves no file behind.

    Parameters
    ----------
    path : path
        The suffix chooses the format, as in :func:`read`.
    dataset : Dataset
        NIfTI needs even depths and a pixel size, and loses channel names; TIFF and OME-Zarr hold anything.
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
    writer = _writer(path)
    with replacing(path, overwrite=overwrite) as temporary:
        writer.write(temporary, dataset, float_output=float_output)
    _log.debug("wrote %s", path)


@contextmanager
def creating(
    path: str | PathLike[str],
    dataset: Dataset,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    *,
    overwrite: bool = False,
) -> Iterator[Sink]:
    """Give what takes an image block by block; the file appears, whole, when the block ends without an error.

    Parameters
    ----------
    path : path
        TIFF (always OME-TIFF) or OME-Zarr.
    dataset : Dataset
        Grid, channels, axes and time step of the image; its voxels are not looked at.
    shape : tuple of int
        (t, c, z, y, x).
    dtype : numpy dtype
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    OutputError
        As :func:`write`.
    """
    path = Path(path)
    check_stream(path)
    writer = cast(_StreamedFormat, _writer(path))
    with replacing(path, overwrite=overwrite) as temporary:
        yield writer.open_sink(temporary, dataset, shape, dtype)


def check_stream(path: Path) -> None:
    """Raise an :class:`OutputError` if the format cannot be written block by block."""
    if format_of(path) not in STREAMED:
        raise OutputError(
            f"'{path.name}' cannot be written in parts, and the result is large; write .ome.zarr or .ome.tif instead"
        )


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
    _writer(path).check(dataset, grid or dataset.grid, float_output=float_output)


def is_placed(path: str | PathLike[str]) -> bool:
    """Return whether a file is written in the orientation of its source, as NIfTI is."""
    kind = format_of(path)
    return kind is not None and BY_KEY[kind].placed


def parts(path: Path) -> tuple[Path, ...]:
    """Return the files that are read together with one, itself among them; the first one is that to be read."""
    if format_of(path) not in ("tiff", "companion") or not path.is_file():
        return (path,)
    from .tiff import parts as parts_of

    return parts_of(path)


def without_parts(paths: Iterable[Path]) -> list[Path]:
    """Return the paths without files that are read together with another one of them: one of each set stays."""
    given = list(paths)
    taken: set[str] = set()
    kept: set[Path] = set()
    for path in sorted(given, key=lambda each: not each.name.lower().endswith(".companion.ome")):
        if os.path.realpath(path) not in taken:
            taken.update(os.path.realpath(part) for part in parts(path))
            kept.add(path)
    return [path for path in given if path in kept]


def section_axis(dataset: Dataset) -> SectionAxis | None:
    """Return the axis along which the sections of a NIfTI file or its like were taken to lie; None for others."""
    if dataset.source is None or not hasattr(dataset.source.header, "section_axis"):
        return None
    return cast(SectionAxis, "xyz"[dataset.source.header.section_axis])


def offset(dataset: Dataset, other: Dataset, factor: float = 1.0) -> NDArray[np.float64] | None:
    """Return how far (section, row, column) a NIfTI image is from another one, along the other's axes.

    ``factor`` leads from the lengths of the first to those of the other. None where one of them is of another format.

    Raises
    ------
    RequestError
        If their axes are not parallel.
    """
    if section_axis(dataset) is None or section_axis(other) is None:
        return None
    from .nifti.placement import offset as nifti_offset

    assert dataset.source is not None
    assert other.source is not None
    return nifti_offset(dataset.source.header, other.source.header, factor)


def affine(dataset: Dataset) -> NDArray[np.float64] | None:
    """Return the affine (4, 4) from voxel indices (z, y, x) to the world (to the right, front and up).

    None where the file is of a format without orientation, does not say how it lies, or does not give all voxel sizes.
    """
    if section_axis(dataset) is None:
        return None
    from .nifti.placement import affine_of

    assert dataset.source is not None
    return affine_of(dataset.source.header)


def on_affine(
    voxels: NDArray[Any], affine: NDArray[np.float64], unit: str | None = None, *, title: str = "volume"
) -> Dataset:
    """Return voxels (z, y, x) that lie in the world as an affine says; every format writes them, NIfTI with the affine.

    Sections are turned so that depth increases, as those of a NIfTI file are.
    """
    from .nifti.placed import placed_volume

    return placed_volume(voxels, affine, unit, title)


def kind_at(path: str | PathLike[str]) -> str | None:
    """Return the key of the format of a file or folder that is there, looking into it where its name says nothing."""
    path, _ = split_series(path)
    kind = format_of(path)
    try:
        return kind or _looked_into(path)
    except OSError:  # a name too long, a folder that may not be entered: whoever reads it says so
        return None


def _looked_into(path: Path) -> str | None:
    if path.is_dir():
        if folder_holds_dicom(path):
            return "dicom"
        from .sequence import holds_images
        from .tiff.ndtiff import index_of

        if index_of(path) is not None:
            return "ndtiff"
        return "sequence" if holds_images(path) else None
    if path.suffix.lower() == ".img" and path.with_suffix(".hdr").is_file():
        return "pair"
    return "dicom" if is_dicom(path) else None


def _readable(path: Path) -> str:
    """Return the key of the format of a path that can be read."""
    kind = format_of(path)
    if url_of(path) is not None:
        if kind != "zarr":
            raise InputError(
                f"'{url_of(path)}' is on a server, where OME-Zarr is read only: give an address that ends in .zarr"
            )
        return kind
    if kind != "sequence":
        found = kind_at(path)
        check_readable(path, folder=kind in FOLDERS or (kind is None and found is not None and path.is_dir()))
        kind = found
    if kind is None:
        raise InputError(f"'{path.name}' has no known suffix; use one of {', '.join(SUFFIXES)}")
    return kind


def _writer(path: Path) -> _Format:
    kind = format_of(path)
    if kind is None:
        raise OutputError(f"'{path.name}' has no known suffix; use one of {', '.join(WRITTEN)}")
    if not path.name.lower().endswith(WRITTEN):
        raise OutputError(
            f"'{path.name}': {BY_KEY[kind].title} is read, but not written so; use one of {', '.join(WRITTEN)}"
        )
    return _module(kind)


def _module(kind: str) -> _Format:
    return cast(_Format, import_module(f".{BY_KEY[kind].module}", __name__))
