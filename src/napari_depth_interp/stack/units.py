"""Lengths with units, as files and people write them."""

import math
import re

from ..errors import RequestError

_ANGSTROMS = {"nm": 10, "um": 10**4, "mm": 10**7, "cm": 10**8, "m": 10**10, "inch": 254 * 10**6, "angstrom": 1}
"""Whole numbers, so that 1 mm is 1000 um exactly."""
_SPELLINGS = {
    "µm": "um", "μm": "um", "\\u00b5m": "um", "\\xb5m": "um", "micron": "um", "microns": "um",
    "micrometer": "um", "micrometre": "um", "micrometers": "um", "micrometres": "um",
    "nanometer": "nm", "nanometre": "nm", "nanometers": "nm", "nanometres": "nm",
    "millimeter": "mm", "millimetre": "mm", "millimeters": "mm", "millimetres": "mm",
    "centimeter": "cm", "centimetre": "cm", "centimeters": "cm", "centimetres": "cm",
    "meter": "m", "metre": "m", "meters": "m", "metres": "m",
    "in": "inch", "inches": "inch", "å": "angstrom", "angstroms": "angstrom",
}  # fmt: skip
_LENGTH = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*([^\d\s]*)\s*", re.IGNORECASE)


def normalise_unit(name: object) -> str | None:
    """Return the one spelling of a length unit used here, or None if it is no length unit.

    ``"µm"``, ``"micron"`` and ImageJ's escaped ``"\\\\u00B5m"`` all give ``"um"``; ``""``,
    ``"pixel"`` and ``"voxel"`` give None.
    """
    key = str(name or "").strip().strip("\x00")
    if key in _ANGSTROMS:
        return key
    key = _SPELLINGS.get(key.lower(), key.lower())
    return key if key in _ANGSTROMS else None


def convert(value: float, unit: str, to: str) -> float:
    """Convert a length between two units that :func:`normalise_unit` knows."""
    return value if unit == to else value * _ANGSTROMS[unit] / _ANGSTROMS[to]


def parse_length(text: str) -> tuple[float, str | None]:
    """Read ``"2um"``, ``"0.5 mm"`` or a plain ``"2"`` (unit None: the file's own unit).

    Raises
    ------
    RequestError
        If the text is no positive length or its unit is not known.
    """
    match = _LENGTH.fullmatch(text)
    if match is None or not math.isfinite(value := float(match[1])) or value <= 0:
        raise RequestError(f"'{text}' is not a length; write a positive number with its unit, such as 2um or 0.5mm")
    if not match[2]:
        return value, None
    unit = normalise_unit(match[2])
    if unit is None:
        raise RequestError(f"the unit '{match[2]}' in '{text}' is not known; use one of {', '.join(_ANGSTROMS)}")
    return value, unit
