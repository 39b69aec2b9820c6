"""Registering each stack to the first one by what both see: SimpleITK, correlation, several starts, coarse to fine.

A thick stack is blurred along its sections and sharp across them. Before two are compared, each is blurred as the
other one is; then the best match is where they really coincide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.spatial.transform import Rotation

from ..progress import Progress, Report, part, silent
from ..stack.profile import Profile
from .motion import displacement, simple_itk
from .refining import Registration
from .views import Affine, Lattice, View, Volume

_LEVELS = (4.0, 2.0, 1.0)
"""Standard deviations of the blur from level to level, in pixels."""
_WIDE, _WIDER = 6.0, 3.0
"""Standard deviation of what is taken off before images are compared: in pixels, and in those of the blur."""
_SIGMA = {"box": 1 / math.sqrt(12), "gaussian": 1 / 2.3548}
_JUDGED = 1.0
"""The level at which motions are compared: one that fits worse than what it began with is not taken."""
_LARGEST_TURN, _LARGEST_SHIFT = 12.0, 0.25
"""Degrees from where the files say, and share of the smaller image's shortest side, beyond which nothing is sought."""
_STARTS = 3
"""How many of the places around where the files say are starts, too."""
_OVERLAP, _PROBES = 0.5, 12
"""Share of the smaller image that must stay within the other one; places along each axis at which that is looked at."""
_STEPS = 150
_LONGEST, _SHORTEST = 0.25, 1e-3
"""Pixels of the first step, at least, and of the last one."""
_LPS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Image:
    """Grey values where they lie, ready to be compared, and what they were blurred with along which directions."""

    voxels: Volume
    affine: Affine
    profiles: tuple[tuple[NDArray[np.float64], Profile], ...]


def as_image(view: View) -> Image:
    """Return a stack in the world of its file."""
    return Image(view.voxels, view.affine, ((_normal(view.affine), view.profile),))


def register(
    fixed: Image, moving: Image, start: Affine, kind: Registration, *, threads: int = 1, report: Report = silent
) -> Affine:
    """Return the motion from the world of the fixed image to that of the moving one.

    On the coarsest level the search begins at ``start`` and at the best of places around it.

    Parameters
    ----------
    fixed, moving : Image
    start : (4, 4) array
        Where the files say that they lie.
    kind : {"rigid", "affine"}
    threads : int
    report : callable
    """
    itk = simple_itk()
    centre = (fixed.affine @ [*((np.array(fixed.voxels.shape) - 1) / 2), 1])[:3]
    motion = np.array(start)
    turn = motion[:3, :3]
    seen_by_fixed = [(np.asarray(np.linalg.solve(turn, n), np.float64), p) for n, p in moving.profiles]
    seen_by_moving = [(turn @ n, p) for n, p in fixed.profiles]
    alike = [_blurred(fixed, seen_by_fixed), _blurred(moving, seen_by_moving)]
    pixel = min(fixed_pixel(fixed), fixed_pixel(moving))
    lattices = _lattice_of(fixed), _lattice_of(moving)
    first, second = (_itk_image(itk, one, _JUDGED, pixel) for one in alike)
    judge = _Judge(itk, first, second, lattices, motion, centre, threads)
    best = judge.badness(motion)
    for number, sigma in enumerate(_LEVELS):
        report(Progress(number / len(_LEVELS), "registering"))
        images = [_itk_image(itk, one, sigma, pixel) for one in alike]
        coarse = replace(judge, fixed=images[0], moving=images[1])
        for begin in [motion] if number else [motion, *_promising(coarse, sigma * pixel)]:
            found = _optimised(itk, images[0], images[1], begin, centre, kind, (sigma, pixel), threads)
            value = judge.badness(found)
            if value < best:
                motion, best = found, value
    report(Progress(1.0))
    return motion


