"""The one training loop: every method that learns uses it, on one stack or on a folder of them.

Each step draws its random numbers from the seed and its own number, so that a resumed run goes on exactly as if it had
never stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..errors import RequestError
from ..progress import Progress, Report, Stopped, TrainingPoint
from .batches import Batches
from .checkpoint import Checkpoint, History

if TYPE_CHECKING:
    from accelerate import Accelerator

Network = TypeVar("Network", bound=nn.Module)
Loss = Callable[[nn.Module, np.random.Generator], Tensor]
"""What a step makes small, from the network and the step's random numbers (torch is seeded from them too)."""

READ_EVERY, READ_AFTER = 50, 2.0
"""Steps and seconds after which losses are read from a GPU: it would stand still while each one is waited for."""


@dataclass(frozen=True, eq=False)
class Step:
    """A training step: its number from 0, its random numbers, and which of several processes this is."""

    number: int
    rng: np.random.Generator
    process: int = 0
    processes: int = 1


@dataclass(frozen=True, eq=False)
class OptimizerStep:
    """A part of a training step, in which one network moves; of networks that compete, each has its own.

    Attributes
    ----------
    network : int
        Which of the networks moves.
    optimisers : sequence of Optimizer
        Their learning rates are the full ones.
    loss : callable (networks, step) -> Tensor
        All networks in the order of :func:`train_alternating`; several GPUs wrap them.
    rate : callable step number -> share of the full rate, optional
        Default: the plan's.
    """

    network: int
    optimisers: Sequence[torch.optim.Optimizer]
    loss: Callable[[Sequence[nn.Module], Step], Tensor]
    rate: Callable[[int], float] | None = None


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
        Largest length of the gradient; infinite: gradients stay as they are.
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


@dataclass(frozen=True, eq=False)
class ValidationResult:
    """What validation found: scores, of which the first decides (higher is better), and a section to look at.

    ``psnr_linear`` is what the score ``psnr`` is of linear interpolation. ``captions`` name the panels of the picture,
    and ``place`` says which section it is of.
    """

    scores: Mapping[str, float]
    picture: NDArray[Any] | None = None
    captions: tuple[str, ...] = ()
    place: str = ""


@dataclass(frozen=True)
class Validation:
    """How the averaged weights are checked on data that training never sees.

    Attributes
    ----------
    measure : callable
        Gets the network with its averaged weights; must give the same for the same weights.
    every : int
        Steps between two validations; there is always one at the last step.
    patience : int
        Validations without a better score after which the training ends; 0: never.
    """

    measure: Callable[[nn.Module], ValidationResult]
    every: int = 100
    patience: int = 0

    def is_due(self, step: int, steps: int) -> bool:
        """Return whether to validate after so many steps."""
        return step % self.every == 0 or step == steps


@dataclass(frozen=True, eq=False)
class Trained(Generic[Network]):
    """A network with the running average of its weights (the best one where there is validation), and its history."""

    network: Network
    history: History


def train(
    network: Network,
    optimisers: Sequence[torch.optim.Optimizer],
    loss: Loss,
    plan: Plan,
    *,
    report: Report,
    checkpoint: Checkpoint | None = None,
    validation: Validation | None = None,
    accelerator: Accelerator | None = None,
) -> Trained[Network]:
    """Train a network.

    Parameters
    ----------
    network : Module
        On its device.
    optimisers : sequence of Optimizer
        Their learning rates are the full ones.
    loss : callable
    plan : Plan
    report : callable
        Gets a :class:`Progress` after each step, with a :class:`TrainingPoint`; on a GPU only where losses are read: at
        the first step, the last and every 50th, and after 2 seconds. It may wait (a pause), raise ``Stopped`` (the
        training ends and keeps the best weights) or anything else (the checkpoint holds every step done).
    checkpoint : Checkpoint, optional
        Where to save now and then, and to go on from if something is there.
    validation : Validation, optional
        Its best weights are the result.
    accelerator : Accelerator, optional
        Of Hugging Face accelerate, where several GPUs train together.

    Returns
    -------
    Trained
    """
    part = OptimizerStep(0, optimisers, lambda networks, step: loss(networks[0], step.rng))
    return train_alternating(
        network, (), [part], plan,
        report=report, checkpoint=checkpoint, validation=validation, accelerator=accelerator,
    )  # fmt: skip


