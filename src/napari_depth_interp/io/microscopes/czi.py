"""Zeiss CZI, read with Zeiss's own pylibCZIrw (LGPL); scenes are series."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...stack import Dataset
from ...stack.colours import colours_of
from ..calibration import Calibration, Length, number
from ..opening import check_claim, choose_series, damaged, decoding, needs, refuse_axis
from .czi_segments import time_stamps, xml_of
from .planes import Plane, PlaneArray, from_source

if TYPE_CHECKING:
    from .. import SectionAxis

__all__ = ["read", "series"]

_UM = 1e6
_TYPES = {"Gray8": "uint8", "Gray16": "uint16", "Gray32Float": "float32", "Bgr24": "uint8", "Bgr48": "uint16"}
_MAGIC = b"ZISRAWFILE"
_LARGEST_SIDE = 2**20


def read(
    path: Path,
    *,
    axis: SectionAxis = "auto",
    axes: str | None = None,
    lazy: bool = False,
    labels: bool = False,
    series: str | None = None,
) -> Dataset:
    """Read one scene of a CZI file, its mosaic put together.

    Raises
    ------
    InputError
        If the file is damaged, or has other axes.
    """
    refuse_axis(axis, axes, "a CZI file")
    with decoding(path, "CZI"), _opened(path) as czi:
        root = _metadata(xml_of(path))
        scenes = czi.scenes_bounding_rectangle_no_pyramid
        names = _names(root, sorted(scenes))
        place, notes = choose_series(path, names, series, "scenes")
        scene = sorted(scenes)[place] if scenes else None
        box = czi.total_bounding_box_no_pyramid
        kinds = set(czi.pixel_types.values())
        kind = kinds.pop() if len(kinds) == 1 else "several"
        if kind not in _TYPES:
            raise InputError(f"'{path.name}' holds {kind} pixels; grey values and RGB of one type can be read")
        array = _array(czi, box, scene, kind, path)
        calibration = _calibration(root, array.shape[2])
        calibration.time_step = _time_step(root, path, array.shape[0])
        calibration.notes += notes
        letters = "".join(a for a, n in zip("TCZ", array.shape[:3], strict=True) if n > 1 or a == "Z") + "YX"
        rgb = kind.startswith("Bgr")
        chosen = names[place] if len(names) > 1 else None
        return from_source(path, "CZI", array, "TCZYX", calibration, letters=letters, lazy=lazy, rgb=rgb, series=chosen)


def series(path: Path) -> list[str]:
    """Return the names of the scenes."""
    with decoding(path, "CZI"), _opened(path) as czi:
        return _names(_metadata(xml_of(path)), sorted(czi.scenes_bounding_rectangle_no_pyramid))


def _opened(path: Path) -> Any:
    czi = needs("pylibCZIrw.czi", "microscopes", path)
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise InputError(
                f"'{path.name}' is no CZI file (it does not begin with {_MAGIC.decode()}); check what it is"
            )
    return czi.open_czi(os.fspath(path.absolute()))


def _metadata(xml: bytes) -> ElementTree.Element:
    """Return the metadata; those that carry a DTD say nothing."""
    if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml:
        return ElementTree.Element("ImageDocument")
    try:
        return ElementTree.fromstring(xml.strip(b"\0 \r\n\t"))
    except (ElementTree.ParseError, ValueError, LookupError):
        return ElementTree.Element("ImageDocument")


def _array(czi: Any, box: Any, scene: int | None, kind: str, path: Path) -> PlaneArray:
    """Return one scene (t, c, z, y, x); the colours of an RGB image are channels."""
    others = {name: ends for name, ends in box.items() if name not in "TCZYX" and ends[1] - ends[0] > 1}
    if others:
        raise InputError(
            f"'{path.name}' has the further axes {', '.join(others)}; only T, C, Z, Y, X and scenes can be read"
        )
    times, channels, sections = (range(*box.get(name, (0, 1))) for name in "TCZ")
    scenes = czi.scenes_bounding_rectangle_no_pyramid
    width, height = (
        (scenes[scene].w, scenes[scene].h)
        if scene is not None
        else (box["X"][1] - box["X"][0], box["Y"][1] - box["Y"][0])
    )
    samples = 3 if kind.startswith("Bgr") else 1
    if max(width, height) > _LARGEST_SIDE:
        raise damaged(path, f"it claims to have {width} x {height} pixels")
    if samples > 1 < len(channels):
        raise InputError(
            f"'{path.name}' has {len(channels)} channels of {kind}; channels of grey values, or one of RGB, can be read"
        )
    where = {} if scene is None else {"scene": scene}

    @contextmanager
    def opened() -> Iterator[Plane]:
        @lru_cache(1)
        def pixels(t: int, c: int, z: int) -> NDArray[Any]:
            plane = {"T": times[t], "C": channels[c], "Z": sections[z]}
            found = np.asarray(again.read(plane=plane, **where))
            return np.moveaxis(found, 2, 0)[:: -1 if samples > 1 else 1]

        with _opened(path) as again:
            yield lambda t, c, z: pixels(t, c // samples, z)[c % samples]

    shape = (len(times), len(channels) * samples, len(sections), height, width)
    check_claim(shape[-2:], _TYPES[kind], path)
    return PlaneArray(path, "CZI", shape, _TYPES[kind], opened)


def _names(root: ElementTree.Element, scenes: list[int]) -> list[str]:
    named = {each.get("Index"): each.get("Name") for each in root.iterfind(".//Dimensions/S/Scenes/Scene")}
    words = [str(named.get(str(scene)) or f"scene {scene}") for scene in scenes]
    return words if len(set(words)) == len(words) else [f"{word} ({i})" for i, word in enumerate(words)]


def _calibration(root: ElementTree.Element, sections: int) -> Calibration:
    found = Calibration()
    for each in root.iterfind(".//Scaling/Items/Distance"):
        axis, size = str(each.get("Id", "")).lower(), number(each.findtext("Value"))
        if axis in ("x", "y", "z") and size and (axis != "z" or sections > 1):
            found.sizes[axis] = Length(abs(size) * _UM, "um")
    channels = list(root.iterfind(".//Image/Dimensions/Channels/Channel"))
    names = [str(each.get("Name") or "") for each in channels]
    found.channel_names = tuple(name or f"Channel {i}" for i, name in enumerate(names)) if any(names) else ()
    colours = list(_colours(root))
    found.channel_colours = colours_of(colours) if len(colours) == len(channels) else ()
    return found


def _time_step(root: ElementTree.Element, path: Path, times: int) -> float | None:
    """Return the seconds between time points: as set, or the mean of when they were recorded."""
    if times < 2:
        return None
    where = ".//Image/Dimensions/T/Positions"
    step = number(root.findtext(f"{where}/Interval/Increment"))
    if step:
        return step if step > 0 else None
    offsets = [number(word) for word in (root.findtext(f"{where}/List/Offsets") or "").split()]
    known = [each for each in offsets if each is not None] or time_stamps(path)
    if len(known) != times or known[-1] <= known[0]:
        return None
    return (known[-1] - known[0]) / (times - 1)


def _colours(root: ElementTree.Element) -> Iterator[str]:
    """Yield the colour of each channel; Zeiss writes an opacity before it."""
    for each in root.iterfind(".//DisplaySetting/Channels/Channel"):
        yield (each.findtext("Color") or "").lstrip("#")[-6:]
