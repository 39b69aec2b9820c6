"""Registering a stack through the forward model, to the volume that the other stacks make (Gauss-Newton).

The volume is seen along the profile of the stack's own sections, so that both sides are blurred in the same way. How
far the differences that are left would move the stack if they were others tells how well the motion is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm
from scipy.ndimage import gaussian_filter, map_coordinates

from .problem import Problem
from .views import Affine, View, Volume

Registration = Literal["none", "rigid", "affine"]
Array = NDArray[np.float64]
_WIDE = 9.0
"""Standard deviation in pixels of what is taken off before images are compared: brightness drifts."""
_MOST = 40_000
"""Voxels of a stack that are compared, at most."""
_STEPS, _SMALL, _LONGEST = 6, 0.005, 2.0
"""Steps at most; pixels of a step after which none follows, and of the longest one."""
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


@dataclass(frozen=True)
class Fit:
    """How a stack was registered.

    Attributes
    ----------
    motion : (4, 4) array
    uncertainty : float
        Expected distance of the stack's voxels from where they belong (root mean square); infinite if nothing tells.
    """

    motion: Affine
    uncertainty: float


def refine(view: View, others: Problem, volume: Volume, kind: Registration) -> Fit:
    """Return the motion of a stack that brings it onto a volume, beginning with the one that it has.

    Parameters
    ----------
    view : View
    others : Problem
        Of the stacks that the volume was made of.
    volume : (Z, Y, X) float32 array
    kind : {"rigid", "affine"}
    """
    comparison = _Comparison(view, others, volume)
    motion, uncertainty = view.motion, math.inf
    for _ in range(_STEPS):
        found = comparison.step(motion, kind)
        if found is None:
            return Fit(motion, math.inf)
        step, uncertainty = found
        length = float(np.linalg.norm(step))
        motion = comparison.moved(motion, step * min(1.0, _LONGEST / max(length, _TINY)), kind)
        if length < _SMALL:
            break
    return Fit(motion, uncertainty)


class _Comparison:
    """A stack beside what is seen of a volume where the stack would be under a motion."""

    def __init__(self, view: View, others: Problem, volume: Volume) -> None:
        sizes, lattice = view.sizes, others.lattice
        self._pixel = float(sizes.min())
        self._view, self._others, self._lattice = view, others.views, lattice
        fine = _fine(volume, lattice.sizes, self._pixel)
        self._images = [fine, *(np.gradient(fine, axis=axis) for axis in range(3))]
        chosen = np.arange(view.voxels.size)
        if len(chosen) > _MOST:
            chosen = np.sort(np.random.default_rng(0).choice(chosen, _MOST, replace=False))
        self._wanted = _fine(view.voxels, sizes, self._pixel).reshape(-1)[chosen]
        self._indices = np.stack(np.unravel_index(chosen, view.voxels.shape)).astype(np.float64)
        shape = np.array(view.voxels.shape)
        self._centre = view.affine[:3, :3] @ ((shape - 1) / 2) + view.affine[:3, 3]
        self._radius = float(np.linalg.norm(sizes * shape)) / math.sqrt(12)
        parts = np.minimum(self._indices / shape[:, None] * _PARTS, _PARTS - 1).astype(int)
        self._part = np.ravel_multi_index(tuple(parts), (_PARTS,) * 3)

    def step(self, motion: Affine, kind: Registration) -> tuple[Array, float] | None:
        """Return the next step in pixels, and how well the motion is known; None where too little is seen."""
        seen, slopes, inside = self._seen(motion, kind)
        if inside.sum() < _FEWEST:
            return None
        wanted, part = self._wanted[inside], self._part[inside]
        found = _without(self._drifts(motion, seen, inside), np.vstack([wanted, slopes]))
        rest, slopes = found[0], found[1:]
        usual = max(1.4826 * float(np.median(np.abs(rest))), _TINY)
        weights = np.minimum(1, _HUBER * usual / np.maximum(np.abs(rest), _TINY))
        normal = (slopes * weights) @ slopes.T
        pulls = np.stack([np.bincount(part, weights * rest * each, minlength=_PARTS**3) for each in slopes])
        inverse = np.linalg.inv(normal + (_DAMPING * np.trace(normal) / len(normal) + _TINY) * np.eye(len(normal)))
        return inverse @ pulls.sum(axis=1), self._pixel * _spread(inverse, pulls[:, np.unique(part)])

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

    def _seen(self, motion: Affine, kind: Registration) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Return what is seen, its slope for each parameter, and of which voxels of the stack."""
        view = self._view
        offsets, weights = view.offsets
        to_world = motion @ view.affine
        world = (to_world[:3, :3] @ self._indices + to_world[:3, 3:])[:, :, None] + to_world[:3, :1, None] * offsets
        to_lattice = np.linalg.inv(self._lattice.affine)
        places = np.einsum("ij,jkl->ikl", to_lattice[:3, :3], world) + to_lattice[:3, 3][:, None, None]
        last = np.array(self._lattice.shape)[:, None, None] - 1
        inside = ((places >= 0) & (places <= last)).all(axis=(0, 2))
        world, places = world[:, inside], places[:, inside]
        values, *along = (map_coordinates(each, places, order=1, mode="nearest") for each in self._images)
        slope = np.einsum("ji,jkl->ikl", to_lattice[:3, :3], np.stack(along)) * weights
        arms = world - (motion[:3, :3] @ self._centre + motion[:3, 3])[:, None, None]
        turning = np.einsum("ikl,jkl->ijk", slope, arms) / self._radius
        linear = turning.reshape(9, -1) if kind == "affine" else _rotating(turning)
        return values @ weights, np.concatenate([slope.sum(axis=2), linear]) * self._pixel, inside

    def moved(self, motion: Affine, step: Array, kind: Registration) -> Affine:
        """Return a motion followed by a small one about the centre, given in pixels."""
        linear = step[3:] * self._pixel / self._radius
        matrix = np.eye(3) + linear.reshape(3, 3) if kind == "affine" else expm(_cross(linear))
        centre = motion[:3, :3] @ self._centre + motion[:3, 3]
        small = np.eye(4)
        small[:3, :3], small[:3, 3] = matrix, centre - matrix @ centre + step[:3] * self._pixel
        return np.asarray(small @ motion)


