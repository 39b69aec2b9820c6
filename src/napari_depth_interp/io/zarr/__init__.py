"""OME-Zarr images: versions 0.4 (zarr 2) and 0.5 (zarr 3) are read, 0.5 is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError, OutputError, RequestError, TooLargeError
from ...stack import Dataset, Grid, Source
from ...stack.lazy import LazyVoxels, as_array
from ...system.memory import check_fits
from ..formats import url_of
from .metadata import Multiscale, depths_of, multiscale_of
from .remote import folder_at
from .safety import open_checked, read_attributes
from .sink import CHUNK_GRID, ZarrSink, resolutions_of, written_dtype

if TYPE_CHECKING:
    from .. import SectionAxis

__all__ = ["CHUNK_GRID", "ZarrSink", "check", "open_sink", "read", "read_levels", "resolutions_of", "write"]


def read(path: Path, *, axis: SectionAxis, axes: str | None, lazy: bool = False, labels: bool = False) -> Dataset:
    """Read the largest resolution of an OME-Zarr image.

    Parameters
    ----------
    path : Path
        The folder of the image.
    axis : {"auto", "z"}
        Sections always lie along z.
    axes : str or None
        Names of the axes of a zarr array that has no OME metadata.
    lazy : bool
        Read voxels when they are asked for.
    labels : bool
        For TIFF only.

    Raises
    ------
    InputError
        If it is no OME-Zarr image, or damaged.
    TooLargeError
        If the voxels do not fit into the memory and are not read lazily.
    """
    dataset = _read_levels(path, axis, axes, first_only=True)[0]
    if lazy:
        return dataset
    check_fits(dataset.voxels.nbytes, f"'{path.name}'")
    try:
        return replace(dataset, voxels=np.asarray(dataset.voxels))
    except MemoryError as error:
        raise TooLargeError(f"'{path.name}' does not fit into memory; crop the image first") from error


def read_levels(path: Path) -> list[Dataset]:
    """Return all resolutions of an image from the finest to the coarsest, none of them read yet."""
    return _read_levels(path, "auto", None, first_only=False)


def _read_levels(path: Path, axis: str, axes: str | None, *, first_only: bool) -> list[Dataset]:
    if axis not in ("auto", "z"):
        raise RequestError(
            f"the section axis '{axis}' can be chosen for NIfTI only; OME-Zarr sections lie along z: leave it at auto"
        )
    try:
        found = _described(path, axes)
        levels = found.levels[:1] if first_only else found.levels
        return [_dataset(path, found, number) for number in range(len(levels))]
    except InputError as error:
        raise InputError(f"'{path.name}' {error}") from error


def _described(path: Path, axes: str | None) -> Multiscale:
    try:
        image, attributes = read_attributes(path if url_of(path) is None else folder_at(path))
        return multiscale_of(image, attributes, axes)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:  # JSON of any shape
        raise InputError(f"is damaged: its metadata are not those of an image ({error}); export it again") from error


def _dataset(path: Path, found: Multiscale, number: int) -> Dataset:
    level = found.levels[number]
    array = level.folder.open_array(path) if hasattr(level.folder, "open_array") else open_checked(level.folder, path)
    if len(array.shape) != len(found.axes):
        raise InputError(f"is damaged: it names {len(found.axes)} axes and has {len(array.shape)}; export it again")
    names = found.axes.upper()
    view = LazyVoxels(array, [names.index(axis) if axis in names else None for axis in "TCZYX"])
    channels, sections = view.shape[1:3]
    grid = Grid(
        depths_of(found, level, sections, number),
        level.pixel_size,
        found.unit,
        level.origin,
        found.thickness,
    )
    rgb = found.rgb and channels in (3, 4)
    return Dataset(
        as_array(view),
        grid,
        axes=names,
        channel_names=found.channel_names if len(found.channel_names) == channels else (),
        rgb=rgb,
        channel_colours=found.channel_colours if len(found.channel_colours) == channels and not rgb else (),
        time_step=level.time_step if "T" in names else None,
        source=Source(path, f"OME-Zarr {found.version}".strip()),
        record=found.record,
        notes=found.notes,
        holds_labels=found.holds_labels,
    )


def write(path: Path, dataset: Dataset, *, float_output: bool) -> None:
    """Write a dataset chunk by chunk, with its coarser resolutions.

    Parameters
    ----------
    path : Path
        A folder that does not exist yet.
    dataset : Dataset
    float_output : bool
        Write float32 whatever the type.
    """
    dtype = np.dtype(np.float32) if float_output else dataset.voxels.dtype
    sink = ZarrSink(path, dataset, dataset.voxels.shape, dtype)
    for t, c in np.ndindex(dataset.voxels.shape[:2]):
        sink.write_stack(t, c, dataset.voxels[t, c])
    sink.finish(dataset.record)


def open_sink(path: Path, dataset: Dataset, shape: tuple[int, ...], dtype: np.dtype[Any]) -> ZarrSink:
    """Return what takes the blocks of a result; see :class:`~napari_depth_interp.io.streaming.Sink`."""
    return ZarrSink(path, dataset, shape, dtype)


def check(dataset: Dataset, _grid: Grid, *, float_output: bool = False) -> None:
    """Raise an :class:`OutputError` if OME-Zarr has no type for the voxels; it holds any grid, also an unknown one."""
    if not float_output:
        try:
            written_dtype(dataset.voxels.dtype)
        except TypeError as error:
            raise OutputError(
                f"OME-Zarr has no type for {dataset.voxels.dtype} voxels; write them as float32"
            ) from error
