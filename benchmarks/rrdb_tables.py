"""Nishioka 2026, tables 4.1 to 4.4, measured: what blocks, planes of the VGG loss and patch size do, and 3D-SRCGAN.

Simulated vessels: some volumes are trained on, others scored. Every cell trains one network for the same number of
steps; at the small setting sizes are scaled down in proportion (patch, planes) and the network is narrow. Scores are
the paper's, means over test volumes with their 95 % interval (Student's t). ``--out`` keeps finished cells: a run that
was stopped, or one with more cells, goes on from there.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _tools import interval, machine, markdown_table, remembered, with_interval
from napari_depth_interp.method import Runtime
from napari_depth_interp.methods import registry
from napari_depth_interp.nn.contract import TrainingData
from napari_depth_interp.progress import silent
from napari_depth_interp.simulate import vessels
from quality import Volume, scaled
from rrdb_gan import CLASSICAL, Row, lpips_of, score, written

FIRST_TEST = 100
"""Seed of the first test volume."""
PLANES, BLOCKS, PATCHES = (0, 10, 20, 30, 10_000), (5, 10, 15), ((30, 20), (20, 15), (15, 10))
"""Of the paper."""
BRIGHT = {
    "features": 16, "growth": 8, "blocks": 2, "tail": "direct", "objective": "faithful", "epochs": 60,
    "schedule": "cosine", "learning_rate": 1e-3,
}  # fmt: skip
"""The small network that shows what brightness does; otherwise as published."""
RUNS: dict[str, tuple[dict[str, Any], bool]] = {
    "as published": ({}, False),
    "as published, with truth_maximum": ({}, True),
    "2 views, back-projection": ({"flips": 2, "back_projection": True}, False),
    "2 views, back-projection, truth_maximum": ({"flips": 2, "back_projection": True}, True),
}
"""Parameters of a run, and whether it knows the maximum of the truth."""
Lpips = Callable[[NDArray[Any], NDArray[Any]], float]


@dataclass(frozen=True)
class Setting:
    """Sizes of a run; ``planes`` and ``patches`` stand for the paper's in their order."""

    shape: tuple[int, int, int]
    train: int
    test: int
    planes: tuple[int, ...]
    patches: tuple[tuple[int, int], ...]
    network: dict[str, Any]


SETTINGS = {
    "small": Setting(
        (48, 72, 72), 4, 8, (0, 3, 6, 9, 10_000), ((9, 6), (6, 5), (4, 4)),
        {"features": 16, "growth": 8, "slice_size": 36, "discriminator_channels": 16, "batch": 2, "epochs": 6,
         "learning_rate": 1e-3, "schedule": "cosine", "base": "cubic"},
    ),
    "full": Setting((156, 240, 240), 484, 266, PLANES, PATCHES, {}),
}  # fmt: skip
"""``full`` is the preset published on simulated volumes of the paper's size: days on a GPU."""


@dataclass(frozen=True)
class Cell:
    """One line of a table: its words, the parameters, and the paper's MSE, PSNR, SSIM and LPIPS."""

    words: str
    parameters: dict[str, Any]
    paper: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Outcome:
    """Scores of each test volume, and the seconds of the training."""

    rows: list[Row]
    seconds: float

    def of(self, name: str) -> list[float]:
        """Return one score of every volume."""
        return [getattr(row, name) for row in self.rows]


PAPER = {
    "planes": ((.000284, 35.79, .9662, .0584), (.000307, 35.47, .9608, .0324), (.000305, 35.51, .9609, .0316),
               (.000309, 35.48, .9606, .0305), (.000313, 35.45, .9608, .0289)),
    "blocks": ((.000306, 35.47, .9616, .0344), (.000307, 35.47, .9608, .0324), (.000302, 35.55, .9611, .0311)),
    "patches": ((.000307, 35.47, .9608, .0324), (.000319, 35.32, .9597, .0414), (.000365, 34.68, .9544, .0462)),
}  # fmt: skip
"""MSE, PSNR, SSIM and LPIPS of Nishioka 2026: means over 266 brain volumes."""


def tables(setting: Setting) -> dict[str, list[Cell]]:
    """Return the cells of each table."""
    few, middle = setting.planes[1], setting.patches[0]
    planes = zip(setting.planes, PAPER["planes"], strict=True)
    blocks = zip(BLOCKS, PAPER["blocks"], strict=True)
    patches = zip(setting.patches, PAPER["patches"], strict=True)
    losses = {"MSE": {"ssim_weight": 0.0}, "SSIM": {"mse_weight": 0.0}, "MSE + SSIM": {}}
    plain, flat = {"generator": "residual"}, {"dimensions": 2, "ssim_weight": 0.0}
    usual, unseen = _cell(slices=few, patch=middle), _cell(slices=0, patch=middle) | {"perceptual_weight": 0.0}
    return {
        "4.2, planes of each direction that the VGG loss looks at": [
            Cell("all" if n > 1000 else str(n), _cell(slices=n, patch=middle), paper) for n, paper in planes
        ],
        "4.3, RRDBs": [Cell(str(n), usual | {"blocks": n}, paper) for n, paper in blocks],
        "4.4, coarse patch": [
            Cell(f"{n} x {n} x {z}", _cell(slices=few, patch=(n, z)), paper) for (n, z), paper in patches
        ],
        "3D-SRCGAN (predecessor; the thesis gives no figures of it)": [
            *(Cell(words, unseen | plain | own) for words, own in losses.items()),
            Cell("MSE + SSIM + VGG", usual | plain),
        ],
        "2-D, section by section (not in the thesis)": [
            Cell("SRGAN", usual | plain | flat),
            Cell("ESRGAN", usual | flat | {"adversary": "relativistic"}),
        ],
    }


