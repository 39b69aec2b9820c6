"""OME-NGFF metadata: axes, scales, units and channels of a multiscale image, read and written.

https://ngff.openmicroscopy.org, versions 0.4 and 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...stack import Dataset
from ...stack.colours import COLOUR_NAMES, colours_of
from ...stack.units import convert, normalise_unit
from ..calibration import number
from ..tiff.ome import is_linear

OWN_KEY = "depth_interp_file"
"""Group attribute of ours: the depths of uneven sections, axes of unknown scale, and the history of a run."""
VERSION = "0.5"

_UNITS = {
    "nm": "nanometer", "um": "micrometer", "mm": "millimeter", "cm": "centimeter", "m": "meter", "inch": "inch",
    "angstrom": "angstrom",
}  # fmt: skip
_SECONDS = {
    "second": 1.0, "millisecond": 1e-3, "microsecond": 1e-6, "nanosecond": 1e-9, "minute": 60.0, "hour": 3600.0,
    "day": 86400.0,
}  # fmt: skip
_RGB = ("FF0000", "00FF00", "0000FF", "FFFFFF")
_COLOURS = ("00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")


@dataclass(frozen=True, eq=False)
class Level:
    """One resolution: its array, and where its voxels are, in the units of the axes."""

    folder: Path
    scale: Mapping[str, float]
    first: Mapping[str, float]

    @property
    def pixel_size(self) -> tuple[float, float] | None:
        """Distance of the pixels (y, x), or None if the file does not say."""
        sizes = [self.scale.get(axis) for axis in "yx"]
        return None if sizes[0] is None or sizes[1] is None else (sizes[0], sizes[1])

    @property
    def origin(self) -> tuple[float, float]:
        """Position of the first pixel (y, x)."""
        return self.first.get("y", 0.0), self.first.get("x", 0.0)

    @property
    def time_step(self) -> float | None:
        """Seconds between time points."""
        return self.scale.get("t")


@dataclass(frozen=True, eq=False)
class Multiscale:
    """What the attributes of an image say; ``axes`` are letters out of tczyx in the order of the file.

    ``unknown`` are axes whose scale stands in the file only because the format asks for one.
    """

    axes: str
    levels: tuple[Level, ...]
    unit: str | None
    version: str = ""
    channel_names: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    depths: tuple[float, ...] = ()
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rgb: bool = False
    channel_colours: tuple[str, ...] = ()
    holds_labels: bool = False
    thickness: float | None = None


def multiscale_of(image: Path, attributes: Mapping[str, Any], axes: str | None) -> Multiscale:
    """Read the attributes of an image's group; those of a bare array name nothing.

    Raises
    ------
    InputError
        If they describe no image.
    """
    ome = attributes.get("ome", attributes)
    listed = ome.get("multiscales") if isinstance(ome, Mapping) else None
    if not listed:
        return _bare_array(image, attributes, axes)
    if axes is not None:
        raise InputError(f"names its own axes; leave axes='{axes}' out")
    first = listed[0] if isinstance(listed, Sequence) else None
    if not isinstance(first, Mapping) or not isinstance(first.get("datasets"), Sequence):
        raise InputError("is damaged: its multiscales metadata lists no images; export it again")
    names, units = _axes(first.get("axes"))
    levels = tuple(_level(image, first, each, names) for each in first["datasets"])
    if not levels:
        raise InputError("is damaged: its multiscales metadata lists no images; export it again")
    own = attributes.get(OWN_KEY)
    own = own if isinstance(own, Mapping) else {}
    version = ome.get("version", first.get("version", ""))
    found = Multiscale(
        names, levels, None, str(version), _channel_names(ome), _record(own), _own_depths(own), _unknown_axes(own)
    )
    rgb = own.get("rgb") is True or _are_colours(found.channel_names)
    labels = "image-label" in ome or "image-label" in attributes
    found = replace(
        found, rgb=rgb, channel_colours=_channel_colours(ome), holds_labels=labels, thickness=_thickness(own)
    )
    if len(listed) > 1:
        found = _noted(found, f"the file holds {len(listed)} multiscale images; the first one was read")
    return _in_one_unit(found, units)


def _bare_array(image: Path, attributes: Mapping[str, Any], axes: str | None) -> Multiscale:
    for key, what in (("plate", "a plate of many images"), ("well", "a well of many images"), ("labels", "labels")):
        if key in attributes or key in attributes.get("ome", {}):
            raise InputError(f"is {what}; give the folder of one image in it")
    if not any((image / name).is_file() for name in (".zarray", "zarr.json")):
        raise InputError("holds no OME-Zarr image (no multiscales metadata); give the folder of the image itself")
    names = (axes or "zyx").lower()
    if len(set(names)) != len(names) or not set("yx") <= set(names) <= set("tczyx"):
        raise InputError(f"cannot have the axes '{axes}'; name each axis once, out of T, C, Z, Y, X")
    note = "a zarr array without OME metadata: spacing and units are not known"
    return Multiscale(names, (Level(image, {}, {}),), None, notes=(note,))


def _axes(listed: Any) -> tuple[str, dict[str, str | None]]:
    """Return the names of the axes and their units; the first versions of OME-Zarr always had t, c, z, y, x."""
    if listed is None:
        return "tczyx", {}
    entries = [{"name": each} if isinstance(each, str) else each for each in listed if isinstance(each, str | Mapping)]
    names = [str(each.get("name", "")).lower() for each in entries]
    if len(set(names)) != len(names) or not {"y", "x"} <= set(names) <= set("tczyx"):
        raise InputError(f"has the axes {names}; only t, c, z, y and x can be read")
    return "".join(names), {name: each.get("unit") for name, each in zip(names, entries, strict=True)}


def _level(image: Path, multiscale: Mapping[str, Any], dataset: Any, axes: str) -> Level:
    path = dataset.get("path") if isinstance(dataset, Mapping) else None
    if not isinstance(path, str) or not path or Path(path).is_absolute() or ".." in Path(path).parts or "\0" in path:
        raise InputError(f"is damaged: it names its voxels {path!r}, which is no path inside it; export it again")
    scale, first = np.ones(len(axes)), np.zeros(len(axes))
    known = False
    for transforms in (dataset.get("coordinateTransformations"), multiscale.get("coordinateTransformations")):
        for each in transforms if isinstance(transforms, Sequence) else ():
            values = _numbers(each, len(axes))
            if values is not None and each.get("type") == "scale":
                scale, first, known = scale * values, first * values, True
            elif values is not None and each.get("type") == "translation":
                first = first + values
    if not known:
        return Level(image / path, {}, {})
    usable = {axis: float(value) for axis, value in zip(axes, scale, strict=True) if math.isfinite(value) and value > 0}
    where = {axis: float(value) for axis, value in zip(axes, first, strict=True) if math.isfinite(value)}
    return Level(image / path, usable, where)


def _numbers(transform: Any, count: int) -> NDArray[np.float64] | None:
    if not isinstance(transform, Mapping):
        return None
    values = transform.get(str(transform.get("type")))
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != count:
        return None
    found = [number(value) for value in values]
    return np.array([math.nan if value is None else value for value in found])


def _in_one_unit(found: Multiscale, units: Mapping[str, str | None]) -> Multiscale:
    """Bring all lengths into the unit of z, or of the first axis that has one; the time step into seconds."""
    known = {axis: normalise_unit(units.get(axis)) for axis in "zyx"}
    unit = next((known[axis] for axis in "zyx" if known[axis]), None)
    factors = {axis: convert(1.0, own, unit) for axis, own in known.items() if own and unit}
    notes = []
    unsaid = [axis for axis in "zyx" if axis in found.axes and unit and not known[axis] and axis not in found.unknown]
    if unsaid:
        notes.append(f"the file gives no unit for {', '.join(unsaid)}; taken as {unit}")
    if "z" in found.axes and any(level.scale for level in found.levels) and "z" not in found.levels[0].scale:
        notes.append("the z spacing in the file is not a positive number; it was ignored")
    seconds = _SECONDS.get(str(units.get("t") or "").lower())
    levels = []
    for level in found.levels:
        lengths = {axis: value for axis, value in level.scale.items() if axis in "zyx" and axis not in found.unknown}
        scale = {axis: value * factors.get(axis, 1.0) for axis, value in lengths.items()}
        first = {axis: value * factors.get(axis, 1.0) for axis, value in level.first.items()}
        if seconds is not None and "t" in level.scale:
            scale["t"] = level.scale["t"] * seconds
        if unit is None and all(value == 1 for axis, value in scale.items() if axis in "zyx"):
            scale = {}  # "1 of nothing" is how writers say that they do not know
        levels.append(Level(level.folder, scale, first))
    return _noted(replace(found, levels=tuple(levels), unit=unit), *notes)


def _noted(found: Multiscale, *notes: str) -> Multiscale:
    return replace(found, notes=(*found.notes, *notes))


def _channel_names(ome: Mapping[str, Any]) -> tuple[str, ...]:
    omero = ome.get("omero")
    channels = omero.get("channels") if isinstance(omero, Mapping) else None
    if not isinstance(channels, Sequence):
        return ()
    labels = [each.get("label") if isinstance(each, Mapping) else None for each in channels]
    return tuple(map(str, labels)) if all(labels) else ()


def _channel_colours(ome: Mapping[str, Any]) -> tuple[str, ...]:
    omero = ome.get("omero")
    channels = omero.get("channels") if isinstance(omero, Mapping) else None
    if not isinstance(channels, Sequence):
        return ()
    return colours_of([each.get("color") if isinstance(each, Mapping) else None for each in channels])


def _are_colours(names: Sequence[str]) -> bool:
    """Whether channels are named as red, green and blue, in this order, and perhaps alpha."""
    words = tuple(name.strip().lower() for name in names)
    return words in (COLOUR_NAMES[:3], COLOUR_NAMES, ("r", "g", "b"), ("r", "g", "b", "a"))


def _record(own: Mapping[str, Any]) -> Mapping[str, Any]:
    record = own.get("record")
    return record if isinstance(record, Mapping) else {}


def _thickness(own: Mapping[str, Any]) -> float | None:
    """Return how thick a section is, in the unit of z, in which this package writes it."""
    value = number(own.get("thickness"))
    return value if value and value > 0 else None


def _own_depths(own: Mapping[str, Any]) -> tuple[float, ...]:
    depths = own.get("depths")
    values = [number(value) for value in depths] if isinstance(depths, Sequence) else []
    known = [value for value in values if value is not None]
    increase = all(below < above for below, above in pairwise(known))
    return tuple(known) if len(known) == len(values) and increase else ()


def _unknown_axes(own: Mapping[str, Any]) -> tuple[str, ...]:
    axes = own.get("unknown")
    return tuple(axis for axis in axes if axis in ("z", "y", "x")) if isinstance(axes, Sequence) else ()


def depths_of(found: Multiscale, level: Level, sections: int, number_of_level: int) -> NDArray[np.float64] | None:
    """Return the depths of a level's sections: as this package wrote them where they are uneven, else even ones."""
    if "z" not in found.axes:
        return None
    if number_of_level == 0 and len(found.depths) == sections:
        return np.array(found.depths)
    if "z" not in level.scale:
        return None
    with np.errstate(over="ignore"):  # the grid refuses infinite depths in words
        return np.asarray(level.first.get("z", 0.0) + np.arange(sections, dtype=np.float64) * level.scale["z"])


