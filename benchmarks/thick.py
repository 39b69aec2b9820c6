"""Sections of known thickness: what it is worth to know the slice profile, to estimate it, or to ignore it.

Dense volumes are averaged along z by a profile (a box or a Gaussian; half, once and one and a half times the distance
of the sections that are kept), every 4th section is shown, and new sections are compared with the averaged ones at
their depths.
Prints a table: gain over linear interpolation for each profile, the mean and the worst of the volumes.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import correlate1d

from _tools import machine, markdown_table, remembered
from napari_depth_interp.evaluation.evaluate import evaluate
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.run.settings import Settings
from napari_depth_interp.stack import Dataset
from napari_depth_interp.stack.profile import Profile, ProfileKind
from quality import Volume, volumes

EVERY = 4
PROFILES = ("box:0.5", "box:1", "box:1.5", "gaussian:0.5", "gaussian:1", "gaussian:1.5")
"""Slice profiles, and thicknesses over the distance of the sections that are kept."""
ARMS = ("known", "estimated", "automatic", "ignored")
"""Told the profile; told to estimate; told nothing, so that the method looks for a blur; told to take sections
to be thin."""
FIELDS = ("volume", "profile", "times", "linear", *ARMS)


def averaged(volume: Volume, profile: Profile, sections: int) -> Dataset:
    """Return the middle of a volume whose sections are as thick as a profile says."""
    dataset = volume.dataset
    spacing = dataset.grid.spacing or 1.0
    whole = correlate1d(dataset.voxels[0, 0], profile.kernel(spacing), axis=0, mode="nearest")
    count = min(sections, (len(whole) - 1) // EVERY * EVERY + 1)
    first = (len(whole) - count) // 2
    depths = np.arange(count, dtype=np.float64) * spacing
    return replace(dataset, voxels=whole[None, None, first : first + count], grid=replace(dataset.grid, depths=depths))


def settings_of(arm: str, profile: Profile, method: str, preset: str) -> Settings:
    """Return how a method is run in an arm."""
    told: dict[str, Any] = {"thickness": {"estimated": "estimate"}.get(arm, "none")}
    if arm == "known":
        told = {"thickness": f"{profile.thickness:.9g}", "profile": profile.kind}
    if arm == "ignored" and method == "section_sr":
        told["parameters"] = {"axial_blur": 0.0}
    return Settings(method=method, preset=preset, threads=1, device="cpu", **told)


def scored(volume: Volume, profile: Profile, arm: str, chosen: argparse.Namespace) -> list[float]:
    """Return the PSNR of linear interpolation, and the gain over it of a method in an arm."""
    dataset, protocol = averaged(volume, profile, chosen.crop[0]), Protocol("keep_every", every=EVERY)
    settings = settings_of(arm, profile, chosen.method, chosen.preset)
    linear, found = evaluate(dataset, ["linear", chosen.method], protocol, settings, data_range=(0.0, 1.0)).methods
    gain = found.gain_over(linear)
    print(f"{volume.name}, {profile}: {arm} {gain:+.2f} dB, {found.seconds:.0f} s", file=sys.stderr, flush=True)
    return [linear.volume["psnr"] or 0.0, gain or 0.0]


def profile_of(words: str) -> tuple[ProfileKind, float]:
    """Read ``box:0.5``."""
    kind, times = words.split(":")
    return "box" if kind == "box" else "gaussian", float(times)


def rows_of(chosen: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield one row for each volume and profile."""
    about = {"method": chosen.method, "preset": chosen.preset, "crop": chosen.crop}
    for volume in volumes(chosen.data, (10_000, *chosen.crop[1:])):  # what lies above and below is part of sections
        if chosen.volumes and not any(word in volume.name for word in chosen.volumes):
            continue
        for words in chosen.profiles:
            kind, times = profile_of(words)
            profile = Profile(kind, times * EVERY * (volume.dataset.grid.spacing or 1.0))
            row: dict[str, Any] = {"volume": volume.name, "profile": kind, "times": times}
            for arm in chosen.arms:
                case = about | {"volume": volume.name, "kind": kind, "times": times, "arm": arm}
                row["linear"], row[arm] = remembered(chosen.keep, case, partial(scored, volume, profile, arm, chosen))
            yield row


def table(rows: Sequence[dict[str, Any]], arms: Sequence[str]) -> str:
    """Return mean and worst gain of each arm for each profile, and how far the others are from the first."""
    lines = []
    cases = list(dict.fromkeys((row["profile"], row["times"]) for row in rows))
    for kind, times in [*cases, ("all", 0.0)]:
        some = [row for row in rows if kind == "all" or (row["profile"], row["times"]) == (kind, times)]
        gains = [np.array([row[arm] for row in some]) for arm in arms]
        cells = [f"{each.mean():+.2f} ({each.min():+.2f})" for each in gains]
        apart = [f"{(each - gains[0]).mean():+.2f} ({(each - gains[0]).min():+.2f})" for each in gains[1:]]
        lines.append([f"{kind}, {times:g}" if kind != "all" else "**all**", *cells, *apart])
    header = ["profile, over the distance", *arms, *(f"{arm} - {arms[0]}" for arm in arms[1:])]
    return markdown_table(header, lines)


def main() -> None:
    """Print the table and write the CSV."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path, metavar="DIR", help="folder of TIFF and NIfTI volumes")
    parser.add_argument("--volumes", nargs="+", metavar="WORD", help="only volumes whose names hold one of these")
    parser.add_argument("--method", default="section_sr")
    parser.add_argument("--preset", default="fast", choices=["fast", "balanced", "best"])
    parser.add_argument("--profiles", nargs="+", default=PROFILES, choices=PROFILES)
    parser.add_argument("--arms", nargs="+", default=ARMS, choices=ARMS)
    parser.add_argument("--crop", type=int, nargs=3, default=(49, 96, 96), metavar=("Z", "Y", "X"))
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep what was measured there, to go on with it")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write every figure to a CSV file")
    args = parser.parse_args()
    print(machine(), flush=True)
    rows = list(rows_of(args))
    print(f"\nKeep every {EVERY}, {args.method} {args.preset}, gain over linear in dB, mean (worst):\n\n"
          f"{table(rows, args.arms)}")  # fmt: skip
    if args.csv is not None:
        with args.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, FIELDS, restval="")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
