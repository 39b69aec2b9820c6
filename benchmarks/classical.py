"""Classical methods beside ``scipy.ndimage.zoom``: time, peak memory, agreement.

Every timed run has a process of its own, ours and scipy's in turn. A time covers everything
between the array in memory and the result in memory: checks, interpolation, rounding, history.

Run: python benchmarks/classical.py [--shape 64,1024,1024] [--factor 4] [--out FILE]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from _tools import in_fresh_process, machine, markdown_table, peak_memory_mb, verdict
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import Settings
from napari_depth_interp.stack import Dataset
from napari_depth_interp.system.devices import default_threads

SPEEDUP = 5.0
OVERHEAD_MB = 300.0
KEEP_EVERY = (2, 4)
EDGE = 12  # sections: where the natural spline and scipy's mirrored one still differ
HEADER = (
    "method",
    "ours s",
    "zoom order",
    "scipy s",
    "ratio",
    "our peak MB",
    "input + output MB",
    "overhead MB",
    "scipy peak MB",
    "difference",
)
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Contender:
    """One of our methods and the order of the spline that scipy has beside it."""

    title: str
    method: str
    order: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    threads: int | None = None


CONTENDERS = (
    Contender("nearest", "nearest", 0),
    Contender("linear", "linear", 1),
    Contender("linear, 1 thread", "linear", 1, threads=1),
    Contender("cubic, catmull-rom", "cubic", 3),
    Contender("cubic, spline", "cubic", 3, {"kind": "spline"}),
)


@dataclass(frozen=True)
class Run:
    """What one process measured."""

    seconds: float
    peak_mb: float


def make_voxels(shape: Shape) -> NDArray[np.uint16]:
    """Return noise in the middle of the range, so that no cubic overshoots what uint16 holds."""
    return np.random.default_rng(0).integers(16000, 48000, shape, np.uint16)


def zoom(voxels: NDArray[Any], factor: int, order: int) -> NDArray[Any]:
    """Return scipy's result on the same grid: its zoom maps the first section on the first, the last on the last."""
    sections = len(voxels)
    dense: NDArray[Any] = ndimage.zoom(voxels, (((sections - 1) * factor + 1) / sections, 1, 1), order=order)
    return dense


def interpolate(voxels: NDArray[Any], factor: int, contender: Contender, threads: int) -> NDArray[Any]:
    """Return our result, by the way that command line and plugin take."""
    dataset = Dataset.from_array(voxels, z_spacing=1.0, pixel_size=(1.0, 1.0))
    settings = Settings(
        method=contender.method,
        parameters=dict(contender.parameters),
        factor=factor,
        threads=contender.threads or threads,
    )
    dense: NDArray[Any] = execute(resolve(dataset, settings)).dataset.voxels[0, 0]
    return dense


def run_scipy(shape: Shape, factor: int, order: int) -> Run:
    """Time scipy; for a process of its own."""
    return _timed(shape, factor, lambda voxels: zoom(voxels, factor, order))


def run_ours(shape: Shape, factor: int, contender: Contender, threads: int) -> Run:
    """Time our method; for a process of its own."""
    return _timed(shape, factor, lambda voxels: interpolate(voxels, factor, contender, threads))


def _timed(shape: Shape, factor: int, work: Callable[[NDArray[Any]], NDArray[Any]]) -> Run:
    voxels = make_voxels(shape)
    _touch_memory((shape[0] - 1) * factor + 1, voxels)
    start = time.perf_counter()
    result = work(voxels)
    seconds = time.perf_counter() - start
    del result
    return Run(seconds, peak_memory_mb())


def _touch_memory(sections: int, voxels: NDArray[Any]) -> None:
    """Use as much memory as the result will need: a virtual machine waits for its host at the first use."""
    np.empty((sections, *voxels.shape[1:]), voxels.dtype).fill(1)


def difference(shape: Shape, factor: int, contender: Contender) -> float | None:
    """Return our largest difference from scipy in float64, on 16 rows; None where the kernels are not the same."""
    if contender.method == "cubic" and "kind" not in contender.parameters:  # scipy has no Catmull-Rom
        return None
    voxels = make_voxels((shape[0], min(shape[1], 16), shape[2])).astype(np.float64)
    if contender.method == "cubic":  # scipy does not clip
        contender = replace(contender, parameters={**contender.parameters, "overshoot": "keep"})
    gap = np.abs(interpolate(voxels, factor, contender, 1) - zoom(voxels, factor, contender.order)).max(axis=(1, 2))
    counted = np.ones(len(gap), bool)
    if contender.order == 0:  # half-way, ours takes the section below, scipy the one above
        counted = np.arange(len(gap)) % factor * 2 != factor
    if contender.order == 3:
        counted[: EDGE * factor] = counted[-EDGE * factor :] = False
    return float(gap[counted].max()) if counted.any() else None


