"""What a TIFF file says about sizes and positions, brought onto one grid with one unit."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..stack import Grid
from ..stack.units import convert, parse_length

AGREEMENT = 1e-2
"""Even stage positions and the z size must agree to this fraction (stages report few digits)."""

_SECONDS = {
    "": 1.0, "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6,
    "ms": 1e-3, "msec": 1e-3, "min": 60.0, "h": 3600.0, "hr": 3600.0, "hour": 3600.0, "d": 86400.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Length:
    """A number from a file; ``unit`` is None where the file does not say or says "pixel"."""

    value: float
    unit: str | None

    def to(self, unit: str | None) -> float | None:
        """Return the value in ``unit``, or None if that cannot be known."""
        if unit is None:
            return self.value
        return None if self.unit is None else convert(self.value, self.unit, unit)


@dataclass
class Calibration:
    """The words of one file; keys of ``sizes`` and ``origin`` are ``"z"``, ``"y"`` and ``"x"``."""

    sizes: dict[str, Length] = field(default_factory=dict)
    origin: dict[str, Length] = field(default_factory=dict)
    positions: list[Length] = field(default_factory=list)  # of the sections, in their order; or empty
    channel_names: tuple[str, ...] = ()
    channel_colours: tuple[str, ...] = ()  # RRGGBB
    time_step: float | None = None  # seconds
    thickness: Length | None = None  # of a section
    record: Mapping[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def set_spacing(self, text: object, unit: str | None) -> None:
        """Note the z spacing; 0 and NaN mean unknown, and Fiji writes reversed stacks as negative."""
        value = number(text)
        if not value:
            if value is None and text is not None:
                self.notes.append(
                    f"the z spacing in the file is '{str(text)[:50]}', which is no length; it was ignored"
                )
            return
        if value < 0:
            self.notes.append(f"the z spacing in the file is negative ({value:g}); its size is used")
        self.sizes["z"] = Length(abs(value), unit)

    def grid(self, sections: int) -> Grid:
        """Return the grid in one unit; words about what had to be assumed are added to ``notes``."""
        unit = self._unit()
        y, x = (self._size(axis, unit) for axis in "yx")
        origin_y, origin_x = (self._position(self.origin.get(axis), unit) for axis in "yx")
        return Grid(
            depths=self._depths(sections, unit),
            pixel_size=None if y is None or x is None else (y, x),
            unit=unit,
            origin=(origin_y, origin_x),
            thickness=None if self.thickness is None else self.thickness.to(unit),
        )

    def _unit(self) -> str | None:
        """The unit of the z size, else the first one known."""
        known = [self.sizes[axis] for axis in "zxy" if axis in self.sizes]
        known += [*self.positions[:1], *self.origin.values()]
        return next((length.unit for length in known if length.unit), None)

    def _size(self, axis: str, unit: str | None) -> float | None:
        size = self.sizes.get(axis)
        return None if size is None else size.to(unit)

    @staticmethod
    def _position(length: Length | None, unit: str | None) -> float:
        """A position without a unit is taken in the unit of the grid."""
        if length is None:
            return 0.0
        value = length.to(unit)
        return length.value if value is None else value

    def _depths(self, sections: int, unit: str | None) -> NDArray[np.float64] | None:
        spacing = self._size("z", unit)
        if spacing is None and "z" in self.sizes:
            self.notes.append(f"the z spacing in the file ({self.sizes['z'].value:g}) has no unit and was ignored")
        if len(self.positions) == sections:
            positions = np.array([self._position(p, unit) for p in self.positions], dtype=np.float64)
            if sections == 1:
                return positions
            if (increasing := self._increasing(positions, spacing)) is not None:
                return self._agreed(increasing, spacing, unit)
        if spacing is None:
            return None
        return self._position(self.origin.get("z"), unit) + _multiples(sections, spacing)

    def _increasing(self, positions: NDArray[np.float64], spacing: float | None) -> NDArray[np.float64] | None:
        gaps = np.diff(positions)
        if (gaps > 0).all():
            return positions
        if (gaps < 0).all():
            self.notes.append("the stage positions (PositionZ) decrease; depths are distances from the first section")
            distances: NDArray[np.float64] = positions[0] - positions
            return distances
        if gaps.any() or spacing is None:  # equal positions are how some writers say "unknown"
            self.notes.append("the stage positions (PositionZ) neither increase nor decrease throughout; ignored")
        return None

    def _agreed(
        self, positions: NDArray[np.float64], spacing: float | None, unit: str | None
    ) -> NDArray[np.float64] | None:
        """Uneven positions win over the z size; even ones must agree with it."""
        unsaid = unit is not None and self.positions[0].unit is None
        grid = Grid(positions)
        gap = grid.spacing
        if spacing is None or gap is None or not grid.is_even:
            if unsaid:
                self.notes.append(f"the stage positions (PositionZ) have no unit; taken as {unit}")
            return positions
        if math.isclose(gap, spacing, rel_tol=AGREEMENT):
            return positions
        if unsaid:
            self.notes.append(f"the stage positions (PositionZ, {gap:g} apart) have no unit and were ignored")
            return _multiples(len(positions), spacing)
        self.notes.append(
            f"the file contradicts itself: PhysicalSizeZ says {spacing:g}, the stage positions (PositionZ) {gap:g} "
            f"{unit or ''}; give the right z spacing"
        )
        return None


def _multiples(sections: int, spacing: float) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):  # the grid refuses infinite depths in words
        return np.arange(sections, dtype=np.float64) * spacing


def number(text: object) -> float | None:
    """Return a finite number, or None."""
    if not isinstance(text, (int, float, str)) or isinstance(text, bool):
        return None
    try:
        value = float(text)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def seconds(value: object, unit: object) -> float | None:
    """Return a time step in seconds, or None if there is none."""
    step = number(value)
    factor = _SECONDS.get(str(unit or "").strip().lower())
    return None if not step or step < 0 or factor is None else step * factor


def thickness_from(text: object, default_unit: str | None = None) -> Length | None:
    """Return how thick a section is from words such as ``70 nm``, or None if they say nothing of use."""
    try:
        value, unit = parse_length(str(text))
    except RequestError:
        return None
    return Length(value, unit or default_unit)


def thickness_text(grid: Grid) -> str | None:
    """Write the thickness as :func:`thickness_from` reads it."""
    return None if grid.thickness is None else f"{grid.thickness:.12g} {grid.unit or ''}".strip()


def record_from(text: str | bytes | None) -> dict[str, Any]:
    """Return the record that this package wrote as JSON, or an empty one."""
    try:
        record = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
