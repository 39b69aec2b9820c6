"""Beginning a training from the weights of a 2-D diffusion model, as Ohashi 2025 does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...errors import WeightsError
from ...models import folder as model_folder
from ...models.weights import read
from .network import PlaneNet

if TYPE_CHECKING:
    from . import MsdsrConfig

_DIFFUSERS = "diffusion_pytorch_model.safetensors"
_ENOUGH = 0.5
"""Share of the network's weights that the other model must fit."""


def untrained(config: MsdsrConfig) -> PlaneNet:
    """Return the network that a training begins with."""
    network = PlaneNet(config.channels, config.levels, config.guide)
    return network if config.start is None else begin_from(network, config.start)


def begin_from(network: PlaneNet, folder: Path) -> PlaneNet:
    """Copy the weights that fit by name and shape into the network.

    The first layer of a model that sees fewer inputs (a plain image model sees noise only) fills the first inputs; the
    others, and the output layer of a model for colours, stay as they are.

    Parameters
    ----------
    network : PlaneNet
    folder : Path
        Of an msdsr model, or of a ``UNet2DModel`` saved by diffusers as safetensors.

    Raises
    ------
    WeightsError
        If the folder holds neither, or a network of another width or depth.
    """
    given = _tensors(folder)
    own = network.state_dict()
    taken = {name: fitted for name, each in own.items() if (fitted := _fitted(each, given.get(name))) is not None}
    share = sum(each.numel() for each in taken.values()) / sum(each.numel() for each in own.values())
    if share < _ENOUGH:
        raise WeightsError(
            f"only {100 * share:.0f} % of the network's weights are in '{folder}' at the right size; set channels and "
            "levels to those of that model"
        )
    network.load_state_dict(own | taken)
    return network


def _tensors(folder: Path) -> dict[str, Tensor]:
    if (folder / _DIFFUSERS).is_file():
        return {f"unet.{name}": each for name, each in read(folder / _DIFFUSERS).items()}
    return {name: each for name, each in model_folder.load(folder, "msdsr").tensors.items() if name != "gain"}


def _fitted(own: Tensor, given: Tensor | None) -> Tensor | None:
    """Return ``given`` at the shape of ``own``; None if it cannot be brought to it."""
    if given is None:
        return None
    if given.shape == own.shape:
        return given.to(own)
    narrower = given.ndim == own.ndim == 4 and given.shape[1] < own.shape[1]
    if not narrower or (given.shape[0], *given.shape[2:]) != (own.shape[0], *own.shape[2:]):
        return None
    missing = own.new_zeros(own.shape[0], own.shape[1] - given.shape[1], *own.shape[2:])
    return torch.cat([given.to(own), missing], 1)
