"""Images of other formats that have an affine: placed as NIfTI images are, and written with the grid of a result."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, RequestError
from ...stack import Dataset
from .header import COMMENT, HEADERS, LENGTHS, RECORD, THICKNESS, Header, orientations, record_in
from .placing import dataset_of, origin_of
from .thickness import thickness_of
from .writer import prepared

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From coordinates to the left, back and up to those of NIfTI: to the right, front and up."""
_CODES = {name: code for code, name in LENGTHS.items()}
_SCANNER = 1


def place(
    path: Path,
    title: str,
    stored: NDArray[Any],
    affine: NDArray[np.float64],
    *,
    axis: str,
    axes: str | None = None,
    unit: str | None = "mm",
    along: int | None = None,
    thickness: float | None = None,
    time_step: float | None = None,
    record: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> Dataset:
    """Return an image as a dataset.

    Parameters
    ----------
    path, title
        Of the file and its format.
    stored : (x, y, z, t, c) array
        In the order of the file.
    affine : (4, 4) array
        From stored voxel indices to coordinates to the right, front and up (RAS+).
    axis, axes : str
        As :func:`~napari_depth_interp.io.read` gets them.
    unit : str, optional
        Of the affine.
    along : int, optional
        Stored axis of the sections, where the file says so and ``axis`` is ``"auto"``.
    thickness : float, optional
        Of a section along the stored axis ``along``, or else the last one.
    time_step : float, optional
        Seconds between time points, where there are several.
    record : mapping, optional
        History of an earlier run.
    notes : sequence of str

    Raises
    ------
    InputError
        If the affine is singular or not finite.
    """
    if axes is not None:
        raise RequestError(f"axes='{axes}' is for TIFF only, {title} names its own axes; leave it out")
    if axis not in ("auto", "x", "y", "z"):
        raise RequestError(f"axis '{axis}' is not known; choose auto, x (sagittal), y (coronal) or z (axial)")
    affine = np.array(affine, np.float64)
    columns = affine[:3, :3]
    missing = np.asarray(~np.isfinite(columns).all(axis=0) | ~columns.any(axis=0))  # voxel sizes that are not given
    if missing.sum() == 1:
        [lost] = np.flatnonzero(missing)
        across = np.cross(columns[:, lost - 2], columns[:, lost - 1])
        columns[:, lost] = across / (np.linalg.norm(across) or 1.0)
    else:
        columns[:, missing] = np.eye(3)[:, missing]
    if along is None and missing[2]:
        along = 2
    header = _header(stored, affine, unit, along, record or {})
    try:
        if axis == "auto" and along is not None:
            axis = "xyz"[int(orientations.io_orientation(affine)[along, 0])]
        origin = origin_of(header, stored.shape[:3], axis)
    except (InputError, ValueError, np.linalg.LinAlgError) as error:
        raise InputError(f"'{path.name}' {error}") from error
    origin.missing[:] = missing
    lies_along = int(np.flatnonzero(origin.orientation[:, 0] == origin.section_axis)[0])
    if lies_along != (2 if along is None else along):
        thickness = None  # it is that of the slices of the scanner
    found = dataset_of(path, origin, stored, kind=title, thickness=thickness or thickness_of(path, origin))
    known = time_step if time_step and time_step > 0 and np.isfinite(time_step) and stored.shape[3] > 1 else None
    return replace(found, time_step=known, notes=(*found.notes, *notes))


def placed_volume(voxels: NDArray[Any], affine: NDArray[np.float64], unit: str | None, title: str) -> Dataset:
    """Return voxels (z, y, x) with the affine from these indices to the world as a dataset."""
    stored = voxels.transpose(2, 1, 0)[..., None, None]
    thickness = float(np.linalg.norm(affine[:3, 0]))
    return place(
        Path(title), title, stored, affine[:, [2, 1, 0, 3]], axis="auto", unit=unit, along=2, thickness=thickness
    )


def _header(
    stored: NDArray[Any], affine: NDArray[np.float64], unit: str | None, along: int | None, record: Mapping[str, Any]
) -> Header:
    header = HEADERS[540](None, "<")
    header.set_data_shape(stored.shape[:3])
    header.set_data_dtype(stored.dtype)
    with np.errstate(all="ignore"):
        header["pixdim"][1:4] = np.sqrt((np.asarray(affine)[:3, :3] ** 2).sum(axis=0))
        header.set_sform(affine, _SCANNER)
    header["pixdim"][4] = 0
    header["xyzt_units"] = _CODES.get(unit or "", 0)
    header.set_dim_info(None, None, along)
    if record:
        content = RECORD + json.dumps(dict(record)).encode()
        header.extensions.append(nibabel.nifti1.Nifti1Extension(COMMENT, content))
    return header


def turned_back(
    dataset: Dataset, unit: str | None = None
) -> tuple[NDArray[Any], NDArray[np.float64], Header, Mapping[str, Any]]:
    """Return what another format writes: voxels (x, y, z, t, c), affine (RAS+), the header as NIfTI has it, the record.

    ``unit`` is that of the affine, where the unit of the header is known; by default it is the header's own.

    Raises
    ------
    OutputError
        As for NIfTI: uneven sections, no pixel size.
    """
    header, stored = prepared(dataset)
    affine = np.array(header.get_best_affine(), np.float64)
    record = record_in(header)
    known = LENGTHS.get(int(header["xyzt_units"]) & 7)
    if unit is not None and known is not None:
        from ...stack.units import convert

        factor = convert(1.0, known, unit)
        affine[:3] *= factor
        if THICKNESS in record:
            record = dict(record) | {THICKNESS: record[THICKNESS] * factor}
    return stored, affine, header, record
