"""Going to the sections that were hidden: there a method shows what it can do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import napari
import numpy as np


def depth_in_view(viewer: napari.Viewer) -> float | None:
    """Return the depth of the section that is shown; None where there is no single one, as in XZ or 3-D."""
    dims = viewer.dims
    return float(dims.point[-3]) if dims.ndim >= 3 and dims.ndim - 3 in dims.not_displayed else None


@contextmanager
def section_kept(viewer: napari.Viewer) -> Iterator[None]:
    """Stay at the depth in view while layers come and go: napari stays at the number of the section instead."""
    point = tuple(viewer.dims.point)
    yield
    if len(point) == viewer.dims.ndim:
        viewer.dims.point = point


def go_to(viewer: napari.Viewer, depth: float) -> None:
    """Move the slider to a depth."""
    if viewer.dims.ndim >= 3:
        viewer.dims.set_point(viewer.dims.ndim - 3, depth)


def go_to_nearest(viewer: napari.Viewer, depths: Iterable[float]) -> None:
    """Move the slider to the nearest of these depths."""
    known, now = np.asarray(sorted(depths)), depth_in_view(viewer)
    if len(known) and now is not None:
        go_to(viewer, float(known[np.abs(known - now).argmin()]))


def step(viewer: napari.Viewer, depths: Iterable[float], direction: int) -> None:
    """Move the slider to the next of these depths (``direction`` 1) or the one before (-1), if there is one."""
    known, now = sorted(depths), depth_in_view(viewer)
    if now is None:
        return
    close = 1e-6 * max(1.0, abs(now))
    ahead = [depth for depth in known if (depth - now) * direction > close]
    if ahead:
        go_to(viewer, min(ahead, key=lambda depth: abs(depth - now)))
