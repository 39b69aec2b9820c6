"""What NIfTI headers say, for the reader and the writer; everything here is about one header."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..calibration import record_from

# nibabel is typed only in part: calls into these are not checked.
Header = Any
HEADERS: dict[int, Any] = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
orientations: Any = nibabel.orientations
voxel_sizes: Any = nibabel.affines.voxel_sizes
_dtypes: Any = nibabel.nifti1.data_type_codes

LENGTHS = {1: "m", 2: "mm", 3: "um"}  # xyzt_units, bits 0-2
SECONDS = {8: 1.0, 16: 1e-3, 24: 1e-6}  # xyzt_units, bits 3-5
VECTOR = 1007  # intent code: the fifth axis holds channels
LABEL = 1002  # intent code: values are identifiers of objects
COMMENT = 6  # extension code
RECORD = b"napari-depth-interp record: "
THICKNESS = "thickness"
"""Key of the thickness of a section in the record, in the lengths of the header."""


@dataclass(frozen=True, eq=False)
class NiftiOrigin:
    """What the writer needs to put voxels back as they were stored.

    Attributes
    ----------
    header : nibabel header
        As in the file, with its extensions; voxel sizes that were 0 or not finite are 1 here.
    affine : (4, 4) array
        From stored voxel indices to world coordinates.
    shape : (3,) tuple
        Stored spatial shape.
    orientation : (3, 2) array
        Canonical axis and direction of each stored axis, as in :mod:`nibabel.orientations`.
    section_axis : int
        Canonical axis along which the sections lie.
    first : (3,) array
        Where the grid says the first voxel is, per canonical axis.
    missing : (3,) bool array
        Stored axes whose voxel size the file does not give.
    notes : tuple of str
        What is odd about where the voxels lie.
    """

    header: Header
    affine: NDArray[np.float64]
    shape: tuple[int, ...]
    orientation: NDArray[np.float64]
    section_axis: int
    first: NDArray[np.float64]
    missing: NDArray[np.bool_]
    notes: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[int, int, int]:
        """Canonical axes of sections, rows and columns."""
        rows, columns = sorted({0, 1, 2} - {self.section_axis}, reverse=True)
        return self.section_axis, rows, columns

    @property
    def is_reversed(self) -> bool:
        """Whether the first section is the last one stored."""
        return bool(self.orientation[self.orientation[:, 0] == self.section_axis, 1][0] < 0)

    @property
    def canonical(self) -> NDArray[np.float64]:
        """The affine after the reorientation."""
        turned: NDArray[np.float64] = self.affine @ orientations.inv_ornt_aff(self.orientation, self.shape)
        return turned


def shape_of(header: Header) -> tuple[int, ...]:
    """Return the sizes of x, y, z, t and c."""
    count = int(header["dim"][0])
    if not 1 <= count <= 7:
        raise InputError(f"is damaged: it claims to have {count} axes; export it again")
    shape = [int(n) for n in header["dim"][1 : count + 1]]
    if min(shape) < 1:
        raise InputError(f"is damaged or empty: it claims to have the shape {tuple(shape)}; export it again")
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    intent = int(header["intent_code"])
    if len(shape) > 5 or (len(shape) == 5 and intent != VECTOR):
        raise InputError(
            f"has the shape {tuple(shape)} and the intent code {intent}; only x, y, z, time and the channels "
            "of a vector image (intent code 1007) can be read: split it into 3-D images"
        )
    return tuple(shape + [1] * (5 - len(shape)))


def stored_dtype(header: Header) -> np.dtype[Any]:
    code = int(header["datatype"])
    if code in (128, 2304):
        raise InputError("is an RGB image; convert it to grey values or split its channels")
    if code not in _dtypes.dtype:
        raise InputError(f"is damaged: its data type {code} does not exist; export it again")
    dtype = np.dtype(_dtypes.dtype[code])
    if dtype.kind == "c" or code == 2048:
        raise InputError("is a complex image; take its magnitude or its real part first")
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise InputError(f"has the data type {_dtypes.label[code]} ({code}); convert it to integers or float32")
    ordered: np.dtype[Any] = dtype.newbyteorder(header.endianness)
    return ordered


def scaling_of(header: Header) -> tuple[float, float] | None:
    """Return slope and intercept of the stored numbers; None where they are the real values."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not math.isfinite(slope):
        return None
    if not math.isfinite(intercept):
        raise InputError(f"is damaged: its scaling is {slope:g} * value + {intercept}; correct scl_inter")
    return None if (slope, intercept) == (1, 0) else (slope, intercept)


def real_dtype(header: Header, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the float type for scaled values: float32 where it can tell all stored numbers apart."""
    slope, intercept = map(abs, scaling_of(header) or (1.0, 0.0))
    exact = dtype.itemsize <= 2 and intercept <= slope * 2**20 and 1e-30 < slope < 1e30
    return np.dtype(np.float32 if exact else np.float64)


def time_step_of(header: Header) -> float | None:
    step, seconds = float(header["pixdim"][4]), SECONDS.get(int(header["xyzt_units"]) & 56)
    return step * seconds if seconds and math.isfinite(step) and step > 0 else None


def normalise_quaternion(header: Header, shortest: float = 1.0) -> None:
    """Undo rounding that made the rotation's quaternion longer than 1, which nibabel refuses."""
    names = ("quatern_b", "quatern_c", "quatern_d")
    length = math.hypot(*(float(header[name]) for name in names))
    if shortest < length < 1.001:
        for name in names:
            header[name] = float(header[name]) / length


def written_section_axis(header: Header) -> int | None:
    """Return the stored section axis of a file that this package wrote: filled in, it need not be the coarsest."""
    ours = any(is_record(extension) for extension in header.extensions)
    return header.get_dim_info()[2] if ours else None


def is_record(extension: Any) -> bool:
    return bool(extension.get_code() == COMMENT and extension.content.startswith(RECORD))


def record_in(header: Header) -> dict[str, Any]:
    """Return the history; one that is cut or edited by another program is no reason to refuse the image."""
    for extension in filter(is_record, header.extensions):
        if record := record_from(extension.content.removeprefix(RECORD)):
            return record
    return {}
