"""At which depths labels are wanted: on their own sections, on denser ones, or on those of another file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import io
from ..errors import RequestError
from ..run.settings import chosen_targets
from ..run.targets import denser_depths, known_depths
from ..stack import Dataset, Grid, missing_spacing
from ..stack.units import convert
from .settings import LabelSettings

_PIXEL_RTOL = 1e-2
"""Pixels whose sizes differ by less than this are the same."""
_SHIFT = 0.5
"""By how many pixels a file may lie beside the labels."""


@dataclass(frozen=True, eq=False)
class Targets:
    """Depths wanted, in the unit of the labels; ``same_grid``: they are those of the labels' own sections."""

    depths: NDArray[np.float64]
    same_grid: bool = False
    notes: tuple[str, ...] = ()


def wanted_depths(
    dataset: Dataset, settings: LabelSettings, like: Dataset | None, at: Sequence[float] | None, *, known: bool
) -> Targets:
    """Return the depths that are asked for.

    Parameters
    ----------
    dataset : Dataset
        The labels, with depths.
    settings : LabelSettings
    like : Dataset or None
        A file whose sections are wanted.
    at : sequence of float or None
        Depths given one by one.
    known : bool
        Whether the depths of the labels are known, not only counted.

    Raises
    ------
    RequestError
        If several targets are asked for, or one that lies elsewhere.
    MissingSpacingError
        If the target needs depths that are not known.
    """
    chosen = [
        *chosen_targets(settings),
        *(["--like"] if like is not None else []),
        *(["explicit depths"] if at is not None else []),
    ]
    if len(chosen) > 1:
        raise RequestError(f"{' and '.join(chosen)} exclude each other; give one of them")
    own = known_depths(dataset.grid)
    if not chosen:
        return Targets(own, same_grid=True)
    if not known:
        raise missing_spacing()
    if like is not None:
        return Targets(_overlapping(_depths_in(like, dataset), own, "the sections of the other file"))
    if at is not None:
        return Targets(_overlapping(known_depths(Grid(np.asarray(at, float))), own, "the depths asked for"))
    depths, notes = denser_depths(dataset, settings)
    return Targets(depths, notes=tuple(notes))


def _depths_in(like: Dataset, dataset: Dataset) -> NDArray[np.float64]:
    """Return the depths of another file's sections in the unit of the labels; its pixels have to be theirs."""
    theirs, ours = like.voxels.shape[3:], dataset.voxels.shape[3:]
    if theirs != ours:
        raise RequestError(
            f"the other file has {theirs[0]} x {theirs[1]} pixels (y, x) and the labels have {ours[0]} x {ours[1]}; "
            "only the sections may differ: resample or crop one of them first"
        )
    factor = convert(1.0, like.grid.unit, dataset.grid.unit) if like.grid.unit and dataset.grid.unit else 1.0
    if like.grid.pixel_size is not None and dataset.grid.pixel_size is not None:
        sizes = np.multiply(like.grid.pixel_size, factor)
        if not np.allclose(sizes, dataset.grid.pixel_size, rtol=_PIXEL_RTOL, atol=0):
            raise RequestError(
                f"the pixels of the other file are {sizes[0]:g} x {sizes[1]:g} (y, x) and those of the labels "
                f"{dataset.grid.pixel_size[0]:g} x {dataset.grid.pixel_size[1]:g}; only the sections may differ: "
                "resample one of them first"
            )
    theirs_first, depths = io.offset(like, dataset, factor), known_depths(like.grid) * factor
    if theirs_first is None:
        return depths
    size = np.array(dataset.grid.pixel_size or (np.inf, np.inf))
    if (np.abs(theirs_first[1:]) > _SHIFT * size).any():
        away = np.abs(theirs_first[1:] / size).round(1)
        raise RequestError(
            f"the pixels of the other file lie {away[0]:g} rows and {away[1]:g} columns beside those of the labels; "
            "only the sections may differ: resample one of them first"
        )
    return np.asarray(known_depths(dataset.grid)[0] + theirs_first[0] + depths - depths[0])


def _overlapping(depths: NDArray[np.float64], own: NDArray[np.float64], what: str) -> NDArray[np.float64]:
    margin = float(np.diff(own).max())
    if depths[-1] < own[0] - margin or depths[0] > own[-1] + margin:
        raise RequestError(
            f"{what} lie at {depths[0]:g} to {depths[-1]:g} and those of the labels at {own[0]:g} to {own[-1]:g}; "
            "they do not overlap: correct the origin or the spacing of one of them"
        )
    return depths
