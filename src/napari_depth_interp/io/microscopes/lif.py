"""Leica LIF: several images in one file, read with liffile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...stack import Dataset
from ...stack.colours import colours_of
from ..calibration import Calibration, Length
from ..opening import check_claim, check_sizes, choose_series, decoding, needs, refuse_axis
from .planes import from_source

if TYPE_CHECKING:
    from .. import SectionAxis

__all__ = ["read", "series"]

_UM = 1e6
_SWEEPS = {"λ": "emission", "Λ": "excitation"}
_COLOURS = {
    "red": "FF0000", "green": "00FF00", "blue": "0000FF", "yellow": "FFFF00", "magenta": "FF00FF", "cyan": "00FFFF",
    "gray": "FFFFFF", "grey": "FFFFFF",
}  # fmt: skip


def read(
    path: Path,
    *,
    axis: SectionAxis = "auto",
    axes: str | None = None,
    lazy: bool = False,
    labels: bool = False,
    series: str | None = None,
) -> Dataset:
    """Read one image of a LIF file; steps of the wavelength become channels.

    Raises
    ------
    InputError
        If the file is damaged, or the image has other axes.
    """
    refuse_axis(axis, axes, "a LIF file")
    liffile = needs("liffile", "microscopes", path)
    with decoding(path, "LIF"), liffile.LifFile(path) as lif:
        images = list(lif.images)
        names = [str(each.path) for each in images]
        if not images:
            raise InputError(f"'{path.name}' holds no image; export it again")
        number_of, notes = choose_series(path, names, series, "images")
        image = images[number_of]
        letters, sweep = _axes(image, path)
        check_claim(image.shape, image.dtype, path)
        rgb = "S" in image.dims
        if rgb:  # stored as blue, green, red: the reader turns all of them in memory
            check_sizes(image.shape, image.dtype, path)
        voxels = _Stored(image.asarray(out=None if rgb else "memmap"))
        calibration = _calibration(image, letters, sweep)
        calibration.notes += notes
        chosen = names[number_of] if len(names) > 1 else None
        return from_source(path, "LIF", voxels, letters, calibration, lazy=lazy, rgb=rgb, series=chosen)


def series(path: Path) -> list[str]:
    """Return the names of the images."""
    liffile = needs("liffile", "microscopes", path)
    with decoding(path, "LIF"), liffile.LifFile(path) as lif:
        return [str(each.path) for each in lif.images]


class _Stored:
    """Voxels mapped from the file, of which copies are given."""

    def __init__(self, mapped: NDArray[Any]) -> None:
        self._mapped, self.shape, self.dtype = mapped, mapped.shape, mapped.dtype

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return np.array(self._mapped[key])


def _axes(image: Any, path: Path) -> tuple[str, str]:
    """Return the axes as letters, and which one of them is a sweep of wavelengths."""
    names = [str(each) for each in image.dims]
    sweeps = [each for each in names if each in _SWEEPS]
    sweep = sweeps[0] if len(sweeps) == 1 and "C" not in names and "S" not in names else ""
    letters = "".join("C" if each in (sweep, "S") else each for each in names)
    if not set(letters) <= set("TCZYX") or len(set(letters)) != len(letters) or not {"Y", "X"} <= set(letters):
        raise InputError(
            f"the image '{image.path}' in '{path.name}' has the axes {', '.join(names)}; only time, channels or one "
            "sweep of wavelengths, z, y and x can be read"
        )
    return letters, sweep


def _calibration(image: Any, letters: str, sweep: str) -> Calibration:
    found = Calibration()
    coords = {key: np.asarray(value, float) for key, value in image.coords.items() if np.size(value) > 1}
    for axis in "xy":
        values = coords.get(axis.upper())
        if values is not None and (step := abs(float(np.median(np.diff(values))))) > 0:
            found.sizes[axis] = Length(step * _UM, "um")
    if "Z" in letters and "Z" in coords:
        found.positions = [Length(float(z) * _UM, "um") for z in coords["Z"]]
    if "T" in coords:
        step = float(np.median(np.diff(coords["T"])))
        found.time_step = step if step > 0 else None
    channels = list(image.xml_element.iter("ChannelDescription"))
    tables = [each.get("LUTName", "").lower() for each in channels]
    if sweep:
        found.channel_names = tuple(f"{_SWEEPS[sweep]} {each * 1e9:.0f} nm" for each in coords.get(sweep, ()))
    elif channels and "C" in letters:
        found.channel_names = tuple(name or f"Channel {i}" for i, name in enumerate(map(_dye, channels)))
        found.channel_colours = colours_of([_COLOURS.get(each) for each in tables])
    return found


def _dye(channel: Any) -> str:
    """Return the name of the dye that a channel records, if it stands there."""
    for entry in channel.iter("ChannelProperty"):
        if entry.findtext("Key") == "DyeName" and entry.findtext("Value"):
            return str(entry.findtext("Value"))
    return str(channel.get("LUTName") or "")
