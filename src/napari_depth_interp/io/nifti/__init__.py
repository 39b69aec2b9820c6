"""NIfTI-1 and -2 single files (``.nii``, ``.nii.gz``).

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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Literal

import nibabel
import numpy as np
import psutil
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from ...errors import InputError, RequestError, TooLargeError
from ...stack import Dataset, Grid, Source
from ..calibration import record_from
from .header import (
    HEADERS,
    LABEL,
    LENGTHS,
    RECORD,
    Header,
    NiftiOrigin,
    is_record,
    normalise_quaternion,
    orientations,
    real_dtype,
    scaling_of,
    shape_of,
    stored_dtype,
    time_step_of,
    voxel_sizes,
    written_section_axis,
)
from .writer import check, write

__all__ = ["NiftiOrigin", "check", "read", "write"]

_forms: Any = nibabel.nifti1.xform_codes
_AXIAL, _PLANES = 2, ("sagittal", "coronal", "axial")  # canonical section axis
_CHUNK = 1 << 24
_DEFLATE_LIMIT = 1032  # zlib cannot shrink anything more than that
_SINGULAR = 1e-6  # volume that three unit vectors along the axes must span
_TIE = 0.99  # voxel sizes that agree within 1 % are equally coarse


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
        ``.nii`` or ``.nii.gz``; compression is recognised by the content.
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
        with _opened(path) as (file, limit):
            header = _read_header(file)
            shape, dtype = shape_of(header), stored_dtype(header)
            _check_size(header, shape, dtype, limit)
            _read_extensions(file, header)
            origin = _origin(header, shape[:3], axis)
            stored = _read_voxels(file, shape, dtype)
        return _dataset(path, origin, stored)
    except (InputError, TooLargeError) as error:
        raise type(error)(f"'{path}' {error}") from error
    except EOFError as error:
        raise InputError(f"'{path}' ends too early, it is truncated; copy or export it again") from error
    except (OSError, zlib.error) as error:
        raise InputError(f"'{path}' is damaged or cannot be read ({error}); copy or export it again") from error
    except MemoryError as error:
        raise TooLargeError(f"'{path}' does not fit into the memory; crop it, or use a larger machine") from error


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


def _read_header(file: IO[bytes]) -> Header:
    start = _read_exactly(file, 4)
    sizes = {int.from_bytes(start, "little"): "<", int.from_bytes(start, "big"): ">"}
    size = next((size for size in sizes if size in HEADERS), None)
    if size is None:
        raise InputError(f"is no NIfTI image (it starts with {start!r}); check what it is, or export it again")
    header = HEADERS[size](start + _read_exactly(file, size - 4), sizes[size], False)
    magic = bytes(header["magic"].item())
    if magic == header.pair_magic:
        raise InputError("is the header of an .hdr/.img pair; convert the pair to one .nii file")
    if magic != header.single_magic:
        raise InputError(f"is no NIfTI image (its magic is {magic!r}, maybe Analyze 7.5); convert it to NIfTI")
    return header


def _check_size(header: Header, shape: tuple[int, ...], dtype: np.dtype[Any], limit: int) -> None:
    minimum, offset = header.single_vox_offset, float(header["vox_offset"])
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


def _origin(header: Header, shape: tuple[int, ...], axis: str) -> NiftiOrigin:
    missing = _repair(header)
    affine, sizes = _affine(header, shape)
    if header["sform_code"] and missing.any():
        missing[:] = False  # the sform says it all, and the qform has no voxel size
        header["qform_code"] = 0
    orientation = orientations.io_orientation(affine)
    if axis == "auto":
        own = written_section_axis(header)
        stored_axis = _stored_section_axis(sizes, shape, missing) if own is None else own
    else:
        stored_axis = int(np.flatnonzero(orientation[:, 0] == "xyz".index(axis))[0])
    if missing[stored_axis]:
        orientation[stored_axis, 1] = 1  # nobody knows where the last section is: begin with the first one stored
    section_axis = int(orientation[stored_axis, 0])
    origin = NiftiOrigin(header, affine, shape, orientation, section_axis, np.zeros(3), missing)
    origin.first[:] = origin.canonical[:3, 3]
    if missing[stored_axis] and shape[stored_axis] > 1:
        origin.first[section_axis] = 0
    return origin


def _affine(header: Header, shape: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the affine of the stored voxels, checked, and the voxel sizes."""
    spatial = header.copy()
    spatial.set_data_shape(shape)
    with np.errstate(all="ignore"):
        try:
            affine = np.asarray(spatial.get_best_affine(), np.float64)
        except (HeaderDataError, ValueError) as error:
            raise InputError(f"has a damaged orientation ({error}); export it again") from error
        sizes = voxel_sizes(affine)
        usable = np.isfinite(affine).all() and np.isfinite(sizes).all() and (sizes > 0).all()
        if not usable or abs(np.linalg.det(affine[:3, :3] / sizes)) < _SINGULAR:
            raise InputError(
                "has an orientation matrix that is singular or not finite, "
                f"{affine[:3].round(6).tolist()}; correct its sform or qform"
            )
    return affine, sizes