def measure(args: argparse.Namespace) -> tuple[dict[str, list[Run]], dict[int, list[Run]]]:
    """Return the runs of ours by title and of scipy by order, taken in turn."""
    ours: dict[str, list[Run]] = {contender.title: [] for contender in CONTENDERS}
    theirs: dict[int, list[Run]] = {contender.order: [] for contender in CONTENDERS}
    for turn in range(args.repeats):
        for contender in CONTENDERS:
            run = in_fresh_process(run_ours, args.shape, args.factor, contender, args.threads)
            ours[contender.title].append(run)
            if len(theirs[contender.order]) == turn:
                theirs[contender.order].append(in_fresh_process(run_scipy, args.shape, args.factor, contender.order))
    return ours, theirs


def speed_report(args: argparse.Namespace) -> Iterator[str]:
    """Yield the table of times and peak memory, and the verdicts on the targets."""
    ours, theirs = measure(args)
    gaps = {contender.title: difference(args.shape, args.factor, contender) for contender in CONTENDERS}
    sections, height, width = args.shape
    data_mb = (sections + (sections - 1) * args.factor + 1) * height * width * 2 / 1e6
    ratios, overheads, rows = {}, {}, []
    for contender in CONTENDERS:
        title, scipy_runs = contender.title, theirs[contender.order]
        seconds, scipy_seconds = _median(ours[title]), _median(scipy_runs)
        ratios[title], peak = scipy_seconds / seconds, _peak(ours[title])
        overheads[title] = peak - data_mb
        times = (f"{seconds:.2f}", contender.order, f"{scipy_seconds:.2f}", f"{ratios[title]:.1f}")
        memory = (f"{peak:.0f}", f"{data_mb:.0f}", f"{overheads[title]:.0f}", f"{_peak(scipy_runs):.0f}")
        gap = gaps[title]
        rows.append((title, *times, *memory, "-" if gap is None else f"{gap:.1g}"))
    yield f"{sections} x {height} x {width} uint16, factor {args.factor}, {args.threads} threads; " + (
        f"median time and largest peak of {args.repeats} runs each, every run in a process of its own."
    )
    yield markdown_table(
        HEADER,
        rows,
    )
    yield (
        "Overhead: our peak less input and output; it includes the interpreter and the libraries. "
        "Difference: our largest distance from scipy in float64 (the values are 16000 to 48000); nearest without the "
        f"sections half-way, where scipy takes the one above; spline without the {EDGE} sections at each end, because "
        "scipy mirrors the stack there and ours is a natural spline. Catmull-Rom is not in scipy."
    )
    slowest = min(ratio for title, ratio in ratios.items() if title.startswith("linear"))
    most = max(overheads.values())
    yield "\n".join([
        verdict(slowest >= SPEEDUP, f"linear at least {SPEEDUP:g} times faster than zoom order 1: {slowest:.1f} times"),
        verdict(most <= OVERHEAD_MB, f"peak at most input + output + {OVERHEAD_MB:g} MB: + {most:.0f} MB"),
    ])  # fmt: skip


def _median(runs: Sequence[Run]) -> float:
    return statistics.median(run.seconds for run in runs)


def _peak(runs: Sequence[Run]) -> float:
    return max(run.peak_mb for run in runs)


def _shape(text: str) -> Shape:
    sections, height, width = (int(word) for word in text.replace("x", ",").split(","))
    return sections, height, width


def main() -> None:
    """Print the report; write it to a file as well where asked for."""
    parser = argparse.ArgumentParser(description="Classical methods beside scipy.ndimage.zoom.")
    parser.add_argument("--shape", type=_shape, default=(64, 1024, 1024), metavar="Z,Y,X")
    parser.add_argument("--factor", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each contender")
    parser.add_argument(
        "--threads", type=int, default=default_threads(), help="ours; scipy has one. Default: all cores"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the report to a Markdown file")
    args = parser.parse_args()
    paragraphs = [machine()]
    print(paragraphs[0], flush=True)
    for paragraph in speed_report(args):
        paragraphs.append(paragraph)
        print(f"\n{paragraph}", flush=True)
    if args.out is not None:
        args.out.write_text("\n\n".join(paragraphs) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
