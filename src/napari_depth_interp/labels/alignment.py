"""How an object moves and changes its form from one annotated section to the next: an affine map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .distance import Distances, Mask

_GAIN = 0.02
"""A map is taken if the overlap (IoU) of both outlines, brought together halfway, grows by this."""
_FIT = 2.5
"""Most that a map may stretch or shrink along any direction."""
_IDENTITY = np.eye(2)


@dataclass(frozen=True, eq=False)
class Map:
    """Position (x, y) on the section below -> ``matrix @ position + shift`` on the section above, in pixels."""

    matrix: NDArray[np.floating[Any]]
    shift: NDArray[np.floating[Any]]

    def at(self, share: float) -> Map:
        """Return the part of the way that is done at ``share`` of the gap: every point moves straight."""
        return Map((1 - share) * _IDENTITY + share * self.matrix, share * self.shift)

    def inverse(self) -> Map:
        matrix = np.linalg.inv(self.matrix)
        return Map(matrix, -matrix @ self.shift)

    def after(self, other: Map) -> Map:
        """Return the map that does ``other`` first and then this one."""
        return Map(self.matrix @ other.matrix, self.matrix @ other.shift + self.shift)

    @property
    def is_identity(self) -> bool:
        return np.array_equal(self.matrix, _IDENTITY) and not self.shift.any()


STAY = Map(_IDENTITY, np.zeros(2))


def pulled(image: Distances, place: Map) -> Distances:
    """Return the image read at ``place`` of each pixel (linear; the edge is continued)."""
    import cv2

    if place.is_identity:
        return image
    rows, columns = image.shape
    wide = np.column_stack([place.matrix, place.shift])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image, wide, (columns, rows), flags=flags, borderMode=cv2.BORDER_REPLICATE))


def align(below: Mask, above: Mask, distances: tuple[Distances, Distances]) -> Map:
    """Return the map from ``below`` to ``above`` that brings their outlines together: none, a shift, or affine.

    The affine one moves the Gaussian with the centre and the spread of the one mask onto that of the other with the
    least work (optimal transport between Gaussians, which has no turning to choose).
    """
    first, second = _moments(below), _moments(above)
    candidates = [STAY, Map(_IDENTITY, second[0] - first[0])]
    matrix = _transport(first[1], second[1])
    if matrix is not None:
        candidates.append(Map(matrix, second[0] - matrix @ first[0]))
    best, overlap = STAY, -1.0
    for each in candidates:
        reached = _overlap(distances, each)
        if reached > overlap + (_GAIN if overlap >= 0 else 0):
            best, overlap = each, reached
    return best


def between(distances: tuple[Distances, Distances], way: Map, share: float) -> Distances:
    """Return the signed distances at ``share`` of the gap: both outlines on their way, blended."""
    back = way.at(share).inverse()
    below, above = pulled(distances[0], back), pulled(distances[1], way.after(back))
    return np.asarray((1 - share) * below + share * above, np.float32)


def _overlap(distances: tuple[Distances, Distances], way: Map) -> float:
    """Return the intersection over union of both outlines, brought together halfway."""
    back = way.at(0.5).inverse()
    first, second = pulled(distances[0], back) > 0, pulled(distances[1], way.after(back)) > 0
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else 0.0


def _moments(mask: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return centre (x, y) and covariance of a mask, each pixel a square."""
    rows, columns = np.nonzero(mask)
    points = np.stack([columns, rows], axis=1).astype(float)
    centre = points.mean(axis=0)
    spread = (points - centre).T @ (points - centre) / len(points)
    return centre, spread + np.eye(2) / 12


def _transport(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the symmetric matrix that turns one covariance into the other; None if it would deform too much."""
    root = _power(first, 0.5)
    back = _power(first, -0.5)
    matrix = back @ _power(root @ second @ root, 0.5) @ back
    stretch = np.linalg.eigvalsh(matrix)
    return matrix if stretch.min() > 1 / _FIT and stretch.max() < _FIT else None


def _power(matrix: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.maximum(values, 1e-12) ** exponent) @ vectors.T)
