"""The cases of the proving ground: crops, axes and scales of real volumes, and simulated tissue of many kinds."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_depth_interp import io
from napari_depth_interp.simulate import SPECIMENS
from napari_depth_interp.stack import Grid, Stack
from proving_kinds import KINDS, SPOILT, any_optics, drifted, imaged, spoilt

EVERY = (2, 4, 8)
WHOLE = "whole"
"""Variant of a volume as it is."""
_SECTIONS = {2: 33, 4: 57, 8: 81}
_SIDE = 80
_FEWEST = {2: 25, 4: 45, 8: 49}
"""Thin sections at each gap: as many as there are up to the first, no case with fewer than the second."""
_AS_IT_IS = (97, 160, 160)
"""What is cut from the middle of a volume that is tried as it is."""
_TIMES, _DEEP_TIMES = 6, 4
"""Cases that are made of each simulated kind at each gap; further ones that are blurred far along z (deep)."""
_GROUPS = {
    "em_fib25_train2_z0_image": "em_fibsem_fib25_train1",
    "organoid_T0301_ch1_image": "lsfm_organoid_budding_ch0_denoised",
}
"""Volumes of one specimen: they are left out together."""


@dataclass(frozen=True)
class Case:
    """One stack to thin: ``name``, the volume or kind that it belongs to (``group``), and how it is made."""

    group: str
    source: str
    variant: str
    every: int

    @property
    def name(self) -> str:
        return f"{self.source}-{self.variant}-{self.every}"

    @property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(f"{self.source}-{self.variant}".encode()))


def all_cases(folder: Path) -> list[Case]:
    """Return all cases, in an order in which any beginning is a fair sample."""
    variants = [*map(str, range(_TIMES)), *(f"{i}deep" for i in range(_DEEP_TIMES))]
    found = [
        Case(f"simulated {kind}", kind, variant, every)
        for kind in (*SPECIMENS, *KINDS)
        for variant in variants
        for every in EVERY
    ]
    for path in _files(folder):
        name = path.name.split(".")[0]
        shape, pixels = _shape(path)
        for variant in _variants(shape, pixels):
            sections = shape["zyx".index(variant[0])] // (2 if "half" in variant else 1)
            enough = [every for every in EVERY if sections >= _FEWEST[every]]
            found += [Case(_GROUPS.get(name, name), name, variant, every) for every in enough]
    return _mixed(found)


def whole_cases(folder: Path) -> list[Case]:
    """Return larger crops of the volumes as they are, at each gap."""
    names = [path.name.split(".")[0] for path in _files(folder) if path.parent == folder]
    return [Case(_GROUPS.get(name, name), name, WHOLE, every) for every in EVERY for name in names]


def _mixed(cases: list[Case]) -> list[Case]:
    """Return the cases in an order whose beginnings hold gaps, blur and groups in the shares of the whole."""
    order = np.random.default_rng(0).permutation(len(cases))
    parts: dict[tuple[int, bool, bool], dict[str, list[Case]]] = {}
    for case in (cases[i] for i in order):
        kind = case.every, "deep" in case.variant, case.group.startswith("simulated")
        parts.setdefault(kind, {}).setdefault(case.group, []).append(case)
    placed = []
    for groups in parts.values():
        turns = [case for turn in zip_longest(*groups.values()) for case in turn if case is not None]
        placed += [((number + 0.5) / len(turns), case) for number, case in enumerate(turns)]
    return [case for _, case in sorted(placed, key=lambda pair: pair[0])]


def _files(folder: Path) -> Iterator[Path]:
    for path in (*sorted(folder.iterdir()), *sorted((folder / "labels").glob("*image*"))):
        if io.format_of(path) is not None and "oct2d" not in path.name:
            yield path


def _shape(path: Path) -> tuple[tuple[int, ...], tuple[float, ...]]:
    dataset = io.read(path, axis="z")
    return dataset.voxels.shape[2:], (dataset.grid.spacing or 1.0, *(dataset.grid.pixel_size or (1.0, 1.0)))


def _variants(shape: tuple[int, ...], size: tuple[float, ...]) -> list[str]:
    """Return axis, then crop (0: middle, 1, 2: elsewhere), then scale."""
    variants = ["z0", "z1", "z2"]
    for number, axis in enumerate("zyx"):
        across = [size[i] for i in range(3) if i != number]
        if number and max(across) / min(across) < 1.6:
            variants += [f"{axis}0", f"{axis}1"]
        if max(size) / min(size) < 1.6 and min(shape) >= 120:
            variants.append(f"{axis}0half")
    return variants + [f"{variant}deep" for variant in variants if variant.endswith("0")]


def truth_of(case: Case, folder: Path) -> Stack:
    """Return all thin sections of a case, 0 to about 1."""
    voxels, size = _simulated(case) if case.source in (*SPECIMENS, *KINDS) else _real(case, folder)
    low, high = float(voxels.min()), float(voxels.max())
    grid = Grid(np.arange(len(voxels), dtype=np.float64) * size[0], (size[1], size[2]), "um")
    return Stack(np.ascontiguousarray((voxels - low) / (high - low), np.float32), grid)


def _simulated(case: Case) -> tuple[NDArray[np.float32], tuple[float, float, float]]:
    rng = case.rng
    voxel = (float(rng.choice([0.5, 1.0])), 0.5, 0.5)
    shape, optics = (_SECTIONS[case.every], _SIDE, _SIDE), any_optics(rng, deep="deep" in case.variant)
    seed = int(rng.integers(1000))
    if case.source in SPECIMENS:
        made = SPECIMENS[case.source](shape=shape, voxel_size=voxel, optics=optics, seed=seed, dtype="float32")
        voxels = made.observed.voxels[0, 0].astype(np.float32)
        return (drifted(voxels, rng) if case.variant == "5" else voxels), voxel
    brightness = KINDS[case.source](shape, voxel, rng)
    if case.variant == "5":
        brightness = drifted(brightness, rng)
    return imaged(np.clip(brightness, 0, 1), voxel, optics, rng), voxel


def _real(case: Case, folder: Path) -> tuple[NDArray[np.float32], tuple[float, float, float]]:
    path = next(each for each in _files(folder) if each.name.split(".")[0] == case.source)
    dataset, rng = io.read(path, axis="z"), case.rng
    voxels = dataset.voxels[0, 0].astype(np.float32)
    if dataset.voxels.dtype.kind == "i" and voxels.min() <= -500:
        voxels = voxels.clip(-1000, 1000)
    size = [dataset.grid.spacing or 1.0, *(dataset.grid.pixel_size or (1.0, 1.0))]
    if case.variant == WHOLE:
        return _middle(voxels), (size[0], size[1], size[2])
    if "half" in case.variant:
        even = tuple(slice(0, n // 2 * 2) for n in voxels.shape)
        z, y, x = (n // 2 for n in voxels.shape)
        voxels, size = voxels[even].reshape(z, 2, y, 2, x, 2).mean(axis=(1, 3, 5)), [2 * each for each in size]
    axis = "zyx".index(case.variant[0])
    voxels, size = np.moveaxis(voxels, axis, 0), [size[axis], *(each for i, each in enumerate(size) if i != axis)]
    wanted = (_SECTIONS[case.every], _SIDE, _SIDE)
    room = [max(0, n - w) for n, w in zip(voxels.shape, wanted, strict=True)]
    middle = case.variant[1] == "0"
    start = [r // 2 if middle else int(rng.integers(r + 1)) for r in room]
    voxels = voxels[tuple(slice(a, a + w) for a, w in zip(start, wanted, strict=True))]
    scaled = (voxels - voxels.min()) / max(float(np.ptp(voxels)), 1e-9)
    how = "plain" if case.variant == "z0" else "deep" if "deep" in case.variant else str(rng.choice(SPOILT))
    return spoilt(scaled, how, rng), (size[0], size[1], size[2])


def _middle(voxels: NDArray[np.float32]) -> NDArray[np.float32]:
    start = [max(0, (n - wanted) // 2) for n, wanted in zip(voxels.shape, _AS_IT_IS, strict=True)]
    return voxels[tuple(slice(a, a + wanted) for a, wanted in zip(start, _AS_IT_IS, strict=True))]
