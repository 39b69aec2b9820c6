"""Validation on volumes that training never sees: PSNR, structural similarity, and the error per standard deviation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...nn.loop import Validation, ValidationResult
from .forward import finished, precision
from .lattice import Lattice
from .losses import ssim
from .objective import Objective
from .pairs import Volume
from .self_ensemble import views

if TYPE_CHECKING:
    from . import GanConfig

_LARGEST = 32
"""Coarse voxels along each axis of the part that is looked at."""
_VIEWS = 4
_CAPTIONS = ("interpolated", "made now", "truth")


class Validator:
    """Scores a generator on volumes kept from training.

    Parameters
    ----------
    volumes : sequence of Volume
        Of each the middle is looked at.
    """

    def __init__(
        self, volumes: Sequence[Volume], lattice: Lattice, config: GanConfig, objective: Objective, device: torch.device
    ) -> None:
        self._parts = [_middle(each, lattice, device) for each in volumes]
        self._lattice, self._config, self._objective, self._device = lattice, config, objective, device
        residual = [(self._base(coarse) - fine).square().mean() for coarse, fine in self._parts]
        self._before = _mean([_decibels(float(each)) for each in residual])

    def validation(self, steps: int) -> Validation:
        """Return what the training loop asks for, with so many steps per epoch."""
        return Validation(self.measure, self._config.validate_every * steps, self._config.patience)

    def measure(self, network: nn.Module) -> ValidationResult:
        """Return PSNR and structural similarity for a range of 1, and sections as they are estimated, made and true.

        The first score decides which weights are kept: PSNR, or where likeness to the eye counts too, the objective
        without its adversarial part.
        """
        squared, likeness, loss, picture = [], [], [], None
        for coarse, fine in self._parts:
            made = self._made(network, coarse)
            squared.append(float((made - fine).square().mean()))
            likeness.append(float(ssim(made, fine)))
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)  # the same planes at every look
                loss.append(float(self._objective(made, fine)))
            if picture is None:
                middle = fine.shape[2] // 2
                picture = torch.stack([each[0, 0, middle] for each in (self._base(coarse), made, fine)]).cpu().numpy()
        scores = {"psnr": _mean([_decibels(each) for each in squared])}
        scores |= {"psnr_interpolated": self._before, "ssim": _mean(likeness)}
        if self._objective.shares.perceptual > 0 or self._objective.shares.adversarial > 0:
            scores = {"objective": -_mean(loss), **scores}
        middle = self._parts[0][1].shape[2] // 2
        return ValidationResult(scores, picture, _CAPTIONS, f"section {middle} of the first held-back part's middle")

    def final(self, network: nn.Module) -> dict[str, Any]:
        """Return the gain over the base estimate in dB, and the mean error per std over views."""
        gains, errors, stds = [], 0.0, 0.0
        with torch.no_grad():
            for coarse, fine in self._parts:
                made = torch.stack([self._made(network, coarse, view) for view in views(self._lattice, _VIEWS)])
                before, after = ((each - fine).square().mean() for each in (self._base(coarse), made[0]))
                gains.append(_decibels(float(after)) - _decibels(float(before)))
                errors += float((made.mean(0) - fine).abs().mean())
                stds += float(made.std(0).mean())
        return {"gain_db": _mean(gains), "error_per_std": errors / stds if stds > 0 else 1.0}

    def _base(self, coarse: Tensor) -> Tensor:
        return self._lattice.crop(self._lattice.base(coarse))

    def _made(self, network: nn.Module, coarse: Tensor, view: Any = None) -> Tensor:
        with precision(self._config, self._device):
            blocks = network(coarse) if view is None else view.undo(network(view.do(coarse)))
        return finished(blocks, coarse, self._lattice, self._config)


def _middle(volume: Volume, lattice: Lattice, device: torch.device) -> tuple[Tensor, Tensor]:
    sizes = [min(_LARGEST, size) for size in volume.coarse.shape]
    starts = [(size - wanted) // 2 for size, wanted in zip(volume.coarse.shape, sizes, strict=True)]
    coarse = volume.coarse[tuple(slice(a, a + size) for a, size in zip(starts, sizes, strict=True))]
    fine_sizes = lattice.fine_size(tuple(sizes))
    fine = tuple(slice(a * k, a * k + size) for a, k, size in zip(starts, lattice.factors, fine_sizes, strict=True))
    return coarse[None, None].to(device), volume.fine[fine][None, None].to(device)


def _decibels(squared: float) -> float:
    return -10 * math.log10(max(squared, 1e-12))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
