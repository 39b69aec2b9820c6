"""Registering a stack through the forward model, to the volume that the other stacks make (Gauss-Newton).

The volume is seen along the profile of the stack's own sections, so that both sides are blurred in the same way. Most
of what is left is detail that only the stack itself shows: its differences are whitened within the sections, so that
spatial frequencies which the others explain badly count less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from .patches import Patches
from .problem import Problem, upsampled
from .views import Affine, Lattice, View, Volume

Registration = Literal["none", "rigid", "affine"]
Array = NDArray[np.float64]
_WIDE = 9.0
"""Standard deviation in pixels of what is taken off within sections where images are compared: brightness drifts."""
_STEPS, _SMALL, _LONGEST = 6, 0.005, 2.0
"""Steps at most; voxels of a step after which none follows, and of the longest one."""
_HUBER = 1.5
_KNOTS = 96
"""Places along the sections of all stacks together, at most, between which brightness and contrast change evenly."""
_DAMPING = 1e-3
"""Share of the usual curvature that is added: what the images do not tell, as how a ball is turned, stays as it is."""
_PARTS = 4
"""Parts along each axis of the stack whose differences are taken to be independent of each other."""
_FEWEST = 100
"""Voxels that must be compared for a motion to be found."""
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Frame:
    """What small motions are told in: a shift of a centre, and a turn (or linear change) about it, both in voxels.

    Attributes
    ----------
    kind : {"rigid", "affine"}
    centre : (3,) array
        In the world of the first stack.
    voxel, radius : float
        Lengths; a turn counts as far as it moves what is at the radius.
    """

    kind: Registration
    centre: Array
    voxel: float
    radius: float

    @classmethod
    def of(cls, lattice: Lattice, kind: Registration) -> Frame:
        """Return the frame of a volume."""
        shape = np.array(lattice.shape)
        centre = lattice.affine[:3, :3] @ ((shape - 1) / 2) + lattice.affine[:3, 3]
        radius = float(np.linalg.norm(lattice.sizes * shape)) / math.sqrt(12)
        return cls(kind, centre, lattice.voxel, radius)

    @property
    def count(self) -> int:
        """Number of the parameters of a motion."""
        return 12 if self.kind == "affine" else 6

    def moved(self, motion: Affine, step: Array) -> Affine:
        """Return a motion followed by a small one."""
        linear = step[3:] * self.voxel / self.radius
        matrix = np.eye(3) + linear.reshape(3, 3) if self.kind == "affine" else expm(_cross(linear))
        small = np.eye(4)
        small[:3, :3] = matrix
        small[:3, 3] = self.centre - matrix @ self.centre + step[:3] * self.voxel
        return np.asarray(small @ motion)

    def step(self, before: Affine, after: Affine) -> Array:
        """Return the small motion that leads from one motion to another: what :meth:`moved` takes."""
        small = after @ np.linalg.inv(before)
        linear = small[:3, :3]
        shift = linear @ self.centre + small[:3, 3] - self.centre
        turn = (linear - np.eye(3)).ravel() if self.kind == "affine" else Rotation.from_matrix(linear).as_rotvec()
        return np.concatenate([shift, turn * self.radius]) / self.voxel

    def slopes(self, slope: Array, world: Array) -> Array:
        """Return (parameters, N) how what is seen changes, by its slopes in the world (3, N, samples) at places."""
        arms = world - self.centre[:, None, None]
        turning = np.einsum("ikl,jkl->ijk", slope, arms) / self.radius
        linear = turning.reshape(9, -1) if self.kind == "affine" else _rotating(turning)
        return np.concatenate([slope.sum(axis=2), linear]) * self.voxel


@dataclass(frozen=True, eq=False)
class Fit:
    """How a stack lies on the volume that others make.

    Attributes
    ----------
    motion : (4, 4) array
    information : (P, P) array
        How sharply each parameter of the frame is told; 0 where too little is seen.
    disagreement : (P, P) array
        Covariance of what pulls at the parameters, by how parts of the stack disagree.
    """

    motion: Affine
    information: Array
    disagreement: Array


def refine(view: View, others: Problem, volume: Volume, frame: Frame) -> Fit:
    """Return the motion of a stack that brings it onto a volume, beginning with the one that it has.

    Parameters
    ----------
    view : View
    others : Problem
        Of the stacks that the volume was made of.
    volume : (Z, Y, X) float32 array
    frame : Frame
    """
    comparison = _Comparison(view, others, volume, frame)
    motion = view.motion
    nothing = np.zeros((frame.count, frame.count))
    fit = Fit(motion, nothing, nothing)
    for _ in range(_STEPS):
        found = comparison.step(motion)
        if found is None:
            return Fit(motion, nothing, nothing)
        step, information, disagreement = found
        length = float(np.linalg.norm(step))
        motion = frame.moved(motion, step * min(1.0, _LONGEST / max(length, _TINY)))
        fit = Fit(motion, information, disagreement)
        if length < _SMALL:
            break
    return fit


class _Comparison:
    """A stack beside what is seen of a volume where the stack would be under a motion."""

    def __init__(self, view: View, others: Problem, volume: Volume, frame: Frame) -> None:
        self._view, self._others, self._lattice, self._frame = view, others.views, others.lattice, frame
        self._images = [volume, *(np.gradient(volume, axis=axis) for axis in range(3))]
        self._told = _told(others)
        self._patches = Patches.of(view.voxels.shape)
        self._wide = _WIDE * view.sizes[1:].min() / view.sizes[1:]
        self._wanted = view.voxels.reshape(-1)[self._patches.index]
        self._indices = np.stack(np.unravel_index(self._patches.index, view.voxels.shape)).astype(np.float64)
        shape = np.array(view.voxels.shape)
        parts = np.minimum(self._indices / shape[:, None] * _PARTS, _PARTS - 1).astype(int)
        self._part = np.ravel_multi_index(tuple(parts), (_PARTS,) * 3)

    def step(self, motion: Affine) -> tuple[Array, Array, Array] | None:
        """Return the next step, how sharply it is told and how parts disagree; None where too little is seen."""
        seen, slopes, inside = self._seen(motion)
        if inside.sum() < _FEWEST:
            return None
        images = self._patches.detail(np.vstack([seen, self._wanted[inside], slopes]), inside, self._wide)
        found = _without(self._drifts(motion, images[0], inside), images[1:])
        usual = max(1.4826 * float(np.median(np.abs(found[0]))), _TINY)
        found[0] = found[0].clip(-_HUBER * usual, _HUBER * usual)
        whole = np.zeros((len(found), len(inside)))
        whole[:, inside] = found
        white = self._patches.whitened(whole)[:, inside]
        rest, slopes, part = white[0], white[1:], self._part[inside]
        normal = slopes @ slopes.T
        damped = normal + (_DAMPING * np.trace(normal) / len(normal) + _TINY) * np.eye(len(normal))
        pulls: Array = np.array([np.bincount(part, rest * each, minlength=_PARTS**3) for each in slopes], np.float64)
        return np.linalg.solve(damped, pulls.sum(axis=1)), normal, _covariance(pulls[:, np.unique(part)])

    def _drifts(self, motion: Affine, seen: Array, inside: NDArray[np.bool_]) -> Array:
        """Return (N, K) what brightness and contrast do that change slowly along the sections of any of the stacks."""
        world = motion @ self._view.affine @ np.vstack([self._indices[:, inside], np.ones(len(seen))])
        views, found = (self._view.moved(motion), *self._others), []
        for view in views:
            knots = min(len(view.voxels), _KNOTS // len(views))
            section = (np.linalg.inv(view.to_world) @ world)[0] / (len(view.voxels) - 1)
            slow = np.maximum(0, 1 - np.abs(section * (knots - 1) - np.arange(knots)[:, None]))
            found += [slow, slow * seen]
        return np.concatenate(found).T

    def _seen(self, motion: Affine) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Return what is seen, its slope for each parameter, and of which voxels of the stack."""
        offsets, weights = self._view.offsets
        to_world = motion @ self._view.affine
        world = (to_world[:3, :3] @ self._indices + to_world[:3, 3:])[:, :, None] + to_world[:3, :1, None] * offsets
        to_lattice = np.linalg.inv(self._lattice.affine)
        places = np.einsum("ij,jkl->ikl", to_lattice[:3, :3], world) + to_lattice[:3, 3][:, None, None]
        last = np.array(self._lattice.shape)[:, None, None] - 1
        inside = ((places >= 0) & (places <= last)).all(axis=(0, 2))
        nearest = np.rint(places[:, inside]).astype(np.intp)
        inside[inside] = self._told[tuple(nearest)].all(axis=1)
        world, places = world[:, inside], places[:, inside]
        values, *along = (map_coordinates(each, places, order=1, mode="nearest") for each in self._images)
        slope = np.einsum("ji,jkl->ikl", to_lattice[:3, :3], np.stack(along)) * weights
        return values @ weights, self._frame.slopes(slope, world), inside


