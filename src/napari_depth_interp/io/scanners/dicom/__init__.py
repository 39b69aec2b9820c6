"""DICOM: the images of a series in a folder, or one file of many frames; read only.

Who the patient is stands in the files, but is not looked at: nothing of it gets into a result or a message.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ....errors import InputError
from ....stack import Dataset
from ...nifti.placed import LPS, place
from ...opening import UNSUSPICIOUS, check_sizes, choose_series, decoding, needs
from .codecs import add_decoders
from .frames import Frame, frames_of
from .series import Series, find_series, lost_files
from .stacking import Stacked, stacked

if TYPE_CHECKING:
    from ... import SectionAxis

__all__ = ["read", "series"]

_NAMED = 3
"""Files that were left out, named in a warning."""


def read(
    path: Path,
    *,
    axis: SectionAxis = "auto",
    axes: str | None = None,
    lazy: bool = False,
    labels: bool = False,
    series: str | None = None,
) -> Dataset:
    """Read one series of a folder, or the series that a file belongs to.

    Raises
    ------
    InputError
        If there are several series and none is chosen, or the images do not make a stack.
    """
    pydicom = needs("pydicom", "scanners", path)
    with decoding(path, "DICOM"):
        chosen, notes = _chosen(path, series)
        frames = [frame for file in chosen.files for frame in frames_of(file, pydicom)]
        stack = stacked(frames, path)
        voxels = _voxels(stack, pydicom, path)
        dataset = place(
            path, "DICOM", voxels, LPS @ stack.affine, axis=axis, axes=axes, along=2, thickness=stack.thickness,
            time_step=stack.frames[0][0].repetition, notes=[*notes, *stack.notes],
        )  # fmt: skip
    assert dataset.source is not None
    named = replace(dataset, source=replace(dataset.source, series=chosen.name))
    return _at_depths(named, stack)


def series(path: Path) -> list[str]:
    """Return the names of the series in a folder."""
    needs("pydicom", "scanners", path)
    with decoding(path, "DICOM"):
        return [each.name for each in find_series(path)]


def _chosen(path: Path, wanted: str | None) -> tuple[Series, list[str]]:
    found = find_series(path) if path.is_dir() else find_series(path.parent, deep=False)
    if not path.is_dir():
        mine = [each for each in found if path in each.files]
        if not mine:
            raise InputError(f"'{path.name}' holds no DICOM image; give the folder of the series")
        several = len(mine[0].files) > 1
        return mine[0], [f"the {len(mine[0].files)} images of its series were read"] if several else []
    if not found:
        raise InputError(f"'{path}' holds no DICOM images; give the folder of the series")
    names = [each.name for each in found]
    if wanted is None and len(found) > 1:
        words = ", ".join(f"{i} '{each.name}' ({len(each.files)} files)" for i, each in enumerate(found[:8]))
        raise InputError(f"'{path}' holds {len(found)} DICOM series: {words}; choose one, as in '{path}::0'")
    lost = lost_files(path)
    more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
    notes = [f"{', '.join(map(repr, lost[:_NAMED]))}{more}: empty, or no regular file; left out"] if lost else []
    return found[choose_series(path, names, wanted)[0]], notes


def _voxels(stack: Stacked, pydicom: Any, path: Path) -> NDArray[Any]:
    """Return the real values (x, y, z, t, 1): slope and intercept of each image are applied."""
    times, sections = len(stack.frames), len(stack.frames[0])
    first = stack.frames[0][0]
    every = [frame for time in stack.frames for frame in time]
    whole = all(float(each).is_integer() for frame in every for each in (frame.slope, frame.intercept))
    dtype = np.dtype(np.int32 if whole else np.float32)
    stored = sum(file.stat().st_size for file in {frame.file for frame in every})
    check_sizes((times, sections, first.rows, first.columns), dtype, path, max(stored, UNSUSPICIOUS // 4000))
    result = np.empty((times, sections, first.rows, first.columns), dtype)
    decoded: tuple[Path | None, NDArray[Any]] = (None, np.empty(0))
    for t, time in enumerate(stack.frames):
        for z, frame in enumerate(time):
            if decoded[0] != frame.file:
                decoded = frame.file, _pixels(frame, pydicom)
            result[t, z] = decoded[1][frame.index] * (int(frame.slope) if whole else frame.slope) + (
                int(frame.intercept) if whole else frame.intercept
            )
    return _smallest(result).transpose(3, 2, 1, 0)[..., None]


def _smallest(values: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers in 16 bits where these hold them."""
    if values.dtype.kind == "i":
        for dtype in (np.int16, np.uint16):
            if np.iinfo(dtype).min <= values.min() and values.max() <= np.iinfo(dtype).max:
                return values.astype(dtype)
    return values


def _pixels(frame: Frame, pydicom: Any) -> NDArray[Any]:
    """Return all frames of a file (n, y, x) as numbers that do not overflow when they are scaled."""
    add_decoders()
    data = pydicom.dcmread(frame.file)
    _check_pixels(data, frame.file)
    pixels = np.asarray(data.pixel_array)
    if pixels.size != frame.count * frame.rows * frame.columns:
        raise InputError(f"'{frame.file.name}' is damaged: its pixels are not as many as it says; export it again")
    kind = np.int64 if pixels.dtype.kind in "iu" else np.float64
    return pixels.reshape(frame.count, frame.rows, frame.columns).astype(kind)


def _check_pixels(data: Any, file: Path) -> None:
    """Refuse what holds no pixels, or pixels that nothing here decodes: neither is damaged."""
    from pydicom.pixels.decoders.base import get_decoder

    if not any(name in data for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise InputError(f"'{file.name}' holds no pixels ({data.SOPClassUID.name}); give a series of images")
    syntax = data.file_meta.get("TransferSyntaxUID")
    try:
        known = syntax is None or get_decoder(syntax).is_available
    except NotImplementedError:
        known = False
    if not known:
        raise InputError(
            f"'{file.name}' is compressed as {syntax.name}, which is not read; decompress the series first, for "
            "example with gdcmconv --raw"
        )


def _at_depths(dataset: Dataset, stack: Stacked) -> Dataset:
    """Put the sections of an uneven series where they are; the affine holds even ones only."""
    depths, origin = dataset.grid.depths, None if dataset.source is None else dataset.source.header
    if origin is None or origin.orientation[2, 0] != origin.section_axis:  # sections through the recorded images
        return dataset
    if stack.distances is None:
        return replace(dataset, grid=replace(dataset.grid, depths=None if len(stack.frames[0]) > 1 else depths))
    if depths is None or stack.even:
        return dataset
    along = stack.distances
    if origin.is_reversed:
        along = along[-1] - along[::-1]
    return replace(dataset, grid=replace(dataset.grid, depths=depths[0] + along))
