"""What a GPU makes of every method that learns: time, waiting, copies, memory, and how long it stands idle.

    python benchmarks/gpu.py                # the first CUDA device, all methods, under ten minutes on one H200
    python benchmarks/gpu.py --device cpu   # a short version without a GPU, to see that it runs

Every method trains and renders three times in a process of its own: for time and memory, under torch's profiler for
copies and idle time and with its warnings about synchronisations on, and on the CPU with fewer steps. Nothing else may
use the GPU. A step is the time between two reports of a training; a GPU is idle where no kernel and no copy runs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from _tools import in_fresh_process, machine, markdown_table
from napari_depth_interp.method import Method, MethodSpec, Runtime
from napari_depth_interp.methods import registry
from napari_depth_interp.nn.contract import Trainable, TrainingData
from napari_depth_interp.progress import Progress, Stopped
from napari_depth_interp.simulate import simulate
from napari_depth_interp.system.devices import default_threads

SHAPE, SHORT_SHAPE = (31, 192, 192), (5, 36, 32)
STEPS, PROFILED_STEPS, CPU_STEPS = 120, 30, 10
LONGEST = 10.0
"""Seconds after which a training is stopped, where its method can."""
BUDGET = 480.0
"""Seconds after which no further method is begun, so that all ends within ten minutes."""
_LEARNS = ("training", "fitting a field")
_WAITS = "synchronizing CUDA operation"
_COLUMNS = (
    "method", "step, ms", "copies a step", "waits a step", "rendering, Mvoxel/s", "copies a section",
    "peak, MB", "idle in training, %", "idle in rendering, %", "CPU step, ms", "steps faster", "rendering faster",
)  # fmt: skip


@dataclass
class Phase:
    """Training or rendering: seconds, how many steps or sections, voxels made, and what a profile says of the GPU."""

    seconds: float = 0.0
    count: int = 0
    voxels: int = 0
    copies: int = 0
    waits: int = 0
    busy: float = 0.0

    @property
    def step_ms(self) -> float:
        """Milliseconds per step or section."""
        return 1e3 * self.seconds / self.count if self.count else float("nan")


@dataclass
class Measured:
    """One method on one device."""

    training: Phase = field(default_factory=Phase)
    rendering: Phase = field(default_factory=Phase)
    peak_mb: float = float("nan")


def learned_methods() -> list[str]:
    """Return the names of the methods that can use a GPU."""
    return [name for name in registry.names() if "cuda" in registry.get(name).devices]


def measured(name: str, device: str, shape: tuple[int, int, int], steps: int, *, profiled: bool = False) -> Measured:
    """Let a method train and render on a simulated stack."""
    import torch

    spec = registry.get(name)
    stack = simulate("organoid", shape=shape, voxel_size=(2.0, 0.5, 0.5)).observed.stack()
    runtime, found, has_gpu = Runtime(device, default_threads(), 0), Measured(), device != "cpu"
    if has_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    with tempfile.TemporaryDirectory() as folder:
        config = _config(spec, steps, None)
        if spec.needs_model:
            learner, model = spec.create(config, runtime), Path(folder) / "model"
            _phase(lambda report: _learn(learner, model, shape, report), found.training, device, profiled=profiled)
            method = spec.create(_config(spec, steps, model), runtime)
            method.prepare(stack, report=lambda _: None)
        else:
            method = spec.create(config, runtime)
            _phase(lambda report: method.prepare(stack, report=report), found.training, device, profiled=profiled)
    z = stack.depths.tolist() if spec.enhances else (stack.depths[:-1] + 1.0).tolist()

    def render(report: Callable[[Progress], None]) -> Any:
        return method.sections_at(stack, z, report=report)

    made = _phase(render, found.rendering, device, profiled=profiled)
    found.rendering.count, found.rendering.voxels = len(z), made.values.size
    if has_gpu:
        found.peak_mb = torch.cuda.max_memory_allocated(device) / 1e6
    return found


def _config(spec: MethodSpec, steps: int, model: Path | None) -> Any:
    """Return the default parameters, with no more than so many steps, and a model where one is needed."""
    if spec.needs_model:
        few = {"epochs": max(2, steps // 4), "patches_per_volume": 64, "validation_share": 0.0, "model": model}
        return spec.config(**few)
    assert spec.training_cost is not None
    return spec.training_cost.limited(spec.config(), max(10, steps))


def _learn(learner: Method, folder: Path, shape: tuple[int, int, int], report: Callable[[Progress], None]) -> None:
    """Train a model on a dense stack."""
    assert isinstance(learner, Trainable)
    dense = simulate("organoid", shape=(max(21, shape[0]), *shape[1:]), voxel_size=(0.5, 0.5, 0.5)).observed.stack()
    learner.train(TrainingData([dense], [Path("dense.tif")], ("dense",)), folder, resume=False, report=report)


def _phase(work: Callable[[Callable[[Progress], None]], Any], phase: Phase, device: str, *, profiled: bool) -> Any:
    """Do some work and note how long it took, its steps, and what the profile shows."""
    moments: list[float] = []

    def report(progress: Progress) -> None:
        if any(words in progress.message for words in _LEARNS):
            moments.append(time.perf_counter())
            if moments[-1] - moments[0] > LONGEST and progress.training is not None:
                raise Stopped

    with warnings.catch_warnings(record=True) as seen, _profile(profiled=profiled) as profile:
        warnings.simplefilter("always")
        _tell_of_waits(profiled=profiled)
        start = time.perf_counter()
        result = work(report)
        _finish(device)
        whole = time.perf_counter() - start
    phase.seconds, phase.count = (whole, 1) if len(moments) < 2 else (moments[-1] - moments[0], len(moments) - 1)
    phase.waits = sum(_WAITS in str(each.message) for each in seen)
    if profile is not None:
        spans = [(each.time_range.start, each.time_range.end) for each in profile.events() if _is_on_gpu(each)]
        phase.copies = sum("Memcpy" in each.name for each in profile.events() if _is_on_gpu(each))
        phase.busy = covered(spans) / 1e6 / whole
    return result


def _profile(*, profiled: bool) -> AbstractContextManager[Any]:
    if not profiled:
        return nullcontext()
    from torch.profiler import ProfilerActivity, profile

    return profile(activities=[ProfilerActivity.CUDA])


def _tell_of_waits(*, profiled: bool) -> None:
    if profiled:
        import torch

        torch.cuda.set_sync_debug_mode("warn")


def _finish(device: str) -> None:
    if device != "cpu":
        import torch

        torch.cuda.set_sync_debug_mode("default")
        torch.cuda.synchronize(device)


def _is_on_gpu(event: Any) -> bool:
    return "CUDA" in str(event.device_type)


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Return how much of a line is covered by spans (start, end) that may overlap."""
    total, reached = 0.0, -np.inf
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return float(total)


