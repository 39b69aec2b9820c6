"""The objective of the generator (Nishioka 2026, eq. 3.7) put together from the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn import functional

from ...errors import RequestError, WeightsError
from ...models.weights import BACKBONES, fetch
from ...system.amounts import size_in_words
from .losses import ssim
from .perceptual import Perceptual, Vgg, features_of

if TYPE_CHECKING:
    import torch

    from . import GanConfig

_PERCEPTUAL = {"faithful": 0.0, "conservative": 0.1, "published": 1.0}
"""Share of the published weight."""
_ADVERSARIAL = {"faithful": 0.0, "conservative": 0.0001, "published": 0.001}
_PUBLISHED = {"vgg": 0.2, "random": 0.2, "spectrum": 300.0}
"""Full weight of the perceptual loss. Squared differences of spectra are small: 300 makes them matter as much."""
_VGG = BACKBONES["vgg"]


@dataclass(frozen=True)
class Shares:
    """The weights of the losses."""

    mse: float
    ssim: float
    perceptual: float
    adversarial: float


def shares_of(config: GanConfig) -> Shares:
    """Return the weights of the losses: as given, else by the objective.

    Raises
    ------
    RequestError
        If nothing is left to learn from.
    """
    perceptual, adversarial = config.perceptual_weight, config.adversarial_weight
    if perceptual is None:
        perceptual = _PERCEPTUAL[config.objective] * _PUBLISHED[config.perceptual]
    if max(config.slices, config.slices_at_end or 0) == 0:
        perceptual = 0.0
    if adversarial is None:
        adversarial = _ADVERSARIAL[config.objective]
    if config.mse_weight == config.ssim_weight == perceptual == 0:
        raise RequestError("all losses that compare with the truth have weight 0; give mse_weight or ssim_weight")
    return Shares(config.mse_weight, config.ssim_weight, perceptual, adversarial)


class Objective:
    """What the generator makes small, without the adversarial part.

    Raises
    ------
    WeightsError
        If weights of VGG16 are asked for that are not there.
    """

    def __init__(self, config: GanConfig, device: torch.device) -> None:
        self.shares = shares_of(config)
        self._config = config
        self._perceptual: Perceptual | None = None
        if self.shares.perceptual > 0:
            features = features_of(config.perceptual, config.slice_size, _weights(config))
            if isinstance(features, Vgg):
                features = features.to(device)
            axes = (2,) if config.dimensions == 2 else (2, 3, 4)
            self._perceptual = Perceptual(features, important=config.slice_choice == "important", axes=axes)

    def __call__(self, made: Tensor, real: Tensor, done: float = 0.0) -> Tensor:
        """Return the loss of volumes (B, 1, Z, Y, X) when a share ``done`` of the training is over."""
        total = made.new_zeros(())
        if self.shares.mse > 0:
            total = total + self.shares.mse * functional.mse_loss(made, real)
        if self.shares.ssim > 0:
            total = total + self.shares.ssim * (1 - ssim(made, real))
        count = self.planes(done)
        if self._perceptual is not None and count > 0:
            total = total + self.shares.perceptual * self._perceptual(made, real, count)
        return total

    def planes(self, done: float) -> int:
        """Return how many planes of each direction are looked at."""
        start, end = self._config.slices, self._config.slices_at_end
        return start if end is None else round(start + (end - start) * done)


def announcements(config: GanConfig) -> Sequence[str]:
    """Return what a user should know before training begins."""
    if shares_of(config).perceptual == 0:
        return ()
    if config.perceptual == "spectrum":
        return ("the perceptual loss compares Fourier amplitudes of planes, not VGG features: nothing is downloaded",)
    if config.perceptual == "random":
        return ("the perceptual loss uses an untrained VGG16: nothing is downloaded",)
    if config.vgg_weights is None and config.vgg_download and not _VGG.stored.is_file():
        return (_VGG.announce(),)
    return ()


def _weights(config: GanConfig) -> Path | None:
    if config.perceptual != "vgg":
        return None
    if config.vgg_weights is not None:
        return config.vgg_weights
    if config.vgg_download or _VGG.stored.is_file():
        return fetch(_VGG)
    raise WeightsError(
        "the weights of VGG16 are not here; give torchvision's file with -p vgg_weights=FILE, allow the download "
        f"({size_in_words(_VGG.size)}) with -p vgg_download=true, or choose features that need none: "
        "-p perceptual=spectrum"
    )
