"""Recorded images as means of sections, and sections that average to them: back-projection, once for all methods.

The limit of repeated back-projection (average the result, add what is missing back) is a matrix, see
:mod:`napari_depth_interp.numerics.interpolation`.
Applied to what a result misses it makes its averages equal the recorded images.
A slice is the mean of one section: the same formula puts observed slices back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..progress import Progress, Report, silent
from ..stack import Acquisition, Stack, fine_depths
from ..stack.lazy import planes_of
from .interpolation import Weights, unaverage, weights

REACH = 24
"""Images on each side that a weight may use: the influence of an image falls by 1/2 or more per image."""
MATCHED = 6
"""The same where only a small error is made up for."""
_SECTIONS = 64
"""Sections per matrix product."""
_SHARED = 0.01
"""Share of all voxels that a smallest grey value must have to be a floor, not the dimmest of many values."""


@dataclass(frozen=True)
class Floor:
    """The grey value that nothing is below, neither projections nor their sections.

    Back-projection alone lets sections swing about it (an empty background is often recorded as exactly 0).

    Attributes
    ----------
    value : float
        In the units of the input; minus infinity: there is none.
    """

    value: float = -math.inf

    @classmethod
    def of(cls, stack: Stack) -> Floor:
        """Return the floor of the recorded projections, if many voxels lie exactly at their smallest value."""
        return cls.of_images(stack.voxels, stack.acquisition)

    @classmethod
    def of_images(cls, images: NDArray[Any], acquisition: Acquisition) -> Floor:
        """Return the floor of some recorded images (N, Y, X)."""
        if not acquisition.is_projection:
            return cls()
        lows = ((image.min(), image) for image in planes_of(images))  # read once: they may still be in a file
        found = [(float(low), int(np.count_nonzero(image == low))) for low, image in lows]
        lowest = min(value for value, _ in found)
        count = sum(count for value, count in found if value == lowest)
        return cls(lowest) if count >= _SHARED * math.prod(images.shape) else cls()

    @property
    def is_known(self) -> bool:
        return math.isfinite(self.value)

    def held(
        self, render: Callable[[NDArray[np.float64]], NDArray[Any]], stack: Stack, z: NDArray[np.float64]
    ) -> NDArray[Any]:
        """Return sections (K, Y, X) at depths z that are not below the floor.

        Parameters
        ----------
        render : callable
            Gives sections (K, Y, X) at any depths whose averages are the recorded images.
        stack : Stack
        z : (K,) array
        """
        if not self.is_known:
            return render(z)
        fine = stack.fine_depths()
        places = _places(fine.ravel(), z, stack)
        if places is None:
            return np.asarray(np.maximum(render(z), self.value))
        owners = places // stack.acquisition.n
        used = np.unique(owners)
        sections = self.lift(render(fine[used].ravel()), stack.voxels[used])
        mine = np.searchsorted(used, owners) * stack.acquisition.n + places % stack.acquisition.n
        return np.asarray(sections[mine])

    def lift(self, sections: NDArray[Any], images: NDArray[Any]) -> NDArray[Any]:
        """Return the nearest sections (N n, Y, X) that are not below the floor and average to images (N, Y, X).

        That is the projection onto a simplex, pixel by pixel (Held, Wolfe and Crowder, 1974).
        """
        if not self.is_known:
            return sections
        found, n = np.empty_like(sections), len(sections) // len(images)
        counts = np.arange(1, n + 1).reshape(n, 1, 1)
        for number, image in enumerate(images):
            some = slice(number * n, (number + 1) * n)
            above = sections[some].astype(np.float64) - self.value
            ordered = -np.sort(-above, axis=0)
            taken = (np.cumsum(ordered, axis=0) - n * (image.astype(np.float64) - self.value)) / counts
            kept = np.maximum((ordered > taken).sum(axis=0), 1)  # how many stay above the floor
            less = np.take_along_axis(taken, kept[None] - 1, axis=0)
            found[some] = np.maximum(above - less, 0) + self.value
        return found


def _places(flat: Weights, z: Weights, stack: Stack) -> NDArray[np.intp] | None:
    """Return where depths z are among the fine ones, or None if some lie between them."""
    spacing = stack.grid.spacing or 1.0
    places = np.searchsorted(flat, z - 1e-9 * spacing).clip(0, len(flat) - 1)
    return places if np.allclose(flat[places], z, rtol=0, atol=1e-6 * spacing) else None


def window_of(stack: Stack, z: Weights, reach: int = REACH) -> slice:
    """Return the images that sections at depths z depend on."""
    first = max(0, int(np.searchsorted(stack.depths, z.min())) - reach)
    return slice(first, min(len(stack.depths), int(np.searchsorted(stack.depths, z.max())) + reach))


def back_projected(
    render: Callable[[NDArray[np.float64], Report], NDArray[Any]],
    stack: Stack,
    z: NDArray[np.float64],
    report: Report = silent,
    *,
    reach: int = MATCHED,
) -> NDArray[Any]:
    """Return sections at depths z, corrected so that averages of the sections equal the recorded images.

    Parameters
    ----------
    render : callable
        Gives uncorrected sections (K, Y, X) at any depths, in the units of the input; gets a report for its progress.
    stack : Stack
    z : (K,) array
    report : callable
    reach : int
        Images beyond ``z`` on each side whose error is taken into account.

    Returns
    -------
    (K, Y, X) array
    """
    window = window_of(stack, z, reach)
    seen = replace(stack, voxels=stack.voxels[window], grid=replace(stack.grid, depths=stack.depths[window]))
    fine = fine_depths(stack.grid, stack.acquisition.n)[window]
    flat = fine.ravel()
    places = _places(flat, z, stack)
    if places is not None:
        sections = render(flat, report)
        values = sections[places]
        averages = sections.reshape(*fine.shape, *sections.shape[1:]).mean(axis=1)
    else:
        averages = render(flat, report).reshape(*fine.shape, *seen.voxels.shape[1:]).mean(axis=1)
        values = render(z, silent)
    errors = seen.voxels - averages
    correct(values, errors.astype(values.dtype), seen.depths, fine, z)
    report(Progress(1.0))
    return np.asarray(values)


def correct(values: NDArray[Any], errors: NDArray[Any], depths: Weights, fine: Weights, z: Weights) -> None:
    """Add to sections ``values`` (K, Y, X) at depths z what makes averages ``errors`` (N, Y, X) larger, smoothly."""
    flat, out = errors.reshape(len(errors), -1), values.reshape(len(values), -1)
    for some, part, shares in spreading(depths, fine, z):
        out[some] += shares.astype(values.dtype) @ flat[part]


def spreading(depths: Weights, fine: Weights, z: Weights) -> Iterator[tuple[slice, slice, Weights]]:
    """Yield (some of the depths z, the images that count there, their weights): rows of ``W (P W)^-1``."""
    inverse = unaverage("linear", depths, fine)
    for start in range(0, len(z), _SECTIONS):
        some = slice(start, start + _SECTIONS)
        matrix = weights("linear", depths, z[some]) @ inverse
        used = np.flatnonzero(np.abs(matrix).max(axis=0) > 1e-9)
        part = slice(int(used[0]), int(used[-1]) + 1)
        yield some, part, matrix[:, part]
