"""NIfTI-1 and -2: single files (``.nii``, ``.nii.gz``) and pairs (``.hdr`` with ``.img``).

Voxels are turned to the closest canonical orientation (RAS+: x to the right, y to the front, z
up), then the section axis comes first and the other two follow from the slower to the faster one:
(z, y, x) for axial sections, (y, z, x) for coronal and (x, z, y) for sagittal ones. The numbers of
the grid are the voxel sizes and the world position of the first voxel, per canonical axis, also
where the image is oblique. Writing undoes all of this, so the stored orientation is kept.
"""

from __future__ import annotations

import gzip
import math
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import psutil
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from ...errors import InputError, RequestError, TooLargeError
from ...stack import Dataset
from .header import (
    HEADERS,
    Header,
    NiftiOrigin,
    real_dtype,
    scaling_of,
    shape_of,
    stored_dtype,
)
from .placing import dataset_of, origin_of
from .thickness import thickness_of
from .writer import check, write

__all__ = ["NiftiOrigin", "check", "read", "write"]

_CHUNK = 1 << 24
_DEFLATE_LIMIT = 1032  # zlib cannot shrink anything more than that


def read(
    path: Path,
    *,
    axis: Literal["auto", "x", "y", "z"] = "auto",
    axes: str | None = None,
    lazy: bool = False,
    labels: bool = False,
) -> Dataset:
    """Read a NIfTI image.

    Parameters
    ----------
    path : path
        ``.nii``, ``.nii.gz``, or either file of a pair, ``.hdr`` or ``.img``; compression is recognised by the content.
    axis : {"auto", "x", "y", "z"}
        The canonical axis along which the sections lie: x for sagittal, y for coronal, z for axial
        sections. ``"auto"`` takes the axis with the largest voxel size, in doubt the last one stored; in a
        file with the history of a run, the axis of that run.
    axes : None
        For TIFF only.
    lazy : bool
        Has no effect: NIfTI files are read at once.
    labels : bool
        For TIFF only.

    Raises
    ------
    InputError
        If the file is damaged or holds something that is no stack of sections.
    TooLargeError
        If the image does not fit into the memory.
    """
    if axes is not None:
        raise RequestError(f"axes='{axes}' is for TIFF only, a NIfTI file names its own axes; leave it out")
    if axis not in ("auto", "x", "y", "z"):
        raise RequestError(f"axis '{axis}' is not known; choose auto, x (sagittal), y (coronal) or z (axial)")
    try:
        pair = pair_of(path)
        with _opened(path if pair is None else pair[0]) as (file, limit):
            header = _read_header(file, single=pair is None)
            shape, dtype = shape_of(header), stored_dtype(header)
            if pair is None:
                _check_size(header, shape, dtype, limit)
                _read_extensions(file, header)
            origin = origin_of(header, shape[:3], axis)
            whole = pair is None
            stored = _read_voxels(file, shape, dtype) if whole else _read_image(path, header, shape, dtype)
        return dataset_of(path, origin, stored, thickness=thickness_of(path, origin))
    except (InputError, TooLargeError) as error:
        raise type(error)(f"'{path}' {error}") from error
    except EOFError as error:
        raise InputError(f"'{path}' ends too early, it is truncated; copy or export it again") from error
    except (OSError, zlib.error) as error:
        raise InputError(f"'{path}' is damaged or cannot be read ({error}); copy or export it again") from error
    except MemoryError as error:
        raise TooLargeError(f"'{path}' does not fit into the memory; crop it, or use a larger machine") from error


def pair_of(path: Path) -> tuple[Path, Path] | None:
    """Return the header and the image of a pair, of which one is given; None for a single file.

    Raises
    ------
    InputError
        If one of them is missing.
    """
    if path.suffix.lower() not in (".hdr", ".img"):
        return None
    upper = path.suffix.isupper()
    header, image = (path.with_suffix(each.upper() if upper else each) for each in (".hdr", ".img"))
    for each in (header, image):
        if not each.is_file():
            raise InputError(f"is one of a pair, and '{each.name}' is missing; put both files into one folder")
    return header, image


