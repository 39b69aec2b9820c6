"""What a network is trained on: noisy images beside clean ones, beside their neighbours, or beside themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ...nn.contract import TrainingData
from ...stack.scaling import Scaling
from .config import EnhanceConfig
from .noise_correlation import grain_radius

_FEWEST = 3
"""Files from which on some are held back for validation."""


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
    groups: dict[str, list[Pair]] = {}
    for path, noisy, clean in zip(data.files, data.stacks, data.targets, strict=True):
        scaling = Scaling.of(noisy.voxels)
        seen, wanted = (torch.from_numpy(scaling.apply(each.voxels)).to(device) for each in (noisy, clean))
        groups.setdefault(str(path), []).extend(Pair(*both) for both in zip(seen, wanted, strict=True))
    names = list(groups)
    count = max(1, round(share * len(names))) if share > 0 and len(names) >= _FEWEST else 0
    held = {names[i] for i in np.random.default_rng((seed, 1)).permutation(len(names))[:count]}
    learned = [pair for name in names if name not in held for pair in groups[name]]
    return learned, [pair for name in names if name in held for pair in groups[name]]
