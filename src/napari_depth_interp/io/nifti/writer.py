"""Writing NIfTI: the source's header and orientation with the grid of the result."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import nibabel
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from ...errors import OutputError
from ...stack import Dataset, Grid, missing_spacing
from ...stack.units import convert
from .header import (
    COMMENT,
    HEADERS,
    LABEL,
    LENGTHS,
    RECORD,
    SECONDS,
    THICKNESS,
    VECTOR,
    Header,
    NiftiOrigin,
    is_record,
    normalise_quaternion,
    orientations,
    scaling_of,
    time_step_of,
    voxel_sizes,
)

_FILE_UNITS = {"nm": "um", "angstrom": "um", "cm": "mm", "inch": "mm"}  # for units that NIfTI does not know
_ALIGNED = 2  # sform / qform code: some world coordinates
_LARGEST_DIM = 32767  # of NIfTI-1
_GZIP_LEVEL = 4


def write(path: Path, dataset: Dataset, *, float_output: bool = False) -> None:
    """Write a dataset in the orientation and with the header of the NIfTI file it came from.

    Other datasets are written in RAS+ with an affine made of the grid. Scaled integers
    are scaled back, so an unchanged section has the same bytes as before; float16 becomes float32.
    Several channels become a vector image (5-D), time points the fourth axis.

    Raises
    ------
    OutputError
        If the sections are unevenly spaced or the pixel size is not known.
    """
    header, stored = prepared(dataset)
    if dataset.source and not dataset.source.format.startswith("NIfTI") and max(stored.shape) <= _LARGEST_DIM:
        header = _converted(header, 348)  # what is in memory as NIfTI-2 for the digits; NIfTI-1 is read everywhere
    scaling = _set_dtype(header, stored.dtype, float_output)
    with _created(path) as file:
        header["magic"] = header.single_magic  # also what came from a pair
        header["vox_offset"] = 0  # nibabel then computes it from the extensions
        header.write_to(file)
        _write_voxels(file, stored, header.get_data_dtype(), scaling)


def prepared(dataset: Dataset) -> tuple[Header, NDArray[Any]]:
    """Return the header that a dataset is written with, all but the type, and its voxels (x, y, z, t, c) as stored.

    Raises
    ------
    OutputError
        As :func:`write`.
    """
    grid = dataset.grid
    check(dataset, grid)
    origin = dataset.source.header if dataset.source else None
    if not isinstance(origin, NiftiOrigin):
        origin = _plain_origin(grid)
    stored = _to_stored(dataset.voxels, origin)
    header = _fitting_header(origin.header, stored.shape)
    _set_geometry(header, origin, grid, stored.shape[:3])
    _set_axes(header, dataset, stored.shape)
    frequency, phase, _ = header.get_dim_info()
    section_axis = int(np.flatnonzero(origin.orientation[:, 0] == origin.section_axis)[0])
    others = (None if axis == section_axis else axis for axis in (frequency, phase))
    header.set_dim_info(*others, section_axis)
    _set_record(header, dataset.record, grid)
    return header, stored


def check(dataset: Dataset, grid: Grid, *, float_output: bool = False, title: str = "NIfTI") -> None:
    """Raise an :class:`OutputError` if NIfTI, or a format like it, cannot hold ``dataset`` on the grid ``grid``."""
    if grid.depths is None:
        raise missing_spacing()
    if not grid.is_even:
        gaps = np.diff(grid.depths)
        raise OutputError(
            f"{title} holds evenly spaced sections only, but here the gaps go from {gaps.min():g} to {gaps.max():g}; "
            "write TIFF instead, or ask for a regular spacing"
        )
    if grid.pixel_size is None and not (dataset.source and isinstance(dataset.source.header, NiftiOrigin)):
        raise OutputError(f"{title} needs a pixel size, and the input does not give one; write TIFF instead")


def _plain_origin(grid: Grid) -> NiftiOrigin:
    """Return the origin of data that never were NIfTI: unit voxels at the world's origin, RAS+."""
    header: Header = HEADERS[348](None, "<")
    header["sform_code"] = header["qform_code"] = _ALIGNED
    header["srow_x"][0] = header["srow_y"][1] = header["srow_z"][2] = 1
    header["pixdim"][4] = 0  # no time step known
    orientation = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    return NiftiOrigin(header, np.eye(4), (1, 1, 1), orientation, 2, np.zeros(3), np.zeros(3, bool))


