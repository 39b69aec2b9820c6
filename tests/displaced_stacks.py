"""Stacks whose sections were displaced by known amounts."""

from dataclasses import replace

import numpy as np
from scipy.ndimage import affine_transform

from napari_depth_interp.stack import Dataset


def tissue_like(sections=12, size=72, *, slant=0.0, seed=3, dtype=np.uint16):
    """Return smooth structure that changes slowly along z, as (Z, Y, X): waves of many directions and their products.

    ``slant`` is by how many columns the structure moves from section to section.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size].astype(float)
    stack = np.zeros((sections, size, size))
    for _ in range(40):
        fy, fx = rng.uniform(-0.5, 0.5, 2)
        phase, speed = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.06)
        for k in range(sections):
            stack[k] += np.cos(fy * y + fx * (x - slant * k) + phase + speed * k)
    stack = (stack - stack.min()) / (stack.max() - stack.min())
    return stack.astype(dtype) if np.dtype(dtype).kind == "f" else np.rint(stack * 200).astype(dtype)


def displaced(section, shift, degrees=0.0):
    """Return a section with its content moved by ``shift`` (y, x), turned by an angle from x towards y."""
    angle, centre = np.radians(degrees), (np.array(section.shape) - 1) / 2
    back = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    start = centre - back @ (centre + shift)
    found = affine_transform(section.astype(float), back, start, order=3, mode="nearest")
    return np.rint(found.clip(section.min(), section.max())).astype(section.dtype)


def dataset(stack, **more):
    return replace(Dataset.from_array(stack, z_spacing=2.0, pixel_size=(0.5, 0.5), unit="um"), **more)


def with_moves(stack, moves):
    """Return a copy with some sections displaced: {section: (y, x)} or {section: (y, x, degrees)}."""
    made = stack.copy()
    for k, (y, x, *turn) in moves.items():
        made[k] = displaced(stack[k], (y, x), *turn)
    return made
