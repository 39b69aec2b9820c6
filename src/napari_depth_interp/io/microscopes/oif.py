"""Olympus FluoView: OIB files, and OIF files with the folder beside them, read with oiffile."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from ...stack import Dataset
from ...stack.units import normalise_unit
from ..calibration import Calibration, Length, number, seconds
from ..opening import assembled, check_sizes, damaged, decoding, needs, refuse_axis
from .compound import check_chains

if TYPE_CHECKING:
    from .. import SectionAxis

__all__ = ["read"]

_AXES = 8
"""Sections named [Axis N Parameters Common] in the main settings."""


def read(
    path: Path, *, axis: SectionAxis = "auto", axes: str | None = None, lazy: bool = False, labels: bool = False
) -> Dataset:
    """Read the first image series.

    Raises
    ------
    InputError
        If the file is damaged, or has other axes.
    """
    refuse_axis(axis, axes, "a FluoView file")
    oiffile = needs("oiffile", "microscopes", path)
    folder = path.with_name(f"{path.name}.files")
    with decoding(path, "OIF"):
        check_chains(path)
        if odd := next((each for each in folder.glob("*") if not each.is_file() and each.suffix), None):
            raise damaged(path, f"'{odd.name[:50]}' in its folder is no regular file")
    with decoding(path, "OIF"), oiffile.OifFile(path) as file:
        sequence = file.series[0]
        if len(sequence) < math.prod(sequence.shape):
            raise damaged(path, f"{len(sequence)} of {math.prod(sequence.shape)} images are there")
        names = f"{sequence.axes}YX"
        shape = (*sequence.shape, *(_size(file.mainfile, axis) for axis in "YX"))
        kept = [i for i, name in enumerate(names) if shape[i] > 1 or name in "TCZYX"]
        letters = "".join(names[i] for i in kept)
        if not set(letters) <= set("TCZYX"):
            raise InputError(f"'{path.name}' has the axes {names}; only T, C, Z, Y and X can be read")
        there = sum(each.stat().st_size for each in folder.iterdir()) if folder.is_dir() else path.stat().st_size
        check_sizes(shape, "uint16", path, there)
        voxels = np.asarray(file.asarray())
        if voxels.shape != shape:
            raise damaged(path, f"it should hold an image of the shape {shape} and gives {voxels.shape}")
        voxels = voxels.reshape([shape[i] for i in kept])
        sizes = {letter: shape[i] for i, letter in zip(kept, letters, strict=True)}
        return assembled(path, "OIB" if file.is_oib else "OIF", voxels, letters, _calibration(file.mainfile, sizes))


def _axis_settings(settings: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for index in range(_AXES):
        values = settings.get(f"Axis {index} Parameters Common", {})
        yield str(values.get("AxisCode", "")).upper(), values


def _size(settings: Mapping[str, Any], axis: str) -> int:
    """Return how many pixels an axis has, as the main settings say."""
    return next((int(values["MaxSize"]) for name, values in _axis_settings(settings) if name == axis), 0)


def _calibration(settings: Mapping[str, Any], sizes: Mapping[str, int]) -> Calibration:
    found = Calibration()
    for name, values in _axis_settings(settings):
        count = number(values.get("MaxSize"))
        first, last = number(values.get("StartPosition")), number(values.get("EndPosition"))
        if name not in sizes or not count or count < 2 or first is None or last is None:
            continue
        if count != sizes[name]:
            found.notes.append(
                f"the file says it has {count:g} entries along {name}, not {sizes[name]}: spacing unknown"
            )
            continue
        words = str(values.get("UnitName") or values.get("PixUnit") or "")
        if name == "T":
            found.time_step = seconds(abs(last - first) / (count - 1), words)
        elif name in "XYZ" and last != first:
            steps = count - 1 if name == "Z" else count
            found.sizes[name.lower()] = Length(abs(last - first) / steps, normalise_unit(words))
    for axis, key in (("x", "WidthConvertValue"), ("y", "HeightConvertValue")):
        values = settings.get("Reference Image Parameter", {})
        size, unit = number(values.get(key)), normalise_unit(values.get(key.replace("ConvertValue", "Unit")))
        if size and unit:
            found.sizes[axis] = Length(size, unit)
    found.channel_names = _dyes(settings) if "C" in sizes else ()
    return found


def _dyes(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the dyes of the channels that were recorded, or the names of their detectors."""
    for title in ("Channel", "GUI Channel"):  # the second lists also those that were off
        found = [settings[f"{title} {i} Parameters"] for i in range(1, 20) if f"{title} {i} Parameters" in settings]
        if found:
            return tuple(_dye(values, index) for index, values in enumerate(found, 1))
    return ()


def _dye(values: Mapping[str, Any], index: int) -> str:
    dye = str(values.get("DyeName") or "None")
    return dye if dye != "None" else str(values.get("CH Name") or f"Channel {index}")
