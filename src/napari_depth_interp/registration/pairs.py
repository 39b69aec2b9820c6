"""How one image lies displaced against another: phase correlation to begin with, then OpenCV's ECC."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .config import Kind

Image = NDArray[np.float32]

_LEVELS = (256, 512, 1024)
"""Pixels per side of the copies on which the motion is found, coarse to fine; larger images are reduced to the last."""
_MARGIN, _LEAST_MARGIN = 0.1, 8
"""Share and pixels of the first image left out at each edge: where a section was displaced its edge is no image."""
_BLUR = 5
"""Pixels: width of the filter that ECC smooths with."""
_ROUGH, _EXACT = (30, 1e-4), (100, 1e-6)
"""Steps of ECC at most, and the gain in correlation after which it ends: to choose among starts, and at last."""
_FARTHEST = 0.25
"""Share of the image, and radians, beyond which a motion is none: too little is left to compare."""
_SMALLEST_SIDE = 24
"""Pixels below which no motion is looked for."""


@dataclass(frozen=True)
class Motion:
    """Where the content of one image lies in another: turned about the centre, then moved.

    Attributes
    ----------
    shift : (y, x)
        In pixels.
    angle : float
        In radians, from x towards y.
    likeness : float
        Correlation of the two after that motion, -1 to 1; 0 where none was found.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    likeness: float = 0.0


@dataclass(frozen=True, eq=False)
class Prepared:
    """An image ready to be compared: copies from coarse to fine, and by how much each is reduced."""

    copies: tuple[Image, ...]
    factors: tuple[int, ...]


def prepared(section: NDArray[Any]) -> Prepared:
    """Return a section (Y, X) brought to about 0 to 1 and reduced; what is not a number is its median."""
    import cv2

    image = np.asarray(section, np.float32)
    if not np.isfinite(image).all():
        known = image[np.isfinite(image)]
        image = np.nan_to_num(image, nan=float(np.median(known)) if known.size else 0.0, posinf=0.0, neginf=0.0)
    low, high = np.percentile(image, (0.1, 99.9))
    image = np.clip((image - low) / (high - low), 0, 1) if high > low else np.zeros_like(image)
    side = max(image.shape)
    factors = sorted({max(1, math.ceil(side / level)) for level in _LEVELS}, reverse=True)
    copies = []
    for factor in factors:
        rows, columns = (size // factor for size in image.shape)
        whole = np.ascontiguousarray(image[: rows * factor, : columns * factor])
        small = whole if factor == 1 else cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
        copies.append(np.asarray(small, np.float32))
    return Prepared(tuple(copies), tuple(factors))


def motion_between(first: Prepared, second: Prepared, kind: Kind) -> Motion:
    """Return where the content of the first image lies in the second.

    The motion with the highest correlation wins, out of those that ECC (Evangelidis and Psarakis, PAMI 2008) finds
    from the peaks of the plain and the phase correlation, and from no motion.
    """
    coarse, factor = (first.copies[0], second.copies[0]), first.factors[0]
    if min(coarse[0].shape) < _SMALLEST_SIDE or not (np.ptp(coarse[0]) > 0 and np.ptp(coarse[1]) > 0):
        return Motion()
    tried = [_refined(*coarse, start, "translation", _ROUGH) for start in _starts(*coarse)]
    found = max(tried, key=lambda motion: motion.likeness)
    found = max(found, _refined(*coarse, found, kind), key=lambda motion: motion.likeness)
    for a, b, finer in zip(first.copies[1:], second.copies[1:], first.factors[1:], strict=True):
        found = _refined(a, b, _scaled(found, factor / finer), kind)
        factor = finer
    return _scaled(found, factor)


def _scaled(motion: Motion, factor: float) -> Motion:
    return Motion((motion.shift[0] * factor, motion.shift[1] * factor), motion.angle, motion.likeness)


def _starts(first: Image, second: Image) -> list[Motion]:
    """Return motions to begin with: none, and the peaks of both correlations, where they differ."""
    from skimage.registration import phase_cross_correlation

    a, b = _windowed(first), _windowed(second)
    starts = [(0.0, 0.0)]
    for normalization in (None, "phase"):
        shift, _, _ = phase_cross_correlation(b, a, upsample_factor=4, normalization=normalization)
        if all(math.dist(shift, known) > 0.5 for known in starts):
            starts.append((float(shift[0]), float(shift[1])))
    return [Motion(shift) for shift in starts]


def _windowed(image: Image) -> Image:
    """Return the image smoothed and faded out towards its edges, which are no structure."""
    import cv2

    smooth = cv2.GaussianBlur(image, (0, 0), 1.0)
    window = np.outer(np.hanning(image.shape[0]), np.hanning(image.shape[1])).astype(np.float32)
    return np.asarray((smooth - (smooth * window).sum() / window.sum()) * window, np.float32)


def _refined(first: Image, second: Image, start: Motion, kind: Kind, until: tuple[int, float] = _EXACT) -> Motion:
    """Return the motion near ``start`` with the highest correlation; none where ECC finds none."""
    import cv2

    margins = [min(max(_LEAST_MARGIN, int(_MARGIN * size)), size // 4) for size in first.shape]
    inner = np.ascontiguousarray(first[tuple(slice(m, -m) for m in margins)])
    warp = _matrix(start, first.shape, margins)
    model = cv2.MOTION_TRANSLATION if kind == "translation" else cv2.MOTION_EUCLIDEAN
    limit = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, *until)
    everywhere = np.full(second.shape, 255, np.uint8)
    try:
        likeness, found = cv2.findTransformECC(inner, second, warp, model, limit, everywhere, _BLUR)
    except cv2.error:  # not enough in common
        return Motion()
    return _motion(np.asarray(found), first.shape, margins, likeness)


def _matrix(motion: Motion, shape: Sequence[int], margins: Sequence[int]) -> NDArray[np.float32]:
    """Return OpenCV's matrix, which leads from (x, y) within the margins of the first image into the second."""
    turn, centre, start = turned(motion.angle), _centre(shape), np.array(margins, float)
    y, x = turn @ (start - centre) + centre + motion.shift
    return np.array([[turn[1, 1], turn[1, 0], x], [turn[0, 1], turn[0, 0], y]], np.float32)


def _motion(warp: NDArray[Any], shape: Sequence[int], margins: Sequence[int], likeness: float) -> Motion:
    angle = math.atan2(float(warp[1, 0]), float(warp[0, 0]))
    centre = _centre(shape)
    y, x = np.array([warp[1, 2], warp[0, 2]], float) - turned(angle) @ (np.array(margins) - centre) - centre
    far = max(abs(y) / shape[0], abs(x) / shape[1])
    if not (math.isfinite(likeness) and far < _FARTHEST and abs(angle) < _FARTHEST):  # NaN, too
        return Motion()
    return Motion((float(y), float(x)), angle, float(likeness))


def _centre(shape: Sequence[int]) -> NDArray[np.float64]:
    return (np.array(shape, float) - 1) / 2


def turned(angle: float) -> NDArray[np.float64]:
    """Return the matrix that turns (y, x) by an angle from x towards y."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, s], [-s, c]])