def _cell(*, slices: int, patch: tuple[int, int]) -> dict[str, Any]:
    return {"slices": slices, "patch": patch[0], "patch_z": patch[1], "blocks": 10}


def volumes_of(setting: Setting) -> tuple[list[Volume], list[Volume]]:
    """Return volumes to train on and to test on."""

    def some(seeds: range) -> list[Volume]:
        made = ((seed, vessels(shape=setting.shape, voxel_size=(0.5, 0.5, 0.5), seed=seed)) for seed in seeds)
        return [Volume(f"vessels_{seed}", scaled(each.observed, setting.shape)) for seed, each in made]

    return some(range(setting.train)), some(range(FIRST_TEST, FIRST_TEST + setting.test))


@dataclass(frozen=True)
class Trial:
    """What all cells share."""

    setting: Setting
    learning: list[Volume]
    scored: list[Volume]
    lpips: Lpips | None
    vgg: Path | None
    threads: int
    seed: int
    out: Path

    def classical(self, words: str) -> Outcome:
        """Return the scores of a method that learns nothing."""
        method, parameters = CLASSICAL[words]
        return self._kept({"method": words}, lambda: Outcome(self._score(method, parameters), 0.0))

    def learned(self, parameters: dict[str, Any]) -> Outcome:
        """Train a network and return its scores."""
        values = {**registry.get("rrdb_gan").presets["published"], **self.setting.network, **parameters}
        values |= {"perceptual": "random"} if self.vgg is None else {"vgg_weights": str(self.vgg)}

        def make() -> Outcome:
            with tempfile.TemporaryDirectory() as name:
                start = time.perf_counter()
                model = self._train(values, Path(name))
                taken = time.perf_counter() - start
                return Outcome(self._score("rrdb_gan", {"model": model}), taken)

        return self._kept({"seed": self.seed, **values, "vgg_weights": self.vgg is not None}, make)

    def runs(self) -> dict[str, list[float]]:
        """Return the PSNR of every test volume when one small model with scale=truth is run in several ways."""
        values = {**registry.get("rrdb_gan").presets["published"], **BRIGHT, "patch": self.setting.patches[0][0]}
        values["patch_z"] = self.setting.patches[0][1]

        def make() -> dict[str, list[float]]:
            with tempfile.TemporaryDirectory() as name:
                model = self._train(values, Path(name))
                found: dict[str, list[float]] = {words: [] for words in (*RUNS, "enlarge, no network")}
                for volume in self.scored:
                    known = {"truth_maximum": float(volume.dataset.voxels.max())}
                    for words, (own, bright) in RUNS.items():
                        given = {"model": model, **own, **(known if bright else {})}
                        found[words].append(score(words, "rrdb_gan", given, [volume], self.threads, None)[0].psnr)
                    plain = score("enlarge", "enlarge", {}, [volume], self.threads, None)[0].psnr
                    found["enlarge, no network"].append(plain)
            return found

        about = {"runs": values, "seed": self.seed, "setting": asdict(self.setting)}
        return remembered(self.out, about, make)

    def _train(self, values: dict[str, Any], folder: Path) -> Path:
        spec = registry.get("rrdb_gan")
        learner: Any = spec.create(spec.config(**values), Runtime("cpu", self.threads, self.seed))
        stacks = [each.dataset.stack() for each in self.learning]
        files = written(self.learning, folder)
        learner.train(TrainingData(stacks, files), folder / "model", resume=False, report=silent)
        return folder / "model"

    def _score(self, method: str, parameters: dict[str, Any]) -> list[Row]:
        return score(method, method, parameters, self.scored, self.threads, self.lpips)[1]

    def _kept(self, about: dict[str, Any], make: Callable[[], Outcome]) -> Outcome:
        about |= {"setting": asdict(self.setting), "lpips": self.lpips is not None}
        found = remembered(self.out, about, lambda: asdict(make()))
        return Outcome([Row(**row) for row in found["rows"]], found["seconds"])


SCORES = {"MSE": ("mse", 6), "PSNR": ("psnr", 2), "SSIM": ("ssim", 4), "LPIPS[mean]": ("lpips", 4)}