def _read_image(path: Path, header: Header, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Read the voxels of a pair."""
    with _opened(path.with_suffix(".IMG" if path.suffix.isupper() else ".img")) as (file, limit):
        _check_size(header, shape, dtype, limit, minimum=0)
        skipped = int(header["vox_offset"])
        if skipped:
            _read_exactly(file, skipped)
        return _read_voxels(file, shape, dtype)


# Reading: every dimension and offset is checked before anything is allocated or decompressed.


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], int]]:
    """Open a plain or compressed file; also say how many bytes it can hold at most."""
    size = path.stat().st_size
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not compressed:
            yield file, size
            return
        with gzip.GzipFile(fileobj=file) as unzipped:
            yield unzipped, size * _DEFLATE_LIMIT  # type: ignore[misc]


def _read_exactly(file: IO[bytes], count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _read_header(file: IO[bytes], *, single: bool) -> Header:
    start = _read_exactly(file, 4)
    sizes = {int.from_bytes(start, "little"): "<", int.from_bytes(start, "big"): ">"}
    size = next((size for size in sizes if size in HEADERS), None)
    if size is None:
        raise InputError(f"is no NIfTI image (it starts with {start!r}); check what it is, or export it again")
    header = HEADERS[size](start + _read_exactly(file, size - 4), sizes[size], False)
    magic = bytes(header["magic"].item())
    if magic == header.pair_magic and single:
        raise InputError("is the header of an .hdr/.img pair; give it its suffix .hdr, beside the .img")
    if magic != (header.single_magic if single else header.pair_magic):
        raise InputError(f"is no NIfTI image (its magic is {magic!r}, maybe Analyze 7.5); convert it to NIfTI")
    return header


def _check_size(
    header: Header, shape: tuple[int, ...], dtype: np.dtype[Any], limit: int, minimum: int | None = None
) -> None:
    minimum, offset = header.single_vox_offset if minimum is None else minimum, float(header["vox_offset"])
    if offset == 0:
        header["vox_offset"] = offset = minimum
    if not (math.isfinite(offset) and offset >= minimum and offset == int(offset)):
        raise InputError(f"is damaged: its voxels are said to begin at byte {offset:g}; export it again")
    voxels = math.prod(shape) * dtype.itemsize
    if offset + voxels > limit:
        raise InputError(
            f"is truncated or its header is damaged: {' x '.join(map(str, shape))} voxels of {dtype.name} take "
            f"{offset + voxels:.0f} bytes, but it holds at most {limit}; copy or export it again"
        )
    copies = 1 if scaling_of(header) is None else 1 + real_dtype(header, dtype).itemsize / dtype.itemsize
    available = psutil.virtual_memory().available
    if offset + copies * voxels > available:
        raise TooLargeError(
            f"needs {copies * voxels / 2**30:.1f} GiB of memory, but only {available / 2**30:.1f} GiB "
            "are free; crop it, or use a larger machine"
        )


def _read_extensions(file: IO[bytes], header: Header) -> None:
    """Move on to the first voxel and take the header's extensions on the way."""
    end = header.template_dtype.itemsize
    block = header.binaryblock + _read_exactly(file, int(header["vox_offset"]) - end)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd sizes of extensions
        try:
            header.extensions = type(header).from_fileobj(BytesIO(block), header.endianness, check=False).extensions
        except (HeaderDataError, ValueError, TypeError, OverflowError) as error:
            raise InputError(f"has damaged header extensions ({error}); export it again") from error


def _read_voxels(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    stored = np.empty(math.prod(shape), dtype)
    buffer = stored.view(np.uint8).data
    position = 0
    while position < len(buffer):
        count = file.readinto(buffer[position : position + _CHUNK])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        position += count
    file.read(1 << 16)  # up to the end of a compressed file: only there its checksum is compared
    return stored.reshape(shape, order="F")