def train_alternating(
    network: Network,
    others: Sequence[nn.Module],
    optimizer_steps: Sequence[OptimizerStep],
    plan: Plan,
    *,
    report: Report,
    checkpoint: Checkpoint | None = None,
    validation: Validation | None = None,
    accelerator: Accelerator | None = None,
) -> Trained[Network]:
    """Train a network together with others, one after the other in every step.

    Parameters
    ----------
    network : Module
        Number 0, whose weights are averaged, validated and returned.
    others : sequence of Module
        Numbers 1, 2 ...; they resume with the network, and are let go at the end.
    optimizer_steps : sequence of OptimizerStep
        In this order; the last one's loss is reported.
    plan, report, checkpoint, validation, accelerator
        As for :func:`train`.

    Returns
    -------
    Trained
    """
    run = _Run(network, others, optimizer_steps, plan, checkpoint, validation, accelerator)
    for number in range(len(run.history.losses), plan.steps):
        if run.is_over():
            break
        run.step(number)
        run.update_average()
        point = run.validate(number + 1)
        if checkpoint is not None and checkpoint.is_due(number + 1, plan.steps):
            run.save()
        try:
            report(Progress((number + 1) / plan.steps, training=point))
        except Stopped:
            run.save()
            break
        except BaseException:
            run.save()
            raise
    return run.result()


