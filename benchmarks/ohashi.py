"""Ohashi 2025 again: MSDSR, K-Planes, linear interpolation and the hybrid on organoids, beside the paper's figures.

15 depths, of which 0, 4, 8 and 12 are observed; the hybrid draws 2, 6 and 10 at a quarter of the resolution (the paper
also 14, which is not between observed sections); scored at 1, 3 ... 11 where the truth exceeds its Otsu threshold,
values divided by their range. Both diffusion models take the same number of gradient steps, in the same run. Then the
same at a larger gap: 0, 6 and 12 observed, 2, 4, 8 and 10 drawn.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _tools import machine, markdown_table, verdict
from napari_depth_interp import io
from napari_depth_interp.method import Method, Runtime
from napari_depth_interp.methods import registry
from napari_depth_interp.metrics import Comparison, above_otsu
from napari_depth_interp.metrics.intensity import rmse
from napari_depth_interp.metrics.perceptual import Lpips
from napari_depth_interp.models import weights
from napari_depth_interp.nn.contract import Trainable, TrainingData
from napari_depth_interp.progress import silent
from napari_depth_interp.simulate import organoid
from napari_depth_interp.stack import Dataset, Stack
from napari_depth_interp.system.devices import resolve_device

SCORED = (1, 3, 5, 7, 9, 11)
DEPTHS = 15
GAP, LARGE_GAP = 4, 6
LAST = 12
"""The last observed section at both gaps."""
VOXEL = (17.92, 2.486, 2.486)
"""um (Ohashi 2025)."""
PAPER_RMSE = {
    "msdsr": (0.221, 0.254, 0.281, 0.281, 0.272, 0.257),
    "kplanes": (0.209, 0.221, 0.233, 0.269, 0.223, 0.239),
    "linear": (0.212, 0.218, 0.241, 0.237, 0.219, 0.225),
    "msdsr_kplanes": (0.211, 0.218, 0.227, 0.259, 0.212, 0.237),
}
PAPER_LPIPS = {
    "msdsr": (0.273, 0.288, 0.278, 0.283, 0.266, 0.226),
    "kplanes": (0.244, 0.232, 0.225, 0.284, 0.194, 0.317),
    "linear": (0.252, 0.232, 0.238, 0.209, 0.201, 0.181),
    "msdsr_kplanes": (0.250, 0.225, 0.226, 0.228, 0.182, 0.204),
}
PAPER_SECONDS = {"msdsr": (15638.1, 649.7), "msdsr_kplanes": (2464.7, 303.3)}
"""Training and inference (Ohashi 2025)."""
TRAINING_RATIO, INFERENCE_RATIO = 6.3, 2.1
METHODS = ("msdsr", "kplanes", "linear", "msdsr_kplanes")
Figures = dict[str, NDArray[np.float64]]
"""For each method the mean over volumes at each scored depth."""


@dataclass(frozen=True)
class Setting:
    """Pixels of a side, organoids to train and to test on, gradient steps, planes per step, width, sampling steps."""

    size: int
    train: int
    test: int
    steps: int
    batch: int
    channels: int
    sampling: int


SETTINGS = {"small": Setting(256, 8, 2, 500, 32, 32, 2), "full": Setting(256, 958, 10, 50_000, 64, 64, 10)}


def organoids(setting: Setting) -> list[Dataset]:
    """Return simulated organoids of different ages and seeds, the test ones last."""
    count = setting.train + setting.test
    shape = (DEPTHS, setting.size, setting.size)
    ages = np.linspace(0.3, 1.0, count)
    order = np.random.default_rng(0).permutation(count)
    return [_organoid(shape, float(ages[place]), seed) for seed, place in enumerate(order)]


def _organoid(shape: tuple[int, int, int], age: float, seed: int) -> Dataset:
    scale = 256 / shape[1]
    voxel = (VOXEL[0], VOXEL[1] * scale, VOXEL[2] * scale)
    return organoid(age=age, shape=shape, voxel_size=voxel, seed=seed, dtype="float32").observed


def cleaned(dataset: Dataset) -> Dataset:
    """Return values 0 to 1 without background (Otsu), as the paper prepares its images."""
    voxels = dataset.voxels.astype(np.float32)
    voxels = np.where(above_otsu(voxels), voxels - voxels.min(), 0).astype(np.float32)
    return replace(dataset, voxels=voxels / max(float(voxels.max()), 1e-6))


def coarsened(stack: Stack, factor: int) -> Stack:
    """Return every second section at a quarter of the resolution: what the hybrid's diffusion model learns from."""
    count, height, width = stack.voxels[::2].shape
    rows, columns = height // factor, width // factor
    blocks = stack.voxels[::2, : rows * factor, : columns * factor].reshape(count, rows, factor, columns, factor)
    grid = replace(stack.grid, depths=stack.depths[::2], pixel_size=(VOXEL[1] * factor, VOXEL[2] * factor))
    return replace(stack, voxels=blocks.mean(axis=(2, 4)), grid=grid)


