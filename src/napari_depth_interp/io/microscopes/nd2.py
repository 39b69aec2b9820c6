"""Nikon ND2, read with nd2; positions of the stage are series."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...stack import Dataset
from ...stack.colours import colours_of
from ..calibration import Calibration, Length
from ..opening import check_claim, choose_series, decoding, needs, refuse_axis
from .planes import Plane, PlaneArray, from_source

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
        array, letters = _position(file, sizes, place, path)
        calibration = _calibration(file, sizes)
        calibration.time_step = _time_step(file, sizes, place)
        calibration.notes += notes
        rgb = "S" in sizes
        chosen = names[place] if len(names) > 1 else None
        return from_source(path, "ND2", array, "TCZYX", calibration, letters=letters, lazy=lazy, rgb=rgb, series=chosen)


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


def _position(file: Any, sizes: dict[str, int], place: int, path: Path) -> tuple[PlaneArray, str]:
    """Return the planes of one position, and the letters of its axes."""
    letters = "".join("C" if name == "S" else name for name in sizes if name != "P")
    if not set(letters) <= set("TCZYX") or len(set(letters)) != len(letters) or not {"Y", "X"} <= set(letters):
        raise InputError(f"'{path.name}' has the axes {', '.join(sizes)}; only T, Z, C, Y, X and positions can be read")
    check_claim(list(sizes.values()), file.dtype, path)
    frames = {
        (each.get("T", 0), each.get("Z", 0)): number
        for number, each in enumerate(file.loop_indices)
        if each.get("P", 0) == place
    }
    height, width, channels = sizes["Y"], sizes["X"], sizes.get("C", 1) * sizes.get("S", 1)

    @contextmanager
    def opened() -> Iterator[Plane]:
        @lru_cache(1)
        def frame(number: int) -> NDArray[Any]:
            pixels = np.asarray(again.read_frame(number)).reshape(-1, height, width, sizes.get("S", 1))
            return np.moveaxis(pixels, 3, 1).reshape(-1, height, width)

        with needs("nd2", "microscopes", path).ND2File(path) as again:
            yield lambda t, c, z: frame(frames[t, z])[c]

    shape = (sizes.get("T", 1), channels, sizes.get("Z", 1), height, width)
    return PlaneArray(path, "ND2", shape, file.dtype.newbyteorder("="), opened), letters


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
    if len(channels) == sizes.get("C", 0) > 1:
        found.channel_names = tuple(str(each.channel.name) for each in channels)
        colours = [each.channel.color for each in channels]
        found.channel_colours = colours_of([f"{c.r:02X}{c.g:02X}{c.b:02X}" for c in colours])
    return found


def _time_step(file: Any, sizes: dict[str, int], place: int) -> float | None:
    """Return the seconds between time points: as set, or, where there was no delay, the mean of the recorded ones."""
    loop = next((each for each in file.experiment if each.type == "TimeLoop"), None)
    if loop is None or sizes.get("T", 1) < 2:
        return None
    if loop.parameters.periodMs:
        return float(loop.parameters.periodMs) / 1000
    begun = {
        each["T"]: number
        for number, each in reversed(list(enumerate(file.loop_indices)))
        if each.get("P", 0) == place and each.get("T") in (0, sizes["T"] - 1)
    }
    first, last = (_recorded(file, begun.get(time)) for time in (0, sizes["T"] - 1))
    return None if first is None or last is None or last <= first else (last - first) / (sizes["T"] - 1)


def _recorded(file: Any, frame: int | None) -> float | None:
    """Return the seconds at which a frame was recorded."""
    channels = getattr(None if frame is None else file.frame_metadata(frame), "channels", None)
    return float(channels[0].time.relativeTimeMs) / 1000 if channels else None
