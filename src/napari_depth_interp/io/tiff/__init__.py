"""ImageJ hyperstacks, OME-TIFF and plain TIFF."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from ...errors import DepthInterpError, InputError, RequestError, TooLargeError
from ...stack import Dataset, Source, to_tczyx
from ...stack.colours import COLOUR_NAMES, colours_of, named_colours
from ...stack.lazy import LazyVoxels, as_array
from ...stack.units import normalise_unit
from ..calibration import Calibration, Length, number, record_from, seconds, thickness_from
from .damage import check_data, check_memory, check_structure, damaged
from .lazy import source_of
from .ome import Ome, parse_ome
from .writer import RECORD_PREFIX, check, open_sink, write

if TYPE_CHECKING:
    from .. import SectionAxis

__all__ = ["check", "open_sink", "read", "write"]

_FORMATS = {"ome": "OME-TIFF", "imagej": "ImageJ TIFF"}
_COLOURS = {2, 5, 6, 8}  # RGB, CMYK, YCbCr, CIELab
_RGB, _YCBCR, _JPEG = 2, 6, 7  # YCbCr becomes RGB where JPEG is decoded
_PALETTE = 3
_THICK = re.compile(r"^(0018,0050)?\s*slice thickness\s*[:=]\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)
_INTENSITY_LUT = 0.8  # least correlation of brightness with index in a colour table for intensities


@dataclass
class _Image:
    """The voxels as they lie in the file, and what their axes are called."""

    voxels: NDArray[Any] | LazyVoxels
    axes: str
    kind: str
    calibration: Calibration
    rgb: bool = False


def read(path: Path, *, axis: SectionAxis, axes: str | None, lazy: bool = False, labels: bool = False) -> Dataset:
    """Read the first image series of a TIFF file.

    Parameters
    ----------
    path : Path
    axis : {"auto", "z"}
        TIFF sections always lie along Z.
    axes : str or None
        Names for the axes of the file, overriding what it says.
    lazy : bool
        Leave the voxels in the file until they are asked for.
    labels : bool
        The values of a palette image are identifiers, and its colours do not matter.

    Raises
    ------
    InputError
        If the file is damaged, no TIFF, a colour image other than RGB, a palette image, or its axes cannot be told
        apart.
    TooLargeError
        If the voxels do not fit into the free memory.
    """
    if axis not in ("auto", "z"):
        raise RequestError(
            f"the section axis '{axis}' can be chosen for NIfTI only; TIFF sections lie along Z: leave it at auto"
        )
    check_structure(path)
    image = _load(path, axes, lazy=lazy, labels=labels)
    calibration = image.calibration
    voxels = as_array(image.voxels) if isinstance(image.voxels, LazyVoxels) else to_tczyx(image.voxels, image.axes)
    channels, sections = voxels.shape[1:3]
    if sections == 1 and "T" in image.axes and "Z" not in image.axes:
        calibration.notes.append(
            f"the file has {voxels.shape[0]} time points and no sections; if they are sections, re-order them in Fiji "
            f"(Image > Hyperstacks > Re-order), in Python pass axes='{image.axes.replace('T', 'Z')}'"
        )
    grid = calibration.grid(sections)
    colours = calibration.channel_colours
    names = COLOUR_NAMES[:channels] if image.rgb else calibration.channel_names
    return Dataset(
        voxels,
        grid,
        axes=image.axes,
        channel_names=names if len(names) == channels else (),
        rgb=image.rgb,
        channel_colours=colours if len(colours) == channels and not image.rgb else (),
        time_step=calibration.time_step if "T" in image.axes else None,
        source=Source(path, _FORMATS.get(image.kind, "TIFF")),
        record=calibration.record,
        notes=tuple(calibration.notes),
    )


def _load(path: Path, axes: str | None, *, lazy: bool, labels: bool) -> _Image:
    try:
        with _silent_tifffile(), tifffile.TiffFile(path) as tif:
            return _load_series(tif, path, axes, lazy=lazy, labels=labels)
    except DepthInterpError:
        raise
    except MemoryError as error:
        raise TooLargeError(f"'{path.name}' does not fit into memory; crop the image first") from error
    except Exception as error:  # a damaged file makes tifffile and the codecs raise nearly anything
        reason = " ".join(str(error).split())[:150] or type(error).__name__
        raise damaged(path, f"it cannot be decoded ({reason})") from error


@contextmanager
def _silent_tifffile() -> Iterator[None]:
    """Keep tifffile's log lines off the terminal: what matters is checked here and reported in words."""
    logger = logging.getLogger("tifffile")

    def reject(record: logging.LogRecord) -> bool:
        return False

    logger.addFilter(reject)
    try:
        yield
    finally:
        logger.removeFilter(reject)


