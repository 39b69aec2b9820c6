"""What the network learns from: recorded images, and nothing else.

Two kinds of examples. *Means*: the n sections of a recorded image are predicted, and their mean has to be that image:
it holds at the real thickness, but says nothing about how the sections differ. *Coarser*: neighbouring images are
averaged (slices: every second one is left out), so that the recorded images themselves are the sections to be found:
these are known, but twice as thick.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...stack import Stack
from ...stack.thinning import joined, thinned

Prior = Callable[[Stack, NDArray[np.float64]], NDArray[np.float32] | None]
"""From a stack and depths to prior sections (K, Y, X) in the units of the input; None where there is no prior."""


@dataclass(frozen=True, eq=False)
class TrainingExample:
    """Sections that belong to one recorded image.

    Attributes
    ----------
    seen : (Y, X) tensor
        The recorded image, at about -1 to 1 as all values.
    clean : (n, Y, X) tensor
        What is made noisy: the sections themselves, or what stands for them where they are not known.
    prior : (n, Y, X) tensor or None
    place : (n, 2) tensor
        Depth in the stack and in the recorded image, -1 to 1.
    target : (1 or n, Y, X) tensor
        The mean of the sections, or each of them.
    mean_only : bool
        Only the mean of the sections is known.
    index : int
        Of the recorded image.
    """

    seen: Tensor
    clean: Tensor
    prior: Tensor | None
    place: Tensor
    target: Tensor
    index: int
    mean_only: bool


@dataclass(frozen=True, eq=False)
class Places:
    """Where sections lie: in the stack (-1 to 1 from its first to its last section) and in the closest image."""

    low: float
    high: float

    @classmethod
    def of(cls, stack: Stack) -> Places:
        """Take the reach of a stack."""
        fine = stack.fine_depths()
        return cls(float(fine.min()), float(fine.max()))

    def at(self, z: NDArray[np.float64], centre: NDArray[np.float64] | float, gap: float) -> Tensor:
        """Return (K, 2) for depths z, of which the closest image lies at ``centre``."""
        whole = 2 * (z - self.low) / max(self.high - self.low, 1e-12) - 1
        return torch.from_numpy(np.stack([whole, (z - centre) / max(gap / 2, 1e-12)], 1)).float()


Scaled = Callable[[NDArray[Any]], Tensor]


def means(
    stack: Stack, prior: NDArray[np.float32] | None, scaled: Scaled, *, each: bool = False, noised: str = "prior"
) -> list[TrainingExample]:
    """Return one example for each projection; ``prior`` (N n, Y, X) holds its sections.

    ``each``: every section has to be the projection, as algorithm 1 is printed, instead of their mean. ``noised``: what
    stands for the sections when noise is added, those of the ``"prior"`` or the ``"projection"``.
    """
    n, fine, places = stack.acquisition.n, stack.fine_depths(), Places.of(stack)
    images, gap = scaled(stack.voxels), stack.grid.spacing or 1.0
    priors = None if prior is None else scaled(prior).view(len(images), n, *images.shape[1:])
    return [
        TrainingExample(
            image,
            image.expand(n, -1, -1) if priors is None or noised == "projection" else priors[i],
            None if priors is None else priors[i],
            places.at(fine[i], float(stack.depths[i]), gap).to(image.device),
            image.expand(n, -1, -1) if each else image[None],
            i,
            mean_only=not each,
        )
        for i, image in enumerate(images)
    ]


def coarser(stack: Stack, prior: Prior, scaled: Scaled) -> list[TrainingExample]:
    """Return one example for each image of coarser stacks made of this one."""
    examples = []
    for first in (0, 1):
        made = _pairs(stack, first) if stack.acquisition.is_projection else _slices(stack, first)
        if made is not None:
            examples += _known(stack, *made, prior, scaled)
    return examples


def _pairs(stack: Stack, first: int) -> tuple[Stack, list[list[int]]] | None:
    """Return means of neighbouring images, and of which two each is."""
    made = joined(stack, first)
    return None if made is None else (made.seen, made.pairs.tolist())


def _slices(stack: Stack, first: int) -> tuple[Stack, list[list[int]]] | None:
    """Return every second slice, and for each the left-out ones to which it is the closest."""
    made = thinned(stack, 2, first)
    if len(made.kept) < 2:
        return None
    nearest = np.abs(made.seen.depths - stack.depths[made.hidden, None]).argmin(axis=1)
    return made.seen, [made.hidden[nearest == k].tolist() for k in range(len(made.kept))]


def _known(
    stack: Stack, coarse: Stack, owned: Sequence[Sequence[int]], prior: Prior, scaled: Scaled
) -> list[TrainingExample]:
    images, seen = scaled(stack.voxels), scaled(coarse.voxels)
    asked = [i for each in owned for i in each]
    fine = stack.fine_depths()[asked]
    found = prior(coarse, fine.ravel())
    priors = None if found is None else scaled(found.reshape(*fine.shape, *found.shape[1:]).mean(axis=1))
    places, gap, examples, done = Places.of(stack), coarse.grid.spacing or 1.0, [], 0
    for k, each in enumerate(owned):
        if each:
            place = places.at(stack.depths[list(each)], float(coarse.depths[k]), gap).to(images.device)
            mine = None if priors is None else priors[done : done + len(each)]
            known = images[list(each)]
            examples.append(TrainingExample(seen[k], known, mine, place, known, k, mean_only=False))
            done += len(each)
    return examples


def batched(
    examples: Sequence[TrainingExample], rng: np.random.Generator, sections: int, size: int, rows: slice
) -> list[TrainingExample]:
    """Return windows of some examples, about ``sections`` sections in all, turned and mirrored at random."""
    chosen, count = [], 0
    while count < sections:
        chosen.append(window(examples[int(rng.integers(len(examples)))], rng, size, rows))
        count += len(chosen[-1].clean)
    return chosen


def window(example: TrainingExample, rng: np.random.Generator, size: int, rows: slice) -> TrainingExample:
    """Return a window of a example out of some of its rows."""
    height, width = rows.stop - rows.start, example.seen.shape[1]
    tall, wide = min(size, height), min(size, width)
    top, left = rows.start + int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
    flips = [axis for axis in (-2, -1) if rng.random() < 0.5]
    turned = tall == wide and rng.random() < 0.5

    def cut(image: Tensor) -> Tensor:
        part = image[..., top : top + tall, left : left + wide]
        part = part.flip(flips) if flips else part
        return part.transpose(-1, -2) if turned else part

    prior = None if example.prior is None else cut(example.prior)
    clean, target = cut(example.clean), cut(example.target)
    return replace(example, seen=cut(example.seen), clean=clean, prior=prior, target=target)
