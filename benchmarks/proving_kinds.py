"""Kinds of simulated tissue that the specimens of the program lack, and how any volume is spoilt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_depth_interp.numerics.axial import rows_as_sections
from napari_depth_interp.simulate.optics import Optics, expose, record

Floats = NDArray[np.float32]
Shape = tuple[int, int, int]
Voxel = tuple[float, float, float]


def field(shape: Shape, voxel: Voxel, lengths: Voxel, rng: np.random.Generator) -> Floats:
    """Return a Gaussian random field of mean 0 and variance 1 with correlation lengths (z, y, x) in um."""
    sigmas = [max(length / size, 0.3) for length, size in zip(lengths, voxel, strict=True)]
    smooth = ndimage.gaussian_filter(rng.standard_normal(shape).astype(np.float32), sigmas, mode="wrap")
    return np.asarray((smooth - smooth.mean()) / smooth.std(), np.float32)


def texture(shape: Shape, voxel: Voxel, rng: np.random.Generator, stretch: float = 1.0) -> Floats:
    """Grains and cells of several sizes; along z they are ``stretch`` times as long as in XY."""
    total = np.zeros(shape, np.float32)
    for length in rng.uniform(0.5, 1.0, 3) * (1.0, 2.5, 6.0):
        total += rng.uniform(0.4, 1.0) * field(shape, voxel, (stretch * length, length, length), rng)
    sharp = rng.choice([1.0, 3.0, 8.0])
    return np.asarray(1 / (1 + np.exp(-sharp * (total - rng.uniform(-0.5, 1.0)))), np.float32)


def stretched(shape: Shape, voxel: Voxel, rng: np.random.Generator) -> Floats:
    """Texture that changes more slowly along z than in XY."""
    return texture(shape, voxel, rng, float(rng.choice([2.0, 3.0])))


def hasty(shape: Shape, voxel: Voxel, rng: np.random.Generator) -> Floats:
    """Texture that changes faster along z than in XY."""
    return texture(shape, voxel, rng, float(rng.choice([0.35, 0.6])))


def layers(shape: Shape, voxel: Voxel, rng: np.random.Generator) -> Floats:
    """Undulating layers of unequal thickness, at any angle to the sections."""
    normal = rng.standard_normal(3)
    normal /= np.linalg.norm(normal)
    centres = [np.arange(count) * size for count, size in zip(shape, voxel, strict=True)]
    along = sum(
        n * np.expand_dims(c, tuple(b for b in range(3) if b != a))
        for a, (n, c) in enumerate(zip(normal, centres, strict=True))
    )
    height = along + rng.uniform(0.5, 4.0) * field(shape, voxel, (8.0, 8.0, 8.0), rng)
    levels = ndimage.gaussian_filter1d(rng.uniform(0, 1, 400), rng.uniform(0.5, 2.0))
    position = (height - height.min()) / rng.uniform(0.8, 2.5)
    return np.asarray(np.interp(position, np.arange(400), levels), np.float32)


def points(shape: Shape, voxel: Voxel, rng: np.random.Generator) -> Floats:
    """Sparse bright spots of several sizes on a faint background."""
    volume = np.zeros(shape, np.float32)
    extent = float(np.prod(np.multiply(shape, voxel)))
    for size in (0.5, 1.2, 2.5):
        few = np.zeros(shape, np.float32)
        count = int(rng.uniform(0.3, 1.5) * extent / (25 * size) ** 2) + 3
        where = tuple(rng.integers(0, n, count) for n in shape)
        few[where] = rng.uniform(0.3, 1.0, count)
        few = ndimage.gaussian_filter(few, [size / v for v in voxel])
        volume = np.maximum(volume, few / few.max())
    return np.asarray(np.clip(volume + 0.03 * texture(shape, voxel, rng), 0, 1), np.float32)


def cells(shape: Shape, voxel: Voxel, rng: np.random.Generator) -> Floats:
    """Cells that touch, with bright membranes."""
    extent = np.multiply(shape, voxel)
    count = max(8, int(extent.prod() / rng.uniform(5.0, 12.0) ** 3))
    from scipy.spatial import cKDTree

    seeds = rng.uniform(0, 1, (count, 3)) * extent
    grid = np.stack(np.meshgrid(*(np.arange(n) * v for n, v in zip(shape, voxel, strict=True)), indexing="ij"), -1)
    wobble = np.stack([0.8 * field(shape, voxel, (3.0, 3.0, 3.0), rng) for _ in range(3)], -1)
    near, which = cKDTree(seeds).query((grid + wobble).reshape(-1, 3), k=2)
    wall = np.exp(-(((near[:, 1] - near[:, 0]) / rng.uniform(0.8, 1.6)) ** 2))
    inside = rng.uniform(0.05, 0.4, count)[which[:, 0]]
    return np.asarray(np.clip(inside + wall, 0, 1).reshape(shape), np.float32)


KINDS: Mapping[str, Callable[..., Floats]] = {
    "texture": texture,
    "stretched": stretched,
    "hasty": hasty,
    "layers": layers,
    "points": points,
    "cells": cells,
}
"""Kinds by name."""


def imaged(brightness: Floats, voxel: Voxel, optics: Optics, rng: np.random.Generator) -> Floats:
    """Return what a microscope records of a brightness (0 to 1)."""
    return np.asarray(record(expose(brightness.copy(), voxel, optics), optics, rng, "float32"), np.float32)


def drifted(volume: Floats, rng: np.random.Generator) -> Floats:
    """Shift each section a little farther than the last, and by chance."""
    drift, jitter = rng.uniform(-0.5, 0.5, 2), rng.choice([0.0, 0.3])
    way = np.cumsum(drift + jitter * rng.standard_normal((len(volume), 2)), axis=0)
    way -= way.mean(axis=0)
    return np.stack([ndimage.shift(s, w, order=1, mode="nearest") for s, w in zip(volume, way, strict=True)])


def spoilt(volume: Floats, how: str, rng: np.random.Generator) -> Floats:
    """Return a volume (0 to 1) blurred along z, noisier, dimmer with depth, drifting, or as it is.

    Microscopes blur before they record, so that a blurred volume has the noise that it had.
    """
    if how in ("blurred", "deep"):
        sigma = rng.uniform(0.8, 2.5) if how == "blurred" else rng.uniform(1.5, 5.0)
        return rows_as_sections(np.asarray(volume, np.float32), 0, sigma)
    if how == "noisy":
        return np.asarray(volume + rng.uniform(0.01, 0.06) * rng.standard_normal(volume.shape), np.float32)
    if how == "dimmed":
        fade = np.exp(-np.linspace(0, rng.uniform(0.7, 2.0), len(volume)))
        return np.asarray(volume * fade[:, None, None], np.float32)
    if how == "unequal":
        return np.asarray(volume * rng.normal(1, rng.uniform(0.02, 0.08), (len(volume), 1, 1)), np.float32)
    return drifted(volume, rng) if how == "drifting" else volume


SPOILT: tuple[str, ...] = ("plain", "plain", "blurred", "noisy", "dimmed", "unequal", "drifting")


def any_optics(rng: np.random.Generator, *, deep: bool) -> Optics:
    """Draw optics: sharp or (``deep``) strongly blurred along z, clean or few photons, clear or dimming tissue."""
    photons: Any = rng.choice([0, 1000, 300, 60, 15])
    return Optics(
        psf_sigma=(float(rng.choice([2.0, 3.0, 5.0] if deep else [0.25, 0.8, 1.5, 3.0])), 0.25),
        photons=float(photons) or None,
        background=float(rng.choice([0.01, 0.05])),
        attenuation=float(rng.choice([0.0, 0.01])),
    )
