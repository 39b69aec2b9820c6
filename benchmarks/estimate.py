"""How good estimates of running time are, and how soon they are there, for every method.

Each method is estimated and run in processes of their own, on a simulated organoid. Methods that need a model are given
one that is trained for a moment. Other programs on the machine show in all three times; on a busy one
``--processor-time`` gives seconds of processor time instead, with one thread.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from _tools import in_fresh_process, machine, markdown_table, verdict
from napari_depth_interp.method import Preset
from napari_depth_interp.methods import registry
from napari_depth_interp.run import estimate
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.request import Request, resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.simulate import organoid
from napari_depth_interp.system.devices import default_threads

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from quick import model_of  # type: ignore[import-not-found]

SHAPE, VOXEL, FACTOR = (31, 192, 192), (2.0, 0.5, 0.5), 4
SOON, FACTOR_OF_ERROR = 20.0, 2.0
"""Seconds that an estimate may take; factor by which it may be off."""


@dataclass(frozen=True)
class Job:
    """One method on one stack."""

    method: str
    preset: Preset
    shape: tuple[int, int, int]
    threads: int
    model: Path | None
    clock: Literal["perf_counter", "process_time"]

    def request(self) -> Request:
        """Return what is estimated and run."""
        spec = registry.get(self.method)
        factor = None if spec.enhances else spec.enlarges if spec.enlarges > 1 else FACTOR
        parameters: dict[str, Any] = {} if self.model is None else {"model": str(self.model)}
        settings = make_settings(
            method=self.method, preset=self.preset, factor=factor, threads=self.threads, parameters=parameters
        )
        return resolve(organoid(shape=self.shape, voxel_size=VOXEL, seed=0).observed, settings)


def estimated(job: Job) -> tuple[float, float]:
    """Return the estimate, and how long it took, in seconds."""
    request, clock = job.request(), getattr(time, job.clock)
    estimate.time.perf_counter = clock  # type: ignore[attr-defined]
    start = clock()
    found = estimate.estimate_run(request)
    return found.seconds, clock() - start


def taken(job: Job) -> float:
    """Return the seconds of the run."""
    request, clock = job.request(), getattr(time, job.clock)
    start = clock()
    execute(request)
    return float(clock() - start)


def main() -> None:
    """Print one line per method, then whether the targets are met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=registry.names(), help="default: all")
    parser.add_argument("--shape", nargs=3, type=int, default=SHAPE, metavar=("Z", "Y", "X"))
    parser.add_argument("--preset", choices=["fast", "balanced", "best"], default="balanced")
    parser.add_argument("--threads", type=int, default=default_threads())
    parser.add_argument("--processor-time", action="store_true", help="of one thread, for a busy machine")
    parser.add_argument("--no-run", action="store_true", help="estimate only")
    args = parser.parse_args()
    clock: Literal["perf_counter", "process_time"] = "process_time" if args.processor_time else "perf_counter"
    threads = 1 if args.processor_time else args.threads
    print(machine(), flush=True)
    rows: list[Sequence[object]] = []
    longest, worst = 0.0, 1.0
    for method in args.methods:
        model = model_of(method) if registry.get(method).needs_model else None
        job = Job(method, args.preset, tuple(args.shape), threads, model, clock)
        seconds, waited = in_fresh_process(estimated, job)
        run = None if args.no_run else in_fresh_process(taken, job)
        longest = max(longest, waited)
        ratio = None if run is None else seconds / run
        worst = worst if ratio is None else max(worst, ratio, 1 / ratio)
        shown = ["" if each is None else f"{each:.2f}" for each in (seconds, waited, run, ratio)]
        rows.append([method, args.preset, *shown])
        print(f"<!-- {' '.join(map(str, rows[-1]))} -->", flush=True)
    header = ["method", "preset", "estimated s", "the estimate took s", "the run took s", "estimated / run"]
    print("\n" + markdown_table(header, rows) + "\n")
    print(verdict(longest <= SOON, f"every estimate within {SOON:g} s: the longest took {longest:.1f} s"))
    if not args.no_run:
        print(verdict(worst <= FACTOR_OF_ERROR, f"within a factor of {FACTOR_OF_ERROR:g}: off by {worst:.2f} at most"))


if __name__ == "__main__":
    main()
