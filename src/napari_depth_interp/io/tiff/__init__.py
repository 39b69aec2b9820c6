"""ImageJ hyperstacks, OME-TIFF and plain TIFF."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DepthInterpError, InputError, RequestError, TooLargeError
from ...stack import Dataset, Source, to_tczyx
from ...stack.colours import COLOUR_NAMES, named_colours
from ...stack.lazy import LazyVoxels, as_array
from ..calibration import Calibration
from .damage import check_data, check_memory, damaged
from .lazy import source_of
from .ndtiff import files_of
from .ome_set import OmeSet, find_set, xml_of
from .opening import Opened, open_image, silent_tifffile
from .writer import check, open_sink, write

if TYPE_CHECKING:
    from .. import SectionAxis

__all__ = ["check", "open_sink", "parts", "read", "series", "write"]

_FORMATS = {"ome": "OME-TIFF", "imagej": "ImageJ TIFF", "ndtiff": "Micro-Manager NDTiff"}
_COLOURS = {2, 5, 6, 8}  # RGB, CMYK, YCbCr, CIELab
_RGB, _YCBCR, _JPEG = 2, 6, 7  # YCbCr becomes RGB where JPEG is decoded
_PALETTE = 3
_INTENSITY_LUT = 0.8  # least correlation of brightness with index in a colour table for intensities


@dataclass
class _Image:
    """The voxels as they lie in the file, and what their axes are called."""

    voxels: NDArray[Any] | LazyVoxels
    axes: str
    kind: str
    calibration: Calibration
    rgb: bool = False


def read(
    path: Path,
    *,
    axis: SectionAxis,
    axes: str | None,
    lazy: bool = False,
    labels: bool = False,
    series: str | None = None,
) -> Dataset:
    """Read one image series of a TIFF file.

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
    series : str or None
        Name or number of the image series, as :func:`series` gives them. Default: of an OME-TIFF in several files the
        first with data in this file, else the first.

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
    image = _load(path, axes, series, lazy=lazy, labels=labels)
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
        source=Source(
            path if series is None else path.with_name(f"{path.name}::{series}"), _FORMATS.get(image.kind, "TIFF")
        ),
        record=calibration.record,
        notes=tuple(calibration.notes),
    )


def series(path: Path) -> list[str]:
    """Return the names of the images in a file: of OME-TIFF the images it describes, of NDTiff the positions."""
    with in_words(path):
        opened = open_image(path, None)
        opened.tif.close()
        return list(opened.names)


def _load(path: Path, axes: str | None, series: str | None, *, lazy: bool, labels: bool) -> _Image:
    with in_words(path):
        opened = open_image(path, axes, series)
        with opened.tif:
            reopen = lambda: open_image(path, axes, series).series  # noqa: E731 - kept for later
            return _load_series(opened, path, axes, reopen if lazy else None, labels=labels)


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Tell in words what tifffile raises, and nothing of what it logs."""
    try:
        with silent_tifffile():
            yield
    except DepthInterpError:
        raise
    except MemoryError as error:
        raise TooLargeError(f"'{path.name}' does not fit into memory; crop the image first") from error
    except Exception as error:  # a damaged file makes tifffile and the codecs raise nearly anything
        reason = " ".join(str(error).split())[:150] or type(error).__name__
        raise damaged(path, f"it cannot be decoded ({reason})") from error


def parts(path: Path) -> tuple[Path, ...]:
    """Return the files that are read with this one, itself among them: of one image in several files."""
    try:
        with silent_tifffile():
            text = xml_of(path)
            found = None if text is None else find_set(path, text)
            together = found.all_files if isinstance(found, OmeSet) else files_of(path)
    except Exception:  # what is wrong with it is told when it is read
        return (path,)
    return together if path in together else (path,)


def _load_series(
    opened: Opened, path: Path, axes: str | None, reopen: Callable[[], Any] | None, *, labels: bool
) -> _Image:
    """Read an image, or leave its voxels in the file where it is known how to open it again."""
    series, calibration, kind = opened.series, opened.calibration, opened.kind
    rgb = _is_rgb(series, axes)
    if not rgb and not (labels and series.keyframe.photometric == _PALETTE):
        _check_colours(series, kind, calibration, path, axes)
    shape, names = _named_axes(series, axes, path, calibration, rgb=rgb)
    check_data(series, path)
    if reopen is not None:
        order = [names.index(axis) if axis in names else None for axis in "TCZYX"]
        source = source_of(series, shape, path, reopen)
        return _Image(LazyVoxels(source, order), names, kind, calibration, rgb)
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


def _check_colours(series: Any, kind: str, calibration: Calibration, path: Path, axes: str | None) -> None:
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
    if not (kind and _is_intensity_table(frame.colormap)):
        raise InputError(
            f"'{path.name}' is a palette image: its values are indices of colours or labels, "
            "which cannot be interpolated; convert it to grey first, or fill in labels with 'depth-interp labels'"
        )
    calibration.notes.append("the colour table (LUT) was ignored; values are read as intensities")


def _is_intensity_table(colours: NDArray[Any]) -> bool:
    """Fiji and Bio-Formats save an 8-bit channel shown in green as a palette image: brightness follows the value."""
    brightness = np.array([0.299, 0.587, 0.114]) @ np.asarray(colours, dtype=float)
    if brightness.std() == 0:
        return False
    return bool(abs(np.corrcoef(brightness, np.arange(brightness.size))[0, 1]) >= _INTENSITY_LUT)


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
