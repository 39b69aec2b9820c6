"""Where the voxels of a run go: into memory, or block by block into files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .. import io
from ..errors import OutputError
from ..progress import Progress, Report, part
from ..stack import Dataset
from ..system.cluster import Processes
from ..system.memory import check_disk, check_fits, free_memory
from .settings import Settings

OVERHEAD_BYTES = 300 * 10**6
"""What a run takes beside its result: tiles, libraries."""
STREAMED_BYTES = 10**9
"""Results larger than this are streamed where the format allows it."""
_ADVICE = "write it to .ome.zarr or .ome.tif, use a smaller factor or one --channel, or crop the stack"


class Planned(Protocol):
    """A run as far as its outputs have to know it."""

    @property
    def method(self) -> str:
        """Name of the method."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Sizes of the result (t, c, z, y, x)."""

    @property
    def output_dtype(self) -> np.dtype[Any]:
        """Type of its voxels."""

    @property
    def gives_uncertainty(self) -> bool:
        """Whether there is a float for each voxel beside it."""

    @property
    def needs_memory(self) -> bool:
        """Whether the result has to be made in memory."""

    def dense_template(self) -> Dataset:
        """Return the result without its voxels and its history."""


@dataclass(frozen=True)
class Spread:
    """Processes among which a run is divided, and what they have to know to resolve its request themselves.

    Attributes
    ----------
    processes : Processes
    source : Path
        The input, as all of them see it.
    settings : Settings
    depths : tuple of float or None
        Explicit target depths.
    extrapolate : bool
        They may lie beyond the first and the last section.
    """

    processes: Processes
    source: Path
    settings: Settings
    depths: tuple[float, ...] | None = None
    extrapolate: bool = False


@dataclass(frozen=True)
class Target:
    """Files that a result is streamed to.

    Attributes
    ----------
    path : Path
        TIFF or OME-Zarr.
    uncertainty : Path or None
        Where the expected error goes; it is not kept otherwise.
    overwrite : bool
        Replace existing files.
    history : mapping
        What is added to the history of the run, such as scores on held-out sections.
    resume : bool
        Go on with what an earlier run has left, and leave what is done if this one fails.
    spread : Spread or None
        Other processes that make the result.
    """

    path: Path
    uncertainty: Path | None = None
    overwrite: bool = False
    history: Mapping[str, Any] | None = None
    resume: bool = False
    spread: Spread | None = None


