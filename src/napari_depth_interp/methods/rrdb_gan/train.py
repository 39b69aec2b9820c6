"""Training generator and discriminator alternately (Nishioka 2026, section 3.5); resumes, and uses several GPUs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...errors import RequestError
from ...method import Runtime
from ...models import folder as model_folder
from ...nn.contract import TrainingData
from ...nn.data import hold_back
from ...nn.loop import OptimizerStep, Plan, Step, train_alternating
from ...nn.runtime import allow_compiling
from ...nn.training_run import training_run
from ...progress import Report
from .discriminator import Discriminator
from .forward import finished, lattice_of, precision
from .generator import ADDED_LATER, LEARNED, Generator
from .lattice import Lattice
from .losses import deceives, judges, relativistic
from .objective import Objective
from .pairs import Batch, Patches, Volume, make_volume
from .parameters import OF_THE_RUN
from .validate import Validator

if TYPE_CHECKING:
    from . import GanConfig

_BETAS = (0.9, 0.99)


def train_on(
    data: TrainingData, name: str, config: GanConfig, runtime: Runtime, folder: Path, *, resume: bool, report: Report
) -> None:
    """Train and write a model folder.

    Raises
    ------
    RequestError
        If a stack is too small to learn from, or the losses leave nothing to learn.
    WeightsError
        If weights of VGG16 are asked for that are not there.
    """
    lattice = lattice_of(config)
    with training_run(name, data, config, runtime, folder, resume=resume, report=report) as run:
        objective = Objective(config, run.device)
        trained_on, kept, classes = volumes_of(data, lattice, config, run.seed)
        patches = Patches(trained_on, lattice, config, run.seed, run.device, run.processes)
        pair = Pair(name, lattice, config, objective, patches, classes, run.device)
        validator = Validator(kept, lattice, config, objective, run.device) if kept else None
        steps = patches.steps * config.epochs
        checkpoint = run.checkpoint(steps)
        trained = train_alternating(
            pair.generator, pair.others, pair.optimizer_steps(),
            Plan(steps, warm_up=1, average=config.weight_average, clip=config.clip or math.inf, seed=run.seed),
            report=run.report, checkpoint=checkpoint, accelerator=run.accelerator,
            validation=None if validator is None else validator.validation(patches.steps),
        )  # fmt: skip
        learned = {key: getattr(config, key) for key in LEARNED if hasattr(config, key)}
        found = {"gain_db": None, "error_per_std": 1.0} if validator is None else validator.final(trained.network)
        about = {
            **learned, **found, "adversarial": objective.shares.adversarial, "classes": list(classes),
            model_folder.RECIPE: config.model_dump(mode="json", include=set(OF_THE_RUN)),
        }  # fmt: skip
        run.save(about, trained, checkpoint)


class Pair:
    """The two networks, their optimisers, and what each makes small."""

    def __init__(
        self, name: str, lattice: Lattice, config: GanConfig, objective: Objective, patches: Patches,
        classes: Sequence[str], device: torch.device,
    ) -> None:  # fmt: skip
        self._lattice, self._config, self._objective, self._patches = lattice, config, objective, patches
        self._steps = patches.steps * config.epochs
        layout = torch.channels_last_3d if config.channels_last else torch.contiguous_format
        about = {name: getattr(config, name) for name in LEARNED if hasattr(config, name)}
        self.generator = Generator.of(about, lattice.factors).to(device).to(memory_format=layout)
        if config.start_from is not None:
            _begin(self.generator, about, model_folder.load(config.start_from, name))
        self._layout, self._device = layout, device
        self._run: Callable[[nn.Module], Callable[..., Tensor]] = _compiling() if config.compiled else _as_it_is
        self.others: list[Discriminator] = []
        if objective.shares.adversarial > 0:
            judge = Discriminator(config.discriminator_channels, len(classes), config.dimensions)
            self.others.append(judge.to(device).to(memory_format=layout))
        self._at_hand: tuple[Batch, Tensor] | None = None

    def optimizer_steps(self) -> list[OptimizerStep]:
        """Return the parts of a step: the discriminator's, where there is one, then the generator's."""
        parts = [OptimizerStep(0, [self._adam(self.generator)], self._make, self._rate)]
        if self.others:
            parts.insert(0, OptimizerStep(1, [self._adam(self.others[0])], self._judge, lambda _: 1.0))
        return parts

    def _adam(self, network: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(network.parameters(), lr=self._config.learning_rate, betas=_BETAS)

    def _rate(self, step: int) -> float:
        """Return the share of the generator's full rate at a step."""
        if self._config.schedule == "cosine":
            return float(Plan(self._steps).rate(step))
        return float(0.5 ** (step // self._patches.steps // self._config.halve_every))

    def _judge(self, networks: Sequence[nn.Module], step: Step) -> Tensor:
        """Return the discriminator's loss; what the generator made is kept for its own step."""
        batch, made = self._at_hand = self._made(networks, step)
        networks[1].requires_grad_(True)
        with self._precision():
            both = torch.cat([batch.fine, made.detach()]).contiguous(memory_format=self._layout)
            real, fake = self._run(networks[1])(both, batch.kinds.repeat(2)).chunk(2)
        return relativistic(real, fake) if self._config.adversary == "relativistic" else judges(real, fake)

    def _make(self, networks: Sequence[nn.Module], step: Step) -> Tensor:
        """Return the generator's loss (eq. 3.7)."""
        batch, made = self._at_hand or self._made(networks, step)
        self._at_hand = None
        with self._precision():
            loss = self._objective(made, batch.fine, step.number / self._steps)
            if self.others:
                loss = loss + self._objective.shares.adversarial * self._deceived(made, batch)
        return loss

    def _deceived(self, made: Tensor, batch: Batch) -> Tensor:
        """Return how far the generator is from deceiving the discriminator."""
        judge = self._run(self.others[0].requires_grad_(False))
        fake: Tensor = judge(made.contiguous(memory_format=self._layout), batch.kinds)
        if self._config.adversary == "plain":
            return deceives(fake)
        with torch.no_grad():
            real: Tensor = judge(batch.fine.contiguous(memory_format=self._layout), batch.kinds)
        return relativistic(fake, real)

    def _made(self, networks: Sequence[nn.Module], step: Step) -> tuple[Batch, Tensor]:
        batch = self._patches.draw(step)
        with self._precision():
            seen = batch.coarse.contiguous(memory_format=self._layout)
            blocks = self._run(networks[0])(seen)
        return batch, finished(blocks, batch.coarse, self._lattice, self._config)

    def _precision(self) -> torch.autocast:
        return precision(self._config, self._device)


def _begin(generator: Generator, about: Mapping[str, Any], model: model_folder.Model) -> None:
    """Give a generator the weights of a model.

    Raises
    ------
    RequestError
        If the model's network is another one.
    """
    known = ADDED_LATER | dict(model.config)
    others = [name for name in LEARNED if name in about and known.get(name) != about[name]]
    if others:
        words = ", ".join(f"{name} {known.get(name)} instead of {about[name]}" for name in others)
        raise RequestError(f"the model to start from has another network ({words}); give the same parameters")
    model_folder.fill(generator, model.tensors)


def volumes_of(
    data: TrainingData, lattice: Lattice, config: GanConfig, seed: int
) -> tuple[list[Volume], list[Volume], tuple[str, ...]]:
    """Return the volumes to train on, those to validate on, and the names of the classes."""
    classes = tuple(sorted({each for each in data.classes if each}))
    trained_on, kept = hold_back(data, config.validation_share, seed, at_least=1)
    made = {}
    for i, stack in enumerate(data.stacks):
        given = data.inputs[i] if data.inputs else None
        kind = classes.index(data.classes[i]) if classes else 0
        coarse = None if given is None else given.voxels
        made[i] = make_volume(stack.voxels, coarse, lattice, config, seed, kind)
    if not kept and len(trained_on) == 1 and config.validation_share > 0:
        return (*_cut([made[0]], lattice, config.validation_share), classes)
    return [made[i] for i in trained_on], [made[i] for i in kept], classes


def _cut(whole: Sequence[Volume], lattice: Lattice, share: float) -> tuple[list[Volume], list[Volume]]:
    """Keep the last sections of a single volume for validation, if enough are left on both sides."""
    [volume] = whole
    count = len(volume.coarse)
    kept = max(4, round(share * count))
    if count - kept < 4:
        return [volume], []
    at = count - kept
    sizes = lattice.fine_size((at, *volume.coarse.shape[1:]))
    first = replace(volume, coarse=volume.coarse[:at], fine=volume.fine[: sizes[0]])
    return [first], [replace(volume, coarse=volume.coarse[at:], fine=volume.fine[at * lattice.factors[0] :])]


def _as_it_is(network: nn.Module) -> Callable[..., Tensor]:
    return network


def _compiling() -> Callable[[nn.Module], Callable[..., Tensor]]:
    """Return what compiles each network the first time it is asked for."""
    allow_compiling()
    known: dict[int, Callable[..., Tensor]] = {}

    def compiled(network: nn.Module) -> Callable[..., Tensor]:
        if id(network) not in known:
            known[id(network)] = torch.compile(network)
        return known[id(network)]

    return compiled
