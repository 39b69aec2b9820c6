"""Sections with known depths: what every method gets and gives.

Axes are always in the order time, channel, section (z), row (y), column (x); depths and
sizes are in the unit of the :class:`Grid`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, MissingSpacingError, RequestError
from ..system.memory import check_fits
from .lazy import is_lazy
from .units import convert, normalise_unit

UNKNOWN_GAP = 4.0
"""Pixels that sections are taken to be apart where the file gives no pixel size."""
SMALLEST_GAP = 1e-100
"""Depths closer than this, or larger than its inverse, are damage: their products are no numbers any more."""
SPACING_RTOL = 1e-3
"""Gaps that differ by less than this fraction of the median gap count as even (files round)."""


@dataclass(frozen=True, slots=True)
class Acquisition:
    """What one observed image is: a slice, or the mean of ``n`` neighbouring sections."""

    n: int = 1

    def __post_init__(self) -> None:
        if self.n < 1:
            raise RequestError(f"a projection averages 2 or more sections, not {self.n}; write projection:6")

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

    def __str__(self) -> str:
        return f"projection:{self.n}" if self.is_projection else "slice"


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
        Depth over which one section was averaged, where the file says so; not the spacing.
    """

    depths: NDArray[np.float64] | None
    pixel_size: tuple[float, float] | None = None
    unit: str | None = None
    origin: tuple[float, float] = (0.0, 0.0)
    thickness: float | None = None

    def __post_init__(self) -> None:
        if self.depths is not None:
            object.__setattr__(self, "depths", _checked_depths(self.depths))
        object.__setattr__(self, "unit", _checked_unit(self.unit))
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
        """Return the grid with other section depths, given in ``unit`` (default: the grid's own)."""
        values, unit = np.asarray(depths, dtype=float), _checked_unit(unit)
        if unit and self.unit:
            values = values * convert(1.0, unit, self.unit)
        return replace(self, depths=values, unit=self.unit or unit)


def _checked_unit(unit: str | None) -> str | None:
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
            f"depths must increase from section to section, but section {i} is at {values[i]:g} "
            f"and section {i + 1} at {values[i + 1]:g}; sort the sections or correct the list"
        )
    gap = float(np.diff(values).min(initial=1.0))
    if gap < SMALLEST_GAP or float(np.abs(values).max()) > 1 / SMALLEST_GAP:
        raise InputError(
            f"depths from {values[0]:g} to {values[-1]:g}, {gap:g} apart, cannot be computed with; "
            "correct the z spacing"
        )
    values.flags.writeable = False
    return values


@dataclass(frozen=True, eq=False)
class Source:
    """Where a dataset was read from.

    ``header`` belongs to the reader and writer of that format; nobody else looks inside.
    ``reversed_sections`` says that the reader turned the order of the sections round.
    """

    path: Path | None
    format: str
    header: Any = None
    reversed_sections: bool = False


@dataclass(frozen=True, eq=False)
class Stack:
    """One channel at one time point: what a method sees.

    Attributes
    ----------
    voxels : (Z, Y, X) array, integer or float, in the units of the input.
        Or :class:`~napari_depth_interp.stack.lazy.LazyVoxels`; a method gets these only in
        ``prepare``, if its spec says so.
    grid : Grid
        With known depths, as many as there are sections.
    acquisition : Acquisition
    """

    voxels: NDArray[Any]
    grid: Grid
    acquisition: Acquisition = Acquisition()

    def __post_init__(self) -> None:
        if self.voxels.ndim != 3:
            raise InputError(f"a stack has the axes (z, y, x), got an array of shape {self.voxels.shape}")
        _check_section_count(self.grid, self.voxels.shape[0])
        if self.grid.depths is None:
            raise missing_spacing()

    @property
    def depths(self) -> NDArray[np.float64]:
        assert self.grid.depths is not None
        return self.grid.depths

    @property
    def pixel(self) -> float:
        """Mean distance of neighbouring pixels; where the file gives none, a quarter of that of the sections."""
        if self.grid.pixel_size is None:
            return (self.grid.spacing or 1.0) / UNKNOWN_GAP
        return math.sqrt(self.grid.pixel_size[0] * self.grid.pixel_size[1])

    def fine_depths(self) -> NDArray[np.float64]:
        """Return (Z, n): the depths of the n sections that each observed image is the mean of.

        They fill the median gap around the image's depth without overlap; a slice gives itself.
        """
        return fine_depths(self.grid, self.acquisition.n)

    def equals(self, other: Stack | None) -> bool:
        """Whether the other one holds the same images at the same depths."""
        return (
            other is not None
            and self.acquisition == other.acquisition
            and self.voxels.shape == other.voxels.shape
            and np.array_equal(self.depths, other.depths)
            and all(np.array_equal(*both) for both in zip(self.voxels, other.voxels, strict=True))
        )

    def crop(self, sections: slice, rows: slice, columns: slice = slice(None)) -> Stack:
        """Return some of the sections, rows and columns (a view)."""
        grid = replace(self.grid, depths=self.depths[sections])
        return replace(self, voxels=self.voxels[sections, rows, columns], grid=grid)

    def in_memory(self) -> Stack:
        """Return the stack with its voxels read, if they are still in their file.

        Raises
        ------
        TooLargeError
            If they do not fit into the memory.
        """
        if not is_lazy(self.voxels):
            return self
        check_fits(self.voxels.nbytes, f"a stack of {' x '.join(map(str, self.voxels.shape))} voxels")
        return replace(self, voxels=np.asarray(self.voxels))


