"""How long whole runs take: a simulated organoid of 31 sections of 192 x 192, made 121, every method and preset.

Every run is a process of its own, through the one door that command line and window use, the loading of torch included.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from _tools import in_fresh_process, machine, markdown_table, peak_memory_mb, verdict
from napari_depth_interp.methods import registry
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.simulate import organoid
from napari_depth_interp.stack import Dataset
from napari_depth_interp.system.devices import default_threads

SHAPE, VOXEL, FACTOR = (31, 192, 192), (2.0, 0.5, 0.5), 4
BUDGETS = {
    ("section_sr", "fast"): 10, ("section_sr", "balanced"): 40, ("section_sr", "best"): 240,
    ("auto", "fast"): 25, ("auto", "balanced"): 90, ("auto", "best"): 480,
    ("msdsr", "fast"): 60, ("msdsr", "balanced"): 300, ("msdsr", "best"): 1200,
}  # fmt: skip
"""Seconds on two cores that the presets aim at."""


def measure(method: str, preset: str, threads: int) -> tuple[float, float]:
    """Return the seconds of one run and the peak memory of its process in MB."""
    dataset: Dataset = organoid(shape=SHAPE, voxel_size=VOXEL, seed=0).observed
    start = time.perf_counter()
    factor = None if registry.get(method).enhances else FACTOR
    settings = make_settings(method=method, preset=preset, factor=factor, threads=threads)
    execute(resolve(dataset, settings))
    return time.perf_counter() - start, peak_memory_mb()


def usual() -> list[str]:
    """Return all methods that need no model, with the presets that they have."""
    found = []
    for spec in registry.specs():
        if not spec.needs_model:
            found += [f"{spec.name}:{preset}" for preset in (spec.presets or {"balanced": {}})]
    return found


def main() -> None:
    """Print one line per run, then whether the budgets hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", nargs="+", default=usual(), metavar="METHOD:PRESET", help="default: all")
    parser.add_argument("--threads", type=int, default=default_threads())
    args = parser.parse_args()
    print(machine(), flush=True)
    rows: list[Sequence[object]] = []
    verdicts = []
    for run in args.runs:
        method, preset = (run if ":" in run else f"{run}:balanced").split(":")
        seconds, peak = in_fresh_process(measure, method, preset, args.threads)
        budget = BUDGETS.get((method, preset))
        rows.append([method, preset, f"{seconds:.1f}", "" if budget is None else budget, f"{peak:.0f}"])
        print(f"<!-- {run}: {seconds:.1f} s -->", flush=True)
        if budget is not None:
            verdicts.append(verdict(seconds <= budget, f"{method} {preset} within {budget} s: {seconds:.0f} s"))
    print("\n" + markdown_table(["method", "preset", "seconds", "budget", "peak memory MB"], rows) + "\n")
    print("\n".join(verdicts))


if __name__ == "__main__":
    main()