def _load_series(tif: tifffile.TiffFile, path: Path, axes: str | None, *, lazy: bool, labels: bool) -> _Image:
    xml = tif.ome_metadata
    ome = None if xml is None else parse_ome(xml)
    if xml is not None and ome is None:
        tif.is_ome = False  # before tifffile parses it
    if not tif.series:
        raise damaged(path, "it holds no image")
    series = tif.series[0]
    calibration = _calibration(tif, series, ome)
    if xml is not None and ome is None:
        calibration.notes.append("the OME-XML in the file is malformed or carries a DTD; it was ignored")
    if len(tif.series) > 1:
        calibration.notes.append(f"the file holds {len(tif.series)} image series; the first one was read")
    rgb = _is_rgb(series, axes)
    if not rgb and not (labels and series.keyframe.photometric == _PALETTE):
        _check_colours(series, tif, calibration, path, axes)
    if ome is not None:
        _check_ome(series, ome, path, axes)
    elif tif.is_imagej:
        _check_imagej(series, tif.imagej_metadata or {}, path)
    shape, names = _named_axes(series, axes, path, calibration, rgb=rgb)
    check_data(series, path)
    kind = "ome" if ome else "imagej" if tif.is_imagej else ""
    if lazy:
        order = [names.index(axis) if axis in names else None for axis in "TCZYX"]
        return _Image(LazyVoxels(source_of(series, shape, path), order), names, kind, calibration, rgb)
    check_memory(series, path)
    voxels = series.asarray()
    if voxels.shape != series.shape:
        raise damaged(path, f"it should hold an image of shape {series.shape} but gives {voxels.shape}")
    voxels = voxels.reshape(shape).astype(voxels.dtype.newbyteorder("="), copy=False)
    return _Image(voxels, names, kind, calibration, rgb)


def _is_rgb(series: Any, axes: str | None) -> bool:
    """Whether the samples of the pixels are red, green and blue, and perhaps alpha; names given for the axes win.

    Three or four planes and nothing else may be sections that were written without saying so.
    """
    if axes is not None:
        return named_colours(axes.upper())[1]
    frame, names = series.keyframe, str(series.axes)
    if "S" not in names or names == "SYX" or series.shape[names.index("S")] not in (3, 4):
        return False
    decoded = frame.photometric == _YCBCR and frame.compression == _JPEG
    several = "C" in names and series.shape[names.index("C")] > 1
    return (frame.photometric == _RGB or decoded) and not several


def _check_colours(series: Any, tif: tifffile.TiffFile, calibration: Calibration, path: Path, axes: str | None) -> None:
    """Refuse palettes and what is no RGB stack; naming the axes says that the colours are meant as channels."""
    frame = series.keyframe
    samples = series.shape[series.axes.index("S")] if "S" in series.axes else 1
    if axes is None and samples > 1 and (frame.photometric in _COLOURS or samples in (3, 4)):
        # what tifffile makes of 3 or 4 images where it is not told otherwise
        planar = f"; if its {samples} planes are sections, in Python pass axes='ZYX'" if series.axes == "SYX" else ""
        what = "an RGB" if frame.photometric == _RGB else "a colour"
        raise InputError(
            f"'{path.name}' is {what} image that is no RGB stack (axes {series.axes}, shape {series.shape}); "
            f"split it into channels or convert it to grey first, for example in Fiji (Image > Type){planar}"
        )
    if frame.photometric != _PALETTE:
        return
    if not (tif.is_imagej and _is_intensity_table(frame.colormap)):
        raise InputError(
            f"'{path.name}' is a palette image: its values are indices of colours or labels, "
            "which cannot be interpolated; convert it to grey first, or fill in labels with 'depth-interp labels'"
        )
    calibration.notes.append("the colour table (LUT) was ignored; values are read as intensities")


