"""Training the network to predict the hidden rows.

Ohashi 2025, eq. 7, with the target on the hidden rows: the paper prints it on the observed ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ...nn.checkpoint import Checkpoint
from ...nn.loop import Plan, Trained, Validation, train
from ...nn.runtime import half_precision
from ...progress import Report
from .diffusion import Diffusion
from .network import PlaneNet, between
from .planes import Pieces, Source, masked

if TYPE_CHECKING:
    from accelerate import Accelerator

    from . import MsdsrConfig


def fit(
    network: PlaneNet,
    source: Source,
    config: MsdsrConfig,
    gap: int,
    seed: int,
    report: Report,
    *,
    training_steps: int | None = None,
    checkpoint: Checkpoint | None = None,
    validation: Validation | None = None,
    accelerator: Accelerator | None = None,
) -> Trained[PlaneNet]:
    """Train the network.

    Parameters
    ----------
    network : PlaneNet
    source : Source
        Of clean planes.
    config : MsdsrConfig
    gap : int
        Rows from one observed row to the next, where masks are regular.
    seed : int
    report : callable
    training_steps : int, optional
        Default: those of the config.
    """
    diffusion = Diffusion(config)
    network.gain.fill_(_gain(source, config, gap, seed))
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=1e-4, fused=True)

    def loss(moving: nn.Module, rng: np.random.Generator) -> Tensor:
        return loss_of(moving, diffusion, masked(source.draw(rng), config, gap, rng), config.loss)

    plan = Plan(training_steps or config.training_steps, average=0.995, seed=seed)
    return train(
        network, [optimiser], loss, plan, report=report, checkpoint=checkpoint, validation=validation,
        accelerator=accelerator,
    )  # fmt: skip


def _gain(source: Source, config: MsdsrConfig, gap: int, seed: int) -> float:
    """Return 1 over the usual size of what linear interpolation misses."""
    rng = np.random.default_rng((seed, -1 % 2**32))
    regular = config.model_copy(update={"masks": "regular"})
    pieces = masked(source.draw(rng), regular, gap, rng)
    residual = pieces.planes - between(pieces.planes, pieces.mask)
    hidden = (1 - pieces.mask)[:, :, None].expand_as(residual) > 0
    return 1 / max(float(residual[hidden].std()), 1e-3)


def loss_of(network: nn.Module, diffusion: Diffusion, pieces: Pieces, kind: str) -> Tensor:
    """Return the mean error of the prediction over hidden rows, squared (``l2``) or absolute (``l1``).

    Observed rows go in clean (eq. 11).
    """
    plain: Any = getattr(network, "module", network)  # several GPUs wrap it
    linear = between(pieces.planes, pieces.mask)
    clean = plain.scaled(pieces.planes, linear)
    noisy, wanted, step = diffusion.noisy(clean)
    rows = pieces.mask[:, :, None]
    seen = rows * clean + (1 - rows) * noisy
    with half_precision(seen.device):
        predicted = network(seen, pieces.mask, linear, step)
    hidden = (1 - rows).expand_as(seen)
    missed = predicted - wanted
    errors = missed.abs() if kind == "l1" else missed.square()
    error: Tensor = (hidden * errors).sum() / hidden.sum().clamp_min(1)
    return error
