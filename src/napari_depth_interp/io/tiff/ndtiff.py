"""Micro-Manager's NDTiff: every image has a name for its place, such as channel DAPI, z 3, time 0."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tifffile

from ...errors import InputError
from ..calibration import Calibration, Length, number
from ..opening import choose_series
from .damage import check_structure, damaged
from .ome_set import within

_METADATA = 51123
_INDEX = "NDTiff.index"
_FINEST = "Full resolution"
"""Folder of the images as they were taken, where a data set has coarser resolutions too."""
_NAMES = {"time": "T", "channel": "C", "z": "Z", "slice": "Z"}
_FIELDS = ("position", "row", "column")
"""Axes of other places of the specimen, of which one is read."""
_PIXEL_SIZE = ("PixelSizeUm", "PixelSize_um")
_Z_POSITION = ("ZPosition_um_Intended", "ZPositionUm", "ZPosition_um")

Place = Mapping[str, str | int]
"""Of one image: its value along each axis."""


@dataclass(frozen=True)
class NDTiff:
    """The images of one position in their order, what is said about them, and the names of all positions."""

    series: tifffile.TiffPageSeries
    calibration: Calibration
    names: tuple[str, ...] = ("0",)


@dataclass(frozen=True)
class _Frame:
    place: Place
    page: Any


def find(tif: tifffile.TiffFile, path: Path, wanted: str | None = None) -> NDTiff | None:
    """Return the data set that a file belongs to; None if it is no NDTiff.

    The file ``NDTiff.index`` beside it names all images of a data set of several files; without it only
    those of this file are known. ``wanted`` is the name or number of a position.

    Raises
    ------
    InputError
        If the images do not make a stack, or files are missing or lie outside the folder.
    """
    axes = _metadata(tif.pages.first).get("Axes")
    if not isinstance(axes, dict) or not axes:
        return None
    calibration = Calibration()
    with ExitStack() as files:  # tifffile opens them again when it reads
        found = _indexed(tif, path, files) or _listed(tif, path)
        frames = _latest(found, calibration)
        values = _axis_values(frames, path)
        fields = _fields(frames, values)
        place, notes = choose_series(path, tuple(fields), wanted, "positions")
        calibration.notes += notes
        frames, values = _along(list(fields.values())[place], values)
        grid = _complete(frames, values, path, calibration)
        pages = [each.page for each in grid]
        _calibrate(calibration, grid, {axis: len(values.get(axis, "?")) for axis in "TCZ"})
    shape = tuple(len(values[axis]) for axis in "TCZ" if axis in values)
    frame = pages[0].keyframe
    calibration.channel_names = _channel_names(grid, values)
    series = tifffile.TiffPageSeries(
        pages, (*shape, *frame.shape), frame.dtype, "".join(axis for axis in "TCZ" if axis in values) + frame.axes,
        parent=tif, kind="ndtiff", multifile=len({each.parent.filehandle.path for each in pages}) > 1,
    )  # fmt: skip
    return NDTiff(series, calibration, tuple(fields))


def index_of(folder: Path) -> Path | None:
    """Return the index of the data set in a folder, of several resolutions that of the finest; None: there is none."""
    found = (each / _INDEX for each in (folder, folder / _FINEST))
    return next((each for each in found if each.is_file()), None)


def first_of(index: Path) -> Path:
    """Return the file that an index names first.

    Raises
    ------
    InputError
        If the index names none, or one that is missing or lies outside its folder.
    """
    name = next((each for _, each, *_ in tifffile.read_ndtiff_index(index)), None)
    if name is None:
        raise damaged(index, "it names no image")
    return within(index.parent, name, index)


def files_of(path: Path) -> tuple[Path, ...]:
    """Return the files of the data set that a file belongs to, as the index beside it names them; else none."""
    index = path.parent / _INDEX
    if not index.is_file():
        return ()
    names = dict.fromkeys(name for _, name, *_ in tifffile.read_ndtiff_index(index))
    return tuple(within(path.parent, name, index) for name in names) if path.name in names else ()


def _metadata(page: Any) -> Mapping[str, Any]:
    found = page.aspage().tags.valueof(_METADATA)
    return found if isinstance(found, dict) else {}


def _indexed(tif: tifffile.TiffFile, path: Path, files: ExitStack) -> list[_Frame]:
    """Return the images that the index names, or nothing if there is no index of this file."""
    paths = files_of(path)
    if not paths:
        return []
    index = path.parent / _INDEX
    pages: dict[tuple[str, int], Any] = {}
    for each in paths:
        if each.name != path.name:
            check_structure(each)
        opened = tif if each.name == path.name else files.enter_context(tifffile.TiffFile(each))
        name = each.relative_to(path.parent).as_posix()
        pages |= {(name, page.dataoffsets[0]): page for page in _pages(opened)}
    frames: list[_Frame] = []
    for axes, name, offset, width, height, *_ in tifffile.read_ndtiff_index(index):
        place = _place(axes, index)
        page = pages.get((Path(name).as_posix(), offset))
        if page is None or page.shape[:2] != (height, width):
            raise damaged(path, f"'{_INDEX}' tells of images that '{name[:100]}' does not hold")
        frames.append(_Frame(place, page))
    return frames


def _latest(frames: Sequence[_Frame], calibration: Calibration) -> list[_Frame]:
    """Return one image of each place: the last that was made."""
    found = {tuple(sorted(each.place.items())): each for each in frames}
    if len(found) < len(frames):
        again = len(frames) - len(found)
        calibration.notes.append(f"{again} images were made anew at the place of another; the last ones were read")
    return list(found.values())


def _pages(tif: tifffile.TiffFile) -> list[Any]:
    tif.pages.useframes = True
    tif.pages.set_keyframe(0)
    pages = list(tif.pages)
    tif.pages.useframes = False
    return pages


def _listed(tif: tifffile.TiffFile, path: Path) -> list[_Frame]:
    """Return the images of one file, each of which tells its own place."""
    first = tif.pages.first
    frames: list[_Frame] = []
    for number_, page in enumerate(tif.pages, 1):
        whole = page.aspage()
        if (whole.shape, whole.dtype) != (first.shape, first.dtype):
            raise damaged(path, f"image {number_} has another size or type than the first one")
        place = _place(_metadata(whole).get("Axes"), path)
        frames.append(_Frame(place, page))
    return frames


def _place(axes: object, path: Path) -> Place:
    if not isinstance(axes, dict) or not all(type(value) in (str, int) for value in axes.values()):
        raise damaged(path, "an image does not tell its place (Axes)")
    return axes


def _axis_values(frames: Sequence[_Frame], path: Path) -> dict[str, list[Any]]:
    """Return the values along each axis: numbers in their order, names as they come."""
    names = list(frames[0].place)
    if any(set(each.place) != set(names) for each in frames):
        raise damaged(path, f"not all of its images have the axes {', '.join(names)[:100]}")
    values: dict[str, list[Any]] = {}
    for name in names:
        found = list(dict.fromkeys(each.place[name] for each in frames))
        if all(isinstance(each, int) for each in found):
            found = sorted(found, key=int)
        values[name] = found
    unknown = [name for name in names if name not in (*_NAMES, *_FIELDS) and len(values[name]) > 1]
    if unknown or len(set(names) & {"z", "slice"}) > 1:
        raise InputError(
            f"'{path.name}' has axes that are not known ({', '.join(unknown or names)[:100]}); sections, channels and "
            "time points are read (z, channel, time): save the stack you want on its own"
        )
    return values


def _fields(frames: Sequence[_Frame], values: Mapping[str, list[Any]]) -> dict[str, list[_Frame]]:
    """Return the images of each position, by its name."""
    names = [name for name in _FIELDS if len(values.get(name, "?")) > 1]
    found: dict[str, list[_Frame]] = {}
    for each in frames:
        found.setdefault(", ".join(str(each.place[name]) for name in names) or "0", []).append(each)
    return found


def _along(frames: list[_Frame], values: Mapping[str, list[Any]]) -> tuple[list[_Frame], dict[str, list[Any]]]:
    """Return the images of a position with the values that they have along T, C and Z."""
    found = {name: {each.place[name] for each in frames} for name in values if name in _NAMES}
    return frames, {_NAMES[name]: [each for each in values[name] if each in found[name]] for name in found}


def _complete(
    frames: Iterable[_Frame], values: dict[str, list[Any]], path: Path, calibration: Calibration
) -> list[_Frame]:
    """Return the images in the order T, C, Z; time points that were not finished are left out."""
    by_place: dict[Any, dict[tuple[Any, Any], _Frame]] = {}
    for each in frames:
        place = {_NAMES[name]: value for name, value in each.place.items() if name in _NAMES}
        by_place.setdefault(place.get("T"), {})[place.get("C"), place.get("Z")] = each
    wanted = len(values.get("C", "?")) * len(values.get("Z", "?"))
    times = [time for time in values.get("T", [None]) if len(by_place[time]) == wanted]
    if not times:
        raise damaged(
            path, f"images are missing: {max(map(len, by_place.values()))} of {wanted} of a time point are there"
        )
    if len(times) < len(by_place):
        calibration.notes.append(
            f"{len(by_place) - len(times)} of {len(by_place)} time points lack images and were left out"
        )
        values["T"] = times
    channels, sections = values.get("C", [None]), values.get("Z", [None])
    return [by_place[time][channel, section] for time in times for channel in channels for section in sections]


def _channel_names(grid: Sequence[_Frame], values: Mapping[str, list[Any]]) -> tuple[str, ...]:
    """Return what channels are called: along their axis, or, where that has numbers, in the metadata of the images."""
    names = tuple(map(str, values.get("C", ())))
    if all(name.isdecimal() for name in names):
        sections = len(values.get("Z", "?"))
        said = [_metadata(grid[channel * sections].page).get("Channel") for channel in range(len(names))]
        return tuple(map(str, said)) if all(said) and len(set(map(str, said))) == len(names) else ()
    return names


def _calibrate(calibration: Calibration, grid: Sequence[_Frame], counts: Mapping[str, int]) -> None:
    """Read pixel size, z positions (of the first time and channel) and time step from the metadata of the images."""
    first = _metadata(grid[0].page)
    size = _first_number(first, _PIXEL_SIZE)
    if size is not None and size > 0:  # Micro-Manager writes 0 where it does not know
        calibration.sizes |= {"y": Length(size, "um"), "x": Length(size, "um")}
    positions = [_first_number(_metadata(each.page), _Z_POSITION) for each in grid[: counts["Z"]]]
    calibration.positions = [Length(each, "um") for each in positions if each is not None]
    if len(calibration.positions) < len(positions):
        calibration.positions = []
        calibration.set_spacing(_first_number(_summary(grid[0].page.parent), ("z-step_um",)), "um")
    if counts["T"] > 1:
        last = _metadata(grid[(counts["T"] - 1) * counts["C"] * counts["Z"]].page)
        begin, end = (number(each.get("ElapsedTime-ms")) for each in (first, last))
        if begin is not None and end is not None and end > begin:
            calibration.time_step = (end - begin) / (counts["T"] - 1) / 1000


def _summary(tif: tifffile.TiffFile) -> Mapping[str, Any]:
    try:
        found = (tif.micromanager_metadata or {}).get("Summary")
    except ValueError:  # the head of the file was written by another program
        return {}
    return found if isinstance(found, dict) else {}


def _first_number(metadata: Mapping[str, Any], names: Iterable[str]) -> float | None:
    return next((found for name in names if (found := number(metadata.get(name))) is not None), None)