def choose_target(
    request: Planned,
    path: Path,
    uncertainty: Path | None = None,
    *,
    overwrite: bool = False,
    resume: bool = False,
    spread: Spread | None = None,
    streamed_from: int | None = None,
) -> Target | None:
    """Return how a result is to be streamed to ``path``, or None if it is made in memory and saved afterwards.

    OME-Zarr is always streamed; TIFF where the result has more bytes than ``streamed_from`` (default 1 GB) or does not
    fit into the free memory.

    Raises
    ------
    OutputError
        If one file of two cannot be streamed, or what is to be resumed or made by several processes is no OME-Zarr.
    """
    if resume or spread is not None:
        _check_blockwise(request, path, uncertainty, "several workers make" if spread is not None else "--resume needs")
    if request.needs_memory:
        return None
    kind = io.format_of(path)
    large = result_bytes(request) > min(STREAMED_BYTES if streamed_from is None else streamed_from, free_memory() // 2)
    if kind != "zarr" and not (kind == "tiff" and large):
        return None
    for each in (path, uncertainty):
        if each is not None:
            io.check_stream(each)
    return Target(path, uncertainty, overwrite, resume=resume, spread=spread)


def _check_blockwise(request: Planned, path: Path, uncertainty: Path | None, what: str) -> None:
    for each in (path, uncertainty):
        if each is not None and io.format_of(each) != "zarr":
            raise OutputError(f"{what} results of blocks, and '{each.name}' is none; write .ome.zarr instead")
    if request.needs_memory:
        raise OutputError(
            f"{what} results of blocks, and enhanced sections are held in memory; enhance them into a file, then "
            "interpolate that"
        )


@dataclass(frozen=True)
class Place:
    """A block of the result: one channel at one time point, some sections, rows and columns."""

    time: int
    channel: int
    sections: slice
    rows: slice
    columns: slice

    @property
    def shape(self) -> tuple[int, int, int]:
        """Sizes of the block (z, y, x)."""
        z, y, x = (each.stop - each.start for each in (self.sections, self.rows, self.columns))
        return z, y, x


class Output(Protocol):
    """Takes blocks of voxels."""

    @property
    def chunk_grid(self) -> tuple[int, int, int] | None:
        """Sections, rows and columns of which blocks should be multiples."""

    def block(self, place: Place) -> NDArray[Any]:
        """Return an array to be filled with the voxels of a place."""

    def store(self, place: Place, block: NDArray[Any]) -> None:
        """Take the filled array."""


class MemoryOutput:
    """All voxels in one array."""

    chunk_grid: tuple[int, int, int] | None = None

    def __init__(self, voxels: NDArray[Any]) -> None:
        self.voxels = voxels

    def block(self, place: Place) -> NDArray[Any]:
        """Return the place in the array itself."""
        view: NDArray[Any] = self.voxels[place.time, place.channel, place.sections, place.rows, place.columns]
        return view

    def store(self, place: Place, block: NDArray[Any]) -> None:
        """Do nothing: the voxels are there already."""


class FileOutput:
    """A file that takes blocks."""

    def __init__(self, sink: io.Sink, dtype: np.dtype[Any]) -> None:
        self.sink, self._dtype = sink, dtype
        self.chunk_grid = sink.chunk_grid

    def block(self, place: Place) -> NDArray[Any]:
        """Return zeros: where nothing is filled in, no error is expected."""
        return np.zeros(place.shape, self._dtype)

    def store(self, place: Place, block: NDArray[Any]) -> None:
        """Write the block."""
        self.sink.write(place.time, place.channel, place.sections, place.rows, place.columns, block)


@dataclass(frozen=True, eq=False)
class Outputs:
    """Where a run's voxels and their uncertainty go."""

    voxels: Output
    uncertainty: Output | None

    def finish(self, record: Mapping[str, Any], report: Report) -> None:
        """Write the history into files."""
        files = [each for each in (self.voxels, self.uncertainty) if isinstance(each, FileOutput)]
        for number, each in enumerate(files):
            each.sink.finish(record, part(report, number / len(files), (number + 1) / len(files)))
        report(Progress(1.0))


@contextmanager
def opened(request: Planned, target: Target | None) -> Iterator[Outputs]:
    """Give the outputs of a run; files appear, whole, when the block ends without an error.

    Raises
    ------
    TooLargeError
        If the result does not fit into the free memory, or onto the disk.
    OutputError
        If a file cannot be written.
    """
    if target is None:
        yield _in_memory(request)
        return
    check_target(request, target)
    with ExitStack() as files:
        uncertain = None
        if target.uncertainty is not None:
            uncertain = _file(request, target.uncertainty, np.dtype(np.float32), target, files)
        yield Outputs(_file(request, target.path, request.output_dtype, target, files), uncertain)


def result_bytes(request: Planned, *, uncertainty: bool = True) -> int:
    """Return how large the voxels of a result are, with their uncertainty if there is one."""
    size = int(np.prod(request.output_shape, dtype=object))
    return size * (request.output_dtype.itemsize + (4 if uncertainty and request.gives_uncertainty else 0))


def _in_memory(request: Planned) -> Outputs:
    shape = request.output_shape
    check_fits(
        result_bytes(request) + OVERHEAD_BYTES, f"the result of {' x '.join(map(str, shape[2:]))} voxels", _ADVICE
    )
    uncertainty = MemoryOutput(np.zeros(shape, np.float32)) if request.gives_uncertainty else None
    return Outputs(MemoryOutput(np.empty(shape, request.output_dtype)), uncertainty)


def check_target(request: Planned, target: Target, missing: float = 1.0) -> None:
    """Refuse what is not there, and what does not fit onto the disk; ``missing`` is the share yet to be written."""
    if target.uncertainty is not None and not request.gives_uncertainty:
        raise OutputError(f"{request.method} gives no uncertainty; there is nothing to write to it")
    size = result_bytes(request, uncertainty=target.uncertainty is not None)
    check_disk(int(size * missing), target.path)


def _file(request: Planned, path: Path, dtype: np.dtype[Any], target: Target, files: ExitStack) -> FileOutput:
    dataset = request.dense_template()
    if dtype.kind == "f":  # what is beside labels are none
        dataset = replace(dataset, holds_labels=False)
    sink = files.enter_context(io.creating(path, dataset, request.output_shape, dtype, overwrite=target.overwrite))
    return FileOutput(sink, dtype)