def _to_stored(voxels: NDArray[Any], origin: NiftiOrigin) -> NDArray[Any]:
    """Return a view with the stored axes x, y, z, t, c."""
    canonical = voxels.transpose(*(2 + origin.order.index(axis) for axis in range(3)), 0, 1)
    back = orientations.ornt_transform([[0, 1], [1, 1], [2, 1]], origin.orientation)
    turned: NDArray[Any] = orientations.apply_orientation(canonical, back)
    return turned


def _fitting_header(header: Header, shape: tuple[int, ...]) -> Header:
    """Return a copy with this shape; a NIfTI-2 one if NIfTI-1 cannot hold it."""
    if max(shape) > _LARGEST_DIM and not isinstance(header, nibabel.Nifti2Header):
        header = _converted(header, 540)
        normalise_quaternion(header, 1 - 2e-7)  # nibabel rounds float32 half turns, but not float64 ones
    header = header.copy()
    count = 5 if shape[4] > 1 else 4 if shape[3] > 1 else 3
    pixdim = header["pixdim"].copy()
    header.set_data_shape(shape[:count])
    header["pixdim"] = pixdim  # nibabel resets those of unused axes
    return header


def _converted(header: Header, size: int) -> Header:
    """Return a header of the other edition of NIfTI, 348 or 540 bytes long, that says the same."""
    if header.template_dtype.itemsize == size:
        return header
    other = HEADERS[size](None, header.endianness)
    for name in set(other.keys()) & set(header.keys()) - {"sizeof_hdr", "magic", "dim"}:
        other[name] = header[name]
    other.set_data_shape(header.get_data_shape())
    other["pixdim"] = header["pixdim"]
    other.extensions = header.extensions
    return other


def _set_geometry(header: Header, origin: NiftiOrigin, grid: Grid, shape: tuple[int, ...]) -> None:
    """Give the header the affines and voxel sizes of the grid; codes and rotation stay."""
    factor, scale = _set_unit(header, grid.unit)
    old = _old_indices(origin, grid, factor, shape)
    world = np.diag([scale, scale, scale, 1.0])
    affine = world @ origin.affine @ old
    try:
        header_offset = (world @ header.get_qform() @ old)[:3, 3]
        header["qoffset_x"], header["qoffset_y"], header["qoffset_z"] = header_offset
    except (HeaderDataError, ValueError):
        header["qform_code"] = 0  # the sform is valid, or the file would not have been read
    if header["qform_code"]:
        header["pixdim"][1:4] *= np.diag(old)[:3] * scale
    else:
        header["pixdim"][1:4] = voxel_sizes(affine)
    header.set_sform(world @ header.get_sform() @ old, int(header["sform_code"]))
    has_form = header["sform_code"] or header["qform_code"] or origin.missing.any()
    if not has_form and not np.allclose(header.get_base_affine(), affine, atol=1e-3 * voxel_sizes(affine).min()):
        header.set_sform(affine, _ALIGNED)  # without any form the image's centre is the world's origin
    if grid.pixel_size is None:
        section = origin.orientation[:, 0] == origin.section_axis
        header["pixdim"][1:4][origin.missing & ~section] = 0
    if shape != origin.shape or not np.allclose(old, np.eye(4)):
        for name in ("slice_code", "slice_start", "slice_end", "slice_duration"):
            header[name] = 0


def _set_unit(header: Header, unit: str | None) -> tuple[float, float]:
    """Return the factors from the grid's lengths to the old header's, and from these to the new one's."""
    known = LENGTHS.get(int(header["xyzt_units"]) & 7)
    if unit is None or unit == known:
        return 1.0, 1.0
    if known:
        return convert(1.0, unit, known), 1.0
    new = _FILE_UNITS.get(unit, unit)
    code = next(code for code, name in LENGTHS.items() if name == new)
    header["xyzt_units"] = int(header["xyzt_units"]) & ~7 | code
    return 1.0, convert(1.0, unit, new)