def _told(others: Problem) -> NDArray[np.bool_]:
    """Return (Z, Y, X) where any of the stacks that a volume was made of reaches: elsewhere it only goes on evenly."""
    found = np.zeros(others.lattice.shape, bool)
    for view, count in zip(others.views, others.counts, strict=True):
        values, reached = upsampled(view.with_voxels((count > 0).astype(np.float32)), others.lattice)
        found |= reached & (values > 0.5)
    return found


def _without(drifts: Array, images: Array) -> Array:
    """Return what of each image (K, N) is no mixture of the drifts (N, L)."""
    normal = drifts.T @ drifts
    normal += (_TINY + 1e-6 * np.trace(normal) / len(normal)) * np.eye(len(normal))
    return np.asarray(images - (drifts @ np.linalg.solve(normal, drifts.T @ images.T)).T)


def _cross(vector: Array) -> Array:
    """Return the matrix of the cross product with a vector."""
    x, y, z = vector
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])


def _rotating(turning: Array) -> Array:
    """Return (3, N) the slopes for a rotation, of those (3, 3, N) for a linear change."""
    return np.stack(
        [turning[2, 1] - turning[1, 2], turning[0, 2] - turning[2, 0], turning[1, 0] - turning[0, 1]]
    )  # fmt: skip


def _covariance(pulls: Array) -> Array:
    """Return the covariance of the sum of what parts of the stack pull; infinite where a single part tells nothing."""
    count = pulls.shape[1]
    if count < 2:
        return np.full((len(pulls),) * 2, math.inf)
    apart = pulls - pulls.mean(axis=1, keepdims=True)
    return np.asarray(apart @ apart.T * (count / (count - 1)))


def distance(view: View, first: Affine, second: Affine) -> float:
    """Return how far the voxels of a stack are apart under two motions (root mean square)."""
    half = np.array(view.voxels.shape) / 2
    signs = 2.0 * np.indices((2, 2, 2)).reshape(3, -1) - 1
    corners = (half - 0.5)[:, None] + signs * half[:, None] / math.sqrt(3)  # their mean square is that of the box
    apart = ((first - second) @ view.affine @ np.vstack([corners, np.ones(8)]))[:3]
    return float(np.sqrt(np.square(apart).sum(axis=0).mean()))