def _without(drifts: Array, images: Array) -> Array:
    """Return what of each image (K, N) is no mixture of the drifts (N, L)."""
    normal = drifts.T @ drifts
    normal += (_TINY + 1e-6 * np.trace(normal) / len(normal)) * np.eye(len(normal))
    return np.asarray(images - (drifts @ np.linalg.solve(normal, drifts.T @ images.T)).T)


def _fine(voxels: Volume, sizes: Array, pixel: float) -> Volume:
    return np.asarray(voxels - gaussian_filter(voxels, _WIDE * pixel / sizes, mode="nearest"), np.float32)


def _cross(vector: Array) -> Array:
    """Return the matrix of the cross product with a vector."""
    x, y, z = vector
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])


def _rotating(turning: Array) -> Array:
    """Return (3, N) the slopes for a rotation, of those (3, 3, N) for a linear change."""
    return np.stack(
        [turning[2, 1] - turning[1, 2], turning[0, 2] - turning[2, 0], turning[1, 0] - turning[0, 1]]
    )  # fmt: skip


def _spread(inverse: NDArray[Any], pulls: NDArray[Any]) -> float:
    """Return the standard deviation of all parameters together, by how much the parts of the stack disagree."""
    count = pulls.shape[1]
    if count < 2:
        return math.inf
    apart = inverse @ (pulls - pulls.mean(axis=1, keepdims=True))
    return math.sqrt(float(np.square(apart).sum()) * count / (count - 1))


def distance(view: View, first: Affine, second: Affine) -> float:
    """Return how far the voxels of a stack are apart under two motions (root mean square)."""
    half = np.array(view.voxels.shape) / 2
    signs = 2.0 * np.indices((2, 2, 2)).reshape(3, -1) - 1
    corners = (half - 0.5)[:, None] + signs * half[:, None] / math.sqrt(3)  # their mean square is that of the box
    apart = ((first - second) @ view.affine @ np.vstack([corners, np.ones(8)]))[:3]
    return float(np.sqrt(np.square(apart).sum(axis=0).mean()))
