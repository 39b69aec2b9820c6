"""Nuclei of a tissue on a dark ground: every one an object of its own, to be found and counted."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas
from .epithelium import NUCLEUS, draw_nucleus

SPACING = 7.0  # um, smallest distance between the centres of two nuclei: few touch
_TRIES = 6
"""Places that are tried for each nucleus that would fit if all lay side by side."""


def draw_nuclei(canvas: Canvas, rng: np.random.Generator) -> None:
    """Nuclei at random places, turned at random, no two nearer than :data:`SPACING`. Labels: 2 nuclei."""
    from scipy.spatial import cKDTree

    low, high = np.zeros(3), canvas.extent
    count = int(_TRIES * np.ceil(canvas.extent.prod() / SPACING**3))
    places = rng.uniform(low, high, (count, 3))
    normals = rng.standard_normal((count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    tree, free = cKDTree(places), np.ones(count, bool)
    for i in range(count):
        if free[i]:
            free[tree.query_ball_point(places[i], SPACING)] = False
            draw_nucleus(canvas, places[i], normals[i], np.asarray(NUCLEUS), rng)
