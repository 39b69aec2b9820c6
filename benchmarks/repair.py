"""Damage of every kind put into sound volumes: what is found, what is repaired, and how well.

    python benchmarks/repair.py [DIR] [--rounds N] [--method auto] [--only NAME ...] [--detect] [--out FOLDER]

DIR holds sound volumes (TIFF, NIfTI or OME-Zarr); without it volumes are simulated. In each round about one section of
each ten of a volume is damaged, never two within three sections, with every kind in turn; kind, strength and place come
from the seed. A kind counts as found where a section has that kind and no other; the PSNR is of the damaged sections
alone, in the range of percentiles 0.1 to 99.9 of the sound volume. Thresholds were never set on a single volume:
``--limits`` prints what each volume, left out, would have been judged by.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _tools import machine, markdown_table
from napari_depth_interp import io
from napari_depth_interp.damage.detect import examine
from napari_depth_interp.damage.kinds import KINDS
from napari_depth_interp.simulate import SPECIMENS, simulate
from napari_depth_interp.stack import Dataset

Section = NDArray[Any]
Random = np.random.Generator
_APART = 4
"""Damaged sections are at least so many sections apart, and from the ends."""
_STRONG = 0.3
"""Sections with less than this share of the volume's contrast are not damaged: nobody would see it."""


@dataclass(frozen=True, eq=False)
class Volume:
    """A sound volume: sections (Z, Y, X), and the range that PSNR is counted in."""

    name: str
    voxels: NDArray[Any]

    @property
    def span(self) -> tuple[float, float]:
        low, high = np.percentile(self.voxels, (0.1, 99.9))
        return float(low), float(high)

    @property
    def ceiling(self) -> float:
        """The value at which a detector would saturate."""
        return float(self.voxels.max()) if self.voxels.dtype.kind == "f" else self.span[1]


def volumes(folder: Path | None, only: list[str]) -> Iterator[Volume]:
    """Yield the volumes of a folder, or simulated ones."""
    if folder is None:
        for name in SPECIMENS:
            yield Volume(name, simulate(name, shape=(48, 160, 160), seed=1).observed.voxels[0, 0])
        return
    for path in sorted(folder.iterdir()):
        name = path.name.partition(".")[0]
        if path.name.endswith(tuple(io.SUFFIXES)) and (not only or name in only):
            voxels = np.asarray(io.read(path).voxels[0, 0])
            if len(voxels) >= 2 * _APART:
                yield Volume(name, voxels)


def stored(values: NDArray[Any], like: NDArray[Any], ceiling: float | None = None) -> Section:
    """Return values in the type of a section, rounded and clipped."""
    if like.dtype.kind == "f":
        return np.asarray(values, like.dtype)
    limits = np.iinfo(like.dtype)
    rounded = np.rint(np.clip(values, limits.min, limits.max if ceiling is None else ceiling))
    return np.asarray(rounded, like.dtype)


def missing(volume: Volume, k: int, random: Random) -> Section:
    """Constant, or almost black."""
    section = volume.voxels[k]
    value = random.choice([0.0, float(volume.voxels.min()), float(section.mean())])
    if random.random() < 0.3:
        return stored(value + random.normal(0, 0.02 * section.std(), section.shape), section)
    return np.full_like(section, value)


def duplicate(volume: Volume, k: int, random: Random) -> Section:
    """The section before or after."""
    return np.array(volume.voxels[k + int(random.choice([-1, 1]))])


def blur(volume: Volume, k: int, random: Random) -> Section:
    """Out of focus by 1.5 to 4 pixels."""
    from scipy.ndimage import gaussian_filter

    section = volume.voxels[k]
    return stored(gaussian_filter(section.astype(np.float64), random.uniform(1.5, 4)), section)


def brightness(volume: Volume, k: int, random: Random) -> Section:
    """Contrast 0.5 to 0.8 or 1.25 to 1.8 times, brightness by up to a fifth of the range."""
    section, (low, high) = volume.voxels[k], volume.span
    gain = random.choice([random.uniform(0.5, 0.8), random.uniform(1.25, 1.8)])
    return stored((section - low) * gain + low + random.uniform(-0.1, 0.2) * (high - low), section)


def saturated(volume: Volume, k: int, random: Random) -> Section:
    """Exposed so long that 10 to 60 % of the pixels reach the highest value."""
    section, (low, _) = volume.voxels[k].astype(np.float64), volume.span
    full = volume.ceiling
    reached = np.quantile(section, 1 - random.uniform(0.1, 0.6))
    gain = (full - low) / max(float(reached) - low, 1e-3 * (full - low))
    return stored(np.minimum((section - low) * gain + low, full), volume.voxels[k])


def partial(volume: Volume, k: int, random: Random) -> Section:
    """A black edge, a black box or a slanting tear, 4 to 50 % of the area."""
    section = np.array(volume.voxels[k])
    rows, columns = section.shape
    y, x = np.mgrid[:rows, :columns]
    shape = random.integers(3)
    if shape == 0:
        lost = (y if random.random() < 0.5 else x) < random.uniform(0.1, 0.5) * rows
    elif shape == 1:
        height, width = (random.uniform(0.2, 0.6, 2) * section.shape).astype(int)
        top, left = random.integers(rows - height), random.integers(columns - width)
        lost = (y >= top) & (y < top + height) & (x >= left) & (x < left + width)
    else:
        slope, half = random.uniform(-0.7, 0.7), random.uniform(0.02, 0.06) * rows
        lost = np.abs(y - rows * random.uniform(0.3, 0.7) - slope * (x - columns / 2)) < half
    section[lost] = random.choice([0.0, float(volume.voxels.min())])
    return section


