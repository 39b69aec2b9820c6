"""A volume to draw on in micrometres: soft-edged tubes and ellipsoids, each in its own small box."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

OPTICAL_SECTION = 2.0
"""um; however far apart the sections are, one section does not show more depth than this."""

POINTS_AT_ONCE = 1 << 20  # bounds the memory of one batch of tubes, whatever the size of the volume


@dataclass(frozen=True, eq=False)
class Canvas:
    """Brightness (0 to 1) and classes of a specimen, sampled at voxel centres ``(i + 0.5) * voxel``.

    Attributes
    ----------
    shape : (Z, Y, X)
    voxel : (z, y, x) in um
    """

    shape: tuple[int, int, int]
    voxel: tuple[float, float, float]
    brightness: Floats = field(init=False)
    labels: NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "brightness", np.zeros(self.shape, np.float32))
        object.__setattr__(self, "labels", np.zeros(self.shape, np.uint8))

    @property
    def extent(self) -> NDArray[np.float64]:
        """Size (z, y, x) of the field of view in um; the only size that a specimen may depend on."""
        return np.multiply(self.shape, self.voxel)

    @property
    def reach(self) -> NDArray[np.float64]:
        """Extent (z, y, x) over which one voxel averages, in um."""
        return np.minimum(self.voxel, (OPTICAL_SECTION, np.inf, np.inf))

    def box(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[slice, slice, slice]:
        """Voxels whose centres lie between two corners (um), cut to the volume."""
        first = np.clip(np.ceil(low / self.voxel - 0.5), 0, self.shape).astype(int)
        last = np.clip(np.floor(high / self.voxel - 0.5) + 1, first, self.shape).astype(int)
        z, y, x = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
        return z, y, x

    def centres(self, axis: int, part: slice) -> Floats:
        """Positions in um of the voxel centres of a slice along one axis."""
        return ((np.arange(part.start, part.stop) + 0.5) * self.voxel[axis]).astype(np.float32)


def soft(inside: Floats, width: Floats | float) -> Floats:
    """Share of a voxel of this width that a surface ``inside`` um beyond its centre covers."""
    share: Floats = np.clip(0.5 + inside / width, 0, 1)
    return share


@dataclass(frozen=True, eq=False)
class Tubes:
    """Straight pieces of tapering tubes: ends (N, 3), radii at both ends (N,) in um, brightness (N,)."""

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    start_radius: NDArray[np.float64]
    end_radius: NDArray[np.float64]
    brightness: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, index: Any) -> Tubes:  # a mask or indices
        return Tubes(
            self.start[index],
            self.end[index],
            self.start_radius[index],
            self.end_radius[index],
            self.brightness[index],
        )


def draw_tubes(canvas: Canvas, tubes: Tubes, label: int) -> None:
    """Draw tubes: the brightest wins; voxels that they cover by half or more get the label.

    A tube thinner than a voxel is widened to it, so that it does not fall between two voxels, and dimmed
    so that the sum over its cross section stays pi * radius**2.
    """
    brightness, labels = canvas.brightness.reshape(-1), canvas.labels.reshape(-1)
    for part, first, size in _batches(canvas, tubes):
        index, difference, radius = _boxed(canvas, part, first, size)
        distance = np.sqrt(np.square(difference).sum(axis=0)) + np.float32(1e-6)
        # A voxel's width seen along the shortest way to the tube: the voxel that holds a point of the
        # centre line is never further from it than half of this, so thin tubes stay connected.
        width = sum(np.abs(difference[a]) * np.float32(canvas.reach[a]) for a in range(3)) / distance
        width = np.maximum(width, np.float32(canvas.reach.min()))
        wide = np.maximum(radius, width / 2)
        cover = soft(wide - distance, width)
        # A disc with a linear edge of width w sums up to pi * (radius**2 + w**2 / 12).
        square = _square_width_across(canvas, part)[:, None]
        dim = np.square(radius) / (np.maximum(np.square(radius), square / 4) + square / 12)
        value = cover * dim * part.brightness.astype(np.float32)[:, None]
        drawn = (cover > 0) & (index >= 0)
        np.maximum.at(brightness, index[drawn], value[drawn])
        labels[index[drawn & (cover >= 0.5)]] = label


def _square_width_across(canvas: Canvas, tubes: Tubes) -> Floats:
    """Mean square width of a voxel over the directions across each tube (N,), um squared."""
    axis = tubes.end - tubes.start
    one = np.cross(axis, np.eye(3)[np.abs(axis).argmin(axis=1)])
    other = np.cross(axis, one)
    angle = (np.arange(8) + 0.5) * np.pi / 8
    across = np.cos(angle)[:, None, None] * unit(one) + np.sin(angle)[:, None, None] * unit(other)  # (8, N, 3)
    square: Floats = np.square(np.abs(across) @ canvas.reach).mean(axis=0).astype(np.float32)
    return square


def _batches(canvas: Canvas, tubes: Tubes) -> Iterator[tuple[Tubes, NDArray[np.intp], tuple[int, ...]]]:
    """Groups of tubes whose boxes have the same size, with the first voxel of each box."""
    thick = np.maximum(tubes.start_radius, tubes.end_radius)[:, None] + canvas.reach
    low = np.minimum(tubes.start, tubes.end) - thick
    high = np.maximum(tubes.start, tubes.end) + thick
    visible = ((high > 0) & (low < canvas.extent)).all(axis=1)
    tubes, low, high = tubes[visible], low[visible], high[visible]
    first = np.ceil(low / canvas.voxel - 0.5).astype(np.intp)
    size = np.maximum(np.floor(high / canvas.voxel - 0.5).astype(np.intp) + 1 - first, 1)
    sizes, group = np.unique(size, axis=0, return_inverse=True)
    order = np.argsort(group.reshape(-1), kind="stable")
    counts = np.bincount(group.reshape(-1), minlength=len(sizes))
    ends = np.cumsum(counts)
    for box, begin, stop in zip(sizes, ends - counts, ends, strict=True):
        count = max(1, POINTS_AT_ONCE // int(box.prod()))
        for at in range(int(begin), int(stop), count):
            chosen = order[at : min(at + count, int(stop))]
            yield tubes[chosen], first[chosen], tuple(box.tolist())


def _boxed(
    canvas: Canvas, tubes: Tubes, first: NDArray[np.intp], size: tuple[int, ...]
) -> tuple[NDArray[np.intp], Floats, Floats]:
    """Flat voxel index (-1: outside), way from the centre line (3, N, P) and radius there (N, P)."""
    offsets = np.stack([a.reshape(-1) for a in np.indices(size)])  # (3, P)
    voxel = first.T[:, :, None] + offsets[:, None, :]  # (3, N, P)
    shape = np.array(canvas.shape)[:, None, None]
    inside = ((voxel >= 0) & (voxel < shape)).all(axis=0)
    index = np.where(inside, (voxel[0] * canvas.shape[1] + voxel[1]) * canvas.shape[2] + voxel[2], -1)
    axis = tubes.end - tubes.start
    along = np.zeros(voxel.shape[1:], np.float32)
    way = np.empty(voxel.shape, np.float32)
    for a in range(3):
        way[a] = (voxel[a] + 0.5) * canvas.voxel[a] - tubes.start[:, a, None]
        along += way[a] * axis[:, a, None].astype(np.float32)
    along = np.clip(along / np.maximum(np.square(axis).sum(axis=1), 1e-12)[:, None].astype(np.float32), 0, 1)
    for a in range(3):
        way[a] -= along * axis[:, a, None].astype(np.float32)
    radius = tubes.start_radius[:, None] + along * (tubes.end_radius - tubes.start_radius)[:, None]
    return index, way, radius.astype(np.float32)


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale vectors (..., 3) to the length 1; a null vector stays."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))
