"""Training: predict clean sections from noisy ones, from recorded images only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ...nn.batches import at_once
from ...nn.loop import Plan, train
from ...nn.noise_schedule import STEPS, sampler
from ...nn.runtime import half_precision
from ...progress import Report
from ...system.transfer import sent
from .examples import TrainingExample, batched
from .network import SectionNet

if TYPE_CHECKING:
    from . import MicroDiffusionConfig

_HELD = 5
"""One image row in so many, at the end, is kept for the self-check."""
_FEWEST_HELD = 12
_NARROWEST = 1e-3


@dataclass(frozen=True, eq=False)
class Noise:
    """The schedule and what its steps mean."""

    alphas: Tensor

    @classmethod
    def of(cls, config: MicroDiffusionConfig, device: torch.device) -> Noise:
        """Take the schedule that sampling uses."""
        return cls(sampler(schedule=config.schedule, zero_snr=config.zero_snr).alphas_cumprod.to(device))

    def added(self, clean: Tensor, step: int, noise: Tensor) -> Tensor:
        """Return sections with noise (eq. 4)."""
        alpha = self.alphas[step]
        return alpha.sqrt() * clean + (1 - alpha).sqrt() * noise


def state_of(sections: Tensor, prior: Tensor | None, network: SectionNet, draws: str) -> Tensor:
    """Return what is diffused: sections, or what the prior misses of them, at a size of about 1."""
    return sections if prior is None or draws == "image" else (sections - prior) * network.gain


def sections_of(state: Tensor, prior: Tensor | None, network: SectionNet, draws: str) -> Tensor:
    """Undo :func:`state_of`."""
    return state if prior is None or draws == "image" else state / network.gain + prior


def blended(state: Tensor, prior: Tensor | None, config: MicroDiffusionConfig) -> Tensor:
    """Return what the network sees (eq. 9). The state itself keeps the noise of its step: training sees the same."""
    if prior is None or config.prior_use == "condition":
        return state
    return config.gamma * prior + (1 - config.gamma) * state


def seen_by(seen: Tensor, prior: Tensor | None, config: MicroDiffusionConfig) -> Tensor:
    """Return the condition's images (B, 1 or 2, Y, X)."""
    images = [seen] if prior is None or config.prior_use == "blend" else [seen, prior]
    return torch.stack(images, 1)


@dataclass(frozen=True, eq=False)
class Live:
    """A prior that is trained on: a field, and the places of the sections of each recorded image as it takes them."""

    field: nn.Module
    places: Tensor
    noised: str

    def put(self, example: TrainingExample, field: nn.Module) -> TrainingExample:
        """Return an example with the prior as it is now; gradients flow."""
        prior = 2 * field(self.places[example.index]) - 1
        return replace(example, prior=prior, clean=example.clean if self.noised == "projection" else prior.detach())


class _Together(nn.Module):
    """What is trained: the network, and the prior where it is not frozen."""

    def __init__(self, network: SectionNet, live: Live | None) -> None:
        super().__init__()
        self.network, self.field = network, nn.Identity() if live is None else live.field


def fit(
    network: SectionNet,
    examples: Sequence[Sequence[TrainingExample]],
    config: MicroDiffusionConfig,
    seed: int,
    report: Report,
    live: Live | None = None,
) -> None:
    """Train the network, and a live prior, in place; each step draws from one kind of ``examples``."""
    noise, rows = Noise.of(config, network.gain.device), training_rows(examples[0][0], config)
    if config.draws == "residual":
        network.gain.fill_(_gain(examples))
    together = _Together(network, live)
    optimiser = torch.optim.AdamW(together.parameters(), lr=config.learning_rate, weight_decay=1e-4)

    def loss(moving: nn.Module, rng: np.random.Generator) -> Tensor:
        assert isinstance(moving, _Together)
        kind = examples[int(rng.integers(len(examples)))]
        if live is not None:
            kind = [live.put(kind[int(rng.integers(len(kind)))], moving.field)]
        some = batched(kind, rng, at_once(config.batch), config.window, rows)
        return loss_of(moving.network, noise, some, config, rng)

    plan = Plan(config.training_steps, average=0.99, seed=seed)
    if not config.rate_falls:
        plan = replace(plan, warm_up=1, final_rate=1.0)
    trained = train(together, [optimiser], loss, plan, report=report).network
    together.load_state_dict(trained.state_dict())


