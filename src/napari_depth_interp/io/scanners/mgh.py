"""FreeSurfer's MGH and MGZ volumes. Lengths are in mm; the history of a run has no place in them."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np

from ...errors import OutputError
from ...stack import Dataset, Grid
from ..nifti.placed import place, turned_back
from ..nifti.writer import check as check_grid
from ..opening import check_sizes, decoding

if TYPE_CHECKING:
    from .. import SectionAxis

__all__ = ["check", "read", "write"]

_TYPES = ("uint8", "int16", "int32", "float32")
_freesurfer: Any = nibabel.freesurfer
_image: Any = _freesurfer.MGHImage


def read(
    path: Path, *, axis: SectionAxis = "auto", axes: str | None = None, lazy: bool = False, labels: bool = False
) -> Dataset:
    """Read a volume; several frames are time points.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    with decoding(path, "MGH"):
        image = _image.from_filename(path, mmap=False)
        check_sizes(image.shape, image.get_data_dtype(), path)
        voxels = np.asarray(image.dataobj)
        voxels = voxels.astype(voxels.dtype.newbyteorder("="), copy=False).reshape(*voxels.shape[:3], -1, 1)
        affine, step = np.array(image.affine, float), float(image.header["tr"]) / 1000  # a number in ms
        if not _is_placed(path):
            affine[:3, :3] = np.nan  # FreeSurfer takes 1 mm there, and so does nibabel
        return place(path, "MGH", voxels, affine, axis=axis, axes=axes, time_step=step)


def _is_placed(path: Path) -> bool:
    """Return whether the header says that it gives voxel sizes and directions (``goodRASFlag``)."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if packed else path.open("rb") as file:
        return any(file.read(30)[28:])


def write(path: Path, dataset: Dataset, *, float_output: bool = False) -> None:
    """Write a volume as it was stored.

    Raises
    ------
    OutputError
        As for NIfTI, or if MGH has no such type.
    """
    check(dataset, dataset.grid, float_output=float_output)
    stored, affine, _, _ = turned_back(dataset, "mm")
    stored = stored[..., 0] if stored.shape[3] > 1 else stored[..., 0, 0]
    dtype = np.float32 if float_output or stored.dtype.kind == "f" else stored.dtype
    image = _image(np.ascontiguousarray(stored.astype(dtype, copy=False)), affine)
    if dataset.time_step and stored.ndim == 4:
        image.header["tr"] = 1000 * dataset.time_step
    data = image.to_bytes()
    if path.suffix.lower() == ".mgz":
        with path.open("wb") as file, gzip.GzipFile("", "wb", 4, file, mtime=0) as zipped:
            zipped.write(data)
    else:
        path.write_bytes(data)


def check(dataset: Dataset, grid: Grid, *, float_output: bool = False) -> None:
    """Raise an :class:`OutputError` if MGH cannot hold what is made of ``dataset`` on the grid ``grid``."""
    check_grid(dataset, grid, float_output=float_output, title="MGH")
    kind = dataset.voxels.dtype
    if not (float_output or kind.name in (*_TYPES, "float16")):
        raise OutputError(f"MGH has no type for {kind} voxels; write .nii.gz instead, or add --dtype float32")
    if dataset.voxels.shape[1] > 1:
        raise OutputError("MGH holds no channels; write .nii.gz instead, or one --channel")
