"""Ohashi 2025 again: MSDSR, K-Planes, linear interpolation and the hybrid on organoids, beside the paper's figures.

15 depths, of which 0, 4, 8 and 12 are observed; the hybrid draws 2, 6 and 10 at a quarter of the resolution (the paper
also 14, which is not between observed sections); scored at 1, 3 ... 11 where the truth exceeds its Otsu threshold,
values divided by their range. Both diffusion models take the same number of gradient steps and of sampling steps, in
the same run. Then the same at a larger gap: 0, 6 and 12 observed, 2, 4, 8 and 10 drawn. Intervals are of 95 %, over
test stacks (Student's t). ``--out`` keeps models and scores: a run that was stopped goes on from there.

LPIPS is masked: what lies outside the foreground of the truth is 0 in both images, and of the network's map of
distances the mean over the foreground is taken. (The paper says that the background is left out, and not how.)
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _tools import interval, machine, markdown_table, remembered, verdict, with_interval
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
DRAWN = ("msdsr", "msdsr_kplanes")
"""Those that take sampling steps."""
Figures = dict[str, NDArray[np.float64]]
"""For each method (stacks, depths)."""


@dataclass(frozen=True)
class Setting:
    """Pixels of a side, organoids to train and to test on, gradient steps, planes per step, width, sampling steps."""

    size: int
    train: int
    test: int
    steps: int
    batch: int
    channels: int
    sampling: tuple[int, ...]


SETTINGS = {
    "small": Setting(256, 8, 8, 300, 16, 16, (1, 4)),
    "full": Setting(256, 958, 10, 50_000, 64, 64, (10, 200)),
}


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


@dataclass(frozen=True)
class Bench:
    """What all runs share: the setting, and the folder that keeps models and scores."""

    setting: Setting
    runtime: Runtime
    out: Path

    def model(self, kind: str) -> Path:
        """Return the folder of a model: ``fine``, or ``coarse`` with the gap."""
        words = "-".join(str(value) for key, value in asdict(self.setting).items() if key != "sampling")
        return self.out / f"{kind}-{words}"

    def train(self, stacks: Sequence[Stack], kind: str, rows: int) -> float:
        """Train msdsr on whole planes of stacks, write a model folder, return the seconds."""
        folder = self.model(kind)

        def make() -> float:
            folder.mkdir(exist_ok=True, parents=True)
            files = []
            for number, stack in enumerate(stacks):
                files.append(folder / f"{number}.tif")
                io.write(files[-1], Dataset(stack.voxels[None, None], stack.grid), overwrite=True)
            spec, setting = registry.get("msdsr"), self.setting
            values = {"training_steps": setting.steps, "batch": setting.batch, "channels": setting.channels}
            values |= {"rows": rows, "columns": stacks[0].voxels.shape[2]}
            method = spec.create(spec.config.model_validate(values), self.runtime)
            assert isinstance(method, Trainable)
            start = clock(self.runtime)
            method.train(TrainingData(tuple(stacks), tuple(files)), folder / "model", resume=False, report=silent)
            return clock(self.runtime) - start

        return remembered(self.out, {"model": folder.name}, make)

    def method(self, name: str, gap: int, sampling: int) -> Method:
        """Return a method, the trained ones with their models."""
        values: dict[str, dict[str, Any]] = {
            "msdsr": {"model": self.model("fine") / "model", "steps": sampling, "samples": 1},
            "kplanes": {"cells_per_gap": 1, "correct": False},
            "linear": {},
            "msdsr_kplanes": {
                "model": self.model(f"coarse{gap}") / "model", "drawn": gap // 2 - 1, "sampling_steps": sampling,
            },
        }  # fmt: skip
        spec = registry.get(name)
        return spec.create(spec.config.model_validate(values[name]), self.runtime)


def clock(runtime: Runtime) -> float:
    """Return seconds: on the CPU of the processor, which other programs do not change; else of the wall."""
    return time.process_time() if runtime.device == "cpu" else time.perf_counter()


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

    def score(self, found: NDArray[Any], truth: NDArray[Any], foreground: NDArray[np.bool_]) -> list[float]:
        """Return RMSE, LPIPS of the foreground and of the whole image; NaN where there is nothing to score."""
        error = rmse(Comparison(truth, found, (0.0, 1.0), foreground), foreground)
        if error is None:
            return [float("nan")] * 3
        if self.lpips is None:
            return [error, float("nan"), float("nan")]
        masked = [np.where(foreground, image, 0).astype(np.float32) for image in (truth, found)]
        where = self.lpips.distance(masked[0], masked[1], (0.0, 1.0)).where
        return [error, float(where[foreground].mean()), self.lpips.distance(truth, found, (0.0, 1.0)).mean]


@dataclass(frozen=True)
class Outcome:
    """RMSE, LPIPS of the foreground, LPIPS of whole images (stacks, depths) and seconds of each method."""

    rmse: Figures
    lpips: Figures
    whole: Figures
    seconds: dict[str, list[float]]


def tested(
    volumes: Mapping[str, Stack], gap: int, sampling: int, bench: Bench, scorer: Scorer
) -> Outcome:  # fmt: skip
    """Hide sections of volumes, restore them with every method, score; msdsr alone at the paper's gap only."""
    names = METHODS if gap == GAP else METHODS[1:]
    kept: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for words, truth in volumes.items():
        for name in names:
            about = {
                "stack": words, "method": name, "gap": gap, "setting": bench.model("").name,
                "sampling": sampling if name in DRAWN else 0, "lpips": scorer.lpips is not None,
            }  # fmt: skip

            def make(name: str = name, truth: Stack = truth) -> dict[str, Any]:
                return run_one(bench.method(name, gap, sampling), truth, gap, scorer, bench.runtime)

            kept[name].append(remembered(bench.out, about, make))
    figures = {name: np.array([each["scores"] for each in found]) for name, found in kept.items()}
    rmse, lpips, whole = ({name: each[..., i] for name, each in figures.items()} for i in range(3))
    return Outcome(
        rmse, lpips, whole, {name: [each["seconds"] for each in found] for name, found in kept.items()}
    )  # fmt: skip


