"""HDF5 with the path of a dataset, as in ``file.h5::/raw``. Spacing is read where ilastik, ITK or ImageJ put it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from ...stack import Dataset
from ...stack.lazy import LazyVoxels
from ...stack.units import normalise_unit
from ..calibration import Calibration, Length, number
from ..opening import assembled, check_sizes, decoding, listed, refuse_axis
from .hierarchy import FileArray, check_dataset, datasets, member, opened

if TYPE_CHECKING:
    from .. import SectionAxis

__all__ = ["read", "series"]

_USUAL = {2: "YX", 3: "ZYX", 4: "CZYX", 5: "TCZYX"}
_CHANNELS_LAST = {3: "YXC", 4: "ZYXC", 5: "TZYXC"}
_FEW = 4
"""A last axis that is no longer than this, where rows and columns are, is one of channels (as ilastik stores them)."""


def read(
    path: Path,
    *,
    axis: SectionAxis = "auto",
    axes: str | None = None,
    lazy: bool = False,
    labels: bool = False,
    series: str | None = None,
) -> Dataset:
    """Read one dataset; if there is only one with three axes or more it need not be named.

    Raises
    ------
    InputError
        If the file is damaged, or several datasets are there and none is named.
    """
    refuse_axis(axis, None, "an HDF5 file")
    with decoding(path, "HDF5"), opened(path) as file:
        found = _chosen(file, path, series)
        check_dataset(found, path)
        letters, notes = _axes(found, axes, path)
        calibration = _calibration(found, letters)
        calibration.notes += notes
        array = FileArray(path, [[found.name]], found.shape, found.dtype, found.chunks or found.shape)
        name = str(found.name)
    if lazy:
        order = [letters.index(each) if each in letters else None for each in "TCZYX"]
        return assembled(path, "HDF5", LazyVoxels(array, order), letters, calibration, series=name)
    check_sizes(array.shape, array.dtype, path, max(path.stat().st_size, 2**16))
    voxels = np.asarray(LazyVoxels(array))
    return assembled(path, "HDF5", voxels, letters, calibration, series=name)


def series(path: Path) -> list[str]:
    """Return the paths of the datasets that can be stacks."""
    with decoding(path, "HDF5"), opened(path) as file:
        return [name for name, each in datasets(file, path) if each.ndim > 2]


def _chosen(file: Any, path: Path, wanted: str | None) -> Any:
    if wanted is not None and not wanted.isdecimal():
        found = member(file, wanted, path)
        if not hasattr(found, "shape") or found.dtype.kind not in "iufb" or not 2 <= found.ndim <= 5:
            raise InputError(f"'{path.name}': '{wanted}' is no array of numbers with two to five axes; choose another")
        return found
    there = [(name, each) for name, each in datasets(file, path) if each.ndim > 2]
    if wanted is not None and int(wanted) < len(there):
        return there[int(wanted)][1]
    if len(there) != 1 or wanted is not None:
        if not there:
            raise InputError(f"'{path.name}' holds no dataset of numbers with three axes or more; check what it is")
        names, example = listed([name for name, _ in there]), there[0][0]
        raise InputError(f"'{path.name}' holds the datasets {names}; choose one, as in '{path.name}::{example}'")
    return there[0][1]


def _axes(found: Any, axes: str | None, path: Path) -> tuple[str, list[str]]:
    """Return the names of the axes: as given, as ilastik writes them, or in the usual order."""
    said = axes.upper() if axes is not None else _tags(found)
    letters = said or _usual(found.shape)
    letters_fit = len(set(letters)) == len(letters) == found.ndim
    if not letters_fit or not set("YX") <= set(letters) <= set("TCZYX"):
        raise InputError(
            f"the axes {letters} do not fit '{found.name}' of the shape {found.shape} in '{path.name}'; name each "
            "once, out of T, C, Z, Y, X"
        )
    return letters, [] if said else [f"the file does not name its axes; {letters} is taken"]


def _usual(shape: tuple[int, ...]) -> str:
    last = len(shape) > 2 and shape[-1] <= _FEW < min(shape[-3:-1])
    return (_CHANNELS_LAST if last else _USUAL)[len(shape)]


def _tags(found: Any) -> str:
    text = found.attrs.get("axistags")
    try:
        keys = [str(each["key"]) for each in json.loads(text)["axes"]] if isinstance(text, str | bytes) else []
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return "".join(keys).upper()


def _calibration(found: Any, letters: str) -> Calibration:
    """Read ``element_size_um`` (ImageJ's HDF5 plugin: z, y, x), or ``resolution``, ``spacing`` or ``voxel_size``."""
    result = Calibration()
    names = [("element_size_um", "um"), ("resolution", None), ("spacing", None), ("voxel_size", None)]
    for name, unit in names:
        value = found.attrs.get(name)
        numbers = [number(float(each)) for each in np.ravel(value)] if _is_numbers(value) else []
        spatial = [axis for axis in letters.lower() if axis in "zyx"]
        if len(numbers) == 3 and len(spatial) == 3:
            word = found.attrs.get("unit", found.attrs.get("units", unit))
            known = normalise_unit(word.decode() if isinstance(word, bytes) else word)
            for axis, size in zip("zyx", numbers, strict=True):
                if size and size > 0:
                    result.sizes[axis] = Length(size, known or unit)
            if "z" not in result.sizes:
                result.notes.append(f"the z spacing in the file ('{name}') is not a positive number; it was ignored")
            break
        if value is not None:
            result.notes.append(f"'{name}' in the file is not three sizes (z spacing, rows, columns); it was ignored")
    return result


def _is_numbers(value: object) -> bool:
    return value is not None and np.asarray(value).dtype.kind in "iuf"
