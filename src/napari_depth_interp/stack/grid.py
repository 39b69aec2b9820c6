"""Where sections are: their depths, the size of their pixels, and what one observed image is the mean of.

Depths and sizes are in the unit of the :class:`Grid`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, MissingSpacingError, RequestError
from .profile import Profile
from .units import convert, normalise_unit

UNKNOWN_GAP = 4.0
"""Pixels that sections are taken to be apart where the file gives no pixel size."""
SMALLEST_GAP = 1e-100
"""Depths closer than this, or larger than its inverse, are damage: their products are no numbers any more."""
SPACING_RTOL = 1e-3
"""Gaps that differ by less than this fraction of the median gap count as even (files round)."""


@dataclass(frozen=True, slots=True)
class Acquisition:
    """What one observed image is: a slice, or the mean of ``n`` neighbouring sections.

    Attributes
    ----------
    n : int
    profile : Profile or None
        Of a slice, how it collects what lies above and below it, where it is known to be thick; None: it is thin.
    """

    n: int = 1
    profile: Profile | None = None

    def __post_init__(self) -> None:
        if self.n < 1:
            raise RequestError(f"a projection averages 2 or more sections, not {self.n}; write projection:6")
        if self.n > 1 and self.profile is not None:
            raise RequestError("a projection is as thick as its sections together; give no thickness beside it")

    @classmethod
    def parse(cls, text: str) -> Acquisition:
        """Read ``slice`` or ``projection:N`` (N >= 2)."""
        match = re.fullmatch(r"slice|projection:(\d{1,6})", text.strip())
        if match is None or (match[1] and int(match[1]) < 2):
            raise RequestError(f"acquisition '{text}' is not known; write slice, or projection:6 (means of 6 sections)")
        return cls(int(match[1] or 1))

    @property
    def is_projection(self) -> bool:
        return self.n > 1

    @property
    def is_thick(self) -> bool:
        return self.profile is not None

    def __str__(self) -> str:
        if self.is_thick:
            return f"slice, {self.profile}"
        return f"projection:{self.n}" if self.is_projection else "slice"


SLICE = Acquisition()
"""A section seen alone: what an image is where nothing else is said."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the voxels of a stack are in the world.

    Attributes
    ----------
    depths : (Z,) float64 array or None
        Position of each section's centre along the section axis, strictly increasing, uneven
        gaps allowed. None: the file does not say, and nobody has been asked yet.
    pixel_size : (y, x) or None
        Distance of neighbouring pixels; None if the file does not say.
    unit : str or None
        One of ``nm um mm cm m inch angstrom``; None if the file does not say.
    origin : (y, x)
        World position of the centre of the first pixel.
    thickness : float or None
        Depth over which one section was averaged, in ``unit``, where the file says so. It is not the spacing: sections
        may have gaps between them, or overlap.
    descends_from : float or None
        Where depths decrease from section to section: that of the first one, and ``depths`` are distances from it.
    """

    depths: NDArray[np.float64] | None
    pixel_size: tuple[float, float] | None = None
    unit: str | None = None
    origin: tuple[float, float] = (0.0, 0.0)
    thickness: float | None = None
    descends_from: float | None = None

    def __post_init__(self) -> None:
        if self.depths is not None:
            object.__setattr__(self, "depths", _checked_depths(self.depths))
        object.__setattr__(self, "unit", checked_unit(self.unit))
        if self.thickness is not None and not (np.isfinite(self.thickness) and self.thickness > 0):
            raise InputError(f"the thickness of a section must be a positive number, got {self.thickness}; correct it")
        if self.pixel_size is not None and not all(np.isfinite(s) and s > 0 for s in self.pixel_size):
            raise InputError(f"the pixel size (y, x) must be positive, got {self.pixel_size}; correct it in the file")

    @property
    def spacing(self) -> float | None:
        """Median gap between sections; None with fewer than two sections or unknown depths."""
        if self.depths is None or len(self.depths) < 2:
            return None
        return float(np.median(np.diff(self.depths)))

    @property
    def is_even(self) -> bool:
        """Whether all gaps are equal, within the rounding of file headers."""
        if self.depths is None or self.spacing is None:
            return True
        return bool(np.allclose(np.diff(self.depths), self.spacing, rtol=SPACING_RTOL, atol=0))

    @property
    def positions(self) -> NDArray[np.float64] | None:
        """The depths as they were given: decreasing where sections were recorded from the far end."""
        return None if self.depths is None else self.mirrored(self.depths)

    def mirrored(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn depths of this grid into given ones, or back; the same where they increase."""
        return values if self.descends_from is None else self.descends_from - values

    def enlarged(self, factor: int) -> Grid:
        """Return the grid with pixels ``factor`` times smaller along y and x, edges aligned.

        Where neither pixel size nor unit is known, lengths are counted in pixels of this grid.
        """
        y, x = self.pixel_size or (1.0, 1.0)
        if factor == 1 or (self.pixel_size is None and self.unit is not None):
            return self
        first = (factor - 1) / 2 / factor
        origin = self.origin[0] - first * y, self.origin[1] - first * x
        return replace(self, pixel_size=(y / factor, x / factor), origin=origin)

    def with_depths(self, depths: ArrayLike, unit: str | None = None) -> Grid:
        """Return the grid with other section depths, given in ``unit`` (default: the grid's own).

        They increase or decrease; of decreasing ones the grid has the distances from the first.
        """
        values, unit = np.asarray(depths, dtype=float), checked_unit(unit)
        if unit and self.unit:
            values = values * convert(1.0, unit, self.unit)
        first = float(values[0]) if _decreases(values) else None
        distances = values if first is None else first - values
        return replace(self, depths=distances, unit=self.unit or unit, descends_from=first)