class _Run(Generic[Network]):
    """The state of one training: weights, their average, the best of these, history."""

    def __init__(
        self,
        network: Network,
        others: Sequence[nn.Module],
        optimizer_steps: Sequence[OptimizerStep],
        plan: Plan,
        checkpoint: Checkpoint | None,
        validation: Validation | None,
        accelerator: Accelerator | None,
    ) -> None:
        self._network, self._plan, self._checkpoint, self._validation = network, plan, checkpoint, validation
        self._others, self._optimizer_steps, self._accelerator = tuple(others), tuple(optimizer_steps), accelerator
        self._is_main_process = accelerator is None or accelerator.is_main_process
        self.average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(plan.average))  # type: ignore[no-untyped-call]
        self.average.eval()
        self._averaged: list[Tensor] = list(self.average.module.parameters())
        self._parameters: list[Tensor] = list(network.parameters())
        self._buffers = list(zip(self.average.module.buffers(), network.buffers(), strict=True))
        self._device = self._parameters[0].device
        self._batches, self._read_at = Batches(), time.monotonic()
        self._unread: list[list[Tensor]] = []
        self._plain = plain = [each for part in optimizer_steps for each in part.optimisers]
        self._full = {id(each): [group["lr"] for group in each.param_groups] for each in plain}
        self.history, self._best = History(), None
        if checkpoint is not None:
            self.history, self._best = checkpoint.restore(network, self.average.module, plain, others)
            self.average.n_averaged.fill_(len(self.history.losses))
        self._saved = len(self.history.losses)
        self._moving: list[nn.Module] = [network, *others]
        self._optimisers: dict[int, torch.optim.Optimizer] = {id(each): each for each in plain}
        if accelerator is not None:
            self._moving = [accelerator.prepare(each) for each in self._moving]
            self._optimisers = {id(each): accelerator.prepare(each) for each in plain}

    def step(self, number: int) -> None:
        """Let every network move once; where the memory does not suffice, all of them again with a smaller batch."""
        self._unread.append(self._batches.fit(lambda: self._attempt(number)))
        self.history.losses.append(math.nan)
        if self._device.type == "cpu" or self._is_asked_for(number + 1):
            self.read()

    def _attempt(self, number: int) -> list[Tensor]:
        """Return the losses of the parts of a step."""
        process = 0 if self._accelerator is None else self._accelerator.process_index
        rng = np.random.default_rng((self._plan.seed, number, process))
        _seed(int(rng.integers(2**62)), self._device)
        step = Step(number, rng, process, 1 if self._accelerator is None else self._accelerator.num_processes)
        return [self._take(part, step) for part in self._optimizer_steps]

    def _is_asked_for(self, done: int) -> bool:
        """Return whether somebody wants to know the loss after so many steps."""
        steps, validation = self._plan.steps, self._validation
        is_due = validation is not None and validation.is_due(done, steps)
        return is_due or time.monotonic() - self._read_at > READ_AFTER or done in (1, steps) or done % READ_EVERY == 0

    def _take(self, part: OptimizerStep, step: Step) -> Tensor:
        optimisers = [self._optimisers[id(each)] for each in part.optimisers]
        for each, plain in zip(optimisers, part.optimisers, strict=True):
            each.zero_grad(set_to_none=True)  # another network's loss may have gone through this network
            for group, rate in zip(each.param_groups, self._full[id(plain)], strict=True):
                group["lr"] = rate * (part.rate or self._plan.rate)(step.number)
        loss = part.loss(self._moving, step)
        if self._device.type == "cpu":
            _check(step.number, float(loss.detach()))
        if self._accelerator is None:
            loss.backward()  # type: ignore[no-untyped-call]
        else:
            self._accelerator.backward(loss)
        if math.isfinite(self._plan.clip):
            torch.nn.utils.clip_grad_norm_(self._moving[part.network].parameters(), self._plan.clip)
        for each in optimisers:
            each.step()
            each.zero_grad(set_to_none=True)
        return loss.detach()

    def read(self) -> None:
        """Read the losses of the steps since the last time, and look whether they are numbers."""
        if not self._unread:
            return
        parts = len(self._optimizer_steps)
        values = torch.stack([each for step in self._unread for each in step]).cpu().numpy().reshape(-1, parts)
        first = len(self.history.losses) - len(values)
        self._unread, self._read_at = [], time.monotonic()
        for number, losses in enumerate(values, start=first):
            for each in losses:
                _check(number, float(each))
            self.history.losses[number] = float(losses[-1])

    def update_average(self) -> None:
        """Bring the running average of the weights up to date: as its own method does, with the lists made once."""
        if not self.average.n_averaged:
            self.average.update_parameters(self._network)
            return
        with torch.no_grad():
            torch._foreach_lerp_(self._averaged, self._parameters, 1 - self._plan.average)
            for averaged, own in self._buffers:
                averaged.copy_(own)
            self.average.n_averaged += 1

    def validate(self, done: int) -> TrainingPoint | None:
        """Validate if it is time to, and return what the step has shown; None where its loss was not read."""
        if self._unread:
            return None
        validated = self._validation is not None
        point = TrainingPoint(done, self._plan.steps, self.history.losses[-1], is_validated=validated)
        if self._validation is None or not self._validation.is_due(done, self._plan.steps):
            return point
        with torch.no_grad():
            found = self._validation.measure(self.average.module)
        scores = {name: float(value) for name, value in found.scores.items()}
        self.history.validation.append({"step": done, **scores})
        if self._validations_since_best() == 0:
            self._best = {name: each.clone() for name, each in self.average.module.state_dict().items()}
        return replace(point, scores=scores, picture=found.picture, captions=found.captions, place=found.place)

    def is_over(self) -> bool:
        """Return whether validation has not become better for too long."""
        patience = 0 if self._validation is None else self._validation.patience
        return 0 < patience <= self._validations_since_best()

    def _validations_since_best(self) -> int:
        scores = [list(each.values())[1] for each in self.history.validation]
        return len(scores) - 1 - int(np.argmax(scores)) if scores else 0

    def save(self) -> None:
        """Save a checkpoint of this step, once."""
        self.read()
        done = len(self.history.losses)
        if self._checkpoint is None or not self._is_main_process or self._saved == done:
            return
        self._checkpoint.save(self._network, self.average.module, self._plain, self.history, self._best, self._others)
        self._saved = done

    def result(self) -> Trained[Network]:
        self.read()
        trained: Network = self.average.module  # type: ignore[assignment]
        if self._best is not None:
            trained.load_state_dict(self._best)
        return Trained(trained.eval(), self.history)


def _check(number: int, loss: float) -> None:
    """Raise an error if the loss of a step is no finite number."""
    if not math.isfinite(loss):
        raise RequestError(
            f"the training has gone astray: the loss of step {number + 1} is {loss:g}; train with a smaller learning "
            "rate (the last checkpoint is kept)"
        )


def _seed(number: int, device: torch.device) -> None:
    """Seed torch for a step: the CPU and the device at work; all kinds of devices would take a millisecond."""
    torch.default_generator.manual_seed(number)
    if device.type == "cpu":
        return
    module = torch.get_device_module(device)
    if getattr(module, "default_generators", ()):
        module.default_generators[device.index or 0].manual_seed(number)
    else:
        module.manual_seed(number)
