"""Imaris: HDF5 files with one dataset for each channel and time point. https://imaris.oxinst.com/support/imaris-file-format"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from ...stack import Dataset
from ...stack.colours import colours_of
from ...stack.lazy import LazyVoxels
from ...stack.units import normalise_unit
from ..calibration import Calibration, Length, number
from ..opening import assembled, check_sizes, decoding, refuse_axis
from .hierarchy import FileArray, check_dataset, member, opened

if TYPE_CHECKING:
    from .. import SectionAxis

__all__ = ["read"]

_LEVEL = "/DataSet/ResolutionLevel 0"
_MOST = 10_000
"""Datasets that are looked at."""


def read(
    path: Path, *, axis: SectionAxis = "auto", axes: str | None = None, lazy: bool = False, labels: bool = False
) -> Dataset:
    """Read the finest resolution.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    refuse_axis(axis, axes, "an Imaris file")
    with decoding(path, "Imaris"), opened(path) as file:
        level = member(file, _LEVEL, path)
        times = _count(level, "TimePoint ")
        channels = _count(member(file, f"{_LEVEL}/TimePoint 0", path), "Channel ")
        if not times or not channels:
            raise InputError(f"'{path.name}' holds no time points and channels; export it again")
        if times * channels > _MOST:
            raise InputError(f"'{path.name}' has more than {_MOST} time points and channels; save a part of them")
        names = [[f"{_LEVEL}/TimePoint {t}/Channel {c}/Data" for c in range(channels)] for t in range(times)]
        first = member(file, names[0][0], path)
        for every in (name for time in names for name in time):
            each = member(level, every.removeprefix(f"{_LEVEL}/"), path)
            if each.ndim != 3 or each.shape != first.shape or each.dtype != first.dtype:
                raise InputError(
                    f"'{path.name}': '{every}' has the shape {each.shape}, not {first.shape} as the others"
                )
            check_dataset(each, path)
        info = member(file, "/DataSetInfo/Image", path)
        sizes = [_number(info, name) for name in "ZYX"]  # the datasets are padded to whole chunks
        inner = [int(n) if n and 0 < n <= m else m for n, m in zip(sizes, first.shape, strict=True)]
        shape = (times, channels, *inner)
        chunks = (1, 1, *(first.chunks or first.shape))
        array = FileArray(path, names, shape, first.dtype, chunks)
        calibration = _calibration(file, info, inner, channels, path)
    letters = "".join(["T" * (times > 1), "C" * (channels > 1), "ZYX"])
    view = LazyVoxels(array)
    if lazy:
        return assembled(path, "Imaris", view, letters, calibration)
    check_sizes(shape, array.dtype, path, max(path.stat().st_size, 2**16))
    voxels = np.asarray(view).reshape([n for n, a in zip(shape, "TCZYX", strict=True) if a in letters])
    return assembled(path, "Imaris", voxels, letters, calibration)


def _count(group: Any, prefix: str) -> int:
    return next((i for i in range(_MOST + 1) if f"{prefix}{i}" not in group), _MOST + 1)


def _word(group: Any, name: str) -> str:
    """Return an attribute; Imaris writes each as an array of single letters, others with a NUL at the end."""
    value = group.attrs.get(name)
    if isinstance(value, np.ndarray):
        value = b"".join(bytes(each) if isinstance(each, bytes) else str(each).encode() for each in value)
    text = value.decode("latin-1") if isinstance(value, bytes) else "" if value is None else str(value)
    return text.strip("\0 ")


def _number(group: Any, name: str) -> float | None:
    return number(_word(group, name))


def _calibration(file: Any, info: Any, sizes: list[int], channels: int, path: Path) -> Calibration:
    found = Calibration()
    unit = normalise_unit(_word(info, "Unit")) or "um"
    for index, axis, count in zip((2, 1, 0), "zyx", sizes, strict=True):
        low, high = _number(info, f"ExtMin{index}"), _number(info, f"ExtMax{index}")
        if low is None or high is None or high <= low:
            continue
        step = (high - low) / count  # from edge to edge
        if axis != "z" or count > 1:
            found.sizes[axis] = Length(step, unit)
        found.origin[axis] = Length(low + step / 2, unit)
    names, colours = [], []
    for index in range(channels):
        try:
            group = member(file, f"/DataSetInfo/Channel {index}", path)
        except InputError:
            break
        names.append(_word(group, "Name") or f"Channel {index}")
        parts = [number(each) for each in _word(group, "Color").split()]
        colours.append("".join(f"{round(255 * min(max(part or 0.0, 0.0), 1.0)):02X}" for part in parts))
    found.channel_names, found.channel_colours = tuple(names), colours_of(colours)
    return found