def shift(volume: Volume, k: int, random: Random) -> Section:
    """Moved sideways by 2 to 8 pixels; what comes in is black, or the edge continued."""
    from scipy.ndimage import shift as moved

    section = volume.voxels[k]
    angle, far = random.uniform(0, 2 * np.pi), random.uniform(2, 8)
    mode = random.choice(["nearest", "constant", "reflect"])
    by = far * np.sin(angle), far * np.cos(angle)
    fill = float(volume.voxels.min())
    return stored(moved(section.astype(np.float64), by, order=1, mode=mode, cval=fill), section)


def stripes(volume: Volume, k: int, random: Random) -> Section:
    """Rows or columns brighter or darker: at random, in a wave, or every few."""
    section, (low, high) = volume.voxels[k].astype(np.float64), volume.span
    axis = int(random.integers(2))
    count, height = section.shape[axis], random.uniform(0.05, 0.2) * (high - low)
    period = random.uniform(4, 16)
    profile = [
        random.normal(0, height, count),
        height * np.sqrt(2) * np.sin(2 * np.pi * np.arange(count) / period),
        2 * height * (np.arange(count) % int(period) == 0),
    ][random.integers(3)]
    return stored(section + np.expand_dims(profile, 1 - axis), volume.voxels[k])


INJECTED: dict[str, Callable[[Volume, int, Random], Section]] = {
    "missing": missing, "duplicate": duplicate, "saturated": saturated, "shift": shift, "partial": partial,
    "stripes": stripes, "brightness": brightness, "blur": blur,
}  # fmt: skip


def damaged(volume: Volume, random: Random) -> tuple[NDArray[Any], dict[int, str]]:
    """Return a volume with damage, and which section has which."""
    contrast = volume.voxels.std((1, 2))
    seen = contrast > _STRONG * np.quantile(contrast, 0.75)
    seen = seen & np.roll(seen, 1) & np.roll(seen, -1)
    free = [int(k) for k in np.flatnonzero(seen) if 2 <= k < len(seen) - 2]
    found, kinds = volume.voxels.copy(), list(random.permutation(list(INJECTED)))
    wanted = max(1, len(volume.voxels) // 10)
    truth: dict[int, str] = {}
    for k in random.permutation(free):
        if len(truth) < wanted and all(abs(k - other) >= _APART for other in truth):
            kind = str(kinds[len(truth) % len(kinds)])
            made = INJECTED[kind](volume, int(k), random)
            if _visible(made, volume.voxels[k], volume.span):
                found[k], truth[int(k)] = made, kind
    return found, truth


def _visible(made: Section, section: Section, span: tuple[float, float]) -> bool:
    """Whether anything was changed that is worth a repair: 0.2 % of the range, or what was lost is black already."""
    change = np.abs(made.astype(np.float64) - section)
    return bool(np.sqrt(np.mean(change**2)) > 2e-3 * (span[1] - span[0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="sound volumes; default: simulated ones")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--method", default="auto")
    parser.add_argument("--only", nargs="+", default=[], help="names of volumes")
    parser.add_argument("--detect", action="store_true", help="do not repair")
    given = parser.parse_args()
    print(machine())
    run(list(volumes(given.folder, given.only)), given.rounds)


def run(chosen: list[Volume], rounds: int) -> None:
    hits: Counter[str] = Counter()
    told: Counter[str] = Counter()
    put: Counter[str] = Counter()
    confused: Counter[tuple[str, str]] = Counter()
    false: Counter[str] = Counter()
    sound = 0
    for volume in chosen:
        start = time.process_time()
        clean = examine(Dataset.from_array(volume.voxels))
        false[volume.name] += len({each.index for each in clean.found})
        sound += len(volume.voxels)
        print(
            volume.name,
            f"{time.process_time() - start:.1f} s",
            [(e.index, e.kind, round(e.score, 3), e.detail) for e in clean.found],
            file=sys.stderr,
        )
        for number in range(rounds):
            random = np.random.default_rng([number, *map(ord, volume.name)])
            voxels, truth = damaged(volume, random)
            found = {each.index: each for each in examine(Dataset.from_array(voxels)).found}
            put.update(truth.values())
            for k, each in found.items():
                told[each.kind] += 1
                hits[each.kind] += truth.get(k) == each.kind
                if truth.get(k) != each.kind:
                    print(
                        volume.name,
                        number,
                        k,
                        truth.get(k, "sound"),
                        "->",
                        each.kind,
                        f"{each.score:.3g}/{each.threshold:.3g}",
                        each.detail,
                        file=sys.stderr,
                    )
                confused[truth.get(k, "sound"), each.kind] += 1
            for k in truth.keys() - found.keys():
                confused[truth[k], "-"] += 1
                print(volume.name, number, k, truth[k], "-> nothing", file=sys.stderr)
    rows = [
        [kind, put[kind], f"{hits[kind] / max(1, put[kind]):.3f}", f"{hits[kind] / max(1, told[kind]):.3f}"]
        for kind in KINDS
    ]
    print(markdown_table(["kind", "put in", "recall", "precision"], rows))
    print(f"{sum(false.values())} false alarms in {sound} sound sections")
    print({k: v for k, v in confused.items() if k[0] != k[1]})


if __name__ == "__main__":
    main()
