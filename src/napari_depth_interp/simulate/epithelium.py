"""The organoid: hollow balls of epithelium that grow, bud and fold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .canvas import Canvas, Floats, soft

Vectors = NDArray[np.float64]

SMALLEST, LARGEST = 16.0, 80.0  # um, outer radius of a full-grown organoid
NUCLEUS = (3.8, 2.6, 2.6)  # um, half axes: across the epithelium, along it twice
SPACING = 5.0  # um, smallest distance between the centres of two nuclei
CYTOPLASM, MEMBRANE, LUMEN = 0.16, 0.34, 0.02  # brightness; nuclei reach 1


def draw_organoid(canvas: Canvas, rng: np.random.Generator, age: float = 1.0) -> None:
    """Organoids, as many as fit. Labels: 1 epithelium around the nuclei, 2 nuclei, 3 lumen."""
    outer = float(np.clip(0.47 * canvas.extent[1:].min(), SMALLEST, LARGEST))
    for centre in _centres(rng, canvas.extent, outer):
        wall = _shape(rng, centre, outer, age)
        _draw_wall(canvas, wall)
        _draw_nuclei(canvas, wall, rng)


@dataclass(frozen=True, eq=False)
class Wall:
    """An epithelium with the outer surface ``radius * (1 + bumps)`` in every direction from the centre.

    A bump is ``height * exp(sharpness * (cos(angle to its axis) - 1))``: positive heights bud, negative
    ones fold inwards.
    """

    centre: Vectors  # (3,) um
    radius: float  # um
    thickness: float  # um
    furthest: float  # um, no point of the surface is further from the centre
    axes: Vectors  # (bumps, 3) unit vectors
    sharpness: Vectors  # (bumps,)
    height: Vectors  # (bumps,) share of the radius

    def surface(self, direction: Floats) -> tuple[Floats, Floats]:
        """Distance (...) of the surface in unit directions (3, ...), and its slope (3, ...) per radian."""
        reach = np.ones(direction.shape[1:], np.float32)
        slope = np.zeros_like(direction)
        for axis, sharpness, height in zip(self.axes.astype(np.float32), self.sharpness, self.height, strict=True):
            bump = np.tensordot(axis, direction, 1) - np.float32(1)
            bump = np.float32(height) * np.exp(np.float32(sharpness) * bump)
            reach += bump
            bump *= np.float32(sharpness)
            for a in range(3):
                slope[a] += bump * axis[a]
        slope -= direction * (direction * slope).sum(axis=0)
        return self.radius * reach, self.radius * slope


def _centres(rng: np.random.Generator, extent: Vectors, outer: float) -> list[Vectors]:
    """One organoid in the middle, or as many as fit side by side; a small field sees a piece of one."""
    if extent[1:].min() < 2 * outer:
        angle = rng.uniform(0, 2 * np.pi)
        towards = np.array([0.0, np.sin(angle), np.cos(angle)])
        return [extent / 2 + 0.72 * outer * towards]
    centres = [extent * (0.5, 0.5, 0.5) if extent[1:].max() < 4 * outer else _place(rng, extent, outer)]
    for _ in range(int(20 * extent[1:].prod() / outer**2)):
        centre = _place(rng, extent, outer)
        if min(np.linalg.norm((centre - other)[1:]) for other in centres) > 1.9 * outer:
            centres.append(centre)
    return centres


def _place(rng: np.random.Generator, extent: Vectors, outer: float) -> Vectors:
    lateral = outer + rng.random(2) * (extent[1:] - 2 * outer)
    return np.array([extent[0] * rng.uniform(0.35, 0.65), *lateral])


def _shape(rng: np.random.Generator, centre: Vectors, outer: float, age: float) -> Wall:
    """A young organoid is a small smooth ball; with age it grows, thickens, buds and folds."""
    buds, folds = 8, 24
    axes = rng.standard_normal((buds + folds, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    sharpness = np.concatenate([rng.uniform(10, 22, buds), rng.uniform(10, 30, folds)])
    height = np.concatenate([rng.uniform(0.45, 0.85, buds), rng.normal(0, 0.2, folds)])
    height *= 0.1 + 0.9 * age
    bare = Wall(np.zeros(3), 1.0, 0.0, np.inf, axes, sharpness, height)
    probe = rng.standard_normal((3, 2000)).astype(np.float32)
    probe /= np.linalg.norm(probe, axis=0)
    reach, _ = bare.surface(probe)
    outline = probe * reach
    low, high = outline.min(axis=1), outline.max(axis=1)
    radius = outer * (0.5 + 0.5 * age) * 2 / float((high - low).max())
    middle = centre - radius * (low + high) / 2  # of the ball, so that the whole organoid is centred
    thickness = min(8.0 + 1.5 * age, 0.5 * radius)
    return Wall(middle, radius, thickness, 1.1 * radius * float(reach.max()), axes, sharpness, height)


def _draw_wall(canvas: Canvas, wall: Wall) -> None:
    """Cytoplasm between two brighter membranes, section by section."""
    zs, ys, xs = canvas.box(wall.centre - wall.furthest, wall.centre + wall.furthest)
    width = float(canvas.reach.mean())
    y = canvas.centres(1, ys)[:, None] - np.float32(wall.centre[1])
    x = canvas.centres(2, xs)[None, :] - np.float32(wall.centre[2])
    for section, z in zip(range(zs.start, zs.stop), canvas.centres(0, zs) - wall.centre[0], strict=True):
        r = np.sqrt(np.float32(z * z) + y * y + x * x) + np.float32(1e-6)
        direction = np.stack([np.float32(z) / r, y / r, x / r])
        reach, slope = wall.surface(direction)
        # To first order the distance to a surface is the radial one over the length of its gradient.
        depth = (reach - r) / np.sqrt(1 + np.square(slope).sum(axis=0) / np.square(reach))
        inside, hollow = soft(depth, width), soft(depth - wall.thickness, width)
        membrane = np.exp(-2 * np.square(depth - 0.4)) + np.exp(-2 * np.square(depth - wall.thickness + 0.4))
        value = CYTOPLASM * (inside - hollow) + LUMEN * hollow + (MEMBRANE - CYTOPLASM) * membrane
        here = canvas.brightness[section, ys, xs]
        np.maximum(here, value, out=here)
        classes = canvas.labels[section, ys, xs]
        classes[inside >= 0.5] = 1
        classes[hollow >= 0.5] = 3


def _draw_nuclei(canvas: Canvas, wall: Wall, rng: np.random.Generator) -> None:
    """Pack nuclei into the epithelium, their long axes across it."""
    from scipy.spatial import cKDTree

    places, normals = _candidates(wall, rng)
    seen = (np.abs(places - canvas.extent / 2) < canvas.extent / 2 + 2 * NUCLEUS[0]).all(axis=1)
    places, normals = places[seen], normals[seen]
    tree, free = cKDTree(places), np.ones(len(places), bool)
    half = np.minimum(NUCLEUS, 0.42 * wall.thickness)
    for i in range(len(places)):
        if free[i]:
            free[tree.query_ball_point(places[i], SPACING)] = False
            draw_nucleus(canvas, places[i], normals[i], half, rng)


def _candidates(wall: Wall, rng: np.random.Generator) -> tuple[Vectors, Vectors]:
    """Many random points in the middle of the epithelium and its normals there, both (N, 3)."""
    count = int(30 * 4 * np.pi * (1.3 * wall.radius / SPACING) ** 2)
    direction = rng.standard_normal((3, count))
    direction /= np.linalg.norm(direction, axis=0)
    reach, slope = wall.surface(direction.astype(np.float32))
    normal = direction - slope / reach
    normal /= np.linalg.norm(normal, axis=0)
    depth = wall.thickness * rng.uniform(0.42, 0.58, count)
    places = wall.centre[:, None] + direction * reach - normal * depth
    return places.T, normal.T


def draw_nucleus(canvas: Canvas, centre: Vectors, normal: Vectors, half: Vectors, rng: np.random.Generator) -> None:
    """An ellipsoid with clumps of chromatin and one or two dark nucleoli."""
    half = half * rng.uniform(0.85, 1.1, 3)
    side = np.cross(normal, rng.standard_normal(3))
    side /= np.linalg.norm(side)
    frame = np.stack([normal, side, np.cross(normal, side)])
    tone = rng.uniform(0.6, 0.9)
    waves = rng.standard_normal((5, 3)) * 2 * np.pi / 4.0  # wavelengths of some um
    phases = rng.uniform(0, 2 * np.pi, 5)
    nucleoli = rng.uniform(-0.45, 0.45, (2, 3)) @ (frame * half[:, None])
    box = canvas.box(centre - half.max() - 1, centre + half.max() + 1)
    z, y, x = (canvas.centres(a, box[a]) - np.float32(centre[a]) for a in range(3))
    grid = np.stack(np.broadcast_arrays(z[:, None, None], y[:, None], x))  # (3, z, y, x) um
    scaled = np.tensordot((frame / half[:, None]).astype(np.float32), grid, 1)
    norm = np.sqrt(np.square(scaled).sum(axis=0)) + np.float32(1e-6)
    stretch = np.sqrt(np.square(scaled / half.astype(np.float32)[:, None, None, None]).sum(axis=0)) + np.float32(1e-6)
    cover = soft((1 - norm) * norm / stretch, float(canvas.reach.mean()))
    chromatin = np.cos(np.tensordot(waves.astype(np.float32), grid, 1) + phases[:, None, None, None]).sum(axis=0)
    value = tone + 0.05 * np.clip(chromatin, -2, 2)
    for spot in nucleoli:
        away = np.square(grid - spot[:, None, None, None].astype(np.float32)).sum(axis=0)
        value -= 0.4 * tone * np.exp(-away / 1.2)
    here = canvas.brightness[box]
    np.maximum(here, here + cover * (value - here), out=here)
    canvas.labels[box][cover >= 0.5] = 2
