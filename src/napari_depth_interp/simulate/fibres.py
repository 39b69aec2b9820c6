"""Specimens made of tubes: a vessel tree, a tangle of dendrites, one neuron."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .canvas import Canvas, Tubes, draw_tubes, unit

Vectors = NDArray[np.float64]

VESSEL_SPACING = 13.5  # um between the tissue points that a vessel must reach
CAPILLARY_RADIUS = 2.0  # um
WALL = 0.8  # um, endothelium
PIECE = 2.0  # um, length of a straight piece of any tube


def draw_vessels(canvas: Canvas, rng: np.random.Generator) -> None:
    """Vessels with a stained wall and a dimmer dye inside. Labels: 1 wall, 2 lumen."""
    points, parent = colonise(rng, canvas.extent)
    points = _wavy(rng, _smooth(points, parent))
    radius = murray_radii(parent, CAPILLARY_RADIUS)
    shown = np.flatnonzero(_emerging(parent, radius))
    start, end, radius, dye = points[parent[shown]], points[shown], radius[shown], np.ones(len(shown))
    draw_tubes(canvas, Tubes(start, end, radius, radius, dye), 1)
    inner = Canvas(canvas.shape, canvas.voxel)
    draw_tubes(inner, Tubes(start, end, radius - WALL, radius - WALL, dye), 2)
    canvas.brightness[...] -= 0.45 * inner.brightness * canvas.brightness
    canvas.labels[inner.labels == 2] = 2


def colonise(rng: np.random.Generator, extent: Vectors) -> tuple[Vectors, NDArray[np.intp]]:
    """Grow one tree from a side of the field to every part of it.

    Points of tissue pull the nearest branch towards them until it is close: space colonisation,
    Runions, Lane & Prusinkiewicz, "Modeling trees with a space colonization algorithm" (2007).

    Returns
    -------
    points : (N, 3) in um; the first is the root.
    parent : (N,) index of the node before each node, always smaller than its own; -1 for the root.
    """
    from scipy.spatial import cKDTree

    count = int(max(6, extent.prod() / VESSEL_SPACING**3))
    tissue = rng.uniform(-0.05, 1.05, (count, 3)) * extent
    root = np.array([rng.uniform(0.3, 0.7), 0.0, rng.uniform(0.3, 0.7)]) * extent
    points, parents, total = [root[None]], [np.array([-1])], 1
    nearest, distance = np.zeros(count, np.intp), np.linalg.norm(tissue - root, axis=1)
    for _ in range(int(4 * extent.sum() / PIECE) + 8):
        reached = distance < 0.35 * VESSEL_SPACING
        tissue, nearest, distance = tissue[~reached], nearest[~reached], distance[~reached]
        if not len(tissue):
            break
        nodes = np.concatenate(points)
        # Only tissue nearby pulls; without this limit all branches start together like a brush.
        felt = distance <= max(2 * VESSEL_SPACING, float(distance.min()))
        growing, pulled = np.unique(nearest[felt], return_inverse=True)
        pull = np.zeros((len(growing), 3))
        np.add.at(pull, pulled, ((tissue - nodes[nearest]) / distance[:, None])[felt])
        # The random part lets a node go on that is pulled equally from two opposite sides.
        new = nodes[growing] + PIECE * unit(unit(pull) + 0.25 * rng.standard_normal(pull.shape))
        near, at = cKDTree(new).query(tissue)
        closer = near < distance
        nearest, distance = np.where(closer, at + total, nearest), np.where(closer, near, distance)
        points.append(new)
        parents.append(growing)
        total += len(new)
    return np.concatenate(points), np.concatenate(parents).astype(np.intp)


def murray_radii(parent: NDArray[np.intp], tip: float) -> Vectors:
    """Radius at every node of a tree whose tips have the radius ``tip``.

    At a branching the cube of the parent's radius is the sum of the cubes of its children's: Murray,
    "The physiological principle of minimum work", PNAS 12 (1926) 207.
    """
    tips = np.zeros(len(parent))
    for node in range(len(parent) - 1, -1, -1):  # children come after their parent
        tips[node] = max(tips[node], 1.0)
        if parent[node] >= 0:
            tips[parent[node]] += tips[node]
    return np.asarray(tip * np.cbrt(tips))


def _emerging(parent: NDArray[np.intp], radius: Vectors) -> NDArray[np.bool_]:
    """Which nodes to draw: not the root, and no twig so short that it is a mere knob on its vessel."""
    length = np.zeros(len(parent))  # to the furthest tip, um
    for node in range(len(parent) - 1, 0, -1):
        length[parent[node]] = max(length[parent[node]], length[node] + PIECE)
    shown = np.ones(len(parent), bool)
    for node in range(1, len(parent)):
        shown[node] = shown[parent[node]] and length[node] + PIECE > 1.5 * radius[parent[node]] - CAPILLARY_RADIUS
    shown[0] = False
    return shown


def _smooth(points: Vectors, parent: NDArray[np.intp], rounds: int = 4) -> Vectors:
    """Take the zigzag out of the centre lines; root and tips stay."""
    children = np.bincount(parent[1:], minlength=len(parent))
    middle = (children > 0) & (parent >= 0)
    for _ in range(rounds):
        after = np.zeros_like(points)
        np.add.at(after, parent[1:], points[1:])
        mean = (points[parent] + points + after / np.maximum(children, 1)[:, None]) / 3
        points = np.where(middle[:, None], mean, points)
    return points


def _wavy(rng: np.random.Generator, points: Vectors, amplitude: float = 1.8, waves: int = 6) -> Vectors:
    """Shift all points by one smooth random field, in um: tortuous lines that stay connected."""
    shift = np.zeros_like(points)
    for _ in range(waves):
        wave = unit(rng.standard_normal(3)) * 2 * np.pi / rng.uniform(18, 40)
        phase = points @ wave + rng.uniform(0, 2 * np.pi)
        shift += np.sin(phase)[:, None] * rng.standard_normal(3)
    return np.asarray(points + amplitude * np.sqrt(2 / waves) * shift)


@dataclass(frozen=True)
class Habit:
    """How a fibre grows; lengths in um.

    Attributes
    ----------
    bend : standard deviation of the change of direction per piece.
    branching : branchings per um.
    taper : share of the radius lost per um.
    thinnest : the radius at which a fibre no longer tapers or branches.
    length : mean length of an unbranched way to the end of a fibre.
    """

    bend: float
    branching: float
    taper: float
    thinnest: float
    length: float


def grow(
    rng: np.random.Generator, extent: Vectors, start: Vectors, heading: Vectors, radius: Vectors, habit: Habit
) -> Tubes:
    """Grow fibres from ``start`` (N, 3) until they end or leave the field of view (z, y, x in um).

    At a branching the radii obey the 3/2 power law of Rall, "Branching dendritic trees and motoneuron
    membrane resistivity", Exp. Neurol. 1 (1959) 491.
    """
    tone = rng.uniform(0.6, 1.0, len(start))
    tips = Tubes(start, heading, radius, rng.exponential(habit.length, len(start)) + PIECE, tone)
    swerve = np.zeros_like(start)
    pieces: list[Tubes] = []
    while len(tips):
        # ``end`` holds the heading and ``end_radius`` the length to go while a fibre grows
        swerve = 0.7 * swerve + habit.bend * rng.standard_normal(swerve.shape)
        heading = unit(tips.end + swerve)
        new = tips.start + PIECE * heading
        thin = np.maximum(tips.start_radius * (1 - habit.taper * PIECE), np.minimum(habit.thinnest, tips.start_radius))
        pieces.append(Tubes(tips.start, new, tips.start_radius, thin, tips.brightness))
        tips = Tubes(new, heading, thin, tips.end_radius - PIECE, tips.brightness)
        alive = (tips.end_radius > 0) & ((new > 0) & (new < extent)).all(axis=1)
        tips, swerve = tips[alive], swerve[alive]
        forks = (rng.random(len(tips)) < habit.branching * PIECE) & (tips.start_radius > 1.05 * habit.thinnest)
        tips, swerve = _fork(rng, tips, swerve, forks)
    return join(pieces)


def _fork(rng: np.random.Generator, tips: Tubes, swerve: Vectors, forks: NDArray[np.bool_]) -> tuple[Tubes, Vectors]:
    parent, count = tips[forks], int(forks.sum())
    share = rng.uniform(0.35, 0.65, count)
    side = unit(np.cross(parent.end, rng.standard_normal((count, 3))))
    children = [
        Tubes(
            parent.start,
            unit(parent.end + sign * np.tan(rng.uniform(0.3, 0.7, count))[:, None] * side),
            parent.start_radius * part ** (2 / 3),
            parent.end_radius,
            parent.brightness,
        )
        for sign, part in ((1, share), (-1, 1 - share))
    ]
    still = np.zeros((2 * count, 3))
    return join([tips[~forks], *children]), np.concatenate([swerve[~forks], still])


def join(parts: list[Tubes]) -> Tubes:
    """All tubes of several groups as one."""
    return Tubes(
        np.concatenate([p.start for p in parts]),
        np.concatenate([p.end for p in parts]),
        np.concatenate([p.start_radius for p in parts]),
        np.concatenate([p.end_radius for p in parts]),
        np.concatenate([p.brightness for p in parts]),
    )


def draw_dendrites(canvas: Canvas, rng: np.random.Generator) -> None:
    """Thin fibres in all directions with spines. Labels: 1 shaft, 2 spine."""
    habit = Habit(bend=0.05, branching=0.01, taper=0.002, thinnest=0.5, length=45.0)
    count = int(max(3, 2.0e-4 * canvas.extent.prod()))
    middle = rng.uniform(0, 1, (count, 3)) * canvas.extent
    heading = unit(rng.standard_normal((count, 3)))
    radius = rng.uniform(0.55, 0.85, count)
    both = (np.tile(middle, (2, 1)), np.concatenate([heading, -heading]), np.tile(radius, 2))
    shafts = grow(rng, canvas.extent, *both, habit)
    draw_tubes(canvas, _spines(rng, shafts), 2)
    draw_tubes(canvas, shafts, 1)


def _spines(rng: np.random.Generator, shafts: Tubes, per_um: float = 0.35) -> Tubes:
    """Short side branches that end in a round head."""
    which = np.flatnonzero(rng.random(len(shafts)) < per_um * PIECE)
    part, count = shafts[which], len(which)
    foot = part.start + rng.random((count, 1)) * (part.end - part.start)
    out = unit(np.cross(part.end - part.start, rng.standard_normal((count, 3))))
    length = part.start_radius + rng.uniform(0.6, 1.6, count)
    head = rng.uniform(0.4, 0.6, count)
    return Tubes(foot, foot + length[:, None] * out, np.full(count, 0.2), head, part.brightness)


def draw_neuron(canvas: Canvas, rng: np.random.Generator) -> None:
    """One nerve cell. Labels: 1 cell body, 2 dendrites, 3 axon."""
    size = min(6.0, 0.15 * float(canvas.extent.min()))
    centre = rng.uniform(0.42, 0.58, 3) * canvas.extent
    count = int(rng.integers(6, 9))
    heading = _std(rng, count + 1)
    reach = 0.6 * float(np.linalg.norm(canvas.extent))
    thick = np.full(count, 0.3 * size)
    dendrite = Habit(bend=0.05, branching=0.035, taper=0.006, thinnest=0.4, length=reach)
    axon = Habit(bend=0.07, branching=0.004, taper=0.001, thinnest=0.3, length=2 * reach)
    start = np.repeat(centre[None], count + 1, axis=0)
    line = grow(rng, canvas.extent, start[:1], heading[:1], np.array([0.12 * size]), axon)
    draw_tubes(canvas, line, 3)
    draw_tubes(canvas, grow(rng, canvas.extent, start[1:], heading[1:], thick, dendrite), 2)
    # The cell body is a pear that points into the first dendrite.
    body = Tubes(centre[None], centre[None] + 0.9 * size * heading[1:2], thick[:1], thick[:1], np.ones(1))
    draw_tubes(canvas, Tubes(body.start, body.end, np.array([size]), np.array([0.5 * size]), body.brightness), 1)


def _std(rng: np.random.Generator, count: int) -> Vectors:
    """Directions (count, 3) that keep away from each other, in random order."""
    directions = unit(rng.standard_normal((count, 3)))
    for _ in range(20):
        apart = directions[:, None] - directions
        push = apart / (np.square(apart).sum(axis=2) + 1e-3)[..., None] ** 1.5
        directions = unit(directions + 0.1 * push.sum(axis=1))
    return directions