def _decreases(values: NDArray[np.float64]) -> bool:
    return bool(values.ndim == 1 and len(values) > 1 and np.isfinite(values).all() and (np.diff(values) < 0).all())


def checked_unit(unit: str | None) -> str | None:
    known = normalise_unit(unit)
    if unit and known is None:
        raise InputError(f"the unit '{unit}' is not known; use nm, um, mm, cm, m, inch, angstrom, or none at all")
    return known


def _checked_depths(depths: ArrayLike) -> NDArray[np.float64]:
    values = np.array(depths, dtype=np.float64)  # a copy: the caller keeps no way to change it
    if values.ndim != 1 or values.size == 0:
        raise InputError(f"depths must be a list of numbers, one per section, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise InputError("depths must be finite numbers, one per section; got NaN or infinity")
    bad = np.flatnonzero(np.diff(values) <= 0)
    if bad.size:
        i = int(bad[0])
        raise InputError(
            f"depths must increase from section to section, or decrease throughout, but section {i} is at "
            f"{values[i]:g} and section {i + 1} at {values[i + 1]:g}; sort the sections or correct the list"
        )
    gap = float(np.diff(values).min(initial=1.0))
    if gap < SMALLEST_GAP or float(np.abs(values).max()) > 1 / SMALLEST_GAP:
        raise InputError(
            f"depths from {values[0]:g} to {values[-1]:g}, {gap:g} apart, cannot be computed with; "
            "correct the z spacing"
        )
    values.flags.writeable = False
    return values


def fine_depths(grid: Grid, n: int) -> NDArray[np.float64]:
    """Return (Z, n) depths that fill the median gap around each section with n even steps."""
    if grid.depths is None:
        raise missing_spacing()
    steps = (np.arange(n) - (n - 1) / 2) / n
    return grid.depths[:, None] + steps * (grid.spacing or 0.0)


def missing_spacing(notes: Sequence[str] = ()) -> MissingSpacingError:
    """Return the error; of the notes of a dataset those that say why are told, too."""
    told = [note for note in notes if "z spacing" in note]
    why = f" ({'; '.join(told)})" if told else ""
    return MissingSpacingError(
        f"it is not known how far apart the sections are{why}; "
        "give the distance with --z-spacing, for example --z-spacing 2um (z_spacing='2um' in Python)"
    )
