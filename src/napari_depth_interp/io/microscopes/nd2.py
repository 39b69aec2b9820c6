"""Nikon ND2, read with nd2; positions of the stage are series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...stack import Dataset
from ...stack.colours import colours_of
from ..calibration import Calibration, Length
from ..opening import assembled, check_sizes, choose_series, decoding, needs, refuse_axis

if TYPE_CHECKING:
    from .. import SectionAxis

__all__ = ["read", "series"]


def read(
    path: Path,
    *,
    axis: SectionAxis = "auto",
    axes: str | None = None,
    lazy: bool = False,
    labels: bool = False,
    series: str | None = None,
) -> Dataset:
    """Read one position of an ND2 file.

    Raises
    ------
    InputError
        If the file is damaged, or has other axes.
    """
    refuse_axis(axis, axes, "an ND2 file")
    nd2 = needs("nd2", "microscopes", path)
    with decoding(path, "ND2"), nd2.ND2File(path) as file:
        sizes, names = dict(file.sizes), _positions(file)
        place, notes = choose_series(path, names, series, "positions")
        check_sizes(list(sizes.values()), file.dtype, path)
        voxels, letters = _voxels(file, sizes, place if len(names) > 1 else None, path)
        calibration = _calibration(file, sizes)
        calibration.notes += notes
        rgb = "S" in sizes
        chosen = names[place] if len(names) > 1 else None
        return assembled(path, "ND2", voxels, letters, calibration, rgb=rgb, series=chosen)


def series(path: Path) -> list[str]:
    """Return the names of the positions of the stage."""
    nd2 = needs("nd2", "microscopes", path)
    with decoding(path, "ND2"), nd2.ND2File(path) as file:
        return _positions(file)


def _positions(file: Any) -> list[str]:
    count = int(file.sizes.get("P", 1))
    loop = next((each for each in file.experiment if each.type == "XYPosLoop"), None)
    points = [] if loop is None else loop.parameters.points
    words = [str(points[i].name or i) if i < len(points) else str(i) for i in range(count)]
    return words if len(set(words)) == count else [str(i) for i in range(count)]


def _voxels(file: Any, sizes: dict[str, int], place: int | None, path: Path) -> tuple[NDArray[Any], str]:
    voxels, names = np.asarray(file.asarray()), list(sizes)
    if place is not None:
        voxels = voxels.take(place, names.index("P"))
        names.remove("P")
    letters = "".join("C" if name == "S" else name for name in names)
    if not set(letters) <= set("TCZYX") or len(set(letters)) != len(letters) or voxels.ndim != len(letters):
        raise InputError(f"'{path.name}' has the axes {', '.join(sizes)}; only T, Z, C, Y, X and positions can be read")
    return voxels.astype(voxels.dtype.newbyteorder("="), copy=False), letters


def _calibration(file: Any, sizes: dict[str, int]) -> Calibration:
    found, size = Calibration(), file.voxel_size()
    channels = (file.metadata.channels if file.metadata else None) or []
    calibrated = channels[0].volume.axesCalibrated if channels else (True, True, True)
    for axis, value, known in zip("xyz", size, calibrated, strict=True):
        if known and value and value > 0 and (axis != "z" or sizes.get("Z", 1) > 1):
            found.sizes[axis] = Length(float(value), "um")
    loop = next((each for each in file.experiment if each.type == "ZStackLoop"), None)
    if loop is not None and loop.parameters.bottomToTop is False:
        found.notes.append("the sections were recorded from top to bottom; they are in the order of the file")
    time = next((each for each in file.experiment if each.type == "TimeLoop"), None)
    if time is not None and time.parameters.periodMs:
        found.time_step = float(time.parameters.periodMs) / 1000
    if len(channels) == sizes.get("C", 0) > 1:
        found.channel_names = tuple(str(each.channel.name) for each in channels)
        colours = [each.channel.color for each in channels]
        found.channel_colours = colours_of([f"{c.r:02X}{c.g:02X}{c.b:02X}" for c in colours])
    return found