def fine_depths(grid: Grid, n: int) -> NDArray[np.float64]:
    """Return (Z, n) depths that fill the median gap around each section with n even steps."""
    if grid.depths is None:
        raise missing_spacing()
    steps = (np.arange(n) - (n - 1) / 2) / n
    return grid.depths[:, None] + steps * (grid.spacing or 0.0)


def _check_section_count(grid: Grid, sections: int) -> None:
    if grid.depths is not None and len(grid.depths) != sections:
        raise InputError(
            f"{len(grid.depths)} depths were given for {sections} sections; give exactly one depth per section"
        )


def missing_spacing() -> MissingSpacingError:
    return MissingSpacingError(
        "the file does not say how far apart the sections are; "
        "give the distance with --z-spacing, for example --z-spacing 2um (z_spacing='2um' in Python)"
    )


@dataclass(frozen=True, eq=False)
class Dataset:
    """All that one file holds: channels and time points on one grid.

    Attributes
    ----------
    voxels : (T, C, Z, Y, X) array
        Or :class:`~napari_depth_interp.stack.lazy.LazyVoxels`, which are read when they are asked for.
    grid : Grid
        Its depths may be unknown (None) until the user gives a z spacing.
    acquisition : Acquisition
    axes : str
        The axes that the file really has, in its own order, for example ``"TZCYX"`` or ``"ZYX"``.
    channel_names : tuple of str
        One per channel, or empty.
    time_step : float or None
        Seconds between time points.
    source : Source or None
    record : mapping
        History that an earlier run wrote into the file (see :mod:`napari_depth_interp.run.result`).
    notes : tuple of str
        What the reader had to assume, in words for the user.
    """

    voxels: NDArray[Any]
    grid: Grid
    acquisition: Acquisition = Acquisition()
    axes: str = "ZYX"
    channel_names: tuple[str, ...] = ()
    time_step: float | None = None
    source: Source | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.voxels.ndim != 5:
            raise InputError(f"a dataset has the axes (t, c, z, y, x), got an array of shape {self.voxels.shape}")
        if self.voxels.size == 0:
            raise InputError(f"the image is empty: its shape (t, c, z, y, x) is {self.voxels.shape}")
        _check_dtype(self.voxels.dtype)
        _check_section_count(self.grid, self.voxels.shape[2])
        if self.channel_names and len(self.channel_names) != self.voxels.shape[1]:
            raise InputError(f"{len(self.channel_names)} channel names for {self.voxels.shape[1]} channels")

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes that the file really has, in the order T, C, Z, Y, X."""
        return tuple(size for axis, size in zip("TCZYX", self.voxels.shape, strict=True) if axis in self.axes)

    @classmethod
    def from_array(
        cls,
        array: ArrayLike,
        *,
        z_spacing: float | None = None,
        depths: Sequence[float] | None = None,
        pixel_size: tuple[float, float] | None = None,
        unit: str | None = None,
        axes: str = "ZYX",
        acquisition: Acquisition = Acquisition(),
    ) -> Dataset:
        """Wrap an array whose axes are named by ``axes``, letters out of TCZYX in any order.

        Give ``z_spacing`` or ``depths`` (one number per section), in ``unit``.
        """
        voxels = np.asarray(array)
        axes = axes.upper()
        if len(axes) != voxels.ndim or len(set(axes)) != len(axes) or not set("YX") <= set(axes) <= set("TCZYX"):
            raise InputError(
                f"axes '{axes}' do not fit an array of shape {voxels.shape}; name each axis once, out of T, C, Z, Y, X"
            )
        voxels = to_tczyx(voxels, axes)
        if depths is not None and z_spacing is not None:
            raise InputError("depths and z_spacing exclude each other; give one of them")
        if z_spacing is not None:
            depths = (np.arange(voxels.shape[2]) * _checked_spacing(z_spacing)).tolist()
        grid = Grid(None if depths is None else np.asarray(depths, float), pixel_size, unit)
        return cls(voxels, grid, acquisition, axes)

    def stack(self, time: int = 0, channel: int = 0) -> Stack:
        """Return one channel at one time point as a view.

        Raises
        ------
        MissingSpacingError
            If the depths are not known.
        """
        return Stack(self.voxels[time, channel], self.grid, self.acquisition)

    def stacks(self) -> Iterator[tuple[int, int, Stack]]:
        """Yield every (time, channel, stack)."""
        for time in range(self.voxels.shape[0]):
            for channel in range(self.voxels.shape[1]):
                yield time, channel, self.stack(time, channel)

    def with_z_spacing(self, spacing: float, unit: str | None = None) -> Dataset:
        """Return the dataset with evenly spaced sections; the first one stays where it was."""
        first = 0.0 if self.grid.depths is None else float(self.grid.depths[0])
        unit = _checked_unit(unit)
        if unit and self.grid.unit:
            spacing, unit = convert(spacing, unit, self.grid.unit), self.grid.unit
        depths = first + np.arange(self.voxels.shape[2]) * _checked_spacing(spacing)
        return replace(self, grid=self.grid.with_depths(depths, unit), notes=self.notes + self._unit_note(unit))

    def counted(self) -> Dataset:
        """Return the dataset with depths 0, 1, 2 ... where none are known, for what takes each section alone."""
        if self.grid.depths is not None:
            return self
        return replace(self, grid=replace(self.grid, depths=np.arange(self.voxels.shape[2], dtype=np.float64)))

    def with_depths(self, depths: ArrayLike, unit: str | None = None) -> Dataset:
        """Return the dataset with one given depth per section, in the order of the file."""
        values = np.asarray(depths, dtype=float)
        _check_section_count(Grid(values), self.voxels.shape[2])
        if self.source is not None and self.source.reversed_sections:
            values = values[-1] + values[0] - values[::-1]  # the same gaps, seen from the other end
        return replace(self, grid=self.grid.with_depths(values, unit), notes=self.notes + self._unit_note(unit))

    def _unit_note(self, unit: str | None) -> tuple[str, ...]:
        """Say so where a unit given for the sections becomes that of the pixels too."""
        if unit is None or self.grid.unit is not None or self.grid.pixel_size is None:
            return ()
        return (f"the file gives its pixel size without a unit; it is taken to be in {unit}",)

    def select_channel(self, channel: str) -> Dataset:
        """Return one channel, chosen by its name or its index from 0."""
        count = self.voxels.shape[1]
        if channel in self.channel_names:
            index = self.channel_names.index(channel)
        elif channel.isdecimal() and int(channel) < count:
            index = int(channel)
        else:
            names = ", ".join(self.channel_names) or "unnamed"
            raise RequestError(f"there is no channel '{channel}'; choose 0 to {count - 1}, or one of: {names}")
        return replace(
            self,
            voxels=self.voxels[:, index : index + 1],
            channel_names=self.channel_names[index : index + 1],
            axes=self.axes.replace("C", ""),
        )


def without_voxels(dataset: Dataset) -> Dataset:
    """Return the dataset with one voxel shown everywhere: all that is known about it, and no memory held."""
    return replace(dataset, voxels=np.broadcast_to(np.zeros((), dataset.voxels.dtype), dataset.voxels.shape))


def to_tczyx(voxels: NDArray[Any], axes: str) -> NDArray[Any]:
    """Bring an array with named axes (a subset of TCZYX) into the order T, C, Z, Y, X (a view)."""
    present = [axis for axis in "TCZYX" if axis in axes]
    voxels = voxels.transpose([axes.index(axis) for axis in present])
    missing = tuple(i for i, axis in enumerate("TCZYX") if axis not in axes)
    return np.expand_dims(voxels, missing)


def _checked_spacing(spacing: float) -> float:
    if not (np.isfinite(spacing) and spacing > 0):
        raise InputError(f"the z spacing must be a positive number, got {spacing}; give it as --z-spacing 2um")
    return float(spacing)


def _check_dtype(dtype: np.dtype[Any]) -> None:
    if dtype.kind == "c":
        raise InputError(f"the image is complex ({dtype}); take its magnitude or its real part first")
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise InputError(f"voxels of type {dtype} cannot be interpolated; convert the image to integers or floats")