def training_rows(example: TrainingExample, config: MicroDiffusionConfig) -> slice:
    """Return the image rows to train on: all, or those that the self-check leaves."""
    height = example.seen.shape[0]
    held = height // _HELD
    return slice(0, height - held if config.self_check and held >= _FEWEST_HELD else height)


@torch.no_grad()
def trust_in(network: SectionNet, examples: Sequence[TrainingExample], config: MicroDiffusionConfig) -> float:
    """Return the share of what the network adds to the prior that fits known sections best (least squares), 0 to 1.

    On image rows that training has not seen, where images are high enough to keep some.
    """
    trained = training_rows(examples[0], config)
    height = examples[0].seen.shape[0]
    held = slice(trained.stop, height) if trained.stop < height else trained
    helped, size = 0.0, 0.0
    for example in examples:
        assert example.prior is not None
        clean, prior = example.target[:, held], example.prior[:, held]
        state = torch.randn_like(clean[:1]).expand_as(clean)
        seen = example.seen[held].expand_as(clean)
        share = torch.full((len(clean),), (STEPS - 1) / STEPS, device=clean.device)
        with half_precision(clean.device):
            found = network(
                blended(state, prior, config),
                share,
                seen_by(seen, prior, config),
                example.place,
                torch.ones_like(share),
            )
        added = sections_of(found, prior, network, config.draws) - prior
        helped += float((added * (clean - prior)).sum())
        size += float(added.square().sum())
    return float(np.clip(helped / size, 0, 1)) if size > 0 else 0.0


def _gain(examples: Sequence[Sequence[TrainingExample]]) -> float:
    """Return 1 over the usual size of what the prior misses."""
    known = [each for kind in examples for each in kind if each.prior is not None]
    residual = [
        (each.target - (each.prior.mean(0, keepdim=True) if each.mean_only else each.prior)).square().mean()
        for each in known
        if each.prior is not None
    ]
    return 1 / max(float(torch.stack(residual).max().sqrt()), _NARROWEST) if residual else 1.0


def loss_of(
    network: SectionNet,
    noise: Noise,
    examples: Sequence[TrainingExample],
    config: MicroDiffusionConfig,
    rng: np.random.Generator,
) -> Tensor:
    """Return the mean squared error of what the network predicts; sections of one image share step and noise."""
    states, priors, seens, steps, known = [], [], [], [], []
    for example in examples:
        step = int(rng.integers(STEPS))
        clean = state_of(example.clean, example.prior, network, config.draws)
        states.append(noise.added(clean, step, torch.randn_like(example.seen).expand_as(clean)))
        seens.append(example.seen.expand_as(example.clean))
        priors.append(example.prior)
        steps += [step] * len(clean)
        known += [0.0 if rng.random() < config.uncondition else 1.0] * len(clean)
    state, seen = torch.cat(states), torch.cat(seens)
    prior = None if priors[0] is None else torch.cat([each for each in priors if each is not None])
    device = state.device
    taken, told = sent(device, np.array(steps), np.array(known, np.float32))
    share = taken / STEPS
    place = torch.cat([example.place for example in examples])
    with half_precision(device):
        found = network(blended(state, prior, config), share, seen_by(seen, prior, config), place, told)
    total, done = state.new_zeros(()), 0
    for example in examples:
        mine = slice(done, done + len(example.clean))
        done = mine.stop
        predicted = found[mine].mean(0, keepdim=True) if example.mean_only else found[mine]
        prior_there = example.prior
        if prior_there is not None and example.mean_only:
            prior_there = prior_there.mean(0, keepdim=True)
        wanted = state_of(example.target, prior_there, network, config.draws)
        total = total + (predicted - wanted).square().mean()
    return total / len(examples)
