"""One volume over several processes: how much faster, how much memory, whether seams are seen, what 10 TB would take.

- ``linear``: a simulated OME-Zarr of 8 bits made four times denser by one worker and by two. Efficiency is the time of
  one over twice the time of two, from when blocks are first given out to the last one (without the start of the
  scheduler, and without learning, which one process does); beside the wall clock it is given in CPU seconds of the
  workers, which other people's work on the machine changes less. The memory of every worker is watched; a part across
  the borders of blocks is compared with a run in memory.
- ``auto``: fast, on a smaller volume whose truth is known, by two workers and undivided in memory: PSNR of both, and
  their difference along the borders of blocks and elsewhere.
- ``graph``: 10^5 blocks of a result of 10 TB in which nothing is computed: seconds for each, memory of the process that
  gives them out (with the scheduler in it).
- ``kills``: a small run in which a worker, or the client, is killed at so many random moments.

Run: python benchmarks/cluster.py [linear auto graph kills] [--folder DIR] [--side N] [--auto-side N]
     [--auto-workers N ...] [--blocks N]
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from _cluster_runs import FACTOR, HEADER, Cost, byte_section, make_input, row, run
from _tools import in_fresh_process, machine, markdown_table, peak_memory_mb, verdict
from napari_depth_interp import io
from napari_depth_interp.run import tiling
from napari_depth_interp.run.blocks import BLOCK, Blocks, LevelShape, Pending
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.journal import leftover
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.run.spreading import Distribution
from napari_depth_interp.system.cluster import Processes, Tasks, client_of, quiet, tell_result
from scale import texture

EFFICIENCY, SEAMS_DB, FLAT = 0.85, 0.02, 1.15
SECTIONS = 65
"""Of the sparse volume of ``linear``: 257 dense ones."""
AUTO_SECTIONS = 25
AUTO_BLOCK = (64, 1024, 1024)
TEN_TB = (20_000, 20_000, 25_000)
"""Sections, rows and columns of 8 bits."""


def linear(folder: Path, side: int) -> list[str]:
    """Measure linear interpolation by one worker and by two."""
    source = make_input(folder / f"sparse-{side}.ome.zarr", SECTIONS, side)
    output = folder / "dense.ome.zarr"
    settings = {"method": "linear", "factor": FACTOR}
    voxels = ((SECTIONS - 1) * FACTOR + 1) * side * side
    costs = {n: in_fresh_process(run, source, output, n, settings) for n in (1, 2)}
    rows = [row(f"{n} worker{'s' * (n > 1)}", cost, voxels) for n, cost in costs.items()]
    one, two = costs[1], costs[2]
    differing = _differing(source, output, settings, side)
    shutil.rmtree(output)
    flat = max(costs[2].quarters[1:]) / max(costs[2].quarters[1], 1)
    return [
        f"linear, {voxels / 1e9:.2f} Gvoxel of result (uint8), load of the machine {os.getloadavg()[0]:.1f}:", "",
        markdown_table(("linear", *HEADER), rows), "",
        *_speed(one, two),
        verdict(differing == 0, f"across borders of blocks as in memory: {differing} voxels differ"),
        verdict(flat <= FLAT, f"memory of a worker flat: at most {flat:.2f} times that of the second quarter"), "",
        *ten_terabytes(costs[2], voxels),
    ]  # fmt: skip


def _differing(source: Path, output: Path, settings: Mapping[str, Any], side: int) -> int:
    """Return how many voxels differ from a run in memory, in a part across the borders of blocks."""
    middle = min(1024, side // 2)
    part = f"{middle - 60}:{middle + 60}"
    request = resolve(io.read(source, lazy=True), make_settings(**settings, crop=f"{part},{part}"))
    expected = execute(request).dataset.voxels
    near = slice(middle - 60, middle + 60)
    found = np.asarray(io.read(output, lazy=True).voxels[:, :, :, near, near])
    return int((found != expected).sum())


def ten_terabytes(cost: Cost, voxels: int) -> list[str]:
    """Reason from a measured run to a result of 10 TB in 8 bits."""
    large = float(np.prod(TEN_TB, dtype=float))
    times = large / voxels
    blocks = Blocks(1, [(0,)], [LevelShape(TEN_TB)], BLOCK)
    hours = cost.blocks_cpu * times / 3600
    files = int(len(blocks) * 1.15)
    rows = [
        ("CPU hours (linear)", f"{hours:.0f}"),
        ("hours with 16, 64 and 256 workers", ", ".join(f"{hours / n:.1f}" for n in (16, 64, 256))),
        ("blocks, with coarser resolutions", f"{len(blocks)}, about {files}"),
        ("files", f"about {files}"),
        ("bytes kept (compressed as here)", f"{cost.kept * times / 1e12:.1f} TB"),
        ("bytes written for each that is kept", f"{cost.written / cost.kept:.2f}"),
        ("bytes read by workers", f"{cost.read * times / 1e12:.1f} TB"),
        ("GB/s of the disk with 64 workers", f"{(cost.read + cost.written) * times / (hours / 64 * 3600) / 1e9:.2f}"),
    ]
    return ["10 TB (uint8), from the run by two workers, in proportion:", "", markdown_table(("", "10 TB"), rows)]


def auto(folder: Path, side: int, workers: Sequence[int]) -> list[str]:
    """Compare a divided run of a method that learns with an undivided one, and both with the truth."""
    source = make_input(folder / f"sparse-auto-{side}.ome.zarr", AUTO_SECTIONS, side)
    size = AUTO_BLOCK if side > AUTO_BLOCK[1] else (32, 192, 192)
    settings = {"method": "auto", "preset": "fast", "factor": FACTOR, "device": "cpu"}
    shard = {"shard": ",".join(map(str, (size[0] // 4, *size[1:])))}  # four files along z are a block
    outputs = {n: folder / f"auto-{n}.ome.zarr" for n in workers}
    costs = {n: in_fresh_process(run, source, path, n, settings | shard) for n, path in outputs.items()}
    seconds, peak, whole = in_fresh_process(_in_memory, source, settings)
    first, *rest = (np.asarray(io.read(path).voxels[0, 0]) for path in outputs.values())
    for path in outputs.values():
        shutil.rmtree(path)
    rows = [(f"{n} worker{'s' * (n > 1)}", *row("", cost, first.size)[1:]) for n, cost in costs.items()]
    return [
        f"auto fast, {first.size / 1e9:.3f} Gvoxel of result, blocks of {' x '.join(map(str, size))}:", "",
        markdown_table(("auto fast", *HEADER), rows), "",
        f"Undivided and in one tile, in memory: {seconds:.0f} CPU s, peak {peak:.0f} MB.", "",
        *(verdict(bool((first == each).all()), "one worker and more give the same bits") for each in rest),
        *(_speed(costs[1], costs[2]) if {1, 2} <= set(costs) else ()),
        *_seams(first, whole, size, side), "",
    ]  # fmt: skip


def _seams(divided: NDArray[Any], whole: NDArray[Any], size: tuple[int, int, int], side: int) -> list[str]:
    """Compare a divided result with an undivided one and the truth."""
    seed = texture()
    truth = np.stack([byte_section(seed, z, side) for z in range(len(divided))])
    new = np.arange(len(divided)) % FACTOR != 0
    scores = [_psnr(each[new], truth[new]) for each in (divided, whole)]
    apart = np.abs(divided.astype(np.int16) - whole)[new]
    near = _near_borders(divided.shape, size)[new]
    along, elsewhere = float(apart[near].mean()), float(apart[~near].mean())
    return [
        verdict(
            abs(scores[0] - scores[1]) <= SEAMS_DB,
            f"divided within {SEAMS_DB} dB of undivided: {scores[0]:.3f} and {scores[1]:.3f} dB to the truth",
        ),
        verdict(
            along <= 1.1 * elsewhere + 0.002,
            f"no seams: |difference| {along:.4f} grey values along the borders, {elsewhere:.4f} elsewhere, "
            f"{apart.max()} at most",
        ),
        *(
            f"- neighbours across the borders along {axis} differ by {here:.3f} grey values, undivided by {there:.3f}"
            for (axis, here), (_, there) in zip(_steps(divided, size), _steps(whole, size), strict=True)
        ),
    ]


def _steps(voxels: NDArray[Any], size: tuple[int, int, int]) -> Iterator[tuple[str, float]]:
    """Yield how much neighbours on both sides of a border differ, along each axis that has borders."""
    for axis, (name, step) in enumerate(zip("zyx", size, strict=True)):
        borders = range(step, voxels.shape[axis], step)
        steps = [np.diff(voxels.take([n - 1, n], axis).astype(np.int16), axis=axis) for n in borders]
        if steps:
            yield name, float(np.abs(steps).mean())


def _speed(one: Cost, two: Cost) -> tuple[str, ...]:
    """Return how well a second worker is used."""
    wall, cpu = one.blocks_wall / (2 * two.blocks_wall), one.blocks_cpu / two.blocks_cpu
    return (
        verdict(wall >= EFFICIENCY, f"efficiency of two workers {EFFICIENCY}: {wall:.2f} by the wall clock"),
        verdict(cpu >= EFFICIENCY, f"the same by CPU seconds: {cpu:.2f}"),
    )


def _in_memory(source: Path, settings: Mapping[str, Any]) -> tuple[float, float, NDArray[Any]]:
    """Return CPU seconds, peak MB and the result of a run in one tile."""
    tiling.MARGIN_BYTES = 2**40
    request = resolve(io.read(source), make_settings(**settings, threads=1))
    voxels = np.asarray(execute(request).dataset.voxels[0, 0])
    return time.process_time(), peak_memory_mb(), voxels


def _psnr(found: NDArray[Any], truth: NDArray[Any]) -> float:
    return float(10 * np.log10(255**2 / np.mean((found.astype(np.float64) - truth) ** 2)))


def _near_borders(shape: tuple[int, ...], size: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Return which voxels lie within two of a border between blocks."""
    near = np.zeros(shape, bool)
    for axis, step in enumerate(size):
        places = np.arange(shape[axis])
        beside = np.minimum(places % step, step - 1 - places % step) < 2
        inner = beside & (places >= step - 2) & (places < shape[axis] // step * step + 2)
        near |= inner.reshape([-1 if n == axis else 1 for n in range(3)])
    return near


def nothing(number: int, topic: str) -> dict[str, str]:
    """Make no block, and tell so as a worker does."""
    from distributed import get_worker

    tell_result(get_worker(), topic, number, {"device": "cpu"})
    return {"device": "cpu"}


class Idle:
    """A run of which nothing is computed."""

    def __init__(self, blocks: Blocks) -> None:
        self.pending, self._blocks = Pending(blocks), blocks
        self.memory: list[float] = []
        self.cpu: list[float] = []

    def before(self, number: int) -> tuple[int, tuple[Any, ...]]:
        return self._blocks[number].level, ()

    def finished(self, number: int, device: str) -> None:
        self.pending.finished(number)
        if self.pending.count % 1000 == 0:
            self.memory.append(psutil.Process().memory_info().rss / 1e6)
            self.cpu.append(time.process_time())


def graph(count: int) -> list[str]:
    """Give out the blocks of a result of 10 TB, and compute nothing."""
    lines: list[str] = in_fresh_process(_graph, count)
    return lines


def _graph(count: int) -> list[str]:
    deep = max(1, round(TEN_TB[0] * count / len(Blocks(1, [(0,)], [LevelShape(TEN_TB)], BLOCK))))
    levels = [LevelShape((deep, *TEN_TB[1:]))]
    while max(levels[-1].shape[1:]) > 512:
        z, y, x = levels[-1].shape
        levels.append(LevelShape((-(-z // 2), -(-y // 2), -(-x // 2)), (2, 2, 2)))
    start = time.perf_counter()
    idle = Idle(Blocks(1, [(0,)], levels, BLOCK))
    planned = time.perf_counter() - start
    with quiet(), client_of(Processes(2), 1, "run") as client:
        tasks = Tasks(client, "depth-interp-idle")
        start, cpu = time.perf_counter(), time.process_time()
        Distribution(idle, tasks, client, lambda _words, _far: None, nothing).run()
        wall, used = time.perf_counter() - start, time.process_time() - cpu
    total, memory = idle.pending.total, idle.memory
    early, late = _first_and_last(memory)
    each = [1e3 * (b - a) / 1000 for a, b in pairwise(idle.cpu)]
    rows = [
        ("blocks of all resolutions", f"{total}"),
        ("planning", f"{planned:.2f} s"),
        ("scheduler and client, each block", f"{1e3 * wall / total:.2f} ms ({1e3 * used / total:.2f} ms of CPU)"),
        ("CPU of each block, first and last tenth", "{:.2f} ms, {:.2f} ms".format(*_first_and_last(each))),
        ("memory of both, first and last tenth", f"{early:.0f} MB, {late:.0f} MB"),
    ]
    return ["The graph alone, two workers that do nothing:", "", markdown_table(("", ""), rows), ""]


def _first_and_last(values: list[float]) -> tuple[float, float]:
    """Return the means of the first and of the last tenth."""
    some = max(1, len(values) // 10)
    return float(np.mean(values[:some] or [np.nan])), float(np.mean(values[-some:] or [np.nan]))


def kills(folder: Path, count: int) -> list[str]:
    """Kill workers and clients of small runs at random moments, and compare what comes out."""
    rng = random.Random(0)
    source = make_input(folder / "sparse-kills.ome.zarr", 17, 640)
    options = ["--method", "linear", "--factor", "4", "--shard", "8,64,64", "--workers", "2"]
    words = [sys.executable, "-m", "napari_depth_interp", "run", str(source)]
    whole, output = folder / "whole.ome.zarr", folder / "killed.ome.zarr"
    subprocess.run([*words, str(whole), *options[:-2]], check=True, capture_output=True)
    done = 0
    victims: dict[str, int] = defaultdict(int)
    while done < count:
        client = subprocess.Popen([*words, str(output), *options, "--resume"], stderr=subprocess.DEVNULL)
        done += _disturb(client, output, rng, victims, count - done)
        client.wait()
    subprocess.run([*words, str(output), *options, "--resume"], check=True, capture_output=True)
    same = _contents(output) == _contents(whole)
    told = ", ".join(f"{number} of a {who}" for who, number in sorted(victims.items()))
    for path in (whole, output):
        shutil.rmtree(path)
    return [verdict(same, f"{count} kills at random moments ({told}): the same bytes as an undisturbed run"), ""]


def _disturb(
    client: subprocess.Popen[bytes], output: Path, rng: random.Random, victims: dict[str, int], left: int
) -> int:
    """Kill workers at random moments, at last the client; return how many kills there were."""
    made = 0
    while client.poll() is None and made < left:
        if leftover(output) is None:
            time.sleep(0.02)
            continue
        time.sleep(rng.expovariate(0.6))
        workers = [each for each in _children(client.pid) if "spawn_main" in " ".join(each.cmdline())]
        if client.poll() is not None or output.exists():
            shutil.rmtree(output, ignore_errors=True)
            break
        if not workers or rng.random() < 0.3:
            client.kill()
            victims["client"] += 1
            for each in workers:
                each.wait(30)
            return made + 1
        rng.choice(workers).kill()
        victims["worker"] += 1
        made += 1
    return made


def _children(pid: int) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = psutil.Process(pid).children(recursive=True)
        return found
    except psutil.Error:
        return []


def _contents(folder: Path) -> dict[str, bytes]:
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    """Give the folder that is meant, made if it is not there; its inputs serve the next time, too."""
    if given is None:
        with tempfile.TemporaryDirectory(prefix="cluster-") as name:
            yield Path(name)
        return
    given.mkdir(parents=True, exist_ok=True)
    yield given


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["linear", "auto", "graph", "kills"])
    parser.add_argument("--folder", type=Path, help="for the volumes; inputs are kept in it; default temporary")
    parser.add_argument("--side", type=int, default=4096, help="rows and columns of the volume of linear")
    parser.add_argument("--auto-side", type=int, default=1608, help="the same of auto")
    parser.add_argument("--auto-workers", type=int, nargs="+", default=[1, 2], help="divided runs of auto")
    parser.add_argument("--blocks", type=int, default=10**5, help="of the graph, of the finest resolution")
    parser.add_argument("--kills", type=int, default=20)
    given = parser.parse_args()
    with _folder(given.folder) as folder:
        print(machine(), "\n", flush=True)
        parts = {
            "linear": lambda: linear(folder, given.side),
            "auto": lambda: auto(folder, given.auto_side, given.auto_workers),
            "graph": lambda: graph(given.blocks),
            "kills": lambda: kills(folder, given.kills),
        }
        for part in given.parts:
            print("\n".join(parts[part]()), flush=True)


if __name__ == "__main__":
    main()
