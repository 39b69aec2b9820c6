"""What a run knows of the thickness of sections: from its settings, or from the file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..method import MethodSpec
from ..numerics.axial import matching_thickness, overlapping_thickness
from ..stack import Acquisition, Dataset, Grid
from ..stack.profile import Profile, ProfileKind
from .settings import ESTIMATE, NO_THICKNESS, Settings
from .targets import in_unit

_USUAL: ProfileKind = "gaussian"
_LOOKED_AT = 1_500_000
"""Voxels of a channel in which the thickness is looked for: of larger stacks, the middle of the images."""
_RUNS, _RUN, _SIDE = 2, 6, 96
"""Where nothing is said: how many runs of so many sections are looked at, and pixels along a side of their middle."""


def with_thickness(dataset: Dataset, settings: Settings) -> Dataset:
    """Return the dataset with its slices as thick as the settings say, or the file; doing so again changes nothing.

    A thickness that the file gives is left aside where it cannot be true: more than the whole stack. One that is to be
    estimated is found by :func:`estimated`.

    Raises
    ------
    RequestError
        If a thickness is given that is more than the whole stack, or for projections, which are as thick as their
        sections together.
    """
    given = settings.thickness not in (None, NO_THICKNESS, ESTIMATE)
    if dataset.acquisition.is_projection:
        if settings.thickness not in (None, NO_THICKNESS):
            raise RequestError(
                f"--thickness {settings.thickness} is of slices, and {dataset.acquisition} is as thick as its sections "
                "together; leave one of them out"
            )
        return dataset
    if settings.thickness in (NO_THICKNESS, ESTIMATE):
        return replace(dataset, acquisition=Acquisition())
    grid = dataset.grid
    if given:
        grid = replace(grid, thickness=in_unit(str(settings.thickness), grid.unit))
    possible = grid.thickness is not None and grid.thickness <= _extent(grid)
    if given and not possible:
        raise RequestError(f"sections {settings.thickness} thick are thicker than the whole stack; correct --thickness")
    kind = settings.profile or (dataset.acquisition.profile.kind if dataset.acquisition.profile else _USUAL)
    profile = Profile(kind, grid.thickness) if possible and grid.thickness is not None else None
    return replace(dataset, grid=grid, acquisition=Acquisition(profile=profile))


def estimated(dataset: Dataset, settings: Settings) -> Dataset:
    """Return the dataset with slices as thick as its images tell, where the settings ask for that.

    Where neither they nor the file say anything, sections are thick if neighbours share their noise. What the file says
    of the thickness stays as it is.

    Raises
    ------
    RequestError
        If no pixel size is known, with which distances along z could be compared, or sections are unevenly spaced.
    """
    if settings.thickness is None and dataset.acquisition == Acquisition():
        return _overlapping(dataset)
    if settings.thickness != ESTIMATE:
        return dataset
    if dataset.grid.pixel_size is None:
        raise RequestError("no pixel size is known, so the thickness cannot be estimated; give it: --thickness 3um")
    if not dataset.grid.is_even:
        raise RequestError(
            "the sections are unevenly spaced, so their thickness cannot be estimated; give --thickness 3um"
        )
    stack = dataset.stack()
    gap = float(np.median(np.diff(stack.depths)))
    kind = settings.profile or _USUAL
    found = [matching_thickness(each, gap / stack.pixel, kind) for each in _looked_at(dataset)]
    thickness = min(float(np.median(found)) * gap, _extent(dataset.grid))
    profile = Profile(kind, thickness) if thickness > 0 else None
    return replace(dataset, acquisition=Acquisition(profile=profile))


def _overlapping(dataset: Dataset) -> Dataset:
    """Return the dataset with slices so thick that neighbours share as much noise as they do."""
    count, *sizes = dataset.voxels.shape[2:]
    if count < 3 or dataset.grid.pixel_size is None or not dataset.grid.is_even:
        return dataset
    rows, columns = (slice(max(0, (size - _SIDE) // 2), (size + _SIDE) // 2) for size in sizes)
    run = min(count, _RUN)
    firsts = np.unique(np.linspace(0, count - run, _RUNS).round().astype(int))
    found = []
    for channel in range(dataset.voxels.shape[1]):
        some = dataset.voxels[0, channel][:, rows, columns]
        runs = [np.nan_to_num(np.asarray(some[first : first + run], np.float32)) for first in firsts.tolist()]
        threes = np.stack([each[z : z + 3] for each in runs for z in range(run - 2)])
        found.append(overlapping_thickness(threes))
    thickness = float(np.median(found)) * float(np.median(np.diff(dataset.stack().depths)))
    if not thickness:
        return dataset
    return replace(dataset, acquisition=Acquisition(profile=Profile(_USUAL, thickness)))


def _looked_at(dataset: Dataset) -> Iterator[NDArray[np.float32]]:
    """Yield the middle of each channel (Z, Y, X) at the first time point; what is not a number is the mean."""
    _, channels, count, *sizes = dataset.voxels.shape
    share = min(1.0, math.sqrt(_LOOKED_AT / (count * math.prod(sizes))))
    rows, columns = (slice(round((1 - share) / 2 * size), round((1 + share) / 2 * size)) for size in sizes)
    for channel in range(channels):
        part = np.asarray(dataset.voxels[0, channel][:, rows, columns], np.float32)
        yield np.nan_to_num(part, nan=float(np.nanmean(part)))


def thickness_notes(dataset: Dataset, settings: Settings, spec: MethodSpec) -> list[str]:
    """Say how thick new sections are, or that a thickness was given to a method that takes sections to be thin."""
    profile = dataset.acquisition.profile
    if spec.enhances:
        return []
    if profile is not None and "thick" in spec.acquisitions:
        words = f"{profile.thickness:.4g} {dataset.grid.unit or ''}".rstrip()
        told = settings.thickness not in (None, ESTIMATE) or dataset.grid.thickness is not None
        seem = "are" if told and settings.thickness != ESTIMATE else "seem to be"
        return [f"the sections {seem} {words} thick ({profile.kind} profile), and new ones are made as thick"]
    if settings.thickness == ESTIMATE and "thick" in spec.acquisitions:
        return ["the images do not tell that sections are thick; they are taken to be thin"]
    if settings.thickness in (None, NO_THICKNESS):
        return []
    return [f"{spec.name} makes no use of the thickness: it takes sections to be thin"]


def _extent(grid: Grid) -> float:
    """Return from where to where sections lie, and one distance more; infinity where that is not known."""
    if grid.depths is None or grid.spacing is None:
        return float("inf")
    return float(grid.depths[-1] - grid.depths[0]) + grid.spacing
