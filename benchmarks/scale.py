"""Volumes larger than the memory: time and peak memory of runs that read and write files in parts.

Every run has a process of its own, whose largest resident memory is its peak. Estimates are made before, in another
process. The volumes are made here, plane by plane, so that making them takes no memory either.

Run: python benchmarks/scale.py [linear auto growth memory sample] [--folder DIR] [--data DIR] [--limited M ...]
     [--out FILE] [--figure FILE]
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

from _tools import in_fresh_process, machine, markdown_table, peak_memory_mb, verdict
from _volumes import volumes
from napari_depth_interp import io
from napari_depth_interp.run import tiling
from napari_depth_interp.stack import Dataset
from napari_depth_interp.system.devices import default_threads

PARTS = ("linear", "auto", "growth", "memory", "sample")
LINEAR = (64, 4096, 4096)
AUTO = (16, 2048, 2048)
FACTOR = 4
LINEAR_GB, AUTO_GB, TILED_DB, ESTIMATED = 2.0, 6.0, 0.05, 2.0
GROWTH = ((16, 512, 512), (16, 1024, 1024), (32, 1024, 1024), (32, 2048, 2048), (64, 2048, 2048), (64, 4096, 4096))
LIMITED: dict[str, tuple[str, tuple[tuple[int, int, int], ...]]] = {
    "linear": ("600MB", ((16, 256, 256), (16, 1024, 1024), (64, 2048, 2048))),
    "auto": ("1.4GB", ((8, 256, 256), (32, 256, 256), (32, 512, 512))),
    "auto, large": ("3GB", ((24, 1024, 1024),)),
    "section_sr, large": ("3GB", ((24, 1024, 1024),)),
}
"""Limits of the memory, and volumes: each 16 times as large as the one before, or 4; or one for a larger limit."""
SAMPLED = (97, 240, 240)
"""Sections, rows and columns of the dense volumes of ``sample``."""
SAMPLE = 8
"""Blocks are so many times smaller, together, than the volume that they are drawn from."""
FLAT = 1.25
HEADER = ("run", "voxels in", "voxels out", "time s", "estimated s", "peak MB", "estimated MB", "result MB")
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Job:
    """One run: a volume, a method with its preset, the name of the output, the tiles."""

    source: Path
    output: Path
    method: str
    preset: str = "balanced"
    whole: bool = False
    threads: int | None = None
    memory: str | None = None
    parameters: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Run:
    """What one process measured."""

    seconds: float
    peak_mb: float
    estimated_seconds: float
    estimated_mb: float
    shape: tuple[int, ...]
    size_mb: float


def dense_section(seed: NDArray[np.float32], z: int, size: tuple[int, int]) -> NDArray[np.uint16]:
    """Return one section of a tissue without end: blobs that drift and change with z, and noise of the camera."""
    angle = z / 24
    mixed = np.cos(angle) * seed[0] + np.sin(angle) * seed[1]
    moved = np.roll(mixed, (z // 2, -z // 3), axis=(0, 1))
    tiled = np.tile(moved, [-(-n // m) for n, m in zip(size, moved.shape, strict=True)])[: size[0], : size[1]]
    rng = np.random.default_rng([7, z])
    values: NDArray[Any] = 1500 + 600 * tiled + rng.normal(0, 25, size).astype(np.float32)
    return np.asarray(np.clip(values, 0, 65535), np.uint16)


def texture() -> NDArray[np.float32]:
    """Return two fields of blobs with edges, 512 x 512, that join at their borders."""
    noise = np.random.default_rng(3).normal(size=(2, 512, 512))
    fields = [ndimage.gaussian_filter(each, 4, mode="wrap") for each in noise]
    sharp = [np.tanh(3 * each / each.std()) for each in fields]
    return np.asarray(sharp, np.float32)


def make_volume(path: Path, shape: Shape, every: int = FACTOR) -> None:
    """Write every ``every``-th section of the tissue as an uncompressed OME-TIFF, plane by plane."""
    seed = texture()
    planes = (dense_section(seed, z * every, shape[1:]) for z in range(shape[0]))
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 0.5 * every}
    with tifffile.TiffWriter(path, bigtiff=True, ome=True) as writer:
        writer.write(planes, shape=shape, dtype=np.uint16, photometric="minisblack", metadata=metadata)


def _request(job: Job) -> Any:
    from napari_depth_interp.run.request import resolve
    from napari_depth_interp.run.settings import make_settings

    settings = make_settings(
        method=job.method, preset=job.preset, factor=FACTOR, threads=job.threads, memory=job.memory,
        parameters=dict(job.parameters),
    )  # fmt: skip
    return resolve(io.open_stack(job.source), settings)


def predict(job: Job) -> tuple[float, float]:
    """Return the estimate of a run: seconds, peak MB; for a process of its own."""
    from napari_depth_interp.run.estimate import estimate_run
    from napari_depth_interp.run.outputs import Target

    found = estimate_run(_request(job), Target(job.output))
    return found.seconds, found.memory_bytes / 1e6


def run(job: Job) -> tuple[float, float, tuple[int, ...]]:
    """Run a job as the command line does; return seconds, peak MB and the shape; for a process of its own."""
    from napari_depth_interp.run.execute import execute
    from napari_depth_interp.run.outputs import Target

    if job.whole:
        tiling.MARGIN_BYTES = 2**40
    start = time.perf_counter()
    result = execute(_request(job), target=Target(job.output, overwrite=True))
    return time.perf_counter() - start, peak_memory_mb(), result.dataset.voxels.shape


def measure(job: Job) -> Run:
    """Estimate and run a job, each in a process of its own."""
    seconds, memory = in_fresh_process(predict, job)
    taken, peak, shape = in_fresh_process(run, job)
    files = [job.output] if job.output.is_file() else [each for each in job.output.rglob("*") if each.is_file()]
    return Run(taken, peak, seconds, memory, shape, sum(each.stat().st_size for each in files) / 1e6)


def row(name: str, shape: Shape, done: Run) -> tuple[str, ...]:
    """Return a line of the table."""
    voxels_in, voxels_out = np.prod(shape, dtype=float), np.prod(done.shape, dtype=float)
    return (
        name, f"{voxels_in / 1e6:.0f} M", f"{voxels_out / 1e6:.0f} M", f"{done.seconds:.1f}",
        f"{done.estimated_seconds:.1f}", f"{done.peak_mb:.0f}", f"{done.estimated_mb:.0f}", f"{done.size_mb:.0f}",
    )  # fmt: skip


def estimates_verdict(runs: Sequence[Run]) -> str:
    """Return whether all estimates of time and memory are within a factor of 2."""
    ratios = [max(r.seconds / r.estimated_seconds, r.estimated_seconds / r.seconds) for r in runs]
    ratios += [max(r.peak_mb / r.estimated_mb, r.estimated_mb / r.peak_mb) for r in runs]
    worst = max(ratios)
    return verdict(worst <= ESTIMATED, f"estimates within a factor of {ESTIMATED:g}: the worst is off by {worst:.2f}")


def linear_report(folder: Path) -> Iterator[str]:
    """Run linear on the large volume, into OME-Zarr and into BigTIFF."""
    source = folder / "linear.ome.tif"
    make_volume(source, LINEAR)
    runs = []
    for name in ("linear.ome.zarr", "linear.btf"):
        runs.append(measure(Job(source, folder / name, "linear")))
        _remove(folder / name)
    source.unlink()
    rows = [row(f"linear to {kind}", LINEAR, done) for kind, done in zip(("OME-Zarr", "BigTIFF"), runs, strict=True)]
    yield markdown_table(HEADER, rows)
    peak = max(done.peak_mb for done in runs) / 1e3
    yield verdict(peak < LINEAR_GB, f"4096 x 4096 x 64 -> 253 linear under {LINEAR_GB:g} GB of memory: {peak:.2f} GB")
    yield estimates_verdict(runs)


def auto_report(folder: Path) -> Iterator[str]:
    """Run auto, preset fast, in tiles and on whole sections, and compare both with the sections that were left out."""
    source = folder / "auto.ome.tif"
    make_volume(source, AUTO)
    tiled = measure(Job(source, folder / "tiled.ome.zarr", "auto", "fast"))
    seconds, peak, _ = in_fresh_process(run, Job(source, folder / "whole.ome.zarr", "auto", "fast", whole=True))
    scores = [psnr_of_new(folder / name) for name in ("tiled.ome.zarr", "whole.ome.zarr")]
    yield markdown_table(HEADER, [row("auto fast, tiles", AUTO, tiled)])
    yield f"Whole sections at once: {seconds:.1f} s, peak {peak:.0f} MB."
    yield f"PSNR of the new sections: {scores[0]:.3f} dB in tiles, {scores[1]:.3f} dB on whole sections."
    yield verdict(
        tiled.peak_mb / 1e3 < AUTO_GB,
        f"2048 x 2048 x 16 -> 61 auto fast under {AUTO_GB:g} GB of memory: {tiled.peak_mb / 1e3:.2f} GB",
    )
    away = abs(scores[0] - scores[1])
    yield verdict(away <= TILED_DB, f"tiled equals untiled within {TILED_DB:g} dB: {away:.3f} dB apart")
    yield estimates_verdict([tiled])
    for name in ("tiled.ome.zarr", "whole.ome.zarr"):
        _remove(folder / name)
    source.unlink()


def psnr_of_new(path: Path) -> float:
    """Return the PSNR of all new sections against the tissue itself, for the range of the first section."""
    seed, voxels = texture(), io.read(path, lazy=True).voxels[0, 0]
    squared, span = [], 0.0
    for z in range(len(voxels)):
        truth = dense_section(seed, z, voxels.shape[1:]).astype(np.float64)
        span = span or float(np.ptp(np.percentile(truth, (0.1, 99.9))))
        if z % FACTOR:
            squared.append(np.mean((voxels[z] - truth) ** 2))
    return float(10 * np.log10(span**2 / np.mean(squared)))


def growth_report(folder: Path, figure: Path | None) -> Iterator[str]:
    """Run linear on growing volumes: time should grow with the volume and memory hardly."""
    runs = []
    for shape in GROWTH:
        source, output = folder / "growth.ome.tif", folder / "growth.ome.zarr"
        make_volume(source, shape)
        runs.append(measure(Job(source, output, "linear")))
        source.unlink()
        _remove(output)
    rows = [row(" x ".join(map(str, shape)), shape, done) for shape, done in zip(GROWTH, runs, strict=True)]
    yield markdown_table(HEADER, rows)
    voxels = np.array([np.prod(done.shape, dtype=float) for done in runs])
    seconds = np.array([done.seconds for done in runs])
    half = len(runs) // 2  # the smallest are ruled by what every run takes
    power = float(np.polyfit(np.log(voxels[half:]), np.log(seconds[half:]), 1)[0])
    yield verdict(power <= 1.15, f"time grows linearly with the volume, not worse: as its power {power:.2f}")
    memory = runs[-1].peak_mb / runs[half].peak_mb
    grown = voxels[-1] / voxels[half]
    yield verdict(memory < 2, f"memory is bounded: {memory:.2f} times as much for {grown:.0f} times the voxels")
    yield estimates_verdict(runs)
    if figure is not None:
        draw(figure, voxels, seconds, runs)
        yield f"Figure: {figure}"


def memory_report(folder: Path, methods: Sequence[str]) -> Iterator[str]:
    """Run on volumes of three sizes under one limit of the memory, which is kept and does not grow."""
    from napari_depth_interp.system.amounts import parse_size

    for name in methods:
        (limit, shapes), method = LIMITED[name], name.partition(",")[0]
        rows, peaks = [], []
        for shape in shapes:
            source, output = folder / "limited.ome.tif", folder / "limited.ome.zarr"
            make_volume(source, shape)
            steps = () if method == "linear" else (("training_steps", 20),)
            job = Job(source, output, method, "fast", memory=limit, parameters=steps)
            seconds, peak, made = in_fresh_process(run, job)
            anew = in_fresh_process(computed_over_kept, job)
            source.unlink()
            _remove(output)
            peaks.append(peak)
            voxels = f"{np.prod(shape, dtype=float) / 1e6:.0f} M", f"{np.prod(made, dtype=float) / 1e6:.0f} M"
            rows.append((method, *voxels, f"{seconds:.0f}", f"{peak:.0f}", f"{anew:.2f}"))
            print(rows[-1], flush=True)
        yield markdown_table(("method", "voxels in", "voxels out", "time s", "peak MB", "computed / kept"), rows)
        most = parse_size(limit) / 1e6
        yield verdict(max(peaks) <= most, f"{method} under the limit of {limit}: {max(peaks):.0f} MB")
        if len(peaks) > 1:
            more = peaks[-1] / peaks[-2]
            yield verdict(more <= FLAT, f"memory of {method} is flat: {more:.2f} times as much")


def sample_report(data: Path | None) -> Iterator[str]:
    """Compare what is learned on blocks of a volume with what is learned on all of it, by sections that were hidden."""
    rows, apart = [], []
    for each in volumes(data, SAMPLED, FACTOR):
        dense = np.asarray(each.dataset.voxels[0, 0])
        ways = (("linear", 1), ("auto", 1), ("auto", SAMPLE))
        linear, whole, blocks = (in_fresh_process(score_of, each.dataset, *way) for way in ways)
        apart.append(blocks - whole)
        size = " x ".join(map(str, (len(dense[::FACTOR]), *dense.shape[1:])))
        rows.append((each.name, size, f"{linear:.2f}", f"{whole - linear:+.2f}", f"{blocks - linear:+.2f}"))
        print(rows[-1], flush=True)
    yield markdown_table(("volume", "voxels in", "linear, dB", "learned on the whole", "on blocks"), rows)
    yield f"- on blocks of an {SAMPLE}th of the voxels: {np.mean(apart):+.3f} dB on average, worst {min(apart):+.3f} dB"


def score_of(dense: Dataset, method: str, part: int) -> float:
    """Return the PSNR of hidden sections; what is learned from is a part of the volume. For a process of its own."""
    from napari_depth_interp.run import memory
    from napari_depth_interp.run.execute import execute
    from napari_depth_interp.run.request import resolve
    from napari_depth_interp.run.settings import make_settings

    truth = np.asarray(dense.voxels[0, 0])
    grid = replace(dense.grid, depths=dense.stack().depths[::FACTOR])
    sparse = replace(dense, voxels=dense.voxels[:, :, ::FACTOR], grid=grid)
    if part > 1:
        memory.LEARNED_FROM, memory.DRAWN = sparse.voxels.size - 1, sparse.voxels.size // part
    preset = "fast" if method == "auto" else None
    made = execute(resolve(sparse, make_settings(method=method, preset=preset, factor=FACTOR, threads=1))).dataset
    hidden = np.arange(len(truth)) % FACTOR != 0
    span = float(np.ptp(np.percentile(truth, (0.1, 99.9))))
    return float(10 * np.log10(span**2 / np.mean((made.voxels[0, 0][hidden].astype(float) - truth[hidden]) ** 2)))


def computed_over_kept(job: Job) -> float:
    """Return how many times more voxels of the result a job computes than it keeps; for a process of its own."""
    from napari_depth_interp.run.memory import memory_of

    request = _request(job)
    return tiling.share_of_margins(request, io.chunks_of(job.output), memory_of(request).room)


def draw(path: Path, voxels: NDArray[np.float64], seconds: NDArray[np.float64], runs: Sequence[Run]) -> None:
    """Draw time and peak memory against the voxels of the result."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.loglog(voxels, seconds, "o-", label="measured")
    left.loglog(voxels, [done.estimated_seconds for done in runs], "x", label="estimated before")
    left.loglog(voxels, seconds[-1] * voxels / voxels[-1], "--", color="grey", label="in proportion to the volume")
    left.set(xlabel="voxels of the result", ylabel="time (s)", title="Linear, streamed to OME-Zarr")
    right.semilogx(voxels, [done.peak_mb for done in runs], "o-", label="measured")
    right.semilogx(voxels, [done.estimated_mb for done in runs], "x", label="estimated before")
    right.semilogx(voxels, 2 * voxels / 1e6, "--", color="grey", label="size of the result")
    right.set(xlabel="voxels of the result", ylabel="MB", title="Largest memory of the process")
    right.set_ylim(0, 2 * max(done.peak_mb for done in runs))
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=8)
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def main() -> None:
    """Run the parts asked for and print them as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", default=PARTS, help="linear, auto, growth, memory, sample; default all")
    parser.add_argument("--folder", type=Path, help="where the volumes are made (about 20 GB); default temporary")
    parser.add_argument("--data", type=Path, help="real volumes for sample; default simulated ones")
    parser.add_argument("--limited", nargs="+", default=list(LIMITED), help="methods of memory; default all")
    parser.add_argument("--out", type=Path, help="also write the report to this file")
    parser.add_argument("--figure", type=Path, default=Path("scale.png"), help="picture of the part growth")
    args = parser.parse_args()
    lines = [machine(), "", f"uint16, factor {FACTOR}, {default_threads()} threads, every run in a process of its own."]
    if args.folder is not None:
        args.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        reports = {
            "linear": lambda: linear_report(Path(name)),
            "auto": lambda: auto_report(Path(name)),
            "growth": lambda: growth_report(Path(name), args.figure),
            "memory": lambda: memory_report(Path(name), args.limited),
            "sample": lambda: sample_report(args.data),
        }
        for chosen in args.parts:
            lines += ["", f"### {chosen}", "", *reports[chosen]()]
            print("\n".join(lines[-20:]), flush=True)
    if args.out is not None:
        args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
