"""Ohashi 2025 again: MSDSR, K-Planes, linear interpolation and the hybrid on organoids, beside the paper's figures.

15 depths, of which 0, 4, 8 and 12 are observed; the hybrid draws 2, 6 and 10 at a quarter of the resolution (the paper
also 14, which is not between observed sections); scored at 1, 3 ... 11 where the truth exceeds its Otsu threshold,
values divided by their range. Both diffusion models take the same number of gradient steps, in the same run.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _tools import machine, markdown_table, verdict
from napari_depth_interp import io
from napari_depth_interp.devices import default_threads, resolve_device
from napari_depth_interp.method import Method, Runtime, Trainable, TrainingData
from napari_depth_interp.methods import registry
from napari_depth_interp.metrics import Comparison, above_otsu
from napari_depth_interp.metrics.intensity import rmse
from napari_depth_interp.progress import silent
from napari_depth_interp.simulate import organoid
from napari_depth_interp.stack import Dataset, Stack

OBSERVED, SCORED = (0, 4, 8, 12), (1, 3, 5, 7, 9, 11)
DEPTHS = 15
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


SETTINGS = {"small": Setting(256, 8, 2, 600, 32, 16, 2), "full": Setting(256, 958, 10, 50_000, 64, 64, 10)}


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
    values = {"iterations": setting.steps, "batch": setting.batch, "channels": setting.channels, "rows": rows}
    values["columns"] = stacks[0].voxels.shape[2]
    method = spec.create(spec.config.model_validate(values), runtime)
    assert isinstance(method, Trainable)
    start = time.perf_counter()
    method.train(TrainingData(tuple(stacks), tuple(files)), folder / "model", resume=False, report=silent)
    return time.perf_counter() - start


def methods_of(folder: Path, setting: Setting, runtime: Runtime) -> dict[str, Method]:
    """Return the four methods, the trained ones with their models."""
    values: dict[str, dict[str, Any]] = {
        "msdsr": {"model": folder / "fine" / "model", "steps": setting.sampling, "samples": 1},
        "kplanes": {"cells_per_gap": 1, "correct": False},
        "linear": {},
        "msdsr_kplanes": {"model": folder / "coarse" / "model"},
    }
    found = {}
    for name in METHODS:
        spec = registry.get(name)
        found[name] = spec.create(spec.config.model_validate(values[name]), runtime)
    return found


def restored(method: Method, sparse: Stack, depths: Sequence[float]) -> tuple[NDArray[Any], float]:
    """Return the sections at some depths and the seconds of everything."""
    start = time.perf_counter()
    method.prepare(sparse, report=silent)
    values = method.sections_at(sparse, depths, report=silent).values
    return values, time.perf_counter() - start


def scored(found: NDArray[Any], truth: NDArray[Any], foreground: NDArray[np.bool_]) -> float:
    """Return the RMSE where the truth is foreground, NaN where there is none."""
    pair = Comparison(truth, found, (0.0, 1.0), foreground)
    error = rmse(pair, foreground)
    return float("nan") if error is None else error


def table(ours: Mapping[str, NDArray[Any]], paper: Mapping[str, tuple[float, ...]]) -> str:
    """Return our figures at each depth and the paper's."""
    rows = []
    for name in METHODS:
        rows.append([f"{name}, ours", *(f"{value:.3f}" for value in ours[name]), f"{np.nanmean(ours[name]):.4f}"])
        rows.append([f"{name}, paper", *(f"{value:.3f}" for value in paper[name]), f"{np.mean(paper[name]):.4f}"])
    return markdown_table(["method", *(f"z = {z}" for z in SCORED), "mean"], rows)


def main() -> None:
    """Train, restore, print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--setting", choices=list(SETTINGS), default="small", help="full is for a GPU")
    parser.add_argument("--steps", type=int, help="gradient steps of both diffusion models")
    args = parser.parse_args()
    setting = SETTINGS[args.setting]
    setting = replace(setting, steps=args.steps or setting.steps)
    runtime = Runtime(resolve_device("auto", ("cpu", "cuda"))[0], default_threads())
    print(machine(), flush=True)
    stacks = [cleaned(each).stack() for each in organoids(setting)]
    errors: dict[str, list[list[float]]] = {name: [] for name in METHODS}
    inference = dict.fromkeys(METHODS, 0.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds = {
            "msdsr": train(stacks[: setting.train], folder / "fine", 4, setting, runtime),
            "msdsr_kplanes": train(
                [coarsened(each, 4) for each in stacks[: setting.train]], folder / "coarse", 2, setting, runtime
            ),
        }
        for truth in stacks[setting.train :]:
            depths = truth.depths[list(SCORED)].tolist()
            grid = replace(truth.grid, depths=truth.depths[list(OBSERVED)])
            sparse = replace(truth, voxels=np.ascontiguousarray(truth.voxels[list(OBSERVED)]), grid=grid)
            foreground = above_otsu(truth.voxels)
            for method, each in methods_of(folder, setting, runtime).items():
                found, taken = restored(each, sparse, depths)
                inference[method] += taken / setting.test
                errors[method].append([scored(found[k], truth.voxels[z], foreground[z]) for k, z in enumerate(SCORED)])
    ours = {method: np.nanmean(np.array(values), axis=0) for method, values in errors.items()}
    report(setting, runtime, ours, seconds, inference)


def report(
    setting: Setting,
    runtime: Runtime,
    ours: dict[str, NDArray[Any]],
    training: dict[str, float],
    inference: dict[str, float],
) -> None:
    """Print what came out, and whether the targets are met."""
    print(
        f"\n{setting.train} simulated organoids to train on, {setting.test} to test on, {DEPTHS} x {setting.size} x "
        f"{setting.size}, {setting.steps} gradient steps, {runtime.device}, {runtime.threads} threads.\n"
    )
    print("Foreground RMSE:\n\n" + table(ours, PAPER_RMSE))
    rows = [
        [name, f"{training[name]:.1f}", f"{inference[name]:.2f}", *(f"{value:.1f}" for value in PAPER_SECONDS[name])]
        for name in PAPER_SECONDS
    ]
    header = ["method", "training s", "inference s", "paper training s", "paper inference s"]
    print("\nTime:\n\n" + markdown_table(header, rows) + "\n")
    train_ratio = training["msdsr"] / training["msdsr_kplanes"]
    inference_ratio = inference["msdsr"] / inference["msdsr_kplanes"]
    print(verdict(train_ratio >= TRAINING_RATIO, f"training {TRAINING_RATIO} times shorter: {train_ratio:.1f} times"))
    print(
        verdict(
            inference_ratio >= INFERENCE_RATIO,
            f"inference {INFERENCE_RATIO} times shorter: {inference_ratio:.1f} times",
        )
    )
    hybrid, linear = (float(np.nanmean(ours[name])) for name in ("msdsr_kplanes", "linear"))
    print(verdict(hybrid <= linear, f"the hybrid no worse than linear: {hybrid:.4f} against {linear:.4f}"))
    print("\nLPIPS of the paper (ours needs weights from the internet and is not computed here):\n")
    print(markdown_table(["method", *(f"z = {z}" for z in SCORED)], [[n, *v] for n, v in PAPER_LPIPS.items()]))


if __name__ == "__main__":
    main()
