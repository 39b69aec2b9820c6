"""Prepare the prior, train on the stack, draw samples, give sections at any depths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...method import Explains, Findings, Method, Runtime, Sections, working_dtype
from ...method.preparation import Keeps, State
from ...nn.kept import arrays_of, filled
from ...nn.runtime import torch_on
from ...numerics.back_projection import Floor
from ...numerics.interpolation import at_places
from ...progress import Progress, Report, fractions, part, silent
from ...stack import Stack
from ...stack.scaling import Scaling
from ...system.transfer import fetched, on_its_way, sent
from ..inr.method import Inr
from .examples import Places, TrainingExample, coarser, means
from .fit import Live, fit, trust_in
from .network import SectionNet
from .noise import white_noise, without_noise
from .sample import Scene, draw

if TYPE_CHECKING:
    from . import MicroDiffusionConfig

_ROWS = 8
"""Most sections drawn per gap between slices."""
_LITTLE = 0.2
"""Trust under which the user is told."""
_SMALLEST = 16
"""Pixels of the shorter image side under which nothing can be learned."""


class MicroDiffusion:
    """MicroDiffusion on one stack."""

    def __init__(self, config: MicroDiffusionConfig, runtime: Runtime) -> None:
        self._config = config
        self._runtime = runtime
        self._prior: Method | None = None
        self._prior_name: str | None = None
        self._network: SectionNet | None = None
        self._scaling = Scaling(0.0, 1.0)
        self._drawn: tuple[Stack, NDArray[np.float32], NDArray[np.float32]] | None = None
        self._noise = 0.0
        self._quiet: tuple[Stack, Stack] | None = None
        self._warnings: tuple[str, ...] = ()
        self._trust = 1.0

    def prepare(self, stack: Stack, *, report: Report = silent) -> None:
        """Prepare the prior, then train the network on the recorded images."""
        self._drawn, self._network, self._warnings, self._prior_name = None, None, (), None
        self._noise, self._quiet = 0.0, None
        if self._config.noise == "auto" and stack.acquisition.is_projection:
            self._noise = white_noise(stack.voxels)
        stack = self._without_noise(stack)
        self._scaling = Scaling.of(stack.voxels)
        self._prior = self._prepared_prior(stack, part(report, 0.0, 0.4, "preparing the prior"))
        if self._config.diffusion:
            with torch_on(self._runtime) as device:
                self._learn(stack, device, part(report, 0.4, 1.0, "training on the images of this stack"))
        report(Progress(1.0))

    def state(self) -> State:
        """Return the network, how far it is trusted, and what the prior knows."""
        values = {
            "noise": self._noise,
            "scaling": self._scaling.as_json(),
            "trust": self._trust,
            "warnings": list(self._warnings),
            "prior": self._prior_name,
        }
        parts = {} if self._network is None else {"network": State(arrays=arrays_of(self._network))}
        if self._prior is not None:
            assert isinstance(self._prior, Keeps)  # all that may be a prior are
            parts["prior"] = self._prior.state()
        return State.of_parts(parts, values)

    def restore(self, state: State, stack: Stack) -> None:
        """Know all this again; a prior that holds one stack refuses another one."""
        values, network = state.values, state.part("network").arrays
        self._drawn, self._quiet, self._noise = None, None, float(values["noise"])
        self._scaling, self._trust = Scaling.from_json(values["scaling"]), float(values["trust"])
        self._warnings, self._prior, self._prior_name = tuple(values["warnings"]), None, values["prior"]
        if self._prior_name is not None:
            spec, config = self._config.prior_of(self._prior_name)
            self._prior = spec.create(config, self._runtime)
            assert isinstance(self._prior, Keeps)
            self._prior.restore(state.part("prior"), self._without_noise(stack))
        empty = SectionNet(self._config, self._runtime.seed)
        self._network = filled(empty, network, torch.device(self._runtime.device)) if network else None

    def _without_noise(self, stack: Stack) -> Stack:
        if self._noise == 0:
            return stack
        if self._quiet is None or not stack.equals(self._quiet[0]):
            quiet = without_noise(stack.voxels.astype(working_dtype(stack.voxels.dtype)), self._noise)
            self._quiet = stack, replace(stack, voxels=quiet)
        return self._quiet[1]

    def _learn(self, stack: Stack, device: torch.device, report: Report) -> None:
        examples, known = self._examples(stack, device)
        if not examples:
            self._prior = self._prior or self._prepared("linear", stack, silent)
            self._warnings = ("microdiffusion is its prior here: the images are too small or too few to learn from",)
            return
        live = None
        if self._config.prior_training != "frozen" and isinstance(self._prior, Inr):
            field = self._prior.field()[0].to(device)
            [places] = sent(device, field.places(stack.fine_depths()))
            live = Live(field, places, self._config.noised)
        network = SectionNet(self._config, self._runtime.seed).to(device)
        fit(network, examples, self._config, self._runtime.seed, report, live)
        self._network, self._trust = network, 1.0
        if self._config.self_check and known:
            self._trust = trust_in(network, known, self._config)
            if self._trust < _LITTLE:
                self._warnings = (
                    "on sections of this stack that it has not seen, what microdiffusion adds to its prior does not "
                    f"help: {self._trust:.0%} of it is trusted; use its samples for texture, and auto for values",
                )

    def _prepared_prior(self, stack: Stack, report: Report) -> Method | None:
        if self._config.prior == "none" and self._config.diffusion:
            return None
        return self._prepared("linear" if self._config.prior == "none" else self._config.prior, stack, report)

    def _prepared(self, name: str, stack: Stack, report: Report) -> Method:
        spec, config = self._config.prior_of(name)
        method, self._prior_name = spec.create(config, self._runtime), name
        method.prepare(stack, report=report)
        return method

    def _examples(
        self, stack: Stack, device: torch.device
    ) -> tuple[list[list[TrainingExample]], list[TrainingExample]]:
        """Return the kinds of examples that there are, and examples for the self-check, if any."""
        if min(stack.voxels.shape[1:]) < _SMALLEST or len(stack.depths) < 2:
            return [], []

        def scaled(values: NDArray[Any]) -> Tensor:
            return self._scaled(values, device)

        config, kinds, known = self._config, [], []
        if stack.acquisition.is_projection and config.learn != "coarser":
            prior = self._prior_at(stack, stack.fine_depths().ravel())
            kinds.append(means(stack, prior, scaled, each=config.learn == "projection", noised=config.noised))
        depth = config.learn in ("both", "coarser") or not stack.acquisition.is_projection
        if config.prior_training == "frozen" and (depth or (config.self_check and self._prior is not None)):
            known = coarser(stack, self._prior_at, scaled)
        if depth:
            kinds.append(known)
        return [kind for kind in kinds if kind], known if self._prior is not None else []

    def _prior_at(self, stack: Stack, z: NDArray[np.float64]) -> NDArray[np.float32] | None:
        if self._prior is None:
            return None
        return np.asarray(self._prior.sections_at(stack, z.tolist(), report=silent).values, np.float32)

    def findings(self) -> Findings:
        """Say so where noise was taken out, nothing could be learned or is trusted; what the prior has found out."""
        inner = self._prior.findings().warnings if isinstance(self._prior, Explains) else ()
        own = self._warnings
        if self._noise:
            own = (*own, f"noise of about {self._noise:.3g} grey values was taken out; noise=keep leaves it in")
        return Findings(warnings=(*inner, *own))

    def sections_at(self, stack: Stack, z: Sequence[float], *, report: Report = silent) -> Sections:
        """Return the mean of the samples and their standard deviation, between sections linearly interpolated."""
        wanted = np.asarray(z, float)
        dtype = working_dtype(stack.voxels.dtype)
        stack = self._without_noise(stack)
        if self._network is None:
            assert self._prior is not None
            values = self._prior.sections_at(stack, z, report=report).values
            return Sections(values, np.full(values.shape, np.nan, np.float32))
        depths, mean, std = self._volume(stack, report)
        places = np.interp(wanted, depths, np.arange(len(depths), dtype=float))
        values = at_places(mean, places).astype(dtype)
        report(Progress(1.0))
        return Sections(values, at_places(std, places))

    def _volume(self, stack: Stack, report: Report) -> tuple[NDArray[np.float64], NDArray[Any], NDArray[np.float32]]:
        """Return depths, mean and std of the samples; the last are kept."""
        grid = _Grid.of(stack)
        if self._drawn is None or not stack.equals(self._drawn[0]):
            with torch_on(self._runtime) as device:
                scene = self._scene(stack, grid, device)
                self._drawn = stack, *self._moments(scene, report)
        return grid.z, self._drawn[1], self._drawn[2]

    def _moments(self, scene: Scene, report: Report) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Return mean and standard deviation of the samples in the units of the input; added up on the host."""
        count = self._config.samples
        network = self._network
        assert network is not None

        def samples() -> Iterator[tuple[int, Tensor]]:
            for number in range(count):
                inner = part(report, number / count, (number + 1) / count, "drawing the sections")
                yield number, draw(network, self._config, scene, fractions(inner))

        total, squares = np.zeros((), np.float64), np.zeros((), np.float64)
        for _, sample in fetched(samples()):
            found = sample.astype(np.float64)
            total, squares = total + found, squares + np.square(found)
        mean = total / count
        std = np.sqrt(np.maximum(squares / count - np.square(mean), 0) * (count / max(1, count - 1)))
        if count == 1:
            std = np.full_like(std, np.nan)
        if scene.prior is not None and count > 1:
            [(_, prior)] = fetched([("prior", scene.prior)])
            mean = prior + self._trust * (mean - prior)
        return self._scaling.undo((mean + 1) / 2), (std / 2 * self._scaling.scale).astype(np.float32)

    def _scene(self, stack: Stack, grid: _Grid, device: torch.device) -> Scene:
        images = self._scaled(stack.voxels, device)
        prior = self._prior_at(stack, grid.z)
        place = Places.of(stack).at(grid.z, stack.depths[grid.closest], stack.grid.spacing or 1.0)
        return Scene(
            images,
            grid.members,
            grid.closest,
            None if prior is None else self._scaled(prior, device),
            on_its_way(place, device),
            stack.depths,
            grid.z,
            Floor(float(2 * self._scaling.apply(np.array(Floor.of(stack).value)) - 1)),
        )

    def _scaled(self, voxels: NDArray[Any], device: torch.device) -> Tensor:
        return 2 * on_its_way(torch.from_numpy(self._scaling.apply(voxels)), device) - 1


class _Grid:
    """The sections that are drawn: those of projections, or some in every gap between slices."""

    def __init__(self, z: NDArray[np.float64], members: NDArray[np.intp], closest: NDArray[np.intp]) -> None:
        self.z, self.members, self.closest = z, members, closest

    @classmethod
    def of(cls, stack: Stack) -> _Grid:
        """Choose sections about as close as the pixels."""
        fine = stack.fine_depths()
        count, n = fine.shape
        if n > 1:
            return cls(fine.ravel(), np.arange(count * n).reshape(count, n), np.repeat(np.arange(count), n))
        rows = int(np.clip(round((stack.grid.spacing or 1.0) / stack.pixel), 2, _ROWS))
        z = np.interp(np.arange((count - 1) * rows + 1) / rows, np.arange(count), stack.depths)
        middles = (stack.depths[1:] + stack.depths[:-1]) / 2
        return cls(z, np.arange(count)[:, None] * rows, np.searchsorted(middles, z))
