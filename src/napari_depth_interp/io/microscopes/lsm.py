"""Zeiss LSM: TIFF files with a table of their own, which tifffile reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from ...errors import InputError
from ...stack import Dataset
from ...stack.colours import colours_of
from ..calibration import Calibration, Length, number
from ..opening import assembled, check_sizes, decoding, refuse_axis
from ..tiff.damage import check_data, check_structure

if TYPE_CHECKING:
    from .. import SectionAxis

__all__ = ["read"]

_UM = 1e6
_SMALLEST = 1e-12
"""Metres; what is smaller stands for an axis that was not recorded."""


def read(
    path: Path, *, axis: SectionAxis = "auto", axes: str | None = None, lazy: bool = False, labels: bool = False
) -> Dataset:
    """Read the image of an LSM file; its thumbnails are left out.

    Raises
    ------
    InputError
        If the file is damaged, or has axes other than T, C, Z, Y and X.
    """
    refuse_axis(axis, axes, "an LSM file")
    check_structure(path)
    with decoding(path, "LSM"), tifffile.TiffFile(path) as tif:
        if not tif.is_lsm or not tif.series:
            raise InputError(f"'{path.name}' is no LSM file; check what it is")
        series = tif.series[0]
        kept = [i for i, name in enumerate(series.axes) if series.shape[i] > 1 or name in "TCZYX"]
        names, shape = "".join(series.axes[i] for i in kept), tuple(series.shape[i] for i in kept)
        if not set(names) <= set("TCZYX") or not set("YX") <= set(names):
            raise InputError(f"'{path.name}' has the axes {series.axes}; only T, C, Z, Y and X can be read")
        check_data(series, path)
        check_sizes(series.shape, series.dtype, path)
        voxels = np.asarray(series.asarray()).reshape(shape)
        return assembled(path, "LSM", voxels, names, _calibration(tif.lsm_metadata or {}))


def _calibration(metadata: Mapping[str, Any]) -> Calibration:
    found = Calibration()
    for axis in "xyz":
        size = number(metadata.get(f"VoxelSize{axis.upper()}"))
        if size and size > _SMALLEST:
            found.sizes[axis] = Length(size * _UM, "um")
        first = number(metadata.get(f"Origin{axis.upper()}"))
        if first:
            found.origin[axis] = Length(first * _UM, "um")
    step = number(metadata.get("TimeIntervall"))
    found.time_step = step if step and step > 0 else None
    colours = metadata.get("ChannelColors") or {}
    found.channel_names = tuple(str(name) for name in colours.get("ColorNames") or ())
    words = ["".join(f"{int(value) & 255:02X}" for value in each[:3]) for each in colours.get("Colors") or ()]
    found.channel_colours = colours_of(words)
    return found