def table(cells: Sequence[Cell], outcomes: Sequence[Outcome]) -> str:
    """Return ours with intervals over volumes, and the paper's."""
    lines = []
    for cell, outcome in zip(cells, outcomes, strict=True):
        ours = [
            "n/a" if None in outcome.of(name) else with_interval(outcome.of(name), digits)
            for name, digits in SCORES.values()
        ]
        paper = "-" if cell.paper is None else "{:.6f} / {:.2f} / {:.4f} / {:.4f}".format(*cell.paper)
        sharpness = f"{np.mean(outcome.of('sharpness')):.3f}"
        lines.append([cell.words, *ours, sharpness, f"{outcome.seconds:.0f}" if outcome.seconds else "-", paper])
    header = ["", *SCORES, "sharpness", "training s", "paper: MSE / PSNR / SSIM / LPIPS"]
    return markdown_table(header, lines)


def orders(cells: Sequence[Cell], outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield for each score whether our order is the paper's, and every pair's difference with its interval."""
    for number, (words, (name, digits)) in enumerate(SCORES.items()):
        if any(cell.paper is None for cell in cells) or None in outcomes[0].of(name):
            continue
        paper = [cell.paper[number] for cell in cells if cell.paper is not None]
        ours = [outcome.of(name) for outcome in outcomes]
        same = [_pair(paper[i], paper[i + 1], ours[i], ours[i + 1]) for i in range(len(cells) - 1)]
        told = [
            f"{cells[i].words} to {cells[i + 1].words}: {np.mean(np.subtract(ours[i + 1], ours[i])):+.{digits}f} ± "
            f"{interval(np.subtract(ours[i + 1], ours[i]).tolist()):.{digits}f} ({verdict})"
            for i, verdict in enumerate(same)
        ]
        yield f"- {words}, differences within volumes: {'; '.join(told)}"


def _pair(paper: float, next_paper: float, ours: Sequence[float], next_ours: Sequence[float]) -> str:
    """Return whether two neighbouring lines stand in the paper's order; no order if the interval holds 0."""
    apart = np.subtract(next_ours, ours)
    if next_paper == paper:
        return "the paper's are equal"
    if abs(apart.mean()) <= interval(apart.tolist()):
        return "undecided"
    return "as in the paper" if np.sign(apart.mean()) == np.sign(next_paper - paper) else "against the paper"


def main() -> None:
    """Train, score, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--setting", choices=list(SETTINGS), default="small", help="full is for GPUs and days")
    parser.add_argument("--epochs", type=int, help="train longer or shorter than the setting says")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="tables whose title holds one of these words")
    parser.add_argument("--vgg-weights", type=Path, metavar="FILE", help="VGG16's weights; without: untrained VGG16")
    parser.add_argument("--lpips-weights", type=Path, metavar="FILE", help="AlexNet's weights, for LPIPS")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep finished cells here, and go on from them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    setting = SETTINGS[args.setting]
    if args.epochs:
        setting = replace(setting, network=setting.network | {"epochs": args.epochs})
    print(machine(), flush=True)
    lpips = None if args.lpips_weights is None else lpips_of(args.lpips_weights)
    learning, scored = volumes_of(setting)
    with tempfile.TemporaryDirectory() as name:  # cells that tables share are trained once
        out = args.out or Path(name)
        report(Trial(setting, learning, scored, lpips, args.vgg_weights, args.threads, args.seed, out), args.only)


def report(trial: Trial, only: Sequence[str] | None) -> None:
    """Print the tables that are asked for."""
    setting = trial.setting
    print(
        f"\n{setting.train} simulated volumes of {' x '.join(map(str, setting.shape))} to train on, {setting.test} to "
        f"test on; VGG16 {'untrained' if trial.vgg is None else 'as trained on ImageNet'}."
    )
    known = [Cell(words, {}) for words in CLASSICAL]
    print("\n4.1, without a network:\n\n" + table(known, [trial.classical(each.words) for each in known]), flush=True)
    for title, cells in tables(setting).items():
        if not wanted(title, only):
            continue
        outcomes = []
        for cell in cells:
            outcomes.append(trial.learned(cell.parameters))
            print(f"<!-- {title}: {cell.words}, {outcomes[-1].seconds:.0f} s -->", flush=True)
        print(f"\n{title}:\n\n{table(cells, outcomes)}\n", flush=True)
        print("\n".join(orders(cells, outcomes)), flush=True)
    if wanted("brightness", only):
        report_runs(trial)


def wanted(title: str, words: Sequence[str] | None) -> bool:
    """Return whether a table is asked for."""
    return not words or any(word in title for word in words)


def report_runs(trial: Trial) -> None:
    """Print what runs of a model with the published scale give, and how much too bright their inputs are."""
    bright = []
    for volume in trial.scored:
        fine = volume.dataset.voxels[0, 0]
        blocks = fine.reshape(*(part for size in fine.shape for part in (size // 4, 4)))
        bright.append(float(fine.max() / blocks.mean(axis=(1, 3, 5)).max()))
    rows = [[words, with_interval(values, 2)] for words, values in trial.runs().items()]
    print(f"\nbrightness: inputs {min(bright):.2f} to {max(bright):.2f} times too bright, a small faithful network:\n")
    print(markdown_table(["run", "PSNR"], rows), flush=True)


if __name__ == "__main__":
    main()
