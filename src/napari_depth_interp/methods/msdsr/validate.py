"""How well the network draws the hidden rows of planes that it was not trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ...nn.loop import Validation, ValidationResult
from ...stack import Stack
from ...stack.scaling import Scaling
from .network import PlaneNet, between
from .sample import draw

if TYPE_CHECKING:
    from . import MsdsrConfig

_PLANES = 12
"""Planes that are looked at in all."""
_ROWS, _COLUMNS = 33, 96
_LOOKS = 20
"""Looks in the course of a training."""
_RANGE = 2.0
"""Intensities are scaled to about -1 to 1."""
_CAPTIONS = ("linear interpolation", "drawn now", "truth")


def validation_of(
    held: Sequence[Stack], config: MsdsrConfig, gap: int, device: torch.device, seed: int
) -> Validation | None:
    """Return how the network is checked on XZ and YZ planes of held-back stacks; None if they give none.

    Every ``gap``-th row is kept, the others are drawn with as many sampling steps as a run would take, always from the
    same noise. The score is the PSNR of the hidden rows of all planes, beside that of linear interpolation.
    """
    each = max(1, _PLANES // max(1, 2 * len(held)))
    groups = [group.to(device) for stack in held for group in _planes_of(stack, gap, each)][:_PLANES]
    if not groups:
        return None

    def measure(network: nn.Module) -> ValidationResult:
        assert isinstance(network, PlaneNet)
        return _validate(network, groups, config, gap, seed)

    return Validation(measure, every=max(1, config.training_steps // _LOOKS))


def _planes_of(stack: Stack, gap: int, count: int) -> list[Tensor]:
    """Return XZ planes and YZ planes of a stack as (R, B, X), evenly spread, cut to the middle."""
    rows = (min(_ROWS, len(stack.depths)) - 1) // gap * gap + 1
    if rows < 2:
        return []
    volume = 2 * torch.from_numpy(Scaling.of(stack.voxels).apply(stack.voxels)) - 1
    found = []
    for axis in (1, 2):
        planes = volume.movedim(axis, 1)
        index = np.unique(np.linspace(0, planes.shape[1] - 1, count + 2)[1:-1].round().astype(int))
        columns = min(_COLUMNS, planes.shape[2])
        top, left = (planes.shape[0] - rows) // 2, (planes.shape[2] - columns) // 2
        found.append(planes[top : top + rows, index, left : left + columns].contiguous())
    return found


def _validate(
    network: PlaneNet, groups: Sequence[Tensor], config: MsdsrConfig, gap: int, seed: int
) -> ValidationResult:
    errors: dict[str, list[Tensor]] = {"drawn": [], "linear": []}
    picture, place = None, ""
    devices = [groups[0].device] if groups[0].device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        for truth in groups:
            mask = torch.zeros(len(truth), device=truth.device)
            mask[::gap] = 1
            linear = between(truth.movedim(0, 1), mask.expand(truth.shape[1], -1)).movedim(1, 0)
            drawn = draw(network, config, truth, mask, (1,), _nobody)
            for name, made in (("drawn", drawn), ("linear", linear)):
                errors[name].append((made - truth)[mask == 0].square().flatten())
            if picture is None:
                most = int(truth.std((0, 2)).argmax())  # the plane with most to see
                picture = torch.stack([each[:, most] for each in (linear, drawn, truth)])
                place = f"XZ plane {most + 1} of {truth.shape[1]} of the first held-back part"
    assert picture is not None
    scores = {"psnr": _psnr(errors["drawn"]), "psnr_linear": _psnr(errors["linear"])}
    return ValidationResult(scores, picture.float().cpu().numpy(), _CAPTIONS, place)


def _psnr(squares: Sequence[Tensor]) -> float:
    mean = float(torch.cat(list(squares)).mean())
    return 20 * math.log10(_RANGE) - 10 * math.log10(max(mean, 1e-12))


def _nobody(_share: float) -> None:
    """Take the share that is done; the loop reports for all."""
