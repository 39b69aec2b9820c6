"""MINC 1 and 2, the volumes of the Montreal Neurological Institute; they are read only. Lengths are in mm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from ...stack import Dataset
from ..nifti.placed import place
from ..opening import check_sizes, decoding, needs

if TYPE_CHECKING:
    from .. import SectionAxis

__all__ = ["read"]

_HDF5 = b"\x89HDF"


def read(
    path: Path, *, axis: SectionAxis = "auto", axes: str | None = None, lazy: bool = False, labels: bool = False
) -> Dataset:
    """Read a volume; its values are real numbers, scaled section by section.

    Raises
    ------
    InputError
        If the file is damaged, or of MINC 2 and h5py is missing.
    """
    with path.open("rb") as file:
        newer = file.read(4) == _HDF5
    if newer:
        needs("h5py", "scanners", path)
    with decoding(path, "MINC"):
        kind: Any = nibabel.Minc2Image if newer else nibabel.Minc1Image
        image = kind.from_filename(path)
        check_sizes(image.shape, np.float64, path)
        voxels, affine = np.asarray(image.dataobj), np.array(image.affine, float)
        affine[:3, :3][:, ~_is_stepped(path, newer)] = np.nan  # nibabel has 1 there
        if voxels.ndim == 3:
            voxels = voxels[None]
        # time and the slowest axis come first in MINC, last in what follows
        turned = voxels.transpose(3, 2, 1, 0)[..., None]
        return place(path, "MINC", turned, affine[:, [2, 1, 0, 3]], axis=axis, axes=axes)


def _is_stepped(path: Path, newer: bool) -> NDArray[np.bool_]:
    """Return for the three axes of space, in the order of the file, whether it gives the distance of voxels."""
    if newer:
        import h5py

        with h5py.File(path) as file:
            volume = file["minc-2.0"]
            names = volume["image/0/image"].attrs["dimorder"].decode().split(",")
            stepped = {name: "step" in volume["dimensions"][name].attrs for name in names}
    else:
        from scipy.io import netcdf_file

        with netcdf_file(path, mmap=False) as file:
            names = list(file.variables["image"].dimensions)
            stepped = {name: hasattr(file.variables.get(name), "step") for name in names}
    return np.array([stepped[name] for name in names if name.endswith("space")][:3], bool)
