"""Training: foretell clean sections from noisy ones, from recorded images only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ...nn.runtime import half_precision
from ...nn.schedule import STEPS, sampler
from ...progress import Report
from ...training.loop import Plan, train
from .lessons import Lesson, batched
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
        return cls(sampler(zero_snr=config.zero_snr).alphas_cumprod.to(device))

    def added(self, clean: Tensor, step: int, noise: Tensor) -> Tensor:
        """Return sections with noise (eq. 4)."""
        alpha = self.alphas[step]
        return alpha.sqrt() * clean + (1 - alpha).sqrt() * noise


def state_of(sections: Tensor, prior: Tensor | None, network: SectionNet, draws: str) -> Tensor:
    """Return what is diffused: sections, or what the prior misses of them, at a size of about 1."""
    return sections if prior is None or draws == "image" else (sections - prior) * network.gain


def sections_of(state: Tensor, prior: Tensor | None, network: SectionNet, draws: str) -> Tensor:
    """Undo :func:`state_of`, trusting residuals as far as the self-check does."""
    return state if prior is None or draws == "image" else state * (network.trust / network.gain) + prior


def blended(state: Tensor, prior: Tensor | None, config: MicroDiffusionConfig) -> Tensor:
    """Return what the network sees (eq. 9). The state itself keeps the noise of its step: training sees the same."""
    if prior is None or config.prior_use == "condition":
        return state
    return config.gamma * prior + (1 - config.gamma) * state


def seen_by(seen: Tensor, prior: Tensor | None, config: MicroDiffusionConfig) -> Tensor:
    """Return the condition's images (B, 1 or 2, Y, X)."""
    images = [seen] if prior is None or config.prior_use == "blend" else [seen, prior]
    return torch.stack(images, 1)


def fit(
    network: SectionNet,
    lessons: Sequence[Sequence[Lesson]],
    config: MicroDiffusionConfig,
    seed: int,
    report: Report,
) -> None:
    """Train the network in place; ``lessons`` are kinds of lessons, taken in turn."""
    device = network.gain.device
    noise, rows = Noise.of(config, device), _rows(lessons[0][0], config)
    if config.draws == "residual":
        network.gain.fill_(_gain(lessons))
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=1e-4)

    def loss(moving: nn.Module, rng: np.random.Generator) -> Tensor:
        assert isinstance(moving, SectionNet)
        kind = lessons[int(rng.integers(len(lessons)))]
        some = batched(kind, rng, config.batch, config.window, rows)
        return missed(moving, noise, some, config, rng)

    plan = Plan(config.iterations, average=0.99, seed=seed)
    trained = train(network, [optimiser], loss, plan, report=report).network
    network.load_state_dict(trained.state_dict())


def _rows(lesson: Lesson, config: MicroDiffusionConfig) -> slice:
    """Return the rows to train on: all, or those that the self-check leaves."""
    height = lesson.seen.shape[0]
    held = height // _HELD
    return slice(0, height - held if config.self_check and held >= _FEWEST_HELD else height)


def _gain(lessons: Sequence[Sequence[Lesson]]) -> float:
    """Return 1 over the usual size of what the prior misses."""
    known = [each for kind in lessons for each in kind if each.prior is not None]
    missed = [
        (each.target - (each.prior.mean(0, keepdim=True) if each.mean_only else each.prior)).square().mean()
        for each in known
        if each.prior is not None
    ]
    return 1 / max(float(torch.stack(missed).max().sqrt()), _NARROWEST) if missed else 1.0


def missed(
    network: SectionNet, noise: Noise, lessons: Sequence[Lesson], config: MicroDiffusionConfig, rng: np.random.Generator
) -> Tensor:
    """Return the mean squared error of what the network foretells; sections of one image share step and noise."""
    states, priors, seens, steps, known = [], [], [], [], []
    for lesson in lessons:
        step = int(rng.integers(STEPS))
        clean = state_of(lesson.clean, lesson.prior, network, config.draws)
        states.append(noise.added(clean, step, torch.randn_like(lesson.seen).expand_as(clean)))
        seens.append(lesson.seen.expand_as(lesson.clean))
        priors.append(lesson.prior)
        steps += [step] * len(clean)
        known += [0.0 if rng.random() < config.uncondition else 1.0] * len(clean)
    state, seen = torch.cat(states), torch.cat(seens)
    prior = None if priors[0] is None else torch.cat([each for each in priors if each is not None])
    device = state.device
    share = torch.tensor(steps, device=device) / STEPS
    place = torch.cat([lesson.place for lesson in lessons])
    with half_precision(device):
        found = network(
            blended(state, prior, config),
            share,
            seen_by(seen, prior, config),
            place,
            torch.tensor(known, device=device),
        )
    total, done = state.new_zeros(()), 0
    for lesson in lessons:
        mine = slice(done, done + len(lesson.clean))
        done = mine.stop
        foretold = found[mine].mean(0, keepdim=True) if lesson.mean_only else found[mine]
        prior_there = lesson.prior
        if prior_there is not None and lesson.mean_only:
            prior_there = prior_there.mean(0, keepdim=True)
        wanted = state_of(lesson.target, prior_there, network, config.draws)
        total = total + (foretold - wanted).square().mean()
    return total / len(lessons)
