"""Runs of one volume over several processes, watched: time, memory, bytes; the simulated volumes."""

from __future__ import annotations

import resource
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from napari_depth_interp import io
from napari_depth_interp.progress import Progress
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.outputs import Spread, Target
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Dataset, Grid
from napari_depth_interp.system.cluster import Processes
from scale import dense_section, texture

FACTOR = 4
HEADER = (
    "wall s",
    "CPU s",
    "blocks: wall s",
    "CPU s",
    "Mvoxel/CPU s",
    "worker MB by quarters",
    "client MB",
    "files",
    "written/kept",
)


def byte_section(seed: NDArray[np.float32], z: int, side: int) -> NDArray[np.uint8]:
    """Return a section of the simulated tissue in 8 bits; beyond 1024 pixels it repeats, noise and all."""
    one = dense_section(seed, z, (min(side, 1024), min(side, 1024))).astype(np.float32)
    scaled = np.clip((one - 700) / 6, 0, 255).astype(np.uint8)
    times = -(-side // len(scaled))
    return np.asarray(np.tile(scaled, (times, times))[:side, :side])


def make_input(path: Path, sections: int, side: int) -> Path:
    """Write every fourth section as OME-Zarr, block by block."""
    if path.exists():
        return path
    seed, shape = texture(), (1, 1, sections, side, side)
    empty = np.broadcast_to(np.zeros((), np.uint8), shape)
    dataset = Dataset(empty, Grid(4.0 * np.arange(sections, dtype=np.float64), (1.0, 1.0), "um"))
    with io.creating(path, dataset, shape, np.dtype(np.uint8)) as sink:
        for start in range(0, sections, 8):
            stop = min(start + 8, sections)
            block = np.stack([byte_section(seed, z * FACTOR, side) for z in range(start, stop)])
            sink.write(0, 0, slice(start, stop), slice(0, side), slice(0, side), block)
        sink.finish({})
    return path


@dataclass(frozen=True)
class Cost:
    """What one run took.

    Attributes
    ----------
    wall, cpu : float
        Seconds of all, with the start of the processes; CPU seconds of all processes together.
    blocks_wall, blocks_cpu : float
        Seconds from when blocks were first given out to the last one; CPU seconds of the workers in this time.
    quarters : list of float
        Largest memory of a worker in each quarter of the run, in MB.
    client : float
        Largest memory of the process that gives out the blocks, in MB.
    written, kept, read : float
        Bytes that the workers have written, that the result has on the disk, and that they have read.
    files : int
    """

    wall: float
    cpu: float
    blocks_wall: float
    blocks_cpu: float
    quarters: list[float]
    client: float
    written: float
    kept: float
    read: float
    files: int


@dataclass
class Watch:
    """Looks at the processes below this one now and then."""

    samples: list[tuple[float, float]] = field(default_factory=list)
    bytes_of: dict[int, tuple[int, int]] = field(default_factory=lambda: defaultdict(lambda: (0, 0)))
    cpu: list[tuple[float, float]] = field(default_factory=list)
    client: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        """Take the memory and the bytes of all workers, until the run is over."""
        own = psutil.Process()
        while not self._over.wait(0.25):
            self.client = max(self.client, own.memory_info().rss / 1e6)
            used = 0.0
            for each in own.children(recursive=True):
                try:
                    self.samples.append((time.perf_counter(), each.memory_info().rss / 1e6))
                    used += sum(each.cpu_times()[:2])
                    counted = each.io_counters()
                    self.bytes_of[each.pid] = counted.write_chars, counted.read_chars
                except psutil.Error:
                    continue
            self.cpu.append((time.perf_counter(), used))

    def cpu_between(self, start: float, stop: float) -> float:
        """Return the CPU seconds of the workers in a time."""
        times, used = np.array(self.cpu).T
        return float(np.interp(stop, times, used) - np.interp(start, times, used))

    def quarters(self, start: float, stop: float) -> list[float]:
        """Return the largest memory of a worker in each quarter."""
        ends = np.linspace(start, stop, 5)
        return [max((mb for at, mb in self.samples if a <= at <= b), default=0.0) for a, b in pairwise(ends)]

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look while the block runs."""
        thread = threading.Thread(target=self.look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()


def run(source: Path, output: Path, workers: int, settings: Mapping[str, Any]) -> Cost:
    """Run once by so many workers, in a process of its own."""
    shutil.rmtree(output, ignore_errors=True)
    chosen = make_settings(**settings, threads=1)
    request = resolve(io.read(source, lazy=True), chosen)
    watch, start, before = Watch(), time.perf_counter(), _cpu()
    marks: list[float] = []

    def report(progress: Progress) -> None:
        if progress.message.endswith(" blocks") and progress.fraction < 0.999:  # given out: what learns has learned
            marks.append(time.perf_counter())

    with watch.looking():
        execute(request, report, Target(output, spread=Spread(Processes(workers), source, chosen)))
    stop, first, last = time.perf_counter(), marks[0], marks[-1]
    files = [each for each in output.rglob("*") if each.is_file()]
    written, read = (sum(each[n] for each in watch.bytes_of.values()) for n in (0, 1))
    kept = sum(each.stat().st_size for each in files)
    times = stop - start, _cpu() - before, last - first, watch.cpu_between(first, last)
    return Cost(*times, watch.quarters(first, last), watch.client, written, kept, read, len(files))


def _cpu() -> float:
    """Return the CPU seconds of this process and of those below it that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def row(name: str, cost: Cost, voxels: int) -> tuple[str, ...]:
    quarters = " ".join(f"{each:.0f}" for each in cost.quarters)
    rate, twice = voxels / cost.blocks_cpu / 1e6, cost.written / cost.kept
    return (
        name, f"{cost.wall:.0f}", f"{cost.cpu:.0f}", f"{cost.blocks_wall:.1f}", f"{cost.blocks_cpu:.1f}",
        f"{rate:.1f}", quarters, f"{cost.client:.0f}", f"{cost.files}",
        f"{twice:.2f}",
    )  # fmt: skip
