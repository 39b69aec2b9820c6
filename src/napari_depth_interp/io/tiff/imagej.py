"""What ImageJ and Fiji write into a TIFF file, and what the resolution tags say."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...stack.colours import colours_of
from ...stack.units import normalise_unit
from ..calibration import Calibration, Length, number, record_from, seconds, thickness_from
from .damage import damaged
from .writer import RECORD_PREFIX

_THICK = re.compile(r"^(0018,0050)?\s*slice thickness\s*[:=]\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)


def check_imagej(series: Any, metadata: Mapping[str, Any], path: Path) -> None:
    """ImageJ says how many images there are, but may list the first one only."""
    counts = [metadata.get(key, 1) for key in ("channels", "slices", "frames", "images")]
    channels, slices, frames, images = (n if isinstance(n, int) else 1 for n in counts)
    declared = max(channels * slices * frames, images)
    sizes = [series.shape[series.axes.index(axis)] for axis in "YXS" if axis in series.axes]
    present = series.size // max(math.prod(sizes), 1)
    if present < declared:
        raise damaged(path, f"it should hold {declared} images but has {present}")


def imagej_calibration(metadata: Mapping[str, Any], series: Any) -> Calibration:
    result = Calibration(
        channel_names=_channel_labels(metadata),
        channel_colours=_lut_colours(metadata.get("LUTs")),
        time_step=seconds(metadata.get("finterval"), metadata.get("tunit")),
        record=_imagej_record(metadata.get("Info")),
        thickness=_imagej_thickness(metadata.get("Info")),
    )
    unit = normalise_unit(metadata.get("unit"))
    pixels, unit = _pixels(series.keyframe, unit, result)
    units = {"x": unit, "y": unit, "z": unit}
    for axis in "yz":
        if f"{axis}unit" in metadata:
            units[axis] = normalise_unit(metadata[f"{axis}unit"])
    result.sizes = {axis: Length(value, units[axis]) for axis, value in pixels.items()}
    result.set_spacing(metadata.get("spacing"), units["z"])
    if "spacing" not in metadata and unit and metadata.get("slices", 1) != 1:
        result.notes.append(f"the file gives no z spacing (Fiji leaves it out where it is exactly 1 {unit})")
    for axis, size in result.sizes.items():
        index = number(metadata.get(f"{axis}origin"))  # the pixel that lies at 0
        if index:
            result.origin[axis] = Length(-index * size.value, size.unit)
    return result


def _pixels(frame: Any, unit: str | None, calibration: Calibration) -> tuple[dict[str, float], str | None]:
    """Pixel sizes from the resolution tags: pixels per ``unit``, or else per inch or cm as the file says."""
    sizes: dict[str, float] = {}
    for axis, tag in (("x", 282), ("y", 283)):
        numerator, denominator = frame.tags.valueof(tag, (0, 1))
        if numerator and denominator:
            sizes[axis] = denominator / numerator
    if unit is None:
        unit = {2: "inch", 3: "cm"}.get(int(frame.tags.valueof(296, 1)))
        if unit == "inch" and all(round(1 / size) == 72 for size in sizes.values()):
            unit, sizes = None, {}  # 72 dpi is what drawing programs write who know nothing of pixels
        elif unit is None and all(size == 1 for size in sizes.values()):
            sizes = {}
    return sizes, unit


def _channel_labels(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Labels name channels where every channel has one, the same for all of its images."""
    labels = metadata.get("Labels")
    labels = [labels] if isinstance(labels, str) else labels
    channels = metadata.get("channels", 1)
    if not isinstance(labels, list) or not isinstance(channels, int) or not 0 < channels <= len(labels):
        return ()
    names = labels[:channels]
    constant = all(label == names[i % channels] for i, label in enumerate(labels))
    return tuple(map(str, names)) if constant and all(names) else ()


def _lut_colours(tables: object) -> tuple[str, ...]:
    """Return the brightest colours of ImageJ's tables, if all are ramps from black."""
    found = [np.asarray(each) for each in tables] if isinstance(tables, list) else []
    if not all(each.shape == (3, 256) and not each[:, 0].any() for each in found):
        return ()
    ramps = all((np.diff(each.astype(int)) >= 0).all() for each in found)
    return colours_of(["".join(f"{int(value):02X}" for value in each[:, -1]) for each in found]) if ramps else ()


def _imagej_record(info: object) -> dict[str, Any]:
    lines = info.splitlines() if isinstance(info, str) else []
    return record_from(next((line[len(RECORD_PREFIX) :] for line in lines if line.startswith(RECORD_PREFIX)), None))


def _imagej_thickness(info: object) -> Length | None:
    """Return the thickness of a section from the image info, where Fiji also puts what a DICOM file said, in mm."""
    found = _THICK.search(info) if isinstance(info, str) else None
    return None if found is None else thickness_from(found[2], "mm" if found[1] else None)
