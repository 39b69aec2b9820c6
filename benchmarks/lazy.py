"""Voxels that stay in their file: the views of ``stack/lazy.py`` beside plain dask arrays of the same voxels.

Both read through the same source (pages of a TIFF file, chunks of OME-Zarr). Every figure is of a process of its own;
the two take turns, and the median of the rounds is shown. dask gets what it would need to stand alone: planes are read
chunk by chunk and the extremes in one pass. It is measured with its own threads and without any (``synchronous``).

Run: python benchmarks/lazy.py [--sections N] [--rounds N] [--tasks TASK ...] [--out FILE]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from _tools import in_fresh_process, machine, markdown_table, peak_memory_mb, verdict
from napari_depth_interp import io
from napari_depth_interp.stack import Dataset, lazy
from napari_depth_interp.stack import dataset as stack_dataset
from scale import dense_section, make_volume, texture

SIDE, FACTOR = 512, 2
CLOSE = 1.10
CHUNK = "16MiB"
"""Of dask: planes for themselves cost it a millisecond each, its default of 128 MiB takes more memory than a run."""
KINDS = ("views", "dask", "dask, synchronous")
NAMES = {"TIFF": "plain.ome.tif", "TIFF, zlib": "zlib.ome.tif", "OME-Zarr": "chunks.ome.zarr"}
HEADER = ("task", "file", *(f"{kind}: wall s / CPU s / MB" for kind in KINDS), "dask / views, best of both")


@dataclass(frozen=True)
class Cost:
    """What one process took."""

    wall: float
    cpu: float
    peak_mb: float


def as_dask(dataset: Dataset) -> Dataset:
    """Return the dataset with its lazy voxels as a dask array on the same source."""
    import dask
    import dask.array

    view: Any = dataset.voxels
    assert isinstance(view, lazy.LazyVoxels)
    source, axes = view._source, view._axes
    whole = len(source.shape) - 2  # planes in one piece, as many together as dask thinks fit
    meta: NDArray[Any] = np.empty((0,) * len(source.shape), view.dtype)
    with dask.config.set({"array.chunk-size": CHUNK}):
        array = dask.array.from_array(source, chunks=("auto",) * whole + (-1, -1), asarray=True, meta=meta)
    array = array.transpose([axis for axis in axes if axis is not None])
    new = tuple(slice(None) if axis is not None else None for axis in axes)
    return replace(dataset, voxels=lazy.as_array(array[new]))


def planes_by_chunks(voxels: Any) -> Iterator[NDArray[Any]]:
    """Yield every plane of a dask array or an array; sections in the same chunks are read together."""
    step = 1 if isinstance(voxels, np.ndarray) else voxels.chunks[-3][0]
    for index in np.ndindex(*voxels.shape[:-3]):
        for start in range(0, voxels.shape[-3], step):
            yield from np.asarray(voxels[(*index, slice(start, start + step))])


def prepared(path: Path, kind: str) -> Dataset:
    """Open a file lazily and let the package take dask arrays, if it is to."""
    dataset = io.read(path, lazy=True)
    if kind == "views":
        return dataset
    import dask
    from dask.base import compute

    from napari_depth_interp.run import preparing

    def is_constant(voxels: Any) -> bool:
        low, high = compute(voxels.min(), voxels.max())
        return bool(low == high)

    preparing._is_constant = is_constant
    lazy.planes_of = planes_by_chunks
    stack_dataset.is_lazy = lambda voxels: not isinstance(voxels, np.ndarray)  # type: ignore[attr-defined]
    if kind.endswith("synchronous"):
        dask.config.set(scheduler="synchronous")
    return as_dask(dataset)


def planes(dataset: Dataset, folder: Path) -> None:
    """Read every plane once, for the signature of the input."""
    lazy.signature(dataset.voxels)


def extremes(dataset: Dataset, folder: Path) -> None:
    """Find the smallest and the largest value."""
    if lazy.is_lazy(dataset.voxels):
        dataset.voxels.min(), dataset.voxels.max()
        return
    from dask.base import compute

    compute(dataset.voxels.min(), dataset.voxels.max())


def linear(dataset: Dataset, folder: Path) -> None:
    """Run linear."""
    _run(dataset, folder, "linear")


def flow(dataset: Dataset, folder: Path) -> None:
    """Run flow."""
    _run(dataset, folder, "flow")


def _run(dataset: Dataset, folder: Path, method: str) -> None:
    """Run a method into OME-Zarr."""
    from napari_depth_interp.run.execute import execute
    from napari_depth_interp.run.outputs import Target
    from napari_depth_interp.run.request import resolve
    from napari_depth_interp.run.settings import make_settings

    request = resolve(dataset, make_settings(method=method, factor=FACTOR))
    execute(request, target=Target(folder / "out.ome.zarr", overwrite=True))


TASKS: dict[str, Callable[[Dataset, Path], None]] = {
    "planes": planes, "extremes": extremes, "linear": linear, "flow": flow,
}  # fmt: skip
USUAL = ["planes", "extremes", "linear"]


def cost(task: str, path: Path, kind: str) -> Cost:
    """Do a task; for a process of its own. What is imported is not counted, but the memory that it takes."""
    import zarr  # noqa: F401

    if kind != "views":
        import dask.array  # noqa: F401
    wall, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        TASKS[task](prepared(path, kind), Path(folder))
    return Cost(time.perf_counter() - wall, time.process_time() - cpu, peak_memory_mb())


def import_seconds() -> float:
    """Return the CPU time that importing dask takes; for a process of its own."""
    start = time.process_time()
    import dask.array  # noqa: F401

    return time.process_time() - start


def compared(task: str, path: Path, rounds: int) -> dict[str, Cost]:
    """Return the medians of the kinds, which take turns."""
    found: dict[str, list[Cost]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind in KINDS:
            found[kind].append(in_fresh_process(cost, task, path, kind))
    return {kind: _median(costs) for kind, costs in found.items()}


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(*(statistics.median(getattr(each, name) for each in costs) for name in ("wall", "cpu", "peak_mb")))


def ratios(costs: dict[str, Cost]) -> tuple[float, float]:
    """Return CPU time and memory of dask over those of views, each with the scheduler that suits it best."""
    views, *others = costs.values()
    return min(each.cpu for each in others) / views.cpu, min(each.peak_mb for each in others) / views.peak_mb


def make_files(folder: Path, sections: int) -> None:
    """Write the same sections three times."""
    make_volume(folder / NAMES["TIFF"], (sections, SIDE, SIDE), FACTOR)
    seed = texture()
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 0.5 * FACTOR}
    pages = (dense_section(seed, z * FACTOR, (SIDE, SIDE)) for z in range(sections))
    with tifffile.TiffWriter(folder / NAMES["TIFF, zlib"], ome=True) as writer:
        shape = (sections, SIDE, SIDE)
        writer.write(pages, shape=shape, dtype=np.uint16, photometric="minisblack", metadata=metadata, compression=8)
    io.write(folder / NAMES["OME-Zarr"], io.read(folder / NAMES["TIFF"]))


def report(folder: Path, tasks: Sequence[str], rounds: int) -> Iterator[str]:
    """Measure all tasks on all files."""
    rows, worst = [], 0.0
    for task in tasks:
        for name, file in NAMES.items():
            costs = compared(task, folder / file, rounds)
            time_ratio, memory_ratio = ratios(costs)
            worst = max(worst, time_ratio, memory_ratio)
            cells = [f"{each.wall:.2f} / {each.cpu:.2f} / {each.peak_mb:.0f}" for each in costs.values()]
            rows.append((task, name, *cells, f"CPU {time_ratio:.2f}, memory {memory_ratio:.2f}"))
            print(rows[-1], flush=True)
    yield markdown_table(HEADER, rows)
    seconds = statistics.median(in_fresh_process(import_seconds) for _ in range(rounds))
    yield f"Importing dask.array takes {seconds:.2f} s of CPU more, which is not in the table."
    yield verdict(worst <= CLOSE, f"dask alone takes at most {CLOSE:g} times the time and memory: {worst:.2f} at worst")


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sections", type=int, default=256, help=f"of {SIDE} x {SIDE} pixels, uint16")
    parser.add_argument("--rounds", type=int, default=3, help="how often every process is repeated")
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=USUAL, help="default all but flow")
    parser.add_argument("--out", type=Path, help="also write the report to this file")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        in_fresh_process(make_files, Path(name), args.sections)  # its memory would pass for that of the others
        size = f"{args.sections} x {SIDE} x {SIDE} uint16, factor {FACTOR}, median of {args.rounds} rounds."
        text = "\n\n".join([machine(), size, *report(Path(name), args.tasks, args.rounds)])
    print(text)
    if args.out is not None:
        args.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
