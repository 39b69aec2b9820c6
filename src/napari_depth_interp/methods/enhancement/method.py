"""An enhancing network at work on a stack: load a model or train on the stack itself, then enhance each section."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...method import Findings, Runtime, Sections, working_dtype
from ...method.preparation import State, images_of
from ...models import folder as model_folder
from ...nn.contract import TrainingData
from ...nn.kept import arrays_of, filled
from ...nn.runtime import torch_on
from ...numerics.bounds import Bounds
from ...progress import Progress, Report, part, silent
from ...stack import Stack
from ...stack.scaling import Scaling
from ...system.transfer import fetched, on_its_way
from .config import EnhanceConfig
from .fit import fit
from .networks import EnhancingNetwork
from .pairs import self_supervised
from .patches import Patches
from .train import Kind, train_on

_SMALLEST_IMAGE = 12
"""Pixels of the shorter image side under which nothing can be learned."""
_REFIT = 4
"""A further time point is trained on for this part of the steps."""


class Enhancer:
    """Enhances the sections of a stack one by one; gives back as many as it got."""

    def __init__(self, kind: Kind, config: EnhanceConfig, runtime: Runtime) -> None:
        self._kind, self._config, self._runtime = kind, config, runtime
        self._network: EnhancingNetwork | None = None
        self._scaling = Scaling(0.0, 1.0)
        self._bounds = Bounds()
        self._warnings: tuple[str, ...] = ()

    def prepare(self, stack: Stack, *, report: Report = silent) -> None:
        """Load the model, or train on the noisy sections of the stack itself."""
        self.prepare_on([stack], stack, report=report)

    def refit(self, stack: Stack, *, report: Report = silent) -> None:
        """Train on another time point, beginning from what is known: a quarter of the time."""
        self.prepare_on([stack], stack, report=report, again=True)

    def prepare_on(
        self, blocks: Sequence[Stack], whole: Stack, *, report: Report = silent, again: bool = False
    ) -> None:
        """Do either on blocks of the stack."""
        training_steps = self._config.training_steps
        if again:
            training_steps = max(1, training_steps // _REFIT)
        else:
            self._network = None
        self._fit(blocks, training_steps, report)

    def state(self) -> State:
        """Return the network and what the images were like."""
        values = {"scaling": self._scaling.as_json(), "bounds": self._bounds.as_json(), "warnings": self._warnings}
        return State(values, {} if self._network is None else arrays_of(self._network))

    def restore(self, state: State, stack: Stack) -> None:
        """Know the network again."""
        self._scaling = Scaling.from_json(state.values["scaling"])
        self._bounds = Bounds.from_json(state.values["bounds"])
        self._warnings = tuple(state.values["warnings"])
        if not state.arrays:
            self._network = None
            return
        device = torch.device(self._runtime.device)
        if self._config.model is not None:
            self._network = self._loaded(self._config.model, device)
        else:
            network = self._kind.network(self._kind.describe(self._config))
            self._network = filled(network, state.arrays, device).to(memory_format=torch.channels_last)

    def train(self, data: TrainingData, folder: Path, *, resume: bool, report: Report = silent) -> None:
        """Train on pairs of noisy and clean stacks, or on noisy stacks alone, and write a model folder."""
        train_on(data, self._kind, self._config, self._runtime, folder, resume=resume, report=report)

    def findings(self) -> Findings:
        """Say what stands in the way of an enhancement."""
        return Findings(warnings=self._warnings)

    def sections_at(self, stack: Stack, z: Sequence[float], *, report: Report = silent) -> Sections:
        """Return the sections nearest to the depths ``z``, enhanced, within the stack's range."""
        values = np.empty((len(z), *stack.voxels.shape[1:]), working_dtype(stack.voxels.dtype))
        sections = [stack.voxels[int(np.abs(stack.depths - depth).argmin())] for depth in z]
        with torch_on(self._runtime) as device:
            for number, made in self._enhanced(sections, device):
                values[number] = made
                report(Progress((number + 1) / len(z)))
        return Sections(values)

    def _enhanced(self, sections: Sequence[NDArray[Any]], device: torch.device) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield the number of each section, and what becomes of it."""
        network = self._network
        if network is None:
            yield from enumerate(sections)
            return
        there = (on_its_way(torch.from_numpy(self._scaling.apply(each)), device) for each in sections)
        for number, made in fetched(enumerate(map(network.enhanced, there))):
            values = self._scaling.undo(made.astype(np.float64))
            self._bounds.clip(values, sections[number])
            yield number, values

    def _fit(self, blocks: Sequence[Stack], training_steps: int, report: Report) -> None:
        voxels = images_of(blocks)
        self._scaling, self._warnings = Scaling.of(voxels), ()
        self._bounds = Bounds.of(voxels, of_all=len(blocks) == 1)
        with torch_on(self._runtime) as device:
            if self._config.model is not None:
                self._network = self._loaded(self._config.model, device)
            elif min(voxels.shape[1:]) < _SMALLEST_IMAGE:
                self._warnings = (
                    f"{self._kind.method} changed nothing: the images are smaller than {_SMALLEST_IMAGE} pixels",
                )
            else:
                images = [torch.from_numpy(self._scaling.apply(each.voxels)).to(device) for each in blocks]
                inner = part(report, 0.0, 1.0, "training on the noisy sections of this stack")
                self._network = self._trained(images, training_steps, inner)
        report(Progress(1.0))

    def _loaded(self, folder: Path, device: torch.device) -> EnhancingNetwork:
        model = model_folder.load(folder, self._kind.method, type(self._config), self._kind.built_from)
        network = self._kind.network(model.config)
        model_folder.fill(network, model.tensors)
        return network.to(device).eval()

    def _trained(self, images: Sequence[Tensor], training_steps: int, report: Report) -> EnhancingNetwork:
        network = self._network
        if network is None:
            network = self._kind.network(self._kind.describe(self._config))
            network.begin_at(float(np.mean([float(each.mean()) for each in images])))
            network.measure(images)
        network = network.train().to(images[0].device)
        patches, seed = self._patches(images), self._runtime.seed
        return fit(network, patches, self._config, seed, report, training_steps=training_steps).network

    def _patches(self, images: Sequence[Tensor]) -> Patches:
        pairs, hide = self_supervised(images, self._config)
        if hide is not None and self._config.targets != "blind":
            self._warnings = ("there is one section only, so training aimed at hidden pixels of it (targets=blind)",)
        return Patches(pairs, self._config, self._runtime.seed, hide=hide)
