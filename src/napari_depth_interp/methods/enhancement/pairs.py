"""What a network is trained on: noisy images beside clean ones, beside their neighbours, or beside themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from ...nn.contract import TrainingData
from ...nn.data import hold_back
from ...stack.scaling import Scaling
from .config import EnhanceConfig
from .noise_correlation import grain_radius


@dataclass(frozen=True, eq=False)
class Pair:
    """A noisy image and what the network shall make of it, (Y, X) each, about 0 to 1."""

    seen: Tensor
    wanted: Tensor


def self_supervised(stacks: Sequence[Tensor], config: EnhanceConfig) -> tuple[list[Pair], int | None]:
    """Return pairs out of noisy sections (Z, Y, X) alone, and how far around it each blind pixel must be hidden.

    Each section stands beside the next one, both ways (None: nothing is hidden), or beside itself. This is so too
    where no stack has two sections.
    """
    hide = config.targets == "blind" or all(len(images) < 2 for images in stacks)
    pairs: list[Pair] = []
    for images in stacks:
        if hide:
            pairs += [Pair(image, image) for image in images]
        else:
            pairs += [Pair(*both) for one, other in pairwise(images) for both in ((one, other), (other, one))]
    if not hide:
        return pairs, None
    if config.blind_radius is not None:
        return pairs, config.blind_radius
    return pairs, max(grain_radius(images.cpu().numpy()) for images in stacks)


def supervised(data: TrainingData, share: float, seed: int, device: torch.device) -> tuple[list[Pair], list[Pair]]:
    """Return pairs of noisy and clean sections to learn from, and those of files that are held back.

    Both are scaled as the noisy stack is: a clean one is not there when the model is used.
    """
    pairs: list[list[Pair]] = []
    for noisy, clean in zip(data.stacks, data.targets, strict=True):
        scaling = Scaling.of(noisy.voxels)
        seen, wanted = (torch.from_numpy(scaling.apply(each.voxels)).to(device) for each in (noisy, clean))
        pairs.append([Pair(*both) for both in zip(seen, wanted, strict=True)])
    learned, held = hold_back(data, share, seed)
    return [pair for i in learned for pair in pairs[i]], [pair for i in held for pair in pairs[i]]
