"""Damage of every kind, put into sound sections; kind, strength and place come from random numbers with a seed."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _beds import Volume

Section = NDArray[Any]
Random = np.random.Generator
_APART = 4
"""Damaged sections are at least so many sections apart, and from the ends."""
_STRONG = 0.3
"""Sections with less than this share of the volume's contrast are not damaged: nobody would see it."""


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

    section, by = volume.voxels[k], displacement(random)
    mode = random.choice(["nearest", "constant", "reflect"])
    fill = float(volume.voxels.min())
    return stored(moved(section.astype(np.float64), by, order=1, mode=mode, cval=fill), section)


def displacement(random: Random) -> tuple[float, float]:
    """Rows and columns by which a section is shifted."""
    angle, far = random.uniform(0, 2 * np.pi), random.uniform(2, 8)
    return float(far * np.sin(angle)), float(far * np.cos(angle))


def stripes(volume: Volume, k: int, random: Random) -> Section:
    """Rows or columns brighter or darker: at random, in a wave, or every few; added, or as gains."""
    section, (low, high) = volume.voxels[k].astype(np.float64), volume.span
    axis = int(random.integers(2))
    count, height = section.shape[axis], random.uniform(0.05, 0.2) * (high - low)
    period = random.uniform(4, 16)
    profile = [
        random.normal(0, height, count),
        height * np.sqrt(2) * np.sin(2 * np.pi * np.arange(count) / period),
        2 * height * (np.arange(count) % int(period) == 0),
    ][random.integers(3)]
    heights = np.expand_dims(profile, 1 - axis)
    if random.random() < 0.5:
        return stored(section + heights, volume.voxels[k])
    return stored(low + (section - low) * np.maximum(1 + 3 * heights / (high - low), 0.1), volume.voxels[k])


INJECTED: dict[str, Callable[[Volume, int, Random], Section]] = {
    "missing": missing, "duplicate": duplicate, "saturated": saturated, "shift": shift, "partial": partial,
    "stripes": stripes, "brightness": brightness, "blur": blur,
}  # fmt: skip


UNSATURATED = ("brightness", "stripes")
"""Kinds that are to leave no pixels at the highest value."""


@dataclass(frozen=True, eq=False)
class Damaged:
    """A volume with damage: of which kind by section, and by how many rows and columns those were shifted that were."""

    voxels: NDArray[Any]
    truth: dict[int, str]
    moved: dict[int, tuple[float, float]]


def damaged(volume: Volume, random: Random) -> Damaged:
    """Put damage into a volume."""
    contrast = volume.voxels.std((1, 2))
    seen = contrast > _STRONG * np.quantile(contrast, 0.75)
    seen = seen & np.roll(seen, 1) & np.roll(seen, -1)
    free = [int(k) for k in np.flatnonzero(seen) if 2 <= k < len(seen) - 2]
    found, kinds = volume.voxels.copy(), list(random.permutation(list(INJECTED)))
    wanted = max(1, len(volume.voxels) // (10 if volume.bed == "recorded" else 8))
    truth: dict[int, str] = {}
    moved: dict[int, tuple[float, float]] = {}
    for k in random.permutation(free):
        if len(truth) < wanted and all(abs(k - other) >= _APART for other in truth):
            kind = str(kinds[len(truth) % len(kinds)])
            before = deepcopy(random)
            made = INJECTED[kind](volume, int(k), random)
            section = volume.voxels[k]
            if _visible(made, section, volume.span) and not (kind in UNSATURATED and _saturates(made, section)):
                found[k], truth[int(k)] = made, kind
                moved |= {int(k): displacement(before)} if kind == "shift" else {}
    return Damaged(found, truth, moved)


def _saturates(made: Section, section: Section) -> bool:
    """Whether it is another kind of damage now: one pixel in twenty more at a value that none exceeds."""
    full = made.max()
    return bool((made == full).mean() > 0.05 + (section == full).mean())


def _visible(made: Section, section: Section, span: tuple[float, float]) -> bool:
    """Whether anything was changed that is worth a repair: 0.2 % of the range, or what was lost is black already."""
    change = np.abs(made.astype(np.float64) - section)
    return bool(np.sqrt(np.mean(change**2)) > 2e-3 * (span[1] - span[0]))
