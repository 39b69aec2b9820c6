"""MetaImage: ``.mha``, and ``.mhd`` with its voxels in another file, as ITK writes them. Lengths are in mm.

https://itk.org/Wiki/ITK/MetaIO/Documentation
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...stack import Dataset, Grid
from ..calibration import record_from
from ..nifti.placed import LPS, place, turned_back
from ..nifti.writer import check as check_grid
from ..opening import check_sizes, damaged, decoding, inside, read_bytes

if TYPE_CHECKING:
    from .. import SectionAxis

__all__ = ["check", "read", "write"]

_TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4",
    "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}  # fmt: skip
_NAMES = {dtype: name for name, dtype in reversed(_TYPES.items()) if name not in ("MET_LONG", "MET_ULONG")}
_LARGEST_HEADER = 2**20
_RECORD, _AXIS, _STEP = "DepthInterpRecord", "DepthInterpSectionAxis", "DepthInterpTimeStep"
_LARGEST_VALUE = 8000
"""Longer values than ITK's buffer for a line holds are not written."""


def read(
    path: Path, *, axis: SectionAxis = "auto", axes: str | None = None, lazy: bool = False, labels: bool = False
) -> Dataset:
    """Read a three-dimensional image, also one of several channels or time points.

    Raises
    ------
    InputError
        If the file is damaged or holds something else.
    """
    with decoding(path, "MetaImage"), path.open("rb") as file:
        header = _header(file, path)
        sizes = [int(n) for n in _words(header, "dimsize")]
        channels = int(header.get("elementnumberofchannels", "1"))
        count = int(header.get("ndims", "0"))
        if count not in (3, 4) or len(sizes) != count or channels < 1:
            raise InputError(
                f"'{path.name}' has {count} axes of the sizes {sizes}; three of space, and perhaps one of time, can be "
                "read"
            )
        shape = (channels, *sizes, *[1] * (4 - count))
        voxels = _voxels(file, header, shape, path).transpose(1, 2, 3, 4, 0)
        own = header.get(_AXIS.lower(), "")
        return place(
            path, "MetaImage", voxels, _affine(header, path), axis=axis, axes=axes,
            along=int(own) if own in ("0", "1", "2") else None, time_step=_time_step(header),
            record=record_from(header.get(_RECORD.lower())),
        )  # fmt: skip


def _header(file: IO[bytes], path: Path) -> dict[str, str]:
    """Read lines up to the one that says where the voxels are; keys in small letters."""
    found: dict[str, str] = {}
    while file.tell() < _LARGEST_HEADER:
        line = file.readline(_LARGEST_HEADER)
        key, separator, value = line.decode("latin-1").partition("=")
        if not separator:
            break
        found[key.strip().lower()] = value.strip()
        if key.strip().lower() == "elementdatafile":
            return found
    raise damaged(path, "its header does not say where the voxels are (ElementDataFile)")


def _words(header: Mapping[str, str], *names: str) -> list[str]:
    return next((header[name].split() for name in names if name in header), [])


def _voxels(file: IO[bytes], header: Mapping[str, str], shape: tuple[int, ...], path: Path) -> NDArray[Any]:
    kind = header.get("elementtype", "").upper().removesuffix("_ARRAY")
    if kind not in _TYPES or _is_true(header, "binarydata", default="True") is False:
        raise InputError(f"'{path.name}' holds {kind or 'no'} values; numbers in binary form can be read: save it so")
    big = _is_true(header, "binarydatabyteordermsb") or _is_true(header, "elementbyteordermsb")
    dtype = np.dtype(_TYPES[kind]).newbyteorder(">" if big else "<")
    encoding = "zlib" if _is_true(header, "compresseddata") else "raw"
    name = header["elementdatafile"]
    if name.upper() == "LOCAL":
        size = check_sizes(shape, dtype, path)
        return read_bytes(file, size, encoding, path).view(dtype).reshape(shape, order="F")
    if name.upper().startswith("LIST") or "%" in name:
        raise InputError(f"the voxels of '{path.name}' lie in several files; save them as one .mha file")
    data = inside(path.parent, name, path)
    size = check_sizes(shape, dtype, path, data.stat().st_size)
    skip = int(header.get("headersize", "0"))
    with data.open("rb") as detached:
        detached.seek(data.stat().st_size - size if skip < 0 else skip)
        return read_bytes(detached, size, encoding, path).view(dtype).reshape(shape, order="F")


