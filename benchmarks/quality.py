"""Every method that needs no training, on hidden sections of all volumes of a folder, beside linear interpolation.

Prints one table per gap and writes a CSV. Without a folder it scores the four simulated specimens.
Volumes are cropped around their centre and scaled by their maximum, sections along z. With AlexNet's weights
(``--lpips-weights``) also LPIPS, the mean over hidden sections.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from _tools import machine, markdown_table
from napari_depth_interp import io
from napari_depth_interp.evaluation.evaluate import LpipsChoice, MethodScores, evaluate
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.methods import registry
from napari_depth_interp.run.settings import Settings
from napari_depth_interp.simulate import SPECIMENS, simulate
from napari_depth_interp.stack import Dataset, Grid

BASELINE = "linear"
CLASSICAL = ("nearest", "linear", "cubic")
HOUNSFIELD = (-1000.0, 1000.0)
FIELDS = (
    "volume", "keep_every", "method", "psnr", "ssim", "lpips", "psnr_fg", "gain", "gain_fg", "gain_over_classical",
    "expected_gain", "coverage_90", "spearman",
    "seconds", "peak_memory_mb",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Volume:
    """A volume to score, 0 to 1."""

    name: str
    dataset: Dataset


def volumes(folder: Path | None, crop: Sequence[int]) -> Iterator[Volume]:
    """Yield the volumes of a folder (more than one section), or the simulated specimens."""
    if folder is None:
        for name in SPECIMENS:
            yield Volume(name, scaled(simulate(name).observed, crop))
        return
    for path in sorted(folder.iterdir()):
        if io.format_of(path) is not None:
            dataset = io.read(path, axis="z")
            if dataset.voxels.shape[2] > 1:
                yield Volume(path.name.split(".")[0], scaled(dataset, crop))


def scaled(dataset: Dataset, crop: Sequence[int]) -> Dataset:
    """Return the centre of the first channel and time point, scaled to 0..1; CT is clipped to -1000..1000 before."""
    voxels = dataset.voxels[0, 0].astype(np.float32)
    if dataset.voxels.dtype.kind == "i" and voxels.min() <= -500:
        voxels = voxels.clip(*HOUNSFIELD)
    start = [max(0, (size - wanted) // 2) for size, wanted in zip(voxels.shape, crop, strict=True)]
    centre = tuple(slice(a, a + wanted) for a, wanted in zip(start, crop, strict=True))
    voxels = voxels[centre] - voxels[centre].min()
    spacing = dataset.grid.spacing or 1.0
    depths = np.arange(len(voxels), dtype=np.float64) * spacing
    grid = replace(dataset.grid, depths=depths, origin=(0.0, 0.0))
    return Dataset((voxels / voxels.max())[None, None], grid if dataset.grid.unit else Grid(depths))


def score(
    volume: Volume, methods: Sequence[str], every: int, settings: Settings, lpips: LpipsChoice | None = None
) -> list[dict[str, Any]]:
    """Return one row per method."""
    protocol = Protocol("keep_every", every=every)
    scored = {}
    for name in methods:
        method, *parameters = name.split(":")
        own = settings.model_copy(update={"method": method, "parameters": dict(each.split("=") for each in parameters)})
        found = evaluate(volume.dataset, [method], protocol, own, data_range=(0.0, 1.0), lpips=lpips).methods[0]
        print(f"{volume.name}, {every}: {name} {found.volume['psnr']:.2f} dB, {found.seconds:.0f} s", file=sys.stderr)
        scored[name] = found
    linear = scored[BASELINE]
    best = max((scored[name] for name in CLASSICAL if name in scored), key=lambda each: each.volume["psnr"] or 0.0)
    return [_row(volume, every, name, each, linear, best) for name, each in scored.items()]


def _row(
    volume: Volume, every: int, name: str, each: MethodScores, linear: MethodScores, best: MethodScores
) -> dict[str, Any]:
    foreground = [scores.volume["psnr_fg"] or 0.0 for scores in (each, linear)]
    return {
        "volume": volume.name,
        "keep_every": every,
        "method": name,
        "psnr": each.volume["psnr"],
        "ssim": each.mean["ssim"],
        "lpips": each.mean.get("lpips"),
        "psnr_fg": each.volume["psnr_fg"],
        "gain": each.gain_over(linear),
        "gain_fg": foreground[0] - foreground[1],
        "gain_over_classical": each.gain_over(best),
        "expected_gain": each.expected_gain_db,
        **(each.uncertainty or {"coverage_90": None, "spearman": None}),
        "seconds": each.seconds,
        "peak_memory_mb": each.peak_memory_mb,
    }


def table(rows: Sequence[dict[str, Any]], methods: Sequence[str]) -> str:
    """Return PSNR / SSIM (/ LPIPS) of each method per volume, the gains over linear, their mean and the worst."""
    names = list(dict.fromkeys(row["volume"] for row in rows))
    cells = {(row["volume"], row["method"]): row for row in rows}
    learned = [name for name in methods if name != BASELINE]
    scored = "dB / SSIM" if all(row["lpips"] is None for row in rows) else "dB / SSIM / LPIPS"
    header = ["volume", *(f"{name} {scored}" for name in methods), *(f"{name} gain" for name in learned), "seconds"]
    lines = []
    for name in names:
        found = [cells[name, method] for method in methods]
        gains = [f"{cells[name, method]['gain']:+.2f}" for method in learned]
        times = " ".join(f"{row['seconds']:.1f}" for row in found)
        lines.append([name, *(_cell([row], np.mean, np.mean) for row in found), *gains, times])
    for title, how, lpips in (("mean", np.mean, np.mean), ("worst", np.min, np.max)):
        means = [_cell([cells[name, method] for name in names], how, lpips) for method in methods]
        gains = [f"{how([cells[name, method]['gain'] for name in names]):+.2f}" for method in learned]
        lines.append([f"**{title}**", *means, *gains, ""])
    return markdown_table(header, lines)


def _cell(rows: Sequence[dict[str, Any]], how: Callable[..., Any], lpips: Callable[..., Any]) -> str:
    """Return PSNR and SSIM of some rows as one (``how``), and LPIPS where it is known (``lpips``)."""
    known = [row["lpips"] for row in rows if row["lpips"] is not None]
    words = f"{how([row['psnr'] for row in rows]):.2f} / {how([row['ssim'] for row in rows]):.3f}"
    return f"{words} / {lpips(known):.3f}" if known else words


def self_knowledge(rows: Sequence[dict[str, Any]]) -> str:
    """Return how well methods predicted their gain and their errors, and their gain on the foreground."""
    own = [row for row in rows if row["expected_gain"] is not None and row["coverage_90"] is not None]
    if not own:
        return ""
    lines = [
        [row["volume"], row["method"], f"{row['gain']:+.2f}", f"{row['expected_gain']:+.2f}",
         f"{row['gain_fg']:+.2f}", f"{row['gain_over_classical']:+.2f}", f"{100 * row['coverage_90']:.1f}",
         f"{row['spearman'] or 0:.2f}", f"{row['peak_memory_mb']:.0f}"]
        for row in own
    ]  # fmt: skip
    off = np.mean([abs(row["expected_gain"] - row["gain"]) for row in own])
    means = [
        np.mean([row[name] or 0 for row in own])
        for name in ("gain_fg", "gain_over_classical", "coverage_90", "spearman")
    ]
    lines.append(
        ["**mean**", "", "", f"off by {off:.2f}", f"{means[0]:+.2f}", f"{means[1]:+.2f}", f"{100 * means[2]:.1f}",
         f"{means[3]:.2f}", ""]
    )  # fmt: skip
    header = [
        "volume", "method", "gain", "expected", "foreground gain", "over best classical", "in 90 % interval, %",
        "rank correlation", "peak MB",
    ]  # fmt: skip
    return "\n\n" + markdown_table(header, lines)


def main() -> None:
    """Print the tables and write the CSV."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path, metavar="DIR", help="folder of TIFF and NIfTI volumes")
    parser.add_argument("--keep-every", type=int, nargs="+", default=[2, 4, 8], metavar="K")
    parser.add_argument(
        "--methods",
        nargs="+",
        default=None,
        help="default: all that need no training; with parameters as cubic:kind=spline",
    )
    parser.add_argument("--preset", default="balanced", choices=["fast", "balanced", "best"])
    parser.add_argument("--crop", type=int, nargs=3, default=(97, 160, 160), metavar=("Z", "Y", "X"))
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write every figure to a CSV file")
    parser.add_argument("--lpips-weights", type=Path, metavar="FILE", help="AlexNet's weights, for LPIPS")
    args = parser.parse_args()
    lpips = None if args.lpips_weights is None else LpipsChoice("alex", args.lpips_weights)
    methods = args.methods or [spec.name for spec in registry.specs() if not (spec.needs_model or spec.enhances)]
    methods = list(dict.fromkeys([BASELINE, *methods]))
    print(machine(), flush=True)
    everything = []
    for every in args.keep_every:
        rows = []
        for volume in volumes(args.data, args.crop):
            if volume.dataset.voxels.shape[2] > every:
                rows += score(volume, methods, every, Settings(preset=args.preset), lpips)
        everything += rows
        print(
            f"\nKeep every {every}, pooled PSNR, mean SSIM, gain over linear in dB:\n\n"
            f"{table(rows, methods)}{self_knowledge(rows)}",
            flush=True,
        )
    if args.csv is not None:
        with args.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(everything)


if __name__ == "__main__":
    main()
