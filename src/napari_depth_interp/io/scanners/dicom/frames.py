"""What one image of a DICOM file says about itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import InputError
from ...calibration import number
from ...opening import EXPANDED, UNSUSPICIOUS

_MOST_FRAMES = 100_000
_MOSAICS = {"MOSAIC", "VFRAME"}
"""Words of Siemens and United Imaging in ImageType."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One image: where it is in its file, where it lies in the body, and how its numbers are scaled.

    Lengths are in mm, directions to the left, back and up.
    """

    file: Path
    index: int
    count: int
    rows: int
    columns: int
    position: NDArray[np.float64] | None
    across: NDArray[np.float64]  # of the columns, along a row
    down: NDArray[np.float64]  # of the rows, along a column
    pixel: tuple[float, float] | None  # (y, x)
    thickness: float | None
    spacing: float | None
    slope: float
    intercept: float
    number: float
    time: tuple[float, ...]
    repetition: float | None  # seconds


def frames_of(file: Path, pydicom: Any) -> Iterator[Frame]:
    """Yield the images of a file without their pixels.

    Raises
    ------
    InputError
        If it holds colours, or sizes that it cannot stand for.
    """
    data = pydicom.dcmread(file, stop_before_pixels=True)
    count = max(1, int(data.get("NumberOfFrames") or 1))
    _check(data, file, count)
    shared = (data.get("SharedFunctionalGroupsSequence") or [None])[0]
    each = data.get("PerFrameFunctionalGroupsSequence") or []
    for index in range(count):
        yield _frame(file, data, [each[index] if index < len(each) else None, shared], index, count)


def _check(data: Any, file: Path, count: int) -> None:
    kind, samples = str(data.get("PhotometricInterpretation") or ""), int(data.get("SamplesPerPixel") or 1)
    if samples != 1 or kind not in ("MONOCHROME1", "MONOCHROME2", ""):
        raise InputError(f"'{file.name}' is a colour image ({kind}, {samples} samples); grey values can be read")
    if count == 1 and _MOSAICS & {str(word).upper() for word in data.get("ImageType") or ()}:
        raise InputError(
            f"'{file.name}' is a mosaic: all sections of a volume in one image; convert the series with dcm2niix"
        )
    there = file.stat().st_size
    size = int(data.Rows) * int(data.Columns) * count * int(data.get("BitsAllocated") or 16) // 8
    syntax = data.file_meta.get("TransferSyntaxUID")
    packed = syntax is not None and (syntax.is_encapsulated or syntax.is_deflated)
    most = max(UNSUSPICIOUS, there * EXPANDED) if packed else there
    if count > min(_MOST_FRAMES, there) or size > most:
        raise InputError(
            f"'{file.name}' is damaged: {count} images of {data.Rows} x {data.Columns} pixels take {size} bytes, but "
            f"{there} are there; export it again"
        )


def _frame(file: Path, data: Any, groups: list[Any], index: int, count: int) -> Frame:
    measures = _of(groups, "PixelMeasuresSequence") or data
    scaling = _of(groups, "PixelValueTransformationSequence") or data
    position = (_of(groups, "PlanePositionSequence") or data).get("ImagePositionPatient")
    turn = (_of(groups, "PlaneOrientationSequence") or data).get("ImageOrientationPatient")
    directions = np.array([float(each) for each in turn or (1, 0, 0, 0, 1, 0)]).reshape(2, 3)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)  # files round them
    pixel = measures.get("PixelSpacing") or data.get("ImagerPixelSpacing") or ()
    sizes = [number(str(each)) for each in pixel]
    spacing = number(str(measures.get("SpacingBetweenSlices") or data.get("SpacingBetweenSlices") or ""))
    if position is not None and len(position) == 3 and (count == 1 or groups[0] is not None):
        where: NDArray[np.float64] | None = np.array([float(each) for each in position])
    else:
        where = None
    slope, shift = (number(str(scaling.get(f"Rescale{name}") or "")) for name in ("Slope", "Intercept"))
    thick = number(str(measures.get("SliceThickness") or ""))
    return Frame(
        file, index, count, int(data.Rows), int(data.Columns), where, directions[0], directions[1],
        (sizes[0], sizes[1]) if len(sizes) == 2 and sizes[0] and sizes[1] else None,
        abs(thick) if thick else None, abs(spacing) if spacing else None, slope or 1.0, shift or 0.0,
        number(str(data.get("InstanceNumber") or "")) or 0.0, _time(data, groups), _repetition(data, groups),
    )  # fmt: skip


def _repetition(data: Any, groups: list[Any]) -> float | None:
    """Return the seconds from one volume to the next, as dcm2niix takes them."""
    timing = _of(groups, "MRTimingAndRelatedParametersSequence") or data
    for name in ("TemporalResolution", "RepetitionTime"):
        step = number(str(data.get(name) or timing.get(name) or ""))
        if step and step > 0:
            return step / 1000
    return None


def _of(groups: list[Any], name: str) -> Any:
    for group in groups:
        found = None if group is None else group.get(name)
        if found:
            return found[0]
    return None


def _time(data: Any, groups: list[Any]) -> tuple[float, ...]:
    """Return what time points are told apart by."""
    content = _of(groups, "FrameContentSequence")
    index = None if content is None else content.get("TemporalPositionIndex")
    words = [index, data.get("TemporalPositionIdentifier"), data.get("TriggerTime"), data.get("AcquisitionTime")]
    return tuple(number(str(each or "")) or 0.0 for each in words)