def _promising(judge: _Judge, blur: float) -> list[Affine]:
    """Return the best of the places around the start, moved by the blur and turned until the rim moves as far."""
    radius = float(np.linalg.norm(judge.affines[0].sizes * judge.affines[0].shape)) / 4
    steps = np.vstack([np.zeros(3), np.eye(3), -np.eye(3)])
    around = []
    for shift, turn in product(steps * blur, steps * min(blur / radius, math.radians(_LARGEST_TURN) / 2)):
        near = np.eye(4)
        near[:3, :3] = Rotation.from_rotvec(turn).as_matrix()
        middle = judge.start[:3, :3] @ judge.centre + judge.start[:3, 3]
        near[:3, 3] = middle - near[:3, :3] @ middle + shift
        around.append(np.asarray(near @ judge.start))
    return sorted(around[1:], key=judge.badness)[:_STARTS]


def _lattice_of(image: Image) -> Lattice:
    z, y, x = image.voxels.shape
    return Lattice((z, y, x), image.affine)


def fixed_pixel(image: Image) -> float:
    """Return the smallest voxel size."""
    return float(np.linalg.norm(image.affine[:3, :3], axis=0).min())


def _normal(affine: Affine) -> NDArray[np.float64]:
    """Return the direction along which the sections lie."""
    return np.asarray(affine[:3, 0] / np.linalg.norm(affine[:3, 0]))


def _blurred(image: Image, profiles: Sequence[tuple[NDArray[np.float64], Profile]]) -> Image:
    """Return an image blurred as another one is, along those of its own axes that are nearest to the other's."""
    voxels, sizes = image.voxels, np.linalg.norm(image.affine[:3, :3], axis=0)
    axes = image.affine[:3, :3] / sizes
    for direction, profile in profiles:
        near = np.abs(axes.T @ direction) / np.linalg.norm(direction)
        axis = int(near.argmax())
        own = max((abs(float(n @ axes[:, axis])) * _sigma(p) for n, p in image.profiles), default=0.0)
        wanted = float(near[axis]) * _sigma(profile)
        lacking = math.sqrt(max(0.0, wanted**2 - own**2))
        if lacking > 0:
            voxels = gaussian_filter1d(voxels, lacking / sizes[axis], axis=axis, mode="nearest")
    return Image(np.asarray(voxels, np.float32), image.affine, image.profiles)


def _sigma(profile: Profile) -> float:
    return _SIGMA[profile.kind] * profile.thickness