def _is_intensity_table(colours: NDArray[Any]) -> bool:
    """Fiji saves an 8-bit channel shown in green or fire as a palette image: brightness follows the value."""
    brightness = np.array([0.299, 0.587, 0.114]) @ np.asarray(colours, dtype=float)
    if brightness.std() == 0:
        return False
    return bool(abs(np.corrcoef(brightness, np.arange(brightness.size))[0, 1]) >= _INTENSITY_LUT)


def _check_ome(series: Any, ome: Ome, path: Path, axes: str | None) -> None:
    missing = [name for name in ome.files if name != path.name and not (path.parent / name).exists()]
    if series.kind == "ome" and all(page is not None for page in series):
        return
    if missing:
        raise InputError(
            f"'{path.name}' is one of several files of an OME-TIFF set and '{missing[0]}' is missing; "
            "put all files of the set into one folder"
        )
    if series.kind == "ome":
        raise damaged(path, f"only {sum(p is not None for p in series)} of its {len(series)} images are there")
    if series.kind not in ("imagej", "mmstack") and axes is None:
        raise InputError(
            f"the OME-XML in '{path.name}' does not describe the images in the file; "
            "open it in Fiji and save it as one OME-TIFF, or in Python pass axes='ZYX'"
        )


def _check_imagej(series: Any, metadata: Mapping[str, Any], path: Path) -> None:
    """ImageJ says how many images there are, but may list the first one only."""
    counts = [metadata.get(key, 1) for key in ("channels", "slices", "frames", "images")]
    channels, slices, frames, images = (n if isinstance(n, int) else 1 for n in counts)
    declared = max(channels * slices * frames, images)
    sizes = [series.shape[series.axes.index(axis)] for axis in "YXS" if axis in series.axes]
    present = series.size // max(math.prod(sizes), 1)
    if present < declared:
        raise damaged(path, f"it should hold {declared} images but has {present}")


def _named_axes(
    series: Any, axes: str | None, path: Path, calibration: Calibration, *, rgb: bool
) -> tuple[tuple[int, ...], str]:
    """Return the shape with all axes named out of TCZYX; C is the samples of an RGB image."""
    shape, names = tuple(series.shape), str(series.axes)
    if axes is not None:
        return _overridden(shape, names, named_colours(axes.upper())[0], path)
    if rgb:
        names = names.replace("C", "1").replace("S", "C")  # of several colour images it would be refused
    kept = [i for i, name in enumerate(names) if shape[i] > 1 or name in "TCZYX"]
    shape, names = tuple(shape[i] for i in kept), "".join(names[i] for i in kept)
    unknown = [name for name in names if name not in "TCZYX"]
    if len(names) == 3 + rgb and len(unknown) == 1 and unknown[0] in "IQ":
        count = shape[names.index(unknown[0])]
        calibration.notes.append(f"the file does not name its axes; its {count} images are taken as sections (Z)")
        return shape, names.replace(unknown[0], "Z")
    if unknown or len(set(names)) != len(names) or not set("YX") <= set(names):
        raise InputError(
            f"the axes {names} (shape {shape}) of '{path.name}' cannot be told apart; save it as ImageJ or OME-TIFF, "
            "or in Python name them: axes='TZYX'"
        )
    return shape, names


def _overridden(shape: tuple[int, ...], names: str, axes: str, path: Path) -> tuple[tuple[int, ...], str]:
    if len(axes) != len(shape):  # axes of length 1 need no name
        shape = tuple(n for n, name in zip(shape, names, strict=True) if n > 1 or name in "YX")
    if len(axes) != len(shape) or len(set(axes)) != len(axes) or not set("YX") <= set(axes) <= set("TCZYX"):
        raise InputError(
            f"axes='{axes}' do not fit '{path.name}' of shape {shape}; name each axis once, out of T, C, Z, Y, X"
        )
    return shape, axes


def _calibration(tif: tifffile.TiffFile, series: Any, ome: Ome | None) -> Calibration:
    if ome is not None:
        return ome.calibration
    if tif.is_imagej:
        return _imagej_calibration(tif.imagej_metadata or {}, series)
    shaped = tif.shaped_metadata or ({},)  # written by tifffile with imagej=True forgotten: the same keys
    return _imagej_calibration(shaped[0], series)


def _imagej_calibration(metadata: Mapping[str, Any], series: Any) -> Calibration:
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