def _old_indices(origin: NiftiOrigin, grid: Grid, factor: float, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the affine from new to old stored voxel indices; it is diagonal apart from the shift."""
    assert grid.depths is not None
    depths, sizes = grid.depths, voxel_sizes(origin.canonical)
    spacing = (depths[-1] - depths[0]) / (len(depths) - 1) if len(depths) > 1 else grid.thickness
    canonical = np.eye(4)
    new_sizes = (spacing, *(grid.pixel_size or (None, None)))
    for axis, size, first in zip(origin.order, new_sizes, (depths[0], *grid.origin), strict=True):
        if size is not None:
            canonical[axis, axis] = size * factor / sizes[axis]
        canonical[axis, 3] = (first * factor - origin.first[axis]) / sizes[axis]
    turn = orientations.inv_ornt_aff(origin.orientation, origin.shape)
    turn_back = np.linalg.inv(orientations.inv_ornt_aff(origin.orientation, shape))
    old: NDArray[np.float64] = turn @ canonical @ turn_back
    return old


def _set_axes(header: Header, dataset: Dataset, shape: tuple[int, ...]) -> None:
    """Describe the time axis and the channel axis, and say what the voxels are."""
    if shape[4] > 1:
        header["intent_code"] = VECTOR
    elif dataset.holds_labels:
        header["intent_code"] = LABEL
    elif header["intent_code"] in (VECTOR, LABEL):
        header["intent_code"] = 0
    step, old = dataset.time_step, time_step_of(header)
    if step is None or (old is not None and math.isclose(step, old, rel_tol=1e-6)):
        return
    units = int(header["xyzt_units"])
    if units & 56 not in SECONDS:
        units = units & 7 | 8
    header["xyzt_units"] = units
    header["pixdim"][4] = step / SECONDS[units & 56]


def _set_record(header: Header, record: Mapping[str, Any], grid: Grid) -> None:
    if grid.thickness is not None:
        unit = LENGTHS.get(int(header["xyzt_units"]) & 7)
        factor = convert(1.0, grid.unit, unit) if grid.unit and unit else 1.0
        record = dict(record) | {THICKNESS: grid.thickness * factor}
    header.extensions[:] = [extension for extension in header.extensions if not is_record(extension)]
    if record:
        content = RECORD + json.dumps(dict(record)).encode()
        header.extensions.append(nibabel.nifti1.Nifti1Extension(COMMENT, content))


def _set_dtype(header: Header, dtype: np.dtype[Any], float_output: bool) -> tuple[float, float] | None:
    """Choose the stored type; return the scaling to undo, if any."""
    scaling = scaling_of(header)
    if scaling and dtype.kind == "f" and not float_output:
        return scaling  # type, slope and intercept of the source
    stored = np.dtype(np.float32 if float_output or dtype == np.float16 else dtype)
    header.set_data_dtype(stored)
    if scaling:
        header["scl_slope"], header["scl_inter"] = 1, 0
    return None


@contextmanager
def _created(path: Path) -> Iterator[IO[bytes]]:
    with path.open("wb") as file:
        if not path.name.lower().endswith(".gz"):
            yield file
            return
        # Neither name nor time in the compressed file: the same data give the same bytes.
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as zipped:
            yield zipped  # type: ignore[misc]


def _write_voxels(
    file: IO[bytes], stored: NDArray[Any], dtype: np.dtype[Any], scaling: tuple[float, float] | None
) -> None:
    planes = stored.T  # the file's order: c, t, z, y, x
    for index in np.ndindex(planes.shape[:3]):
        plane = planes[index]
        if scaling:
            plane = _quantised(plane, dtype, *scaling)
        file.write(np.ascontiguousarray(plane, dtype).data)


def _quantised(values: NDArray[Any], dtype: np.dtype[Any], slope: float, intercept: float) -> NDArray[Any]:
    numbers = (values.astype(np.float64) - intercept) / slope
    if dtype.kind == "f":
        return numbers
    if np.isnan(numbers).any():
        raise OutputError(f"NaN cannot be stored as scaled {dtype.name}, the type of the input; write float32 instead")
    limits = np.iinfo(dtype)
    top = limits.max if dtype.itemsize < 8 else np.nextafter(float(limits.max), 0)
    return np.rint(numbers).clip(limits.min, top)
