"""Opening a TIFF file: which of its images is read, and what the file says about it."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tifffile

from ...errors import InputError
from ..calibration import Calibration
from ..opening import choose_series
from . import ndtiff
from .damage import check_structure, damaged
from .imagej import check_imagej, imagej_calibration
from .ome import calibration_of, parse
from .ome_set import OmeSet, believed_xml, distinct, find_set, is_companion, xml_of


@dataclass
class Opened:
    """An open TIFF file.

    Attributes
    ----------
    tif : tifffile.TiffFile
        To be closed by who has asked for it.
    series : tifffile series
        The image that is read.
    kind : str
        ``"ome"``, ``"imagej"``, ``"ndtiff"`` or, where the file does not say, empty.
    calibration : Calibration
    names : sequence of str
        Of all images in the file.
    """

    tif: tifffile.TiffFile
    series: Any
    kind: str
    calibration: Calibration
    names: Sequence[str] = ("0",)


def open_image(path: Path, axes: str | None, wanted: str | None = None) -> Opened:
    """Open a TIFF file, or those that belong to one image.

    Parameters
    ----------
    path : Path
        A TIFF file, or the companion file of an OME-TIFF.
    axes : str or None
        Names that the user gives for the axes of the file.
    wanted : str or None
        Name or number of one of several images.

    Raises
    ------
    InputError
        If the file is damaged, or files that belong to it are missing or lie outside its folder.
    """
    if is_companion(path):
        return _described(find_set(path, xml_of(path) or "", wanted=wanted), path, axes, wanted)
    check_structure(path)
    tif = tifffile.TiffFile(path, is_ndtiff=False)  # tifffile would believe its index
    with _closed_on_error(tif):
        if (found := ndtiff.find(tif, path, wanted)) is not None:
            return Opened(tif, found.series, "ndtiff", found.calibration, found.names)
        if _is_mmstack(tif):
            choose_series(path, ["0"], wanted)
            return _mmstack(tif, path)
        text = tif.ome_metadata
        if text is None:
            return _undescribed(tif, path, wanted)
    tif.close()
    return _described(find_set(path, text, alone=axes is not None, wanted=wanted), path, axes, wanted)


@contextmanager
def _closed_on_error(tif: tifffile.TiffFile) -> Iterator[None]:
    try:
        yield
    except BaseException:
        tif.close()
        raise


def _described(found: OmeSet | str, path: Path, axes: str | None, wanted: str | None) -> Opened:
    """Open the image of an OME-XML; one that is not believed is left out, with a note."""
    if isinstance(found, str):
        tif = tifffile.TiffFile(path, is_ome=False, is_ndtiff=False)
        with _closed_on_error(tif):
            opened = _undescribed(tif, path, wanted)
        opened.calibration.notes.append(f"{found}; it was ignored")
        return opened
    xml = believed_xml(found)
    flags: dict[str, Any] = {"is_ome": False, "is_ndtiff": False} if xml is None else dict.fromkeys(_BEFORE_OME, False)
    tif = tifffile.TiffFile(found.opened, omexml=xml, **flags)
    with _closed_on_error(tif):
        if not tif.series:
            raise damaged(path, "it holds no image")
        series = tif.series[0]
        _check_ome(series, path, axes)
        calibration = calibration_of(found.root, found.image)
        calibration.notes += found.notes
    return Opened(tif, series, "ome", calibration, found.names or ("0",))


_BEFORE_OME = ("is_shaped", "is_lsm", "is_mmstack", "is_ndtiff")
"""What tifffile would believe rather than an OME-XML."""


def _undescribed(tif: tifffile.TiffFile, path: Path, wanted: str | None) -> Opened:
    if not tif.series:
        raise damaged(path, "it holds no image")
    names = distinct([each.name or str(number) for number, each in enumerate(tif.series)])
    place, notes = choose_series(path, names, wanted, "image series")
    series = tif.series[place]
    calibration, kind = _said(tif, series)
    if kind == "imagej":
        check_imagej(series, tif.imagej_metadata or {}, path)
    calibration.notes += notes
    return Opened(tif, series, kind, calibration, names)


def _said(tif: tifffile.TiffFile, series: Any) -> tuple[Calibration, str]:
    if tif.is_imagej:
        return imagej_calibration(tif.imagej_metadata or {}, series), "imagej"
    shaped = tif.shaped_metadata or ({},)  # written by tifffile with imagej=True forgotten: the same keys
    return imagej_calibration(shaped[0], series), ""


def _check_ome(series: Any, path: Path, axes: str | None) -> None:
    if series.kind == "ome":
        if any(page is None for page in series):
            raise damaged(path, f"only {sum(p is not None for p in series)} of its {len(series)} images are there")
    elif series.kind not in ("imagej", "mmstack") and axes is None:
        raise InputError(
            f"the OME-XML in '{path.name}' does not describe the images in the file; "
            "open it in Fiji and save it as one OME-TIFF, or in Python pass axes='ZYX'"
        )


_UNFINISHED = 10_000
"""Images that a Micro-Manager file may announce beyond what its folder could hold: a run may have been ended early."""


def _is_mmstack(tif: tifffile.TiffFile) -> bool:
    if not tif.is_mmstack:
        return False
    summary = tif.micromanager_metadata["Summary"]  # type: ignore[index]
    return "MicroManagerVersion" in summary and "Frames" in summary  # else tifffile takes it for something else


def _mmstack(tif: tifffile.TiffFile, path: Path) -> Opened:
    """Open what Micro-Manager wrote before NDTiff; tifffile lists all images that are announced."""
    for each in path.parent.glob("*_MMStack*.tif"):
        if not each.is_file():  # tifffile would open it
            raise InputError(f"'{each.name}' beside '{path.name}' is no regular file; move it away")
    summary = tif.micromanager_metadata["Summary"]  # type: ignore[index]
    highest = tif.micromanager_metadata["IndexMap"][:, :4].max(axis=0)  # type: ignore[index]
    names = ("Channels", "Slices", "Frames", "Positions")
    announced = math.prod(
        max(int(summary.get(name, 1)), int(index) + 1) for name, index in zip(names, highest, strict=True)
    )
    beside = sum(each.stat().st_size for each in path.parent.glob("*.tif") if each.is_file())
    room = beside // max(1, tif.pages.first.nbytes)
    if announced > 100 * (room + _UNFINISHED):
        raise damaged(path, f"it announces {announced} images, which its folder could not hold")
    if not tif.series:
        raise damaged(path, "it holds no image")
    series, root = tif.series[0], parse(tif.ome_metadata or "")
    if any(page is None for page in series):
        raise damaged(path, f"only {sum(p is not None for p in series)} of its {len(series)} images are there")
    if not isinstance(root, str):
        return Opened(tif, series, "ome", calibration_of(root, None))
    return Opened(tif, series, *reversed(_said(tif, series)))  # type: ignore[arg-type]


@contextmanager
def silent_tifffile() -> Iterator[None]:
    """Keep tifffile's log lines off the terminal: what matters is checked here and reported in words."""
    logger = logging.getLogger("tifffile")

    def reject(record: logging.LogRecord) -> bool:
        return False

    logger.addFilter(reject)
    try:
        yield
    finally:
        logger.removeFilter(reject)
