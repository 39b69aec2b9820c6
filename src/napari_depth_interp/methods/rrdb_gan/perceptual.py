"""The 2.5-D perceptual loss: planes of all three directions, seen by a 2-D network (Nishioka 2026, section 3.4.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import WeightsError

Features = Callable[[Tensor], Tensor]
"""From images (N, 3, H, W) of a slice and its two neighbours, about 0 to 1, to anything that can be subtracted."""

_TAPPED = 16
"""Layers of VGG16 that are used: up to relu3_3."""
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, per colour."""
_TINY = 1e-12
_FLOOR = 0.1
"""Share of the mean error that every plane counts with when planes are drawn by importance."""


class Vgg(nn.Module):
    """VGG16 up to relu3_3, frozen.

    Parameters
    ----------
    size : int
        Images are brought to size x size pixels.
    weights : mapping of str -> Tensor, optional
        torchvision's (``features.*``). Not given: random ones, always the same.

    Raises
    ------
    WeightsError
        If the weights are not those of VGG16.
    """

    def __init__(self, size: int, weights: Mapping[str, Tensor] | None) -> None:
        from torchvision.models.vgg import cfgs, make_layers

        super().__init__()
        self.layers: nn.Sequential = make_layers(cfgs["D"])[:_TAPPED]
        drawn = torch.Generator().manual_seed(0)
        for each in self.layers:
            if isinstance(each, nn.Conv2d):
                nn.init.kaiming_normal_(each.weight, nonlinearity="relu", generator=drawn)
                assert each.bias is not None
                nn.init.zeros_(each.bias)
        if weights is not None:
            wanted = {name: weights.get(f"features.{name}") for name in self.layers.state_dict()}
            try:
                self.layers.load_state_dict({name: each for name, each in wanted.items() if each is not None})
            except RuntimeError as error:
                raise WeightsError("these are not the weights of VGG16; choose its torchvision file") from error
        self.requires_grad_(False).eval()
        self._size = size
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1))

    mean: Tensor
    std: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, 256, size / 4, size / 4)."""
        sized = functional.interpolate(images, size=(self._size, self._size), mode="bilinear", align_corners=False)
        found: Tensor = self.layers((sized - self.mean) / self.std)
        return found


def spectrum(images: Tensor) -> Tensor:
    """Return the amplitudes of the Fourier transform (the spectral loss of Jukebox, Dhariwal 2020): no weights."""
    with torch.autocast(images.device.type, enabled=False):
        waves = torch.fft.rfft2(images.float(), norm="ortho")
        amplitudes: Tensor = (waves.real.square() + waves.imag.square() + _TINY).sqrt()
    return amplitudes


def features_of(kind: str, size: int, weights: Path | None) -> Features:
    """Return what planes are compared by: ``vgg`` (with a file of weights), ``random`` or ``spectrum``."""
    if kind == "spectrum":
        return spectrum
    if kind == "random":
        return Vgg(size, None)
    from ...models.weights import read

    assert weights is not None
    return Vgg(size, read(weights))


class Perceptual:
    """The perceptual loss.

    Parameters
    ----------
    features : callable
    important : bool
        Draw planes in proportion to their error (and weigh them so that the mean stays right), instead of all alike.
    axes : tuple of int
        Planes across which axes are looked at: 2 (z), 3, 4.
    """

    def __init__(self, features: Features, *, important: bool, axes: tuple[int, ...] = (2, 3, 4)) -> None:
        self._features = features
        self._important = important
        self._axes = axes

    def __call__(self, made: Tensor, real: Tensor, count: int) -> Tensor:
        """Return the mean squared difference of features over ``count`` planes of each direction (eq. 3.13).

        Parameters
        ----------
        made, real : (B, 1, Z, Y, X) tensors
        count : int
            All planes, if there are no more.
        """
        total = made.new_zeros(())
        for axis in self._axes:
            chosen, share = self._chosen(made, real, axis, count)
            with torch.no_grad():
                wanted = self._features(_planes(real, axis, chosen))
            residual = (self._features(_planes(made, axis, chosen)) - wanted).float().square()
            each = residual.view(len(made), len(chosen), -1).mean((0, 2))
            total = total + (each * share).sum()
        return total / len(self._axes)

    def _chosen(self, made: Tensor, real: Tensor, axis: int, count: int) -> tuple[Tensor, Tensor]:
        """Return the numbers of planes, and what each counts."""
        planes = made.shape[axis]
        if count >= planes:
            return torch.arange(planes, device=made.device), made.new_full((planes,), 1 / planes)
        if not self._important:
            return torch.randperm(planes)[:count].to(made.device), made.new_full((count,), 1 / count)
        others = tuple(each for each in range(5) if each != axis)
        error = (made.detach() - real).square().mean(others)
        odds = error + _FLOOR * error.mean() + torch.finfo(error.dtype).tiny
        odds = odds / odds.sum()
        chosen = torch.multinomial(odds, count, replacement=True)
        return chosen, 1 / (count * planes * odds[chosen])


def _planes(volumes: Tensor, axis: int, chosen: Tensor) -> Tensor:
    """Return (B * n, 3, H, W): planes with their two neighbours as colours (eq. 3.12); the ends are held."""
    places = (chosen[:, None] + torch.arange(-1, 2, device=chosen.device)).clamp(0, volumes.shape[axis] - 1)
    moved = volumes[:, 0].movedim(axis - 1, 1)
    return moved[:, places].flatten(0, 1)
