"""SRCNN and the auto-encoder on simulated OCT: one noisy frame in, beside the mean of many frames.

Repeats the table of Yamashita (learning rates 0.0002 to 0.0006): 11 pairs, of which 6 to train on, 2 to validate and 3
to test. Beside them the published sigmoid output, what SRCNN learns from the noisy test images alone, and non-local
means of scikit-image, whose strength is chosen on training pairs. PSNR and SSIM with a data range of 1, mean over the
test images.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity
from skimage.restoration import denoise_nl_means

from _tools import machine, markdown_table, verdict
from napari_depth_interp import io
from napari_depth_interp.method import Runtime
from napari_depth_interp.nn.contract import Trainable, TrainingData
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.request import resolve, resolve_method
from napari_depth_interp.run.settings import Settings
from napari_depth_interp.simulate.oct import retina
from napari_depth_interp.stack import Dataset
from napari_depth_interp.training.reading import read_images

Image = NDArray[np.floating]
Score = tuple[float, float]

RATES = ("0.0002", "0.0003", "0.0004", "0.0005", "0.0006")
PAPER = {
    "cae": ("28.827 / .661", "28.222 / .623", "28.205 / .623", "27.941 / .601", "27.124 / .616"),
    "srcnn": ("35.054 / .942", "34.702 / .941", "34.772 / .942", "34.626 / .941", "34.796 / .942"),
}
"""PSNR / SSIM on the paper's own three test images, which are not public."""
SIZES = {"small": (339, 424), "paper": (678, 847)}
LEARNED_FROM, TESTED, FRAMES = 8, 3, 50
STRENGTHS = (0.03, 0.05, 0.07, 0.1, 0.14, 0.2)
"""Of non-local means: differences of patches, in parts of the data range, that count as noise."""
TARGET = 5.0
"""dB of SRCNN above the noisy image."""


@dataclass(frozen=True, eq=False)
class Scan:
    """One noisy frame and the mean of many, as stacks of one section."""

    noisy: Dataset
    averaged: Dataset

    @property
    def truth(self) -> Image:
        """The mean of many frames (Y, X)."""
        return np.asarray(self.averaged.voxels[0, 0, 0])

    @property
    def seen(self) -> Image:
        """The noisy frame (Y, X)."""
        return np.asarray(self.noisy.voxels[0, 0, 0])


def scans(size: tuple[int, int]) -> list[Scan]:
    """Return 11 pairs of different eyes, each a piece of 1.9 x 6 mm."""
    pixel = (30.0, 1900 / size[0], 6000 / size[1])
    eyes = (retina(shape=(1, *size), voxel_size=pixel, frames=FRAMES, seed=s) for s in range(LEARNED_FROM + TESTED))
    return [Scan(eye.noisy, eye.averaged) for eye in eyes]


def score(found: Sequence[Image], tests: Sequence[Scan]) -> Score:
    """Return the mean PSNR in dB and the mean SSIM (Wang 2004); data range 1."""
    psnr, ssim = [], []
    for image, test in zip(found, tests, strict=True):
        one, other = image.astype(np.float64), test.truth.astype(np.float64)
        psnr.append(-10 * np.log10(np.square(one - other).mean()))
        ssim.append(
            structural_similarity(
                one, other, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
            )
        )
    return float(np.mean(psnr)), float(np.mean(ssim))


def written(pairs: Sequence[Scan], folder: Path) -> TrainingData:
    """Write pairs as a user would, and read them again."""
    for name in ("noisy", "clean"):
        (folder / name).mkdir()
    for number, pair in enumerate(pairs):
        io.write(folder / "noisy" / f"{number}.tif", pair.noisy)
        io.write(folder / "clean" / f"{number}.tif", pair.averaged)
    return read_images(folder, Settings())


def enhanced(pairs: Sequence[Scan], method: str, **parameters: object) -> list[Image]:
    """Return the noisy images as a method enhances them, each by itself."""
    settings = Settings(method=method, parameters=parameters, threads=1)
    return [execute(resolve(pair.noisy, settings)).dataset.voxels[0, 0, 0] for pair in pairs]


