"""Leaving sections of a stack out, so that they can be asked for: the one rule of what is seen and what is hidden."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .dataset import Stack
from .grid import Acquisition


@dataclass(frozen=True, eq=False)
class Thinned:
    """A stack with sections left out.

    Attributes
    ----------
    seen : Stack
        The sections that are left (a view).
    kept : (S,) int array
        Which sections of the whole stack these are.
    hidden : (H,) int array
        The sections of the whole stack that lie between two kept ones.
    """

    seen: Stack
    kept: NDArray[np.intp]
    hidden: NDArray[np.intp]


def every_kth(count: int, k: int, first: int = 0) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the indices of the sections ``first``, ``first + k`` ..., and of those between them."""
    kept = np.arange(first, count, k)
    between = np.arange(first, kept[-1] + 1) if len(kept) else kept
    return kept, between[(between - first) % k != 0]


def thinned(stack: Stack, k: int, first: int = 0) -> Thinned:
    """Return every k-th section of a stack, from the section ``first`` on, and which ones are hidden between them."""
    kept, hidden = every_kth(len(stack.depths), k, first)
    return Thinned(stack.crop(slice(first, None, k), slice(None)), kept, hidden)


@dataclass(frozen=True, eq=False)
class Joined:
    """Neighbouring projections averaged in pairs: an image through twice the depth, whose halves are known.

    Attributes
    ----------
    seen : Stack
        The means, float32.
    pairs : (S, 2) int array
        The images of the whole stack that each is the mean of.
    """

    seen: Stack
    pairs: NDArray[np.intp]


def joined(stack: Stack, first: int = 0) -> Joined | None:
    """Return the means of projections in pairs, from the image ``first`` on; None where they make fewer than two."""
    count = (len(stack.depths) - first) // 2
    if count < 2:
        return None
    pairs = np.arange(first, first + 2 * count).reshape(count, 2)
    voxels = stack.voxels[pairs].astype(np.float32).mean(axis=1)
    grid = replace(stack.grid, depths=stack.depths[pairs].mean(axis=1))
    return Joined(Stack(voxels, grid, Acquisition(2 * stack.acquisition.n)), pairs)


def spread_over(indices: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Return at most so many of the indices, evenly spread, the first and the last among them."""
    places = np.linspace(0, max(0, len(indices) - 1), min(count, len(indices)))
    chosen: NDArray[np.intp] = indices[places.round().astype(int)]
    return chosen
