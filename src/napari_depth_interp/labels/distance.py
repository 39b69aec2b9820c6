"""Signed distances of objects in a section, in pixels: positive inside, negative outside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]
Distances = NDArray[np.float32]
Box = tuple[slice, slice]

FAR = -1e4
"""Signed distance where there is no object at all."""


def signed_distance(mask: Mask) -> Distances:
    """Return the distance of each pixel's centre to the outline of ``mask``, in pixels; an empty one is :data:`FAR`.

    The outline runs halfway between a pixel inside and its neighbour outside. What touches the edge of the section
    is taken to go on beyond it.
    """
    import cv2

    if not mask.any():
        return np.full(mask.shape, FAR, np.float32)
    if mask.all():
        return np.full(mask.shape, float(max(mask.shape)), np.float32)
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outside = cv2.distanceTransform(1 - mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Their last bit depends on where the arrays lie in memory; their squares are whole numbers.
    apart = np.sqrt(np.rint(np.square(inside + outside, dtype=np.float64)))
    return np.asarray(np.where(mask > 0, apart - 0.5, 0.5 - apart), np.float32)


@dataclass(frozen=True)
class Contest:
    """Where objects compete for the pixels of the sections of a gap: the highest score above 0 wins.

    Attributes
    ----------
    labels : (n, Y, X) int32 array
        Who leads; 0: nobody.
    best, second : (n, Y, X) float32 array
        The highest score so far of any object, below 0 too, and the highest of any other label.
    """

    labels: NDArray[np.int32]
    best: Distances
    second: Distances

    @classmethod
    def empty(cls, shape: tuple[int, int, int]) -> Contest:
        return cls(np.zeros(shape, np.int32), np.full(shape, FAR, np.float32), np.full(shape, FAR, np.float32))

    def enter(self, section: int, box: Box, label: int, score: Distances) -> None:
        """Let an object compete with its score (pixels, positive where it is) in a box of one section."""
        best, second = self.best[section][box], self.second[section][box]
        leader = self.labels[section][box]
        wins = score > best
        np.copyto(second, np.where(leader == label, second, best), where=wins)
        np.copyto(second, np.maximum(second, score), where=~wins & (leader != label))
        np.copyto(best, score, where=wins)
        leader[wins] = label

    def winners(self) -> NDArray[np.int32]:
        """Return (n, Y, X) the labels whose score is highest and above 0."""
        return np.where(self.best > 0, self.labels, 0)

    def margin(self) -> Distances:
        """Return (n, Y, X) by how much the winner, or the background, is ahead, in pixels."""
        ahead = self.best - np.maximum(self.second, 0)
        return np.asarray(np.where(self.best > 0, ahead, -self.best), np.float32)