def _is_true(header: Mapping[str, str], name: str, default: str = "False") -> bool:
    return header.get(name, default).strip().lower() in ("true", "1", "yes")


def _affine(header: Mapping[str, str], path: Path) -> NDArray[np.float64]:
    """Return the affine of the first three axes; MetaImage lists the direction of each, to the left, back and up."""
    count = int(header["ndims"])
    turn = _words(header, "transformmatrix", "rotation", "orientation") or list(map(str, np.eye(count).ravel()))
    spacing = _words(header, "elementspacing", "elementsize") or ["nan"] * count
    first = _words(header, "offset", "position", "origin") or ["0"] * count
    if len(turn) != count**2 or len(spacing) != count or len(first) != count:
        raise damaged(path, "its orientation, spacing and offset are not those of its axes")
    directions = np.asarray(turn, float).reshape(count, count)[:3, :3]
    affine = np.eye(4)
    affine[:3, :3] = directions.T * np.asarray(spacing, float)[:3]
    affine[:3, 3] = np.asarray(first, float)[:3]
    return LPS @ affine


def _time_step(header: Mapping[str, str]) -> float | None:
    """Return the spacing along a fourth axis, in seconds; ITK writes 1 there where nobody has said it."""
    spacing, own = _words(header, "elementspacing", "elementsize"), _words(header, _STEP.lower())
    step = float(own[0] if own else spacing[3]) if len(spacing) == 4 else 1.0
    return step if own or step != 1 else None


def write(path: Path, dataset: Dataset, *, float_output: bool = False) -> None:
    """Write an image as it was stored; ``.mha`` compressed, ``.mhd`` is not written.

    Raises
    ------
    OutputError
        As for NIfTI.
    """
    stored, affine, header, record = turned_back(dataset, "mm")
    stored = stored.astype(np.float32 if float_output or stored.dtype == np.float16 else stored.dtype, copy=False)
    dtype = np.dtype(stored.dtype).newbyteorder("<")
    times, channels = stored.shape[3:]
    sizes, turned = [*stored.shape[:3], *([times] if times > 1 else [])], LPS @ affine
    spacing = np.sqrt((turned[:3, :3] ** 2).sum(axis=0))
    count = len(sizes)
    matrix = np.eye(count)
    matrix[:3, :3] = (turned[:3, :3] / spacing).T
    extra = [dataset.time_step or 1.0] if count == 4 else []
    packed = zlib.compress(np.ascontiguousarray(stored.transpose(4, 0, 1, 2, 3).T, dtype).data, 4)
    lines = {
        "ObjectType": "Image", "NDims": count, "BinaryData": "True", "BinaryDataByteOrderMSB": "False",
        "CompressedData": "True", "CompressedDataSize": len(packed), "TransformMatrix": _text(matrix.ravel()),
        "Offset": _text([*turned[:3, 3], *[0.0] * len(extra)]), "CenterOfRotation": _text([0.0] * count),
        "ElementSpacing": _text([*spacing, *extra]), "DimSize": " ".join(map(str, sizes)),
        _AXIS: header.get_dim_info()[2],
    }  # fmt: skip
    if record and len(text := json.dumps(dict(record))) < _LARGEST_VALUE:
        lines[_RECORD] = text
    if count == 4 and dataset.time_step:
        lines[_STEP] = _text([dataset.time_step])
    if channels > 1:
        lines["ElementNumberOfChannels"] = channels
    lines |= {"ElementType": _NAMES[dtype.str[1:]], "ElementDataFile": "LOCAL"}
    path.write_bytes("".join(f"{key} = {value}\n" for key, value in lines.items()).encode() + packed)


def _text(values: Any) -> str:
    return " ".join(f"{float(value):.15g}" for value in values)


def check(dataset: Dataset, grid: Grid, *, float_output: bool = False) -> None:
    """Raise an :class:`OutputError` if MetaImage cannot hold what is made of ``dataset`` on the grid ``grid``."""
    check_grid(dataset, grid, float_output=float_output, title="MetaImage")
