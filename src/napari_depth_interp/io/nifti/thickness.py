"""How thick a section is: NIfTI's header has no place for it, but its neighbours have."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ...stack.units import convert
from ..calibration import number
from .header import LENGTHS, THICKNESS, NiftiOrigin, record_in

_LARGEST_SIDECAR = 2**20


def thickness_of(path: Path, origin: NiftiOrigin) -> float | None:
    """Return the thickness of a section in the lengths of the header.

    It stands in the history of a file that this package wrote, or in the sidecar that dcm2niix writes beside an image
    (BIDS, ``SliceThickness`` in mm). It is that of the axis along which the scanner made its slices: where the
    sections lie along another one, it is not known.
    """
    header = origin.header
    slices = header.get_dim_info()[2]
    along = int(np.flatnonzero(origin.orientation[:, 0] == origin.section_axis)[0])
    if along != (2 if slices is None else slices):
        return None
    own = number(record_in(header).get(THICKNESS))
    unit = LENGTHS.get(int(header["xyzt_units"]) & 7)
    value = own if own is not None or unit is None else _in_sidecar(path, unit)
    return value if value and value > 0 else None


def _in_sidecar(path: Path, unit: str) -> float | None:
    sidecar = path.with_name(path.name.removesuffix(".gz").rpartition(".")[0] + ".json")
    try:
        if not sidecar.is_file() or sidecar.stat().st_size > _LARGEST_SIDECAR:
            return None
        found = json.loads(sidecar.read_bytes())
    except (OSError, ValueError, RecursionError):  # not ours to judge
        return None
    value = number(found.get("SliceThickness")) if isinstance(found, dict) else None
    return None if value is None else convert(value, "mm", unit)