def run_one(method: Method, truth: Stack, gap: int, scorer: Scorer, runtime: Runtime) -> dict[str, Any]:
    """Return the scores (depths, 3) of one method on one stack and the seconds it took."""
    observed = np.arange(0, LAST + 1, gap)
    grid = replace(truth.grid, depths=truth.depths[observed])
    sparse = replace(truth, voxels=np.ascontiguousarray(truth.voxels[observed]), grid=grid)
    foreground = above_otsu(truth.voxels)
    found, taken = restored(method, sparse, truth.depths[list(SCORED)].tolist(), runtime)
    scores = [scorer.score(found[k], truth.voxels[z], foreground[z]) for k, z in enumerate(SCORED)]
    return {"scores": scores, "seconds": taken}


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


def means(values: NDArray[np.float64]) -> list[float]:
    """Return the mean over depths of each stack."""
    return [float(each) for each in np.nanmean(values, axis=1)]


def table(ours: Figures, paper: Mapping[str, tuple[float, ...]] | None = None) -> str:
    """Return our figures at each depth, their mean with its interval over stacks, and the paper's."""
    rows = []
    for name, values in ours.items():
        depths = [f"{np.mean(each[~np.isnan(each)]):.3f}" if not np.isnan(each).all() else "-" for each in values.T]
        rows.append([f"{name}, ours", *depths, with_interval(means(values), 4)])
        if paper is not None:
            rows.append([f"{name}, paper", *(f"{value:.3f}" for value in paper[name]), f"{np.mean(paper[name]):.4f}"])
    return markdown_table(["method", *(f"z = {z}" for z in SCORED), "mean"], rows)


def differences(ours: Figures, paper: Mapping[str, tuple[float, ...]] | None) -> Iterator[str]:
    """Yield how far the hybrid is from each other method, stack by stack, and whether the paper's means agree."""
    for name in ours:
        if name == "msdsr_kplanes":
            continue
        apart = np.subtract(means(ours["msdsr_kplanes"]), means(ours[name])).tolist()
        words = f"- hybrid less {name}: {with_interval(apart, 4)}"
        if len(apart) < 2 or abs(np.mean(apart)) <= interval(apart):
            words += ", undecided"
        if paper is not None:
            theirs = float(np.mean(paper["msdsr_kplanes"]) - np.mean(paper[name]))
            same = "as here" if np.sign(np.mean(apart)) == np.sign(theirs) else "the other way round"
            words += f" (paper {theirs:+.4f}, {same})"
        yield words


def main() -> None:
    """Train, restore, print the tables."""
    args = arguments()
    setting = SETTINGS[args.setting]
    setting = replace(setting, steps=args.steps or setting.steps, test=args.test or setting.test)
    runtime = Runtime(resolve_device("auto", ("cpu", "cuda"))[0], args.threads)
    scorer = Scorer(_lpips(args.lpips_weights) if args.lpips_weights else None)
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as name:
        compare(Bench(setting, runtime, args.out or Path(name)), scorer, args.volume)