def train(stacks: Sequence[Stack], folder: Path, rows: int, setting: Setting, runtime: Runtime) -> float:
    """Train msdsr on whole planes of stacks, write a model folder, return the seconds."""
    folder.mkdir()
    files = []
    for number, stack in enumerate(stacks):
        files.append(folder / f"{number}.tif")
        io.write(files[-1], Dataset(stack.voxels[None, None], stack.grid))
    spec = registry.get("msdsr")
    values = {"training_steps": setting.steps, "batch": setting.batch, "channels": setting.channels, "rows": rows}
    values["columns"] = stacks[0].voxels.shape[2]
    method = spec.create(spec.config.model_validate(values), runtime)
    assert isinstance(method, Trainable)
    start = clock(runtime)
    method.train(TrainingData(tuple(stacks), tuple(files)), folder / "model", resume=False, report=silent)
    return clock(runtime) - start


def clock(runtime: Runtime) -> float:
    """Return seconds: on the CPU of the processor, which other programs do not change; else of the wall."""
    return time.process_time() if runtime.device == "cpu" else time.perf_counter()


def methods_of(folder: Path, gap: int, setting: Setting, runtime: Runtime) -> dict[str, Method]:
    """Return the methods, the trained ones with their models; msdsr at full resolution at the paper's gap only."""
    values: dict[str, dict[str, Any]] = {
        "msdsr": {"model": folder / "fine" / "model", "steps": setting.sampling, "samples": 1},
        "kplanes": {"cells_per_gap": 1, "correct": False},
        "linear": {},
        "msdsr_kplanes": {"model": folder / f"coarse{gap}" / "model", "drawn": gap // 2 - 1},
    }
    found = {}
    for name in METHODS if gap == GAP else METHODS[1:]:
        spec = registry.get(name)
        found[name] = spec.create(spec.config.model_validate(values[name]), runtime)
    return found


def restored(method: Method, sparse: Stack, depths: Sequence[float], runtime: Runtime) -> tuple[NDArray[Any], float]:
    """Return the sections at some depths and the seconds of everything."""
    start = clock(runtime)
    method.prepare(sparse, report=silent)
    values = method.sections_at(sparse, depths, report=silent).values
    return values, clock(runtime) - start


def _lpips(path: Path) -> Lpips:
    return Lpips("alex", weights.read(weights.lpips_backbone("alex", path)), weights.lpips_linear_weights("alex"))


@dataclass(frozen=True)
class Scorer:
    """Foreground RMSE, and LPIPS where its weights are given."""

    lpips: Lpips | None

    def score(self, found: NDArray[Any], truth: NDArray[Any], foreground: NDArray[np.bool_]) -> tuple[float, float]:
        """Return both, NaN where there is nothing to score."""
        error = rmse(Comparison(truth, found, (0.0, 1.0), foreground), foreground)
        looks = float("nan") if self.lpips is None else self.lpips.distance(truth, found, (0.0, 1.0)).mean
        return float("nan") if error is None else error, looks


@dataclass(frozen=True)
class Outcome:
    """RMSE, LPIPS and seconds of each method."""

    rmse: Figures
    lpips: Figures
    seconds: dict[str, float]


def tested(volumes: Sequence[Stack], gap: int, methods: dict[str, Method], scorer: Scorer, runtime: Runtime) -> Outcome:
    """Hide sections of volumes, restore them with every method, score."""
    scores: dict[str, list[list[tuple[float, float]]]] = {name: [] for name in methods}
    seconds = dict.fromkeys(methods, 0.0)
    for truth in volumes:
        depths = truth.depths[list(SCORED)].tolist()
        observed = np.arange(0, LAST + 1, gap)
        grid = replace(truth.grid, depths=truth.depths[observed])
        sparse = replace(truth, voxels=np.ascontiguousarray(truth.voxels[observed]), grid=grid)
        foreground = above_otsu(truth.voxels)
        for name, method in methods.items():
            found, taken = restored(method, sparse, depths, runtime)
            seconds[name] += taken / len(volumes)
            scores[name].append([scorer.score(found[k], truth.voxels[z], foreground[z]) for k, z in enumerate(SCORED)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nothing but NaN where LPIPS is not computed
        means = {name: np.nanmean(np.array(each), axis=0) for name, each in scores.items()}
    return Outcome(
        {name: each[:, 0] for name, each in means.items()}, {name: each[:, 1] for name, each in means.items()}, seconds
    )


def real_volume(path: Path) -> Stack:
    """Return the middle 15 sections of a file, prepared as the simulated ones."""
    dataset = io.read(path)
    start = (dataset.voxels.shape[2] - DEPTHS) // 2
    middle = replace(
        dataset,
        voxels=dataset.voxels[:1, :1, start : start + DEPTHS],
        grid=replace(dataset.grid, depths=dataset.stack().depths[start : start + DEPTHS]),
    )
    return cleaned(middle).stack()


def table(ours: Figures, paper: Mapping[str, tuple[float, ...]] | None = None) -> str:
    """Return our figures at each depth and the paper's."""
    rows = []
    for name, values in ours.items():
        rows.append([f"{name}, ours", *(f"{value:.3f}" for value in values), f"{np.nanmean(values):.4f}"])
        if paper is not None:
            rows.append([f"{name}, paper", *(f"{value:.3f}" for value in paper[name]), f"{np.mean(paper[name]):.4f}"])
    return markdown_table(["method", *(f"z = {z}" for z in SCORED), "mean"], rows)


def main() -> None:
    """Train, restore, print the tables."""
    args = arguments()
    setting = SETTINGS[args.setting]
    setting = replace(setting, steps=args.steps or setting.steps)
    runtime = Runtime(resolve_device("auto", ("cpu", "cuda"))[0], args.threads)
    scorer = Scorer(_lpips(args.lpips_weights) if args.lpips_weights else None)
    print(machine(), flush=True)
    stacks = [cleaned(each).stack() for each in organoids(setting)]
    known, test = stacks[: setting.train], stacks[setting.train :]
    coarse = [coarsened(each, 4) for each in known]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds = {
            "msdsr": train(known, folder / "fine", 4, setting, runtime),
            "msdsr_kplanes": train(coarse, folder / f"coarse{GAP}", GAP // 2, setting, runtime),
        }
        train(coarse, folder / f"coarse{LARGE_GAP}", LARGE_GAP // 2, setting, runtime)
        print(
            f"\n{setting.train} simulated organoids to train on, {setting.test} to test on, {DEPTHS} x {setting.size} "
            f"x {setting.size}, {setting.steps} gradient steps, {runtime.device}, threads: {runtime.threads}."
        )
        volumes = {"simulated organoids": test} | {path.stem: [real_volume(path)] for path in args.volume}
        for words, group in volumes.items():
            for gap in (GAP, LARGE_GAP):
                outcome = tested(group, gap, methods_of(folder, gap, setting, runtime), scorer, runtime)
                report(f"{words}, every {gap}th section observed", gap, outcome)
                if group is test:
                    report_target(gap, outcome)
                if group is test and gap == GAP:
                    report_times(seconds, outcome.seconds)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--setting", choices=list(SETTINGS), default="small", help="full is for a GPU")
    parser.add_argument("--steps", type=int, help="gradient steps of each diffusion model")
    parser.add_argument("--threads", type=int, default=1, help="more than one only slows the small planes down")
    parser.add_argument("--volume", type=Path, action="append", default=[], help="also test on this organoid")
    parser.add_argument("--lpips-weights", type=Path, help="torchvision's AlexNet, as for depth-interp evaluate")
    found: argparse.Namespace = parser.parse_args()
    return found


def report(words: str, gap: int, outcome: Outcome) -> None:
    """Print the scores of one group of volumes at one gap."""
    print(f"\nForeground RMSE, {words}:\n\n" + table(outcome.rmse, PAPER_RMSE if gap == GAP else None) + "\n")
    if gap != GAP:
        return
    if np.isnan(outcome.lpips["linear"]).all():
        print("\nLPIPS of the paper; ours needs --lpips-weights:\n")
        print(markdown_table(["method", *(f"z = {z}" for z in SCORED)], [[n, *v] for n, v in PAPER_LPIPS.items()]))
    else:
        print("\nLPIPS:\n\n" + table(outcome.lpips, PAPER_LPIPS))


def report_target(gap: int, outcome: Outcome) -> None:
    """Print whether the hybrid stands up to linear interpolation."""
    hybrid, linear = (float(np.nanmean(outcome.rmse[name])) for name in ("msdsr_kplanes", "linear"))
    wanted = "no worse" if gap == GAP else "better"
    met = hybrid <= linear if gap == GAP else hybrid < linear
    print(verdict(met, f"the hybrid {wanted} than linear: {hybrid:.4f} against {linear:.4f}"))


def report_times(training: dict[str, float], inference: dict[str, float]) -> None:
    """Print the times of MSDSR at full resolution and of the hybrid beside the paper's."""
    rows = [
        [name, f"{training[name]:.1f}", f"{inference[name]:.2f}", *(f"{value:.1f}" for value in PAPER_SECONDS[name])]
        for name in PAPER_SECONDS
    ]
    header = ["method", "training s", "inference s", "paper training s", "paper inference s"]
    print("\nTime:\n\n" + markdown_table(header, rows) + "\n")
    for what, seconds, target in (("training", training, TRAINING_RATIO), ("inference", inference, INFERENCE_RATIO)):
        ratio = seconds["msdsr"] / seconds["msdsr_kplanes"]
        print(verdict(ratio >= target, f"{what} {target} times shorter: {ratio:.1f} times"))


if __name__ == "__main__":
    main()
