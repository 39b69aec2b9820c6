"""NRRD: ``.nrrd``, and ``.nhdr`` with its voxels in another file. https://teem.sourceforge.net/nrrd/format.html"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, OutputError
from ...stack import Dataset, Grid
from ...stack.units import normalise_unit
from ..calibration import record_from, seconds
from ..nifti.header import LENGTHS
from ..nifti.placed import LPS, place, turned_back
from ..nifti.writer import check as check_grid
from ..opening import check_sizes, damaged, decoding, inside, last_bytes, needs, read_bytes

if TYPE_CHECKING:
    from .. import SectionAxis

__all__ = ["check", "read", "write"]

_LARGEST_HEADER = 2**20
_TURNS = {  # to the right, front and up
    "right-anterior-superior": np.eye(4), "ras": np.eye(4),
    "left-anterior-superior": np.diag([-1.0, 1, 1, 1]), "las": np.diag([-1.0, 1, 1, 1]),
    "left-posterior-superior": LPS, "lps": LPS,
}  # fmt: skip
_TYPES = {
    "signed char": "i1", "int8": "i1", "int8_t": "i1", "uchar": "u1", "unsigned char": "u1", "uint8": "u1",
    "uint8_t": "u1", "short": "i2", "short int": "i2", "signed short": "i2", "signed short int": "i2", "int16": "i2",
    "int16_t": "i2", "ushort": "u2", "unsigned short": "u2", "unsigned short int": "u2", "uint16": "u2",
    "uint16_t": "u2", "int": "i4", "signed int": "i4", "int32": "i4", "int32_t": "i4", "uint": "u4",
    "unsigned int": "u4", "uint32": "u4", "uint32_t": "u4", "longlong": "i8", "long long": "i8",
    "long long int": "i8", "signed long long": "i8", "signed long long int": "i8", "int64": "i8", "int64_t": "i8",
    "ulonglong": "u8", "unsigned long long": "u8", "unsigned long long int": "u8", "uint64": "u8", "uint64_t": "u8",
    "float": "f4", "double": "f8",
}  # fmt: skip
_ENCODINGS = {"raw": "raw", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
_SPACES = ("domain", "space", "???", "none", "")
_LARGEST_SKIP = 2**24
_RECORD, _AXIS = "napari-depth-interp record", "napari-depth-interp section axis"
_INDEX = "axis 3 index type"
"""Of an axis of time points; ITK reads no axis of the kind "time"."""


def read(
    path: Path, *, axis: SectionAxis = "auto", axes: str | None = None, lazy: bool = False, labels: bool = False
) -> Dataset:
    """Read an image of three axes of space and perhaps one of values or time.

    Raises
    ------
    InputError
        If the file is damaged or holds something else.
    """
    nrrd = needs("nrrd", "scanners", path)
    with decoding(path, "NRRD"), path.open("rb") as file:
        head = _head(file, path)
        header = nrrd.read_header(io.BytesIO(head))
        sizes = [int(n) for n in header["sizes"]]
        if len(sizes) != int(header["dimension"]):
            raise damaged(path, f"it claims to have {header['dimension']} axes and lists {len(sizes)} sizes")
        spatial, other = _axes(header, sizes, path)
        voxels = _voxels(file, header, sizes, path)
        affine, notes = _affine(header, spatial)
        unit, said = _unit(header, spatial)
        own = str(header.get(_AXIS, ""))
        return place(
            path, "NRRD", _ordered(voxels, spatial, other, header), affine, axis=axis, axes=axes, unit=unit,
            along=int(own) if own in ("0", "1", "2") else None, thickness=_thickness(header, spatial, own),
            time_step=_time_step(header, other), record=record_from(header.get(_RECORD)), notes=[*notes, *said],
        )  # fmt: skip


def _head(file: IO[bytes], path: Path) -> bytes:
    """Return the header, and leave the file at the first byte after it."""
    start = file.read(_LARGEST_HEADER)
    if not start.startswith(b"NRRD"):
        raise InputError(f"'{path.name}' is no NRRD image (it starts with {start[:4]!r}); check what it is")
    ends = [start.find(end) + len(end) for end in (b"\n\n", b"\r\n\r\n") if end in start]
    detached = b"\ndata file:" in start.lower() or b"\ndatafile:" in start.lower()
    if not ends and not (detached and len(start) < _LARGEST_HEADER):
        raise damaged(path, "its header has no end")
    end = min(ends, default=len(start))
    file.seek(end)
    return start[:end]


def _axes(header: Mapping[str, Any], sizes: list[int], path: Path) -> tuple[list[int], list[int]]:
    """Return which axes are those of space, and which others there are."""
    kinds = [str(kind).lower() for kind in header.get("kinds", ["space"] * len(sizes))]
    spatial = [i for i, kind in enumerate(kinds) if kind in _SPACES]
    directions = header.get("space directions")
    if directions is not None and len(directions) == len(sizes):
        spatial = [i for i, each in enumerate(directions) if each is not None and np.isfinite(each).all()]
    if _has_time_behind(header, sizes):
        spatial = spatial[:3]
    if len(spatial) > 3 and "kinds" not in header and directions is None:
        spatial = spatial[-3:]
    other = [i for i in range(len(sizes)) if i not in spatial]
    if len(spatial) != 3 or len(other) > 1:
        raise InputError(
            f"'{path.name}' has axes of the sizes {sizes} and the kinds {kinds}; three axes of space, and perhaps one "
            "of values or time, can be read"
        )
    return spatial, other


def _voxels(file: IO[bytes], header: Mapping[str, Any], sizes: list[int], path: Path) -> NDArray[Any]:
    kind, encoding = str(header["type"]).lower(), str(header["encoding"]).lower()
    if kind not in _TYPES or encoding not in _ENCODINGS:
        raise InputError(
            f"'{path.name}' holds {kind} values as {encoding}; numbers as raw, gzip or bzip2 can be read: save it so"
        )
    dtype = np.dtype(_TYPES[kind]).newbyteorder(">" if header.get("endian") == "big" else "<")
    name = header.get("data file", header.get("datafile"))
    if name is None:
        size = check_sizes(sizes, dtype, path)
        return _decoded(file, header, size, _ENCODINGS[encoding], path).view(dtype).reshape(sizes, order="F")
    if not isinstance(name, str) or name.startswith("LIST") or "%" in name:
        raise InputError(f"the voxels of '{path.name}' lie in several files; save them as one .nrrd file")
    data = inside(path.parent, name, path)
    size = check_sizes(sizes, dtype, path, data.stat().st_size)
    with data.open("rb") as detached:
        found = _decoded(detached, header, size, _ENCODINGS[encoding], path)
    return found.view(dtype).reshape(sizes, order="F")


def _decoded(file: IO[bytes], header: Mapping[str, Any], size: int, encoding: str, path: Path) -> NDArray[np.uint8]:
    lines = int(header.get("line skip", header.get("lineskip", 0)))
    skip = int(header.get("byte skip", header.get("byteskip", 0)))
    if not 0 <= lines < 10_000 or not -1 <= skip <= _LARGEST_SKIP:
        raise InputError(f"'{path.name}' skips {lines} lines and {skip} bytes of its voxels; save it without")
    for _ in range(lines):
        file.readline(_LARGEST_HEADER)
    if encoding != "raw" and skip:  # it is skipped once unpacked
        return (
            last_bytes(file, size, encoding, path) if skip < 0 else read_bytes(file, size + skip, encoding, path)[skip:]
        )
    if skip < 0:
        file.seek(-size, io.SEEK_END)
    else:
        file.seek(skip, io.SEEK_CUR)
    return read_bytes(file, size, encoding, path)


def _ordered(voxels: NDArray[Any], spatial: list[int], other: list[int], header: Mapping[str, Any]) -> NDArray[Any]:
    """Return the voxels as (x, y, z, t, c)."""
    turned = voxels.transpose(*spatial, *other)
    if not other:
        return turned[..., None, None]
    return turned[..., None] if _is_time(header, other[0]) else turned[:, :, :, None, :]


def _is_time(header: Mapping[str, Any], axis: int) -> bool:
    """Return whether an axis is one of time points: by its kind, or, as 3D Slicer writes it, as a list of times."""
    kinds = [str(kind).lower() for kind in header.get("kinds", [])]
    kind = kinds[axis] if axis < len(kinds) else ""
    if axis == 3 and _has_time_behind(header, header["sizes"]):
        return True
    return kind == "time" or (kind == "list" and str(header.get(f"axis {axis} index type")).lower() == "time")


def _has_time_behind(header: Mapping[str, Any], sizes: Sequence[int]) -> bool:
    """Return whether there are four axes of one space, as ITK writes time points, and the last stands on the others."""
    directions = header.get("space directions")
    if len(sizes) != 4 or directions is None or np.shape(directions) != (4, 4):
        return False
    matrix = np.array(directions, float)
    return bool(np.isfinite(matrix).all() and not matrix[3, :3].any() and not matrix[:3, 3].any())


def _affine(header: Mapping[str, Any], spatial: list[int]) -> tuple[NDArray[np.float64], list[str]]:
    space = str(header.get("space", "")).lower()
    affine, notes = np.eye(4), []
    directions = header.get("space directions")
    if directions is not None:
        affine[:3, :3] = np.array([directions[i] for i in spatial], float)[:, :3].T
        affine[:3, 3] = np.asarray(header.get("space origin", np.zeros(3)), float)[:3]
    else:
        spacings = np.asarray(header.get("spacings", [np.nan] * (max(spatial) + 1)), float)[spatial]
        affine[:3, :3] = np.diag(spacings)
    if space not in _TURNS:
        notes = ["the file does not say how it lies in the body; its axes are taken to run to the right, front and up"]
    return _TURNS.get(space, np.eye(4)) @ affine, notes


def _unit(header: Mapping[str, Any], spatial: list[int]) -> tuple[str | None, list[str]]:
    words = header.get("space units") or [list(header.get("units", [])) or [""] * 9][0]
    known = {normalise_unit(str(each).strip('"')) for each in words if str(each).strip('"')}
    if len(known) == 1 and (unit := known.pop()) is not None:
        return unit, []
    if str(header.get("space", "")).lower() in _TURNS:
        return "mm", ["the file gives no unit; in the space of a patient lengths are in mm"]
    return None, []


def _time_step(header: Mapping[str, Any], other: list[int]) -> float | None:
    """Return the seconds from one entry of a time axis to the next."""
    steps, units = header.get("spacings"), header.get("units", [])
    if not other or steps is None or not other[0] < len(steps) or not _is_time(header, other[0]):
        return None
    return seconds(float(steps[other[0]]), str(units[other[0]]).strip('"') if other[0] < len(units) else "")


def _thickness(header: Mapping[str, Any], spatial: list[int], own: str) -> float | None:
    thick = header.get("thicknesses")
    along = spatial[int(own) if own in ("0", "1", "2") else 2]
    value = float(thick[along]) if thick is not None and len(thick) > along else 0.0
    return value if np.isfinite(value) and value > 0 else None


def write(path: Path, dataset: Dataset, *, float_output: bool = False) -> None:
    """Write an image as it was stored, gzip-compressed, in the space LPS as 3D Slicer does.

    Raises
    ------
    OutputError
        As for NIfTI, or if the package pynrrd is missing.
    """
    try:
        nrrd = needs("nrrd", "scanners", path, to_read=False)
    except InputError as error:
        raise OutputError(str(error)) from error
    stored, affine, header, record = turned_back(dataset)
    stored = stored.astype(np.float32 if float_output or stored.dtype == np.float16 else stored.dtype, copy=False)
    along = header.get_dim_info()[2]
    fields = _fields(LPS @ affine, LENGTHS.get(int(header["xyzt_units"]) & 7), dataset.grid.thickness, along)
    if record:
        fields[_RECORD] = json.dumps(dict(record))
    fields[_AXIS] = str(along)
    times, channels = stored.shape[3:]
    voxels = stored.reshape(*stored.shape[:3], times * channels) if times * channels > 1 else stored[..., 0, 0]
    if times > 1 and dataset.time_step:
        fields["spacings"], fields["units"] = [*[np.nan] * 3, dataset.time_step], [*[""] * 3, "s"]
    if voxels.ndim == 4:
        fields["kinds"].append("list" if times > 1 else "vector")
        fields |= {_INDEX: "time"} if times > 1 else {}
        fields["space directions"] = np.vstack([fields["space directions"], [np.nan] * 3])
        fields["thicknesses"] = [*fields["thicknesses"], np.nan] if "thicknesses" in fields else None
        fields = {key: value for key, value in fields.items() if value is not None}
    nrrd.write(str(path), np.ascontiguousarray(voxels.T).T, fields, index_order="F", compression_level=4)


def _fields(affine: NDArray[np.float64], unit: str | None, thickness: float | None, along: int) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "space": "left-posterior-superior",
        "space directions": affine[:3, :3].T,
        "space origin": affine[:3, 3],
        "kinds": ["domain"] * 3,
        "encoding": "gzip",
    }
    if unit is not None:
        fields["space units"] = [unit] * 3
    if thickness is not None:
        fields["thicknesses"] = [thickness if i == along else np.nan for i in range(3)]
    return fields


def check(dataset: Dataset, grid: Grid, *, float_output: bool = False) -> None:
    """Raise an :class:`OutputError` if NRRD cannot hold what is made of ``dataset`` on the grid ``grid``."""
    check_grid(dataset, grid, float_output=float_output, title="NRRD")
    if dataset.voxels.shape[0] > 1 < dataset.voxels.shape[1]:
        raise OutputError("NRRD holds time points or channels here, not both; write .ome.tif, or one --channel")
