"""Damage of every kind put into sound volumes: what is found, what is repaired, and how well.

    python benchmarks/repair.py [DIR] [--rounds N] [--method auto] [--preset fast] [--only NAME ...] [--detect]

DIR holds sound volumes (TIFF, NIfTI or OME-Zarr); without it volumes are simulated. In each round about one section of
each ten of a volume is damaged, never two within three sections, with every kind in turn; kind, strength and place come
from the seed. A kind counts as found where a section is said to have that kind; the PSNR is of the damaged sections
that were repaired, in the range of percentiles 0.1 to 99.9 of the sound volume, and linear interpolation gets sound
neighbours. One table says how each volume would be judged if thresholds came from the other volumes alone.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _tools import machine, markdown_table, verdict
from napari_depth_interp import io
from napari_depth_interp.damage.detect import examine
from napari_depth_interp.damage.examination import Examination
from napari_depth_interp.damage.execute import execute_repair
from napari_depth_interp.damage.kinds import KINDS
from napari_depth_interp.damage.request import resolve_repair
from napari_depth_interp.damage.settings import make_repair_settings
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


@dataclass(eq=False)
class Tally:
    """What was put in, found and repaired, over all volumes and rounds."""

    put: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    false: int = 0
    sound: int = 0
    gains: list[tuple[str, str, str, float, float, float]] = field(default_factory=list)
    clean: dict[str, dict[str, float]] = field(default_factory=dict)
    damaged: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def count(self, truth: dict[int, str], found: dict[int, str]) -> None:
        """Count what was found where damage was put in."""
        self.put.update(truth.values())
        self.told.update(found.values())
        self.right.update(kind for k, kind in found.items() if truth.get(k) == kind)


def over(examination: Examination, k: int) -> dict[str, float]:
    """Return how many times each score of a section is over its threshold."""
    found = {name: values[k] / examination.thresholds[name] for name, values in examination.scores.items()}
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def look(volume: Volume, number: int, tally: Tally, given: argparse.Namespace) -> None:
    """Put damage into a volume, look for it, repair it, and count."""
    random = np.random.default_rng([number, *map(ord, volume.name)])
    voxels, truth = damaged(volume, random)
    settings = make_repair_settings(method=given.method, preset=given.preset, threads=given.threads)
    request = resolve_repair(Dataset.from_array(voxels), settings)
    found = {each.index: each.kind for each in request.examination.found}
    tally.count(truth, found)
    tally.damaged[volume.name] += [over(request.examination, k) for k in truth]
    for k in sorted(truth.keys() | found.keys()):
        if truth.get(k) != found.get(k):
            print(volume.name, number, k, truth.get(k, "sound"), "->", found.get(k, "nothing"), file=sys.stderr)
    if given.detect:
        return
    result = execute_repair(request)
    for entry in result.sections:
        k = entry["index"]
        if k in truth and entry["action"] != "leave":
            plain = (volume.voxels[k - 1].astype(np.float64) + volume.voxels[k + 1]) / 2
            scores = [psnr(made, volume, k) for made in (voxels[k], plain, np.asarray(result[k]))]
            tally.gains.append((volume.name, truth[k], entry["action"], *scores))


def psnr(section: Section, volume: Volume, k: int) -> float:
    """Return the PSNR of a section in the range of the volume; 99 dB at most."""
    low, high = volume.span
    error = float(np.mean((section.astype(np.float64) - volume.voxels[k]) ** 2))
    return float(min(99.0, 10 * np.log10((high - low) ** 2 / max(error, 1e-12))))


def look_at_sound(volume: Volume, tally: Tally) -> None:
    """Count what is taken for damage in a sound volume."""
    examination = examine(Dataset.from_array(volume.voxels))
    highest: dict[str, float] = defaultdict(float)
    for k in range(len(volume.voxels)):
        for name, value in over(examination, k).items():
            highest[name] = max(highest[name], value)
    tally.clean[volume.name], tally.damaged[volume.name] = dict(highest), []
    tally.false += len({each.index for each in examination.found})
    tally.sound += len(volume.voxels)
    for each in examination.found:
        print(volume.name, each.index, "sound ->", each.kind, f"{each.severity:.2f}", each.detail, file=sys.stderr)


def report(tally: Tally) -> None:
    """Print all tables, and which targets are met."""
    rows = []
    for kind in KINDS:
        recall, precision = (tally.right[kind] / max(1, each[kind]) for each in (tally.put, tally.told))
        rows.append([kind, tally.put[kind], f"{recall:.3f}", f"{precision:.3f}"])
        least = 0.95 if kind in ("missing", "duplicate", "saturated", "partial") else 0.9
        print(verdict(min(recall, precision) >= least, f"{kind}: recall and precision at least {least}"))
    print(markdown_table(["kind", "put in", "recall", "precision"], rows))
    allowed = tally.sound / 200
    print(verdict(tally.false <= allowed, f"{tally.false} false alarms in {tally.sound} sound sections, {allowed:.1f}"))
    report_left_out(tally)
    if tally.gains:
        report_gains(tally)


def report_left_out(tally: Tally) -> None:
    """Print how each volume is judged if thresholds are as low as the *other* sound volumes allow."""
    rows = []
    for name, highest in tally.clean.items():
        others = [each for other, each in tally.clean.items() if other != name]
        limits = {kind: 1.1 * max((each.get(kind, 0.0) for each in others), default=1.0) for kind in KINDS}
        false = sum(highest.get(kind, 0.0) >= limits[kind] > 0 for kind in KINDS)
        seen = [any(value >= limits[kind] for kind, value in each.items()) for each in tally.damaged[name]]
        rows.append([name, false, f"{np.mean(seen):.3f}" if seen else "-"])
    print(markdown_table(["volume, left out", "kinds with false alarms", "damaged sections seen"], rows))


def report_gains(tally: Tally) -> None:
    """Print what the repair is worth, by kind, in dB."""
    rows = []
    for kind in (*KINDS, "all"):
        chosen = [each for each in tally.gains if kind in (each[1], "all")]
        if chosen:
            before, plain, after = np.array([each[3:] for each in chosen]).T
            gain = after - plain
            rows.append(
                [kind, len(chosen), *(f"{np.mean(each):.1f}" for each in (before, plain, after)), f"{gain.mean():+.2f}",
                 f"{gain.min():+.2f}", int((gain < -0.1).sum())]
            )  # fmt: skip
    header = [
        "kind",
        "sections",
        "left, dB",
        "linear, dB",
        "repaired, dB",
        "over linear",
        "worst",
        "0.1 dB below linear",
    ]
    print(markdown_table(header, rows))
    gains = np.array([after - plain for *_, plain, after in tally.gains])
    print(verdict(gains.mean() >= 1, f"repaired sections 1 dB over linear on average: {gains.mean():+.2f} dB"))
    print(verdict(gains.min() >= -0.1, f"none more than 0.1 dB below linear: {gains.min():+.2f} dB"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="sound volumes; default: simulated ones")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--method", default="auto")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--crop", type=int, help="centre of each volume, so many rows and columns")
    parser.add_argument("--only", nargs="+", default=[], help="names of volumes")
    parser.add_argument("--detect", action="store_true", help="do not repair")
    given = parser.parse_args()
    print(machine())
    tally = Tally()
    for volume in volumes(given.folder, given.only):
        part = volume if given.crop is None else cropped(volume, given.crop)
        look_at_sound(part, tally)
        for number in range(given.rounds):
            look(part, number, tally, given)
    report(tally)


def cropped(volume: Volume, size: int) -> Volume:
    """Return the centre of the sections of a volume."""
    first = [max(0, (each - size) // 2) for each in volume.voxels.shape[1:]]
    rows, columns = (slice(each, each + size) for each in first)
    return Volume(volume.name, np.ascontiguousarray(volume.voxels[:, rows, columns]))


if __name__ == "__main__":
    main()
