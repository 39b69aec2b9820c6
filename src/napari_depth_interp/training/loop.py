"""The one training loop: every method that learns uses it, on one stack or on a folder of them.

Each step draws its random numbers from the seed and its own number, so that a resumed run goes on exactly as if it had
never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .checkpoint import Checkpoint

if TYPE_CHECKING:
    from accelerate import Accelerator

Network = TypeVar("Network", bound=nn.Module)
Loss = Callable[[nn.Module, np.random.Generator], Tensor]
"""What a step makes small, from the network and the step's random numbers (torch is seeded from them too)."""


@dataclass(frozen=True)
class Plan:
    """How a network is trained.

    Attributes
    ----------
    steps : int
    warm_up : int
        Steps in which the rate rises to its full value; from there it falls by half a cosine.
    final_rate : float
        Share of the full rate at the end.
    average : float
        Share of the running average of the weights that stays at each step.
    clip : float
        Largest length of the gradient.
    seed : int
    """

    steps: int
    warm_up: int = 50
    final_rate: float = 0.02
    average: float = 0.99
    clip: float = 1.0
    seed: int = 0

    def rate(self, step: int) -> float:
        """Return the share of the full rate at a step."""
        warm = min(1.0, (step + 1) / min(self.warm_up, self.steps))
        fallen = 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))
        return warm * (self.final_rate + (1 - self.final_rate) * fallen)


def train(
    network: Network,
    optimisers: Sequence[torch.optim.Optimizer],
    loss: Loss,
    plan: Plan,
    *,
    each_step: Callable[[float], None],
    checkpoint: Checkpoint | None = None,
    accelerator: Accelerator | None = None,
) -> tuple[Network, list[float]]:
    """Train a network and return the running average of its weights, and the loss of each step.

    Parameters
    ----------
    network : Module
        On its device.
    optimisers : sequence of Optimizer
        Their learning rates are the full ones.
    loss : callable
    plan : Plan
    each_step : callable
        Gets the share done after each step, and may raise: what is finished is in the checkpoint then.
    checkpoint : Checkpoint, optional
        Where to save now and then, and to go on from if something is there.
    accelerator : Accelerator, optional
        Of Hugging Face accelerate, where several GPUs train together.

    Returns
    -------
    Module, list of float
    """
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(plan.average))  # type: ignore[no-untyped-call]
    full = [[group["lr"] for group in each.param_groups] for each in optimisers]
    losses: list[float] = []
    if checkpoint is not None:
        losses = checkpoint.restore(network, average.module, optimisers)
        average.n_averaged.fill_(len(losses))
    moving: nn.Module = network
    if accelerator is not None:
        moving, *optimisers = accelerator.prepare(network, *optimisers)
    for step in range(len(losses), plan.steps):
        for each, rates in zip(optimisers, full, strict=True):
            for group, rate in zip(each.param_groups, rates, strict=True):
                group["lr"] = rate * plan.rate(step)
        losses.append(_step(moving, optimisers, loss, plan, step, accelerator))
        average.update_parameters(network)
        alone = accelerator is None or accelerator.is_main_process
        if checkpoint is not None and alone and checkpoint.is_due(step + 1, plan.steps):
            checkpoint.save(network, average.module, optimisers, losses)
        each_step((step + 1) / plan.steps)
    trained: Network = average.module  # type: ignore[assignment]
    return trained.eval(), losses


def _step(
    network: nn.Module,
    optimisers: Sequence[torch.optim.Optimizer],
    loss: Loss,
    plan: Plan,
    step: int,
    accelerator: Accelerator | None,
) -> float:
    process = 0 if accelerator is None else accelerator.process_index
    rng = np.random.default_rng((plan.seed, step, process))
    torch.manual_seed(int(rng.integers(2**62)))
    missed = loss(network, rng)
    if accelerator is None:
        missed.backward()  # type: ignore[no-untyped-call]
    else:
        accelerator.backward(missed)
    torch.nn.utils.clip_grad_norm_(network.parameters(), plan.clip)
    for optimiser in optimisers:
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    return float(missed.detach())