def _itk_image(itk: Any, image: Image, sigma: float, pixel: float) -> Any:
    """Return an image of ITK, blurred by so many pixels and thinned where it is smooth."""
    sizes = np.linalg.norm(image.affine[:3, :3], axis=0)
    voxels = gaussian_filter(image.voxels, sigma * pixel / sizes, mode="nearest")
    wide = max(_WIDE, _WIDER * sigma) * pixel
    voxels = voxels - gaussian_filter(image.voxels, wide / sizes, mode="nearest")  # brightness may drift
    steps = [
        max(1, min(int(sigma * pixel / size), count // 8)) for size, count in zip(sizes, voxels.shape, strict=True)
    ]
    thinned = np.ascontiguousarray(voxels[:: steps[0], :: steps[1], :: steps[2]], np.float32)
    found = itk.GetImageFromArray(thinned)
    spacing = sizes * steps
    found.SetSpacing([float(each) for each in spacing[::-1]])
    directions = (image.affine[:3, :3] / sizes)[:, ::-1]
    found.SetDirection((_LPS @ directions).ravel().tolist())
    found.SetOrigin((_LPS @ image.affine[:3, 3]).tolist())
    return found


def _optimised(
    itk: Any, fixed: Any, moving: Any, start: Affine, centre: NDArray[np.float64], kind: Registration,
    blur: tuple[float, float], threads: int,
) -> Affine:  # fmt: skip
    """Return the motion at which two images of ITK correlate best; they are blurred by so many pixels of that size."""
    sigma, pixel = blur
    transform = _itk_transform(itk, start, centre, kind)
    method = _comparing(itk, transform, threads)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=max(_LONGEST, sigma) * pixel, minStep=_SHORTEST * pixel, numberOfIterations=_STEPS,
        relaxationFactor=0.6, gradientMagnitudeTolerance=1e-9,
    )  # fmt: skip
    method.SetOptimizerScalesFromPhysicalShift()
    try:
        method.Execute(fixed, moving)
    except RuntimeError:  # nothing overlaps: what is said about it is said by whoever looks at the overlap
        return start
    return _motion_of(transform)


def _comparing(itk: Any, transform: Any, threads: int) -> Any:
    method = itk.ImageRegistrationMethod()
    method.SetNumberOfThreads(threads)
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(itk.sitkLinear)
    method.SetInitialTransform(transform, True)
    return method


@dataclass(frozen=True, eq=False)
class _Judge:
    """Compares motions: how badly two images of ITK correlate, and whether they still lie over each other."""

    itk: Any
    fixed: Any
    moving: Any
    affines: tuple[Lattice, Lattice]
    start: Affine
    centre: NDArray[np.float64]
    threads: int

    def badness(self, motion: Affine) -> float:
        """Return what registering makes small, at one motion; infinite where too little overlaps, or too far away."""
        if not within_range(*self.affines, motion, self.start) or self.overlap(motion) < _OVERLAP:
            return math.inf
        transform = _itk_transform(self.itk, motion, self.centre, "affine")
        try:
            return float(_comparing(self.itk, transform, self.threads).MetricEvaluate(self.fixed, self.moving))
        except RuntimeError:
            return math.inf

    def overlap(self, motion: Affine) -> float:
        """Return the share of the smaller image that the other one reaches."""
        fixed, moving = self.affines
        return max(
            _share_within(fixed, moving, motion),
            _share_within(moving, fixed, np.asarray(np.linalg.inv(motion), np.float64)),
        )


def within_range(fixed: Lattice, moving: Lattice, motion: Affine, start: Affine) -> bool:
    """Return whether a motion is so near to where the files say that it was sought there."""
    shortest = min(float((each.sizes * each.shape).min()) for each in (fixed, moving))
    middle = (np.append((np.array(fixed.shape) - 1) / 2, 1.0) @ (start @ fixed.affine).T)[:3]
    moved = displacement(motion @ np.linalg.inv(start), middle)
    return moved.angle <= _LARGEST_TURN and moved.shift <= _LARGEST_SHIFT * shortest


def _share_within(one: Lattice, other: Lattice, motion: Affine) -> float:
    """Return the share of an image that lies within another one."""
    along = [np.linspace(0, size - 1, _PROBES) for size in one.shape]
    grid = np.stack(np.meshgrid(*along, indexing="ij")).reshape(3, -1)
    to_other = np.linalg.inv(other.affine) @ motion @ one.affine
    places = to_other[:3, :3] @ grid + to_other[:3, 3:]
    inside = (places >= -0.5) & (places <= np.array(other.shape)[:, None] - 0.5)
    return float(inside.all(axis=0).mean())


def _itk_transform(itk: Any, motion: Affine, centre: NDArray[np.float64], kind: Registration) -> Any:
    lps = _LPS @ motion[:3, :3] @ _LPS
    middle = _LPS @ centre
    if kind == "rigid":
        transform = itk.VersorRigid3DTransform()
        left, _, right = np.linalg.svd(lps)
        lps = left @ right
    else:
        transform = itk.AffineTransform(3)
    transform.SetCenter(middle.tolist())
    transform.SetMatrix(lps.ravel().tolist(), *((1e-6,) if kind == "rigid" else ()))
    moved = motion[:3, :3] @ centre + motion[:3, 3]
    transform.SetTranslation((_LPS @ (moved - centre)).tolist())
    return transform


def _motion_of(transform: Any) -> Affine:
    matrix = _LPS @ np.array(transform.GetMatrix()).reshape(3, 3) @ _LPS
    centre, shift = (_LPS @ np.array(each) for each in (transform.GetCenter(), transform.GetTranslation()))
    found = np.eye(4)
    found[:3, :3], found[:3, 3] = matrix, centre + shift - matrix @ centre
    return found


def register_all(views: Sequence[View], kind: Registration, *, threads: int = 1, report: Report = silent) -> list[View]:
    """Return the stacks brought onto the first one, each by itself."""
    if kind == "none":
        return list(views)
    found = [views[0]]
    for number, view in enumerate(views[1:]):
        inner = part(report, number / (len(views) - 1), (number + 1) / (len(views) - 1), view.name)
        motion = register(as_image(view), as_image(views[0]), view.motion, kind, threads=threads, report=inner)
        found.append(view.moved(motion))
    return found
