"""OME-XML: what it says about an image, and the words to write into one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from ...stack import Dataset, Grid
from ...stack.colours import colours_of
from ...stack.units import normalise_unit
from ..calibration import Calibration, Length, number, record_from, seconds, thickness_from, thickness_text

NAMESPACE = "napari-depth-interp"
"""Under this name the record of a run stands in the file."""
_THICKNESS = ("thickness", "slicethickness", "sectionthickness")

_UNKNOWN_UNIT = "reference frame"
_OME_UNITS = {"um": "µm", "inch": "in", "angstrom": "Å", None: _UNKNOWN_UNIT}


def parse(xml: str) -> ElementTree.Element | str:
    """Return the root of an OME-XML, or in words why nothing in it is believed."""
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        return "the OME-XML carries a document type declaration (DTD), which may load other files and OME never has"
    try:
        return ElementTree.fromstring(xml)
    except (ElementTree.ParseError, ValueError):
        return "the OME-XML is malformed"


def named(elements: Iterable[ElementTree.Element], name: str) -> Iterator[ElementTree.Element]:
    """Yield the elements of that name, whatever the namespace (it changes with each edition of OME)."""
    return (element for element in elements if element.tag.rpartition("}")[2] == name)


def children(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    """Yield the elements of that name directly below another one."""
    return named(iter(element), name)


def calibration_of(root: ElementTree.Element, image: ElementTree.Element | None) -> Calibration:
    """Return what an OME-XML says about an image (by default its first) and about the run that made it."""
    pixels = next(named((root if image is None else image).iter(), "Pixels"), None)
    calibration = Calibration() if pixels is None else _calibration(pixels)
    calibration.record = record_from(_record_text(root))
    calibration.thickness = _thickness(root)
    return calibration


def _calibration(pixels: ElementTree.Element) -> Calibration:
    planes = _planes(pixels)
    first = next(iter(planes.values()), None)
    result = Calibration(
        positions=_positions(planes, pixels.get("SizeZ")),
        channel_names=_channel_names(pixels),
        channel_colours=_channel_colours(pixels),
        time_step=seconds(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit")),
    )
    for axis in "XY":
        _set_size(result, axis, pixels)
        position = None if first is None else _length(first, f"Position{axis}", None)
        if position is not None:
            result.origin[axis.lower()] = position
    z_size = _length(pixels, "PhysicalSizeZ", "µm")
    result.set_spacing(pixels.get("PhysicalSizeZ"), None if z_size is None else z_size.unit)
    return result


def _set_size(calibration: Calibration, axis: str, pixels: ElementTree.Element) -> None:
    """Take the pixel size along an axis; 0 is how some writers say that it is not known."""
    name = f"PhysicalSize{axis}"
    size, said = _length(pixels, name, "µm"), pixels.get(name)
    if size is not None and size.value == 1 and pixels.get(f"{name}Unit") == "pixel":  # says nothing
        return
    if size is not None and size.value > 0:
        calibration.sizes[axis.lower()] = size
    elif said is not None and (size is None or size.value):
        calibration.notes.append(f"{name} in the file is '{said[:50]}', which is no size; the pixel size is not known")


def _length(element: ElementTree.Element, name: str, default_unit: str | None) -> Length | None:
    value = number(element.get(name))
    return None if value is None else Length(value, normalise_unit(element.get(name + "Unit", default_unit)))


def _planes(pixels: ElementTree.Element) -> dict[int, ElementTree.Element]:
    """For each section the plane of the earliest time and lowest channel, in the order of the sections."""
    chosen: dict[int, tuple[tuple[int, int], ElementTree.Element]] = {}
    for plane in named(pixels, "Plane"):
        index = [plane.get(name, "0") for name in ("TheZ", "TheT", "TheC")]
        if not all(text.isdecimal() for text in index):
            continue
        z, t, c = map(int, index)
        if z not in chosen or (t, c) < chosen[z][0]:
            chosen[z] = (t, c), plane
    return {z: chosen[z][1] for z in sorted(chosen)}


def _positions(planes: dict[int, ElementTree.Element], sections: str | None) -> list[Length]:
    """PositionZ of every section, or nothing if one is missing."""
    lengths = [_length(plane, "PositionZ", None) for plane in planes.values()]
    known = [length for length in lengths if length is not None]
    complete = len(known) == len(lengths) and str(len(known)) == sections and list(planes) == list(range(len(known)))
    return known if complete and len({length.unit for length in known}) == 1 else []


def _channel_names(pixels: ElementTree.Element) -> tuple[str, ...]:
    names = [channel.get("Name", "") for channel in named(pixels, "Channel")]
    return tuple(name or f"Channel {i}" for i, name in enumerate(names)) if any(names) else ()


def _channel_colours(pixels: ElementTree.Element) -> tuple[str, ...]:
    """Return the colours of the channels; OME has them as red, green, blue and alpha in one signed number."""
    numbers = [number(channel.get("Color")) for channel in named(pixels, "Channel")]
    known = [int(each) & 0xFFFFFFFF for each in numbers if each is not None]
    return colours_of([f"{each >> 8:06X}" for each in known]) if len(known) == len(numbers) else ()


def _ome_colour(colour: str) -> int:
    value = int(f"{colour}FF", 16)
    return value - 2**32 if value >= 2**31 else value


def _record_text(root: ElementTree.Element) -> str | None:
    for annotation in named(root.iter(), "MapAnnotation"):
        if annotation.get("Namespace") == NAMESPACE:
            return next((entry.text for entry in named(annotation.iter(), "M") if entry.get("K") == "record"), None)
    return None


def _thickness(root: ElementTree.Element) -> Length | None:
    """Return the thickness of a section, for which OME has no place but the annotations."""
    for annotation in named(root.iter(), "MapAnnotation"):
        for entry in named(annotation.iter(), "M"):
            if re.sub(r"[\W_]", "", entry.get("K", "").lower()) in _THICKNESS:
                return thickness_from(entry.text)
    return None


def ome_metadata(dataset: Dataset, record: str | None) -> dict[str, Any]:
    """Return what tifffile writes as OME-XML beside planes in the order T, Z, C."""
    grid = dataset.grid
    metadata: dict[str, Any] = {"axes": "TZCYXS" if dataset.rgb else "TZCYX"}
    if grid.pixel_size is not None:
        metadata |= _size("Y", grid.pixel_size[0], grid.unit) | _size("X", grid.pixel_size[1], grid.unit)
    if grid.spacing is not None:
        metadata |= _size("Z", float(f"{grid.spacing:.12g}"), grid.unit)  # without the noise of subtracting depths
    if dataset.time_step is not None:
        metadata |= {"TimeIncrement": dataset.time_step, "TimeIncrementUnit": "s"}
    channels: dict[str, list[Any]] = {}
    if dataset.channel_names:
        channels["Name"] = list(dataset.channel_names)
    if dataset.channel_colours:
        channels["Color"] = [_ome_colour(each) for each in dataset.channel_colours]
    if channels and not dataset.rgb:
        metadata["Channel"] = channels
    times, count, sections = dataset.voxels.shape[:3]
    if plane := _plane_metadata(grid, (times, 1 if dataset.rgb else count, sections)):
        metadata["Plane"] = plane
    words = {"record": record, "thickness": thickness_text(grid)}
    if found := {key: text for key, text in words.items() if text is not None}:
        metadata["MapAnnotation"] = {"Namespace": NAMESPACE, "Value": found}
    return metadata


def _size(axis: str, value: float, unit: str | None) -> dict[str, Any]:
    return {f"PhysicalSize{axis}": value, f"PhysicalSize{axis}Unit": _OME_UNITS.get(unit, unit)}


def _plane_metadata(grid: Grid, shape: tuple[int, ...]) -> dict[str, list[Any]]:
    """Positions for every plane, where PhysicalSizeZ and zero origins do not say it all."""
    times, channels, sections = shape
    planes = times * channels * sections
    columns: dict[str, NDArray[np.float64]] = {}
    if grid.origin != (0.0, 0.0):
        columns = {"Y": np.full(planes, grid.origin[0]), "X": np.full(planes, grid.origin[1])}
    if grid.depths is not None and (sections == 1 or columns or grid.depths[0] != 0 or not is_linear(grid.depths)):
        columns["Z"] = np.tile(np.repeat(grid.depths, channels), times)
    metadata: dict[str, list[Any]] = {}
    for axis, values in columns.items():
        metadata[f"Position{axis}"] = values.tolist()
        metadata[f"Position{axis}Unit"] = [_OME_UNITS.get(grid.unit, grid.unit)] * planes
    return metadata


def is_linear(depths: NDArray[np.float64]) -> bool:
    """Whether first depth and mean gap give every depth to a millionth of a gap.

    Stricter than ``Grid.is_even``: one rounded number must not let the last of many sections drift.
    """
    if len(depths) < 2:
        return True
    line = np.linspace(depths[0], depths[-1], len(depths))
    gap = (depths[-1] - depths[0]) / (len(depths) - 1)
    return bool(np.abs(depths - line).max() <= 1e-6 * gap)