def compare(bench: Bench, scorer: Scorer, files: Sequence[Path]) -> None:
    """Train both diffusion models, then score them and the others at both gaps."""
    setting = bench.setting
    stacks = [cleaned(each).stack() for each in organoids(setting)]
    known, test = stacks[: setting.train], stacks[setting.train :]
    coarse = [coarsened(each, 4) for each in known]
    seconds = {"msdsr": bench.train(known, "fine", 4), "msdsr_kplanes": bench.train(coarse, f"coarse{GAP}", GAP // 2)}
    bench.train(coarse, f"coarse{LARGE_GAP}", LARGE_GAP // 2)
    print(
        f"\n{setting.train} simulated organoids to train on, {setting.test} to test on, {DEPTHS} x {setting.size} "
        f"x {setting.size}, {setting.steps} gradient steps of {setting.batch} planes, {setting.channels} channels, "
        f"{bench.runtime.device}, threads: {bench.runtime.threads}.",
        flush=True,
    )
    groups = {"simulated organoids": {f"{setting.train}+{number}": each for number, each in enumerate(test)}}
    groups |= {path.stem: {path.stem: real_volume(path)} for path in files}
    inference = {}
    for words, group in groups.items():
        for gap in (GAP, LARGE_GAP):
            for sampling in setting.sampling:
                outcome = tested(group, gap, sampling, bench, scorer)
                report(f"{words}, every {gap}th section observed, drawn in {sampling} steps", gap, outcome)
                if words == "simulated organoids":
                    report_target(gap, outcome)
                    if gap == GAP:
                        inference[sampling] = outcome.seconds
    report_times(seconds, inference)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--setting", choices=list(SETTINGS), default="small", help="full is for a GPU")
    parser.add_argument("--steps", type=int, help="gradient steps of each diffusion model")
    parser.add_argument("--threads", type=int, default=1, help="more than one only slows the small planes down")
    parser.add_argument("--volume", type=Path, action="append", default=[], help="also test on this organoid")
    parser.add_argument("--lpips-weights", type=Path, help="torchvision's AlexNet, as for depth-interp evaluate")
    parser.add_argument("--test", type=int, help="test stacks; other ones than the setting's change the training ones")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep models and scores here, and go on from them")
    found: argparse.Namespace = parser.parse_args()
    return found


def report(words: str, gap: int, outcome: Outcome) -> None:
    """Print the scores of one group of volumes at one gap."""
    published = gap == GAP
    print(f"\nForeground RMSE, {words}:\n\n" + table(outcome.rmse, PAPER_RMSE if published else None) + "\n")
    print("\n".join(differences(outcome.rmse, PAPER_RMSE if published else None)))
    if np.isnan(outcome.lpips["linear"]).all():
        if published:
            print("\nLPIPS of the paper; ours needs --lpips-weights:\n")
            print(markdown_table(["method", *(f"z = {z}" for z in SCORED)], [[n, *v] for n, v in PAPER_LPIPS.items()]))
        return
    print(f"\nLPIPS, masked, {words}:\n\n" + table(outcome.lpips, PAPER_LPIPS if published else None) + "\n")
    print("\n".join(differences(outcome.lpips, PAPER_LPIPS if published else None)))
    whole = ", ".join(f"{name} {np.nanmean(values):.4f}" for name, values in outcome.whole.items())
    print(f"- not masked, whole images: {whole}", flush=True)


def report_target(gap: int, outcome: Outcome) -> None:
    """Print whether the hybrid stands up to linear interpolation."""
    hybrid, linear = (float(np.nanmean(outcome.rmse[name])) for name in ("msdsr_kplanes", "linear"))
    wanted = "no worse" if gap == GAP else "better"
    met = hybrid <= linear if gap == GAP else hybrid < linear
    print(verdict(met, f"the hybrid {wanted} than linear: {hybrid:.4f} against {linear:.4f}"), flush=True)


def report_times(training: dict[str, float], inference: dict[int, dict[str, list[float]]]) -> None:
    """Print the times of MSDSR at full resolution and of the hybrid, at equal steps, beside the paper's."""
    rows = [
        [name, f"{training[name]:.1f}", *(with_interval(each[name], 2) for each in inference.values()),
         *(f"{value:.1f}" for value in PAPER_SECONDS[name])]
        for name in PAPER_SECONDS
    ]  # fmt: skip
    drawn = [f"inference s, {sampling} steps" for sampling in inference]
    header = ["method", "training s", *drawn, "paper training s", "paper inference s"]
    print("\nTime, the same gradient and sampling steps for both:\n\n" + markdown_table(header, rows) + "\n")
    ratio = training["msdsr"] / training["msdsr_kplanes"]
    print(verdict(ratio >= TRAINING_RATIO, f"training {TRAINING_RATIO} times shorter: {ratio:.1f} times"))
    for sampling, each in inference.items():
        ratio = float(np.mean(each["msdsr"]) / np.mean(each["msdsr_kplanes"]))
        words = f"inference in {sampling} steps {INFERENCE_RATIO} times shorter: {ratio:.1f} times"
        print(verdict(ratio >= INFERENCE_RATIO, words))


if __name__ == "__main__":
    main()
