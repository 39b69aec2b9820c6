"""Features of the pixels of one section, from it and the sections beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .gap import AROUND

Image = NDArray[np.float32]
_SCALES = (1, 2, 4, 8)
"""Standard deviations of the Gaussians, in pixels."""
BLUR = 4 * max(_SCALES) + 1
"""Pixels around one that its features depend on, along each axis: OpenCV cuts Gaussians at four deviations."""


def pixel_features(block: Image, centre: int) -> Image:
    """Return (Y, X, F) features of section ``centre`` of a block (m, Y, X) of neighbouring sections.

    Intensity at several scales, edges, and bright and dark ridges of that section; two scales of the sections around
    it, where the last one stands for those beyond it.
    """
    import cv2

    image = np.ascontiguousarray(block[centre])
    blurred = {scale: cv2.GaussianBlur(image, (0, 0), scale) for scale in _SCALES}
    features = [image, *blurred.values()]
    for scale in _SCALES[:-1]:
        features += _edges(blurred[scale])
    features.append(cv2.GaussianBlur(image * image, (0, 0), 4) - blurred[4] ** 2)
    for step in [*range(-AROUND, 0), *range(1, AROUND + 1)]:
        beside = np.ascontiguousarray(block[min(max(centre + step, 0), len(block) - 1)])
        features += [cv2.GaussianBlur(beside, (0, 0), scale) for scale in (1, 4)]
    return np.stack(features, axis=-1)


def _edges(image: NDArray[Any]) -> list[Image]:
    """Return the length of the gradient and both eigenvalues of the matrix of second derivatives."""
    import cv2

    x, y, xx, yy, xy = (cv2.Sobel(image, cv2.CV_32F, *order) for order in ((1, 0), (0, 1), (2, 0), (0, 2), (1, 1)))
    mean, spread = (xx + yy) / 2, np.sqrt((xx - yy) ** 2 / 4 + xy**2)
    return [np.hypot(x, y), mean + spread, mean - spread]
