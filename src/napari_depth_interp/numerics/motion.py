"""Motion between two sections: dense optical flow. Displacements are (x, y) in pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
_SMALLEST = 32
"""The solver needs images of this size; smaller ones are continued at the edge."""


def to_bytes(image: Image) -> NDArray[np.uint8]:
    """Return an image of about 0 to 1 as the solver takes it."""
    return np.asarray(np.clip(np.rint(image * 255), 0, 255), np.uint8)


def motion(first: Image, second: Image, *, finest_scale: int, refinements: int, smoothness: float) -> Image:
    """Return (Y, X, 2): where each pixel of ``first`` lies in ``second``, as a displacement.

    Dense inverse search (Kroeger et al., ECCV 2016) with variational refinement. Call it within
    :func:`single_threaded`: the solver's result depends on its number of threads.

    Parameters
    ----------
    first, second : (Y, X) float32 array, about 0 to 1
    finest_scale : int
        The motion is found on images halved this many times.
    refinements : int
        Iterations of the variational refinement.
    smoothness : float
        How strongly neighbouring pixels are made to move alike.
    """
    import cv2

    height, width = first.shape
    margins = (0, max(0, _SMALLEST - height), 0, max(0, _SMALLEST - width))
    wide = [cv2.copyMakeBorder(to_bytes(image), *margins, cv2.BORDER_REPLICATE) for image in (first, second)]
    solver: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    solver.setFinestScale(finest_scale)
    solver.setVariationalRefinementIterations(refinements)
    solver.setVariationalRefinementAlpha(smoothness)
    return np.ascontiguousarray(solver.calc(*wide, None)[:height, :width])


def moved(image: Image, flow: Image, kernel: int = 1) -> Image:
    """Return ``image`` at each pixel moved by ``flow``; 1 is cv2.INTER_LINEAR. Edges are continued."""
    import cv2

    rows, columns = np.indices(flow.shape[:2], dtype=np.float32)
    found = cv2.remap(image, columns + flow[..., 0], rows + flow[..., 1], kernel, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Hold OpenCV to one thread, and leave it as it was."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