def attributes_for(
    dataset: Dataset, axes: str, factors: Sequence[Mapping[str, int]], windows: Sequence[Mapping[str, float]]
) -> dict[str, Any]:
    """Return the attributes of an image's group.

    Parameters
    ----------
    dataset : Dataset
        Grid, channels, time step and record; its voxels are not looked at.
    axes : str
        Letters out of tczyx.
    factors : sequence of mapping
        For each level how many voxels of the first one a voxel is long, per axis.
    windows : sequence of mapping
        For each channel the range of its values, as in the transitional omero metadata.
    """
    grid = dataset.grid
    size = {"t": dataset.time_step or 1.0, "c": 1.0, "z": grid.spacing or 1.0}
    size["y"], size["x"] = grid.pixel_size or (1.0, 1.0)
    first = {"z": 0.0 if grid.depths is None else float(grid.depths[0]), "y": grid.origin[0], "x": grid.origin[1]}
    levels = []
    for number_of_level, factor in enumerate(factors):
        scale = [float(f"{size[a] * factor[a]:.12g}") for a in axes]
        # averaging moves the centre of the first voxel; identifiers are not averaged
        moved = {a: 0.0 if dataset.holds_labels else (factor[a] - 1) / 2 * size[a] for a in axes}
        middle = [first.get(a, 0.0) + moved[a] for a in axes]
        transforms: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
        if any(middle):
            transforms.append({"type": "translation", "translation": middle})
        levels.append({"path": str(number_of_level), "coordinateTransformations": transforms})
    unknown = [*("z" if grid.depths is None else ""), *("yx" if grid.pixel_size is None else "")]
    described = [_axis(a, dataset, known=a not in unknown) for a in axes]
    multiscale = {
        "name": "image",
        "axes": described,
        "datasets": levels,
        "type": "first" if dataset.holds_labels else "mean",
    }
    ome: dict[str, Any] = {
        "version": VERSION,
        "multiscales": [multiscale],
        "omero": {"channels": _channels(dataset, windows)},
    }
    own: dict[str, Any] = {"record": dict(dataset.record)} if dataset.record else {}
    if grid.depths is not None and not is_linear(grid.depths):
        own["depths"] = grid.depths.tolist()
    if grid.thickness is not None:
        own["thickness"] = grid.thickness
    if unknown:
        own["unknown"] = unknown
    if dataset.holds_labels:
        ome["image-label"] = {"version": VERSION}
    if dataset.rgb:
        own["rgb"] = True
        ome["omero"]["rdefs"] = {"model": "color"}
    return {"ome": ome} | ({OWN_KEY: own} if own else {})


def _axis(axis: str, dataset: Dataset, *, known: bool) -> dict[str, str]:
    if axis == "c":
        return {"name": "c", "type": "channel"}
    if axis == "t":
        return {"name": "t", "type": "time"} | ({"unit": "second"} if dataset.time_step else {})
    unit = {"unit": _UNITS[dataset.grid.unit]} if dataset.grid.unit and known else {}
    return {"name": axis, "type": "space", **unit}


def _channels(dataset: Dataset, windows: Sequence[Mapping[str, float]]) -> list[dict[str, Any]]:
    usual = _COLOURS if len(windows) > 1 else ("FFFFFF",)
    colours = _RGB if dataset.rgb else dataset.channel_colours or usual
    labels = [{"label": name} for name in dataset.channel_names] or [{}] * len(windows)
    return [
        {**label, "color": colours[i % len(colours)], "active": True, "window": dict(window)}
        for i, (label, window) in enumerate(zip(labels, windows, strict=True))
    ]