def _repair(header: Header) -> NDArray[np.bool_]:
    """Make the header's geometry readable; return which voxel sizes it does not give."""
    pixdim = header["pixdim"]
    missing: NDArray[np.bool_] = ~np.isfinite(pixdim[1:4]) | (pixdim[1:4] == 0)
    pixdim[1:4][missing] = 1
    pixdim[1:4] = np.abs(pixdim[1:4])
    if pixdim[0] not in (-1, 1):
        pixdim[0] = 1  # the standard's reading of 0
    for name in ("qform_code", "sform_code"):
        if int(header[name]) not in _forms.code:
            header[name] = 0
    normalise_quaternion(header)
    return missing


def _stored_section_axis(sizes: NDArray[np.float64], shape: tuple[int, ...], missing: NDArray[np.bool_]) -> int:
    single = [i for i, n in enumerate(shape) if n == 1]
    if single:
        return single[-1]
    known = np.where(missing, 0, sizes)
    if missing[2] or known[2] >= _TIE * known.max():
        return 2
    return int(np.argmax(known))


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


def _dataset(path: Path, origin: NiftiOrigin, stored: NDArray[Any]) -> Dataset:
    header = origin.header
    turned = orientations.apply_orientation(stored, origin.orientation).transpose(3, 4, *origin.order)
    voxels = _real_values(header, turned)
    times, channels = voxels.shape[:2]
    unit = LENGTHS.get(int(header["xyzt_units"]) & 7)
    grid = _grid(origin, voxels.shape[2], unit)
    kind = "NIfTI-2" if isinstance(header, nibabel.Nifti2Header) else "NIfTI-1"
    notes = [] if unit else ["the file does not say in which unit its lengths are; mm is not assumed"]
    if grid.pixel_size is None:
        notes.append("the file does not say how large its pixels are")
    if origin.section_axis != _AXIAL:
        notes.append(
            f"the sections are {_PLANES[origin.section_axis]}: they lie along the axis {'xyz'[origin.section_axis]}"
        )
    return Dataset(
        voxels,
        grid,
        axes="TCZYX" if times > 1 < channels else "TZYX" if times > 1 else "CZYX" if channels > 1 else "ZYX",
        time_step=time_step_of(header) if times > 1 else None,
        source=Source(path, kind, origin, reversed_sections=origin.is_reversed),
        record=_record(header),
        notes=tuple(notes),
        holds_labels=int(header["intent_code"]) == LABEL,
    )


def _real_values(header: Header, stored: NDArray[Any]) -> NDArray[Any]:
    scaling = scaling_of(header)
    if scaling is None:
        return np.ascontiguousarray(stored, stored.dtype.newbyteorder("="))
    values = stored.astype(real_dtype(header, stored.dtype), order="C")
    values *= scaling[0]
    values += scaling[1]
    return values


def _grid(origin: NiftiOrigin, sections: int, unit: str | None) -> Grid:
    axis, rows, columns = origin.order
    sizes, first = voxel_sizes(origin.canonical), origin.first
    missing = origin.missing[np.argsort(origin.orientation[:, 0])]  # now per canonical axis
    return Grid(
        depths=None if missing[axis] and sections > 1 else first[axis] + np.arange(sections) * sizes[axis],
        pixel_size=None if missing[rows] or missing[columns] else (float(sizes[rows]), float(sizes[columns])),
        unit=unit,
        origin=(float(first[rows]), float(first[columns])),
    )


def _record(header: Header) -> Mapping[str, Any]:
    """Return the history; one that is cut or edited by another program is no reason to refuse the image."""
    for extension in filter(is_record, header.extensions):
        if record := record_from(extension.content.removeprefix(RECORD)):
            return record
    return {}