def row(name: str, plain: Measured, profiled: Measured | None, on_cpu: Measured | None) -> list[str]:
    """Return a line of the table; what was not measured is a dash."""
    speed = plain.rendering.voxels / plain.rendering.seconds / 1e6
    cells = [name, f"{plain.training.step_ms:.2f}", *["-"] * 2, f"{speed:.2f}", *["-"] * 7]
    if profiled is not None:
        training, rendering = profiled.training, profiled.rendering
        cells[2] = f"{training.copies / max(1, training.count):.1f}"
        cells[3] = f"{training.waits / max(1, training.count):.2f}"
        cells[5] = f"{rendering.copies / rendering.count:.1f}"
        cells[6] = f"{plain.peak_mb:.0f}"
        cells[7:9] = [f"{100 * (1 - each.busy):.0f}" for each in (training, rendering)]
    if on_cpu is not None:
        cells[9] = f"{on_cpu.training.step_ms:.1f}"
        cells[10] = f"x {on_cpu.training.step_ms / plain.training.step_ms:.1f}"
        per_voxel = [each.rendering.seconds / each.rendering.voxels for each in (on_cpu, plain)]
        cells[11] = f"x {per_voxel[0] / per_voxel[1]:.1f}"
    return cells


def on_gpu(name: str, device: str) -> list[str]:
    """Return the line of a method: twice on the GPU, once on the CPU with fewer steps."""
    measured(name, device, SHORT_SHAPE, 10)  # libraries and kernels are loaded
    plain = measured(name, device, SHAPE, STEPS)
    profiled = measured(name, device, SHAPE, PROFILED_STEPS, profiled=True)
    few = (SHAPE[0] // 4, SHAPE[1] // 2, SHAPE[2] // 2)
    return row(name, plain, profiled, measured(name, "cpu", few, CPU_STEPS))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda:0", help="cuda:N, or cpu for a short version")
    parser.add_argument("--methods", nargs="+", default=learned_methods(), help="only these")
    chosen = parser.parse_args(arguments)
    if chosen.device != "cpu" and not torch.cuda.is_available():
        print("There is no CUDA device here, so nothing was measured; --device cpu runs a short version.")
        return
    what = "the CPU, a short version" if chosen.device == "cpu" else torch.cuda.get_device_name(chosen.device)
    print(f"{machine()}; {what}; torch {torch.__version__}\n")
    rows, start = [], time.perf_counter()
    for name in chosen.methods:
        if time.perf_counter() - start > BUDGET:
            print(f"No time was left for {name}.")
        elif chosen.device == "cpu":
            rows.append(row(name, measured(name, "cpu", SHORT_SHAPE, CPU_STEPS), None, None))
        else:
            rows.append(in_fresh_process(on_gpu, name, chosen.device))
    print(markdown_table(_COLUMNS, rows))
    print(f"\n{time.perf_counter() - start:.0f} s in all.")


if __name__ == "__main__":
    main()
