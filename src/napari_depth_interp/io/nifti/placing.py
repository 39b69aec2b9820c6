"""Where the voxels of an image with an affine lie: canonical orientation, section axis, grid."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from ...errors import InputError
from ...stack import Dataset, Grid, Source
from .header import (
    LABEL,
    LENGTHS,
    THICKNESS,
    Header,
    NiftiOrigin,
    normalise_quaternion,
    orientations,
    real_dtype,
    record_in,
    scaling_of,
    time_step_of,
    voxel_sizes,
    written_section_axis,
)

_forms: Any = nibabel.nifti1.xform_codes
_AXIAL, _PLANES = 2, ("sagittal", "coronal", "axial")  # canonical section axis
_SINGULAR = 1e-6  # volume that three unit vectors along the axes must span
_TILTED = 1e-2  # of the gap: how far sections may be shifted against each other
_AGREE = 1e-2  # voxel sizes that differ by less say the same
_TIE = 0.99  # voxel sizes that agree within 1 % are equally coarse


def origin_of(header: Header, shape: tuple[int, ...], axis: str) -> NiftiOrigin:
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
    notes = (*_contradiction(header, sizes, missing), *_tilt(affine, stored_axis, missing))
    origin = NiftiOrigin(header, affine, shape, orientation, section_axis, np.zeros(3), missing, notes)
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
                f"{affine[:3].round(6).tolist()}; correct its orientation"
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


def _contradiction(header: Header, sizes: NDArray[np.float64], missing: NDArray[np.bool_]) -> list[str]:
    """Say where the sform, which is taken, and the voxel sizes of the header disagree: other programs take those."""
    own = np.asarray(header["pixdim"][1:4], np.float64)
    unsaid = not header["qform_code"] and bool((own == 1).all())
    if not header["sform_code"] or missing.any() or unsaid or np.allclose(own, sizes, rtol=_AGREE):
        return []
    one, other = (" x ".join(f"{each:.4g}" for each in three) for three in (sizes, own))
    return [f"the file contradicts itself: its sform says voxels of {one} (taken), its pixdim {other}"]


def _tilt(affine: NDArray[np.float64], along: int, missing: NDArray[np.bool_]) -> list[str]:
    gap, (one, other) = affine[:3, along], (affine[:3, i] for i in range(3) if i != along)
    normal = np.cross(one, other)
    normal /= np.linalg.norm(normal)
    shift = np.linalg.norm(gap - normal * (normal @ gap))
    if missing[along] or shift <= _TILTED * np.linalg.norm(gap):
        return []
    return ["the images are shifted against each other (a tilted gantry); depths are counted along the shift"]


def _stored_section_axis(sizes: NDArray[np.float64], shape: tuple[int, ...], missing: NDArray[np.bool_]) -> int:
    single = [i for i, n in enumerate(shape) if n == 1]
    if single:
        return single[-1]
    known = np.where(missing, 0, sizes)
    if missing[2] or known[2] >= _TIE * known.max():
        return 2
    return int(np.argmax(known))


def dataset_of(
    path: Path, origin: NiftiOrigin, stored: NDArray[Any], *, kind: str | None = None, thickness: float | None = None
) -> Dataset:
    """Return stored voxels (x, y, z, t, c) as a dataset.

    Parameters
    ----------
    path : Path
    origin : NiftiOrigin
    stored : array
    kind : str, optional
        Name of the format; NIfTI if it is not given.
    thickness : float, optional
        Of a section, in the lengths of the header.
    """
    header = origin.header
    turned = orientations.apply_orientation(stored, origin.orientation).transpose(3, 4, *origin.order)
    voxels = _real_values(header, turned)
    times, channels = voxels.shape[:2]
    unit = LENGTHS.get(int(header["xyzt_units"]) & 7)
    grid = _grid(origin, voxels.shape[2], unit, thickness)
    kind = kind or ("NIfTI-2" if isinstance(header, nibabel.Nifti2Header) else "NIfTI-1")
    notes = [*origin.notes]
    if unit is None:
        notes.append("the file does not say in which unit its lengths are; mm is not assumed")
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


def _grid(origin: NiftiOrigin, sections: int, unit: str | None, thickness: float | None) -> Grid:
    axis, rows, columns = origin.order
    sizes, first = voxel_sizes(origin.canonical), origin.first
    missing = origin.missing[np.argsort(origin.orientation[:, 0])]  # now per canonical axis
    return Grid(
        depths=None if missing[axis] and sections > 1 else first[axis] + np.arange(sections) * sizes[axis],
        pixel_size=None if missing[rows] or missing[columns] else (float(sizes[rows]), float(sizes[columns])),
        unit=unit,
        origin=(float(first[rows]), float(first[columns])),
        thickness=thickness,
    )


def _record(header: Header) -> Mapping[str, Any]:
    return {key: value for key, value in record_in(header).items() if key != THICKNESS}
