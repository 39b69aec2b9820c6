"""Voxels with their grid: what one file holds, and the one channel at one time point that a method sees.

Axes are always in the order time, channel, section (z), row (y), column (x).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, RequestError
from ..system.memory import check_fits
from .colours import COLOUR_NAMES, luminance, named_colours
from .grid import SLICE, UNKNOWN_GAP, Acquisition, Grid, checked_unit, fine_depths, missing_spacing
from .lazy import is_lazy, some_sections
from .masks import unmasked
from .units import convert

_DESCENDS = "the depths decrease from section to section; files and the window show distances from the first section"


@dataclass(frozen=True, eq=False)
class Source:
    """Where a dataset was read from.

    ``header`` belongs to the reader and writer of that format; nobody else looks inside.
    ``reversed_sections`` says that the reader turned the order of the sections round; ``series`` is the one of several
    stacks in the file.
    """

    path: Path | None
    format: str
    header: Any = None
    reversed_sections: bool = False
    series: str | None = None

    @property
    def name(self) -> str | None:
        """Name of the file, with the series that was chosen in it as ``FILE::SERIES``.

        Of DICOM only what was recorded: folders are often called like the patient.
        """
        if self.path is None or self.format == "DICOM":
            return None if self.path is None else f"DICOM {self.series or ''}".strip()
        return self.path.name if self.series is None else f"{self.path.name}::{self.series}"


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
    acquisition: Acquisition = SLICE

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


def _check_section_count(grid: Grid, sections: int) -> None:
    if grid.depths is not None and len(grid.depths) != sections:
        raise InputError(
            f"{len(grid.depths)} depths were given for {sections} sections; give exactly one depth per section"
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
    channel_colours : tuple of str
        In which colour each channel is shown, as ``"RRGGBB"``, one per channel; or empty.
    rgb : bool
        The channels are red, green and blue, and perhaps alpha (opacity), of one colour image.
    time_step : float or None
        Seconds between time points.
    source : Source or None
    record : mapping
        History that an earlier run wrote into the file (see :mod:`napari_depth_interp.run.result`).
    notes : tuple of str
        What the reader had to assume, in words for the user.
    holds_labels : bool
        The file says that its voxels are identifiers of objects, not grey values.
    """

    voxels: NDArray[Any]
    grid: Grid
    acquisition: Acquisition = SLICE
    axes: str = "ZYX"
    channel_names: tuple[str, ...] = ()
    rgb: bool = False
    channel_colours: tuple[str, ...] = ()
    time_step: float | None = None
    source: Source | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    holds_labels: bool = False

    def __post_init__(self) -> None:
        if self.voxels.ndim != 5:
            raise InputError(f"a dataset has the axes (t, c, z, y, x), got an array of shape {self.voxels.shape}")
        if self.voxels.size == 0:
            raise InputError(f"the image is empty: its shape (t, c, z, y, x) is {self.voxels.shape}")
        _check_dtype(self.voxels.dtype)
        _check_section_count(self.grid, self.voxels.shape[2])
        if self.rgb and (self.voxels.shape[1] not in (3, 4) or "C" not in self.axes):
            raise InputError(
                f"an RGB image has 3 colours, or 4 with alpha, on an axis of their own, not {self.voxels.shape[1]} on "
                f"the axes {self.axes}; give axes='ZYXS'"
            )
        if self.channel_names and len(self.channel_names) != self.voxels.shape[1]:
            raise InputError(f"{len(self.channel_names)} channel names for {self.voxels.shape[1]} channels")
        if self.channel_colours and len(self.channel_colours) != self.voxels.shape[1]:
            raise InputError(f"{len(self.channel_colours)} channel colours for {self.voxels.shape[1]} channels")

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes that the file really has, in the order T, C, Z, Y, X."""
        return tuple(size for axis, size in zip("TCZYX", self.voxels.shape, strict=True) if axis in self.axes)

    @property
    def thickness(self) -> float | None:
        """Depth over which one section was averaged, in the unit of the grid; None if the file does not say."""
        return self.grid.thickness

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
        acquisition: Acquisition = SLICE,
    ) -> Dataset:
        """Wrap an array whose axes are named by ``axes``, letters out of TCZYX in any order.

        S in place of C names red, green and blue (and alpha) of a colour image, as in ``"ZYXS"``.
        Give ``z_spacing`` or ``depths`` (one number per section, increasing or decreasing), in ``unit``. Masked real
        values become NaN.
        """
        voxels = unmasked(array)
        axes, rgb = named_colours(axes.upper())
        if len(axes) != voxels.ndim or len(set(axes)) != len(axes) or not set("YX") <= set(axes) <= set("TCZYX"):
            raise InputError(
                f"axes '{axes}' do not fit an array of shape {voxels.shape}; name each axis once, out of T, C, Z, Y, X"
            )
        voxels = to_tczyx(voxels, axes)
        if depths is not None and z_spacing is not None:
            raise InputError("depths and z_spacing exclude each other; give one of them")
        if z_spacing is not None:
            depths = (np.arange(voxels.shape[2]) * _checked_spacing(z_spacing)).tolist()
        grid = Grid(None, pixel_size, unit)
        dataset = cls(voxels, grid, acquisition, axes, COLOUR_NAMES[: voxels.shape[1]] if rgb else (), rgb)
        return dataset if depths is None else dataset.with_depths(depths)

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
        unit = checked_unit(unit)
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
        """Return the dataset with one given depth per section, in the order of the file; they increase or decrease."""
        values = np.asarray(depths, dtype=float)
        given = Grid(None).with_depths(values)
        _check_section_count(given, self.voxels.shape[2])
        if self.source is not None and self.source.reversed_sections:
            increases = given.descends_from is None
            values = values[-1] + values[0] - values[::-1] if increases else values[::-1]  # seen from the other end
        grid = self.grid.with_depths(values, unit)
        notes = () if grid.descends_from is None else (_DESCENDS,)
        return replace(self, grid=grid, notes=self.notes + notes + self._unit_note(unit))

    def _unit_note(self, unit: str | None) -> tuple[str, ...]:
        """Say so where a unit given for the sections becomes that of the pixels too."""
        if unit is None or self.grid.unit is not None or self.grid.pixel_size is None:
            return ()
        return (f"the pixel size without a unit is taken to be in {unit}",)

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
            channel_colours=() if self.rgb else self.channel_colours[index : index + 1],
            axes=self.axes.replace("C", ""),
            rgb=False,
        )

    def part(self, times: slice, rows: slice, columns: slice) -> Dataset:
        """Return some of the time points, rows and columns, where they lie; a view, and of lazy voxels nothing is read.

        The slices have a first and an end and go in single steps.
        """
        y, x = self.grid.pixel_size or (1.0, 1.0)
        origin = self.grid.origin[0] + rows.start * y, self.grid.origin[1] + columns.start * x
        voxels = self.voxels[times, :, :, rows, columns]
        alone = voxels.shape[0] == 1 < self.voxels.shape[0]
        return replace(
            self,
            voxels=voxels,
            grid=replace(self.grid, origin=origin),
            axes=self.axes.replace("T", "") if alone else self.axes,
            time_step=None if alone else self.time_step,
        )

    def keeping(self, sections: Sequence[int] | NDArray[np.intp]) -> Dataset:
        """Return some of the sections, in increasing order, where they lie; of lazy voxels nothing is read."""
        chosen = np.asarray(sections, dtype=np.intp)
        depths = None if self.grid.depths is None else self.grid.depths[chosen]
        return replace(self, voxels=some_sections(self.voxels, chosen), grid=replace(self.grid, depths=depths))

    def without_alpha(self) -> Dataset:
        """Return an RGBA image without its opacity; any other as it is."""
        if not self.rgb or self.voxels.shape[1] == 3:
            return self
        return replace(self, voxels=self.voxels[:, :3], channel_names=self.channel_names[:3])

    def grey(self) -> Dataset:
        """Return the luminance of an RGB image as one channel of the same type; any other as it is."""
        if not self.rgb:
            return self
        voxels = np.stack([luminance(*np.asarray(time[:3])) for time in self.voxels])[:, None]
        return replace(self, voxels=voxels, axes=self.axes.replace("C", ""), channel_names=(), rgb=False)


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
