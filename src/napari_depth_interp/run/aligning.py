"""Aligning sections: before a run, whose request becomes one on sections that were moved; and alone, into a file."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import io
from ..progress import Progress, Report, silent
from ..registration import Transforms, estimate
from ..stack import Dataset
from ..stack.lazy import as_array, is_lazy
from .history import input_record, versions
from .request import Request
from .result import RECORD_KEY

SHARE_OF_ALIGNING = 0.3
"""Share of the time that finding the displacements takes, roughly."""


def aligned(request: Request, report: Report) -> Request:
    """Return the request on its sections as they are moved, with how they are, and what the user should know.

    Only the sections of the request are looked at: what is hidden in an evaluation has no part in it.
    """
    assert request.align is not None
    return moved(request, estimate(request.dataset, request.align, report=report))


def moved(request: Request, transforms: Transforms) -> Request:
    """Return the request on its sections as transforms move them."""
    dataset = transforms.apply(request.dataset)
    first = request.enhance
    return replace(
        request,
        dataset=dataset,
        recorded=request.dataset,
        align=None,
        transforms=transforms,
        enhance=None if first is None else replace(first, dataset=replace(dataset, notes=())),
        notes=(*request.notes, *notes_on(transforms)),
    )


def seconds_of_aligning(request: Request) -> float:
    """Return how long finding the displacements will take, measured on three sections of the middle."""
    assert request.align is not None
    times, _, sections, *_ = request.dataset.voxels.shape
    first = max(0, sections // 2 - 1)
    few = slice(first, first + 3)
    voxels = as_array(request.dataset.voxels[:1, :, few])
    part_of_it = replace(request.dataset, voxels=voxels, grid=replace(request.dataset.grid, depths=None))
    start = time.perf_counter()
    estimate(part_of_it, request.align)
    return float((time.perf_counter() - start) / min(3, sections) * times * sections)


def notes_on(transforms: Transforms) -> list[str]:
    """Return in words what was moved, and what could not be judged."""
    moved = transforms.moved_ever
    unjudged = np.flatnonzero(~transforms.judged.all(axis=0))
    notes = []
    if not transforms.judged.any():
        return ["no section could be aligned: neighbours have too little in common"]
    if moved.any():
        far, kept = float(transforms.distances.max()), transforms.drift == "keep"
        slow = "slow motion along z was kept" if kept else "real slant and curvature are straightened by it"
        notes.append(
            f"{int(moved.sum())} of {len(moved)} sections were moved by up to {far:.1f} pixels, and resampled; {slow}"
        )
    else:
        notes.append("no section was moved: none lies displaced against its neighbours")
    if unjudged.size:
        named = ", ".join(map(str, unjudged[:5])) + (" ..." if unjudged.size > 5 else "")
        notes.append(f"{unjudged.size} sections could not be judged and stay where they are: {named}")
    return notes


@dataclass(frozen=True, eq=False)
class Aligned:
    """An image with its sections moved, and how they were. It behaves as an array with the axes of the input.

    Attributes
    ----------
    dataset : Dataset
        Its record holds the history. Voxels of a large file are moved as they are read.
    transforms : Transforms
    notes : tuple of str
        What the user should know, in plain words.
    """

    dataset: Dataset
    transforms: Transforms
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, dataset: Dataset, transforms: Transforms) -> Aligned:
        """Move the sections of a dataset.

        Raises
        ------
        InputError
            If the transforms are of another image.
        """
        record = {"versions": versions(), "align": transforms.as_json(), "input": input_record(dataset.counted())}
        moved = replace(transforms.apply(dataset), record={RECORD_KEY: record})
        return cls(moved, transforms, tuple(notes_on(transforms)))

    @property
    def values(self) -> NDArray[Any]:
        """The voxels with the axes that the input has, out of T, C, Z, Y, X and in this order."""
        return np.asarray(self.dataset.voxels[tuple(slice(None) if a in self.dataset.axes else 0 for a in "TCZYX")])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the voxels for numpy."""
        return np.array(self.values, dtype=dtype, copy=copy)

    def save(self, path: str | PathLike[str], *, overwrite: bool = False, report: Report = silent) -> None:
        """Write the image with its history; what is still in its file goes on into the other block by block.

        Raises
        ------
        OutputError
            If the file exists, or cannot be written.
        """
        dataset = self.dataset
        if not is_lazy(dataset.voxels) or io.format_of(path) not in io.STREAMED:
            io.write(path, dataset, overwrite=overwrite)
            return
        shape = dataset.voxels.shape
        with io.creating(path, dataset, shape, dataset.voxels.dtype, overwrite=overwrite) as sink:
            depth = 1 if sink.chunk_grid is None else sink.chunk_grid[0]
            starts = range(0, shape[2], depth)
            places = [(t, c, start) for t in range(shape[0]) for c in range(shape[1]) for start in starts]
            for done, (t, c, start) in enumerate(places):
                sections = slice(start, min(start + depth, shape[2]))
                block = np.asarray(dataset.voxels[t, c, sections])
                sink.write(t, c, sections, slice(0, shape[3]), slice(0, shape[4]), block)
                report(Progress((done + 1) / len(places), "writing"))
            sink.finish(dataset.record)