def supervised(contender: str, rate: str, steps: int, data: TrainingData, tests: Sequence[Scan]) -> tuple[Score, float]:
    """Train a contender such as ``srcnn:output=sigmoid`` and return its score and the seconds of training."""
    method, *words = contender.split(":")
    given = {"training_steps": steps, "learning_rate": float(rate), **dict(word.split("=") for word in words)}
    spec, config = resolve_method(method, "balanced", given)
    learner = spec.create(config, Runtime("cpu", 1, 0))
    assert isinstance(learner, Trainable)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        learner.train(data, Path(folder), resume=False, report=lambda _: None)
        seconds = time.perf_counter() - start
        return score(enhanced(tests, method, model=folder), tests), seconds


def non_local_means(images: Sequence[Scan], strength: float) -> list[Image]:
    """Return the noisy images after scikit-image's non-local means."""
    return [
        denoise_nl_means(image.seen, h=strength, patch_size=5, patch_distance=8, fast_mode=True) for image in images
    ]


def beside(learn: Sequence[Scan], tests: Sequence[Scan]) -> list[list[str]]:
    """Return the rows of what learns from no pair."""
    rows = [["noisy image", cell(score([each.seen for each in tests], tests)), "-"]]
    few = learn[:3]
    best = max(STRENGTHS, key=lambda strength: score(non_local_means(few, strength), few)[0])
    start = time.perf_counter()
    found = score(non_local_means(tests, best), tests)
    rows.append([f"non-local means, h = {best:g}", cell(found), f"{time.perf_counter() - start:.0f}"])
    for method in ("srcnn", "cae"):
        start = time.perf_counter()
        found = score(enhanced(tests, method), tests)
        rows.append([f"{method}, noisy image alone", cell(found), f"{time.perf_counter() - start:.0f}"])
    return rows


def cell(found: Score) -> str:
    """Return PSNR / SSIM."""
    return f"{found[0]:.3f} / {found[1]:.3f}"


def published(method: str, rate: str) -> str:
    """Return the paper's figures, where it has them."""
    return PAPER[method][RATES.index(rate)] if rate in RATES else "-"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--setting", choices=list(SIZES), default="small", help="size of the images")
    parser.add_argument("--steps", type=int, default=2000, help="training steps of each network")
    parser.add_argument(
        "--rates", nargs="+", default=list(RATES), metavar="R", help="learning rates; default: the paper's"
    )
    parser.add_argument("--methods", nargs="+", default=["cae", "srcnn", "srcnn:output=sigmoid"])
    parser.add_argument("--only-pairs", action="store_true", help="leave out what needs no pairs")
    args = parser.parse_args()
    pairs = scans(SIZES[args.setting])
    learn, tests = pairs[:LEARNED_FROM], pairs[LEARNED_FROM:]
    height, width = SIZES[args.setting]
    print(f"{machine()}\n\n{len(pairs)} pairs of {height} x {width}, mean of {FRAMES} frames, {args.steps} steps\n")
    if not args.only_pairs:
        print(markdown_table(["without pairs", "PSNR / SSIM", "seconds"], beside(learn, tests)), "\n", flush=True)
    scores: dict[str, dict[str, Score]] = {name: {} for name in args.methods}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        data = written(learn, Path(folder))
        for name in args.methods:
            times = []
            for rate in args.rates:
                scores[name][rate], seconds = supervised(name, rate, args.steps, data, tests)
                times.append(seconds)
            rows.append([name, *(cell(scores[name][rate]) for rate in args.rates), f"{np.mean(times):.0f}"])
            if name in PAPER:
                rows.append([f"{name}, paper", *(published(name, rate) for rate in args.rates), "-"])
    print(markdown_table(["learning rate", *args.rates, "seconds each"], rows), "\n")
    judge(scores, score([each.seen for each in tests], tests))


def judge(scores: dict[str, dict[str, Score]], noisy: Score) -> None:
    """Say which targets are met."""
    if not {"srcnn", "cae"} <= scores.keys():
        return
    gains = [found[0] - noisy[0] for found in scores["srcnn"].values()]
    ahead = [scores["srcnn"][rate][0] - scores["cae"][rate][0] for rate in scores["srcnn"]]
    print(verdict(min(gains) >= TARGET, f"srcnn {TARGET:g} dB above the noisy image: {min(gains):+.1f} dB at least"))
    print(verdict(min(ahead) > 0, f"srcnn above cae at every rate: {min(ahead):+.1f} dB at least"))


if __name__ == "__main__":
    main()
