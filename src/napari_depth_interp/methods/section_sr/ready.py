"""Weights to start from, learned on simulated images (scripts/train_ready.py): fewer steps for the same quality."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...io.files import replacing
from ...models.weights import read
from .network import RowNet

SIZES = {"32x4": (32, (1, 2, 1, 2)), "48x6": (48, (1, 2, 1, 2, 1, 2))}
"""The networks for which there are weights: width, and the dilation of each block."""
MEAN, STD = 0.3, 0.15
"""Mean and standard deviation of the images on which they were trained."""
RATE = 0.35
"""Share of the learning rates: more would forget, less would not learn the stack."""
SPAN = (0.5, 2.2)
"""Bounds of the gaps drawn in training: nearer to the physical one than from scratch, as others are known already."""


def file_of(size: str) -> Path:
    """Return where the weights of a size lie."""
    return Path(__file__).with_name(f"ready_{size}.safetensors")


def fits(channels: int, dilations: tuple[int, ...]) -> bool:
    """Return whether there are weights for such a network."""
    return (channels, dilations) in SIZES.values()


def start(network: RowNet, std: float) -> None:
    """Give a network the ready weights.

    Parameters
    ----------
    network : RowNet
        Of a size for which there are weights.
    std : float
        Standard deviation of its images: what linear interpolation misses grows with it.
    """
    channels, blocks = network.entry.out_channels, len(network.blocks)
    tensors = read(file_of(f"{channels}x{blocks}"))
    for name in ("head.weight", "head.bias"):
        tensors[name] = tensors[name] * (std / STD)
    network.load_state_dict(tensors)


def save(path: Path, network: RowNet, about: Mapping[str, Any]) -> None:
    """Write weights, with how they were made."""
    from safetensors.torch import save_file

    tensors = {name: each.detach().contiguous() for name, each in network.state_dict().items()}
    with replacing(path, overwrite=True) as temporary:
        save_file(tensors, temporary, metadata={"made": json.dumps(dict(about))})
