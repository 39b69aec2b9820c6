"""Fit a field on a stack and read sections at any depths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...method import Runtime, Sections, working_dtype
from ...method.preparation import State, check_same_stack
from ...nn.chunks import in_chunks
from ...nn.kept import arrays_of, filled
from ...nn.loop import Plan, train
from ...nn.runtime import torch_on
from ...numerics.back_projection import Floor, back_projected
from ...progress import Progress, Report, part, silent
from ...stack import Stack
from ...stack.lazy import signature
from ...stack.scaling import Scaling
from ...system.transfer import fetched, sent
from .fields import Factorised, FieldModule, FourierMlp
from .hash_grid import HashGrid
from .siren import Siren

if TYPE_CHECKING:
    from . import InrConfig

_CELLS = 4
"""Cells of the factorised field per gap between slices; for projections as many as sections."""
_AT_ONCE = 16
"""Sections that are read between two reports."""


class Inr:
    """An implicit representation of one stack."""

    def __init__(self, config: InrConfig, runtime: Runtime) -> None:
        self._config = config
        self._runtime = runtime
        self._stack: Stack | None = None
        self._fitted: _Fitted | None = None

    def prepare(self, stack: Stack, *, report: Report = silent) -> None:
        """Fit the field on all images."""
        self._fitted, self._stack = self._fit(stack, report), stack
        report(Progress(1.0))

    def state(self) -> State:
        """Return the field, which holds one stack."""
        assert self._fitted is not None
        assert self._stack is not None
        return State({"stack": signature(self._stack.voxels)}, arrays_of(self._fitted.field))

    def restore(self, state: State, stack: Stack) -> None:
        """Know the field of this stack again."""
        check_same_stack(state, stack, "inr")
        with torch_on(self._runtime) as device:
            self._fitted, self._stack = _Fitted(stack, self._config, self._runtime.seed, device), stack
            filled(self._fitted.field, state.arrays, device)

    def field(self) -> tuple[_Fitted, Scaling]:
        """Return the field, which others may train further, and how its values of about 0 to 1 are scaled."""
        assert self._fitted is not None
        return self._fitted, self._fitted.scaling

    def sections_at(self, stack: Stack, z: Sequence[float], *, report: Report = silent) -> Sections:
        """Return the field at depths z, with neighbours averaged (eq. 3), matched to the data if so configured.

        The field holds what it was fitted on: for other images it is fitted anew.
        """
        known = stack.equals(self._stack)
        fitted = self._fitted if known else self._fit(stack, part(report, 0.0, 0.9))
        assert fitted is not None
        inner = part(report, 0.0 if known else 0.9, 1.0)
        wanted = np.asarray(z, float)

        def render(at: NDArray[np.float64], report: Report) -> NDArray[Any]:
            return self._read(fitted, at, stack, report)

        if self._config.correct:
            values = fitted.floor.held(lambda at: back_projected(render, stack, at, inner), stack, wanted)
        else:
            values = render(wanted, inner)
        report(Progress(1.0))
        return Sections(values)

    def _read(self, fitted: _Fitted, z: NDArray[np.float64], stack: Stack, report: Report) -> NDArray[Any]:
        values = np.empty((len(z), *stack.voxels.shape[1:]), working_dtype(stack.voxels.dtype))
        with torch_on(self._runtime) as device, torch.no_grad():
            [places] = sent(device, fitted.places(z))
            sections = in_chunks(len(z), _AT_ONCE, lambda some: fitted(places[some]))
            for some, found in fetched(sections):
                values[some] = fitted.scaling.undo(found.astype(np.float64))
                report(Progress(some.stop / len(z)))
        return values

    def _fit(self, stack: Stack, report: Report) -> _Fitted:
        with torch_on(self._runtime) as device:
            fitted = _Fitted(stack, self._config, self._runtime.seed, device)
            fields = list(fitted.field.parameters())
            if self._config.training_steps:
                optimiser = torch.optim.Adam(fields, lr=self._config.learning_rate)
                plan = training_plan(self._config, self._runtime.seed)
                inner = part(report, 0.0, 1.0, "fitting a field to this stack")
                images, fine = fitted.images, fitted.fine

                def loss(field: nn.Module, rng: np.random.Generator) -> Tensor:
                    assert isinstance(field, FieldModule)
                    return field.loss(images, fine, rng)

                fitted.field = train(fitted.field, [optimiser], loss, plan, report=inner).network
        return fitted


class _Fitted(nn.Module):
    """A field and what it was fitted on.

    Called with what :meth:`places` makes of depths (K,) it gives sections (K, Y, X) at about 0 to 1, with neighbours
    averaged.
    """

    def __init__(self, stack: Stack, config: InrConfig, seed: int, device: torch.device) -> None:
        super().__init__()
        self.scaling, self.floor = Scaling.of(stack.voxels), Floor.of(stack)
        self.images = torch.from_numpy(self.scaling.apply(stack.voxels)).to(device)
        n, gap = stack.acquisition.n, stack.grid.spacing or 1.0
        fine = stack.fine_depths()
        self._low, self._high = float(fine.min()), float(fine.max())
        [self.fine] = sent(device, self._normal(fine))
        if n > 1 and config.averaging != "none":
            weights = neighbour_weights(config.averaging, n)
            self._offsets = ((np.arange(n) - (n - 1) / 2) / n * gap)[weights > 0]
            self._weights = weights[weights > 0]
        else:
            self._offsets, self._weights = np.zeros(1), np.ones(1)
        if config.field == "factorised":
            cells = fine.ravel() if n > 1 else _between(stack.depths)
            places, centres = sent(device, self._normal(cells), self._normal(stack.depths))
            self.field: FieldModule = Factorised(self.images, centres, places, config)
        else:
            self.field = _network(self.images, config, seed).to(device)

    def places(self, z: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return where depths (..., K) and the neighbours that are averaged lie: (..., K, neighbours), from -1 to 1."""
        return self._normal(z[..., None] + self._offsets)

    def forward(self, places: Tensor) -> Tensor:
        """Return (K, Y, X) at places (K, neighbours)."""
        total: Tensor | None = None
        for each, weight in zip(places.unbind(-1), self._weights.tolist(), strict=True):
            found = weight * self.field.sections(each)
            total = found if total is None else total + found
        assert total is not None
        return total

    def _normal(self, z: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return depths from -1 to 1; beyond them the ends are held. In double precision, so on the host."""
        span = max(self._high - self._low, 1e-12)
        return np.asarray((np.clip(z, self._low, self._high) - self._low) / span * 2 - 1, np.float32)


def _network(images: Tensor, config: InrConfig, seed: int) -> FieldModule:
    """Return the field that is looked at coordinate by coordinate, before training."""
    shape, mean = (int(images.shape[1]), int(images.shape[2])), float(images.mean())
    if config.field == "siren":
        return Siren(shape, mean, config)
    if config.field == "hash":
        return HashGrid(shape, mean, config)
    return FourierMlp(shape, mean, config, np.random.default_rng(seed))


def training_plan(config: InrConfig, seed: int) -> Plan:
    """Return how the field is trained: ours, or Adam at a constant rate, without clipping, up to the last weights."""
    steps = config.training_steps
    if config.optimiser == "plain":
        return Plan(steps, warm_up=1, final_rate=1.0, average=0.0, clip=math.inf, seed=seed)
    return Plan(steps, average=0.95, seed=seed)


def neighbour_weights(kind: str, n: int) -> NDArray[np.float64]:
    """Return the weights (n,) of neighbouring sections (eq. 3), with sum 1.

    Parameters
    ----------
    kind : str
        ``gaussian`` (centred, standard deviation n / 4.8), ``published`` (as printed) or ``uniform``.
    """
    centred = np.arange(n) - (n - 1) / 2
    weights = {
        "gaussian": np.exp(-0.5 * (centred / (n / 4.8)) ** 2),
        "published": np.exp(-0.5 * ((np.arange(n) + 1) / n - 0.5) ** 2),
        "uniform": np.ones(n),
    }[kind]
    return np.asarray(weights / weights.sum())


def _between(depths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return cells at the sections and between them."""
    shares = np.arange(_CELLS) / _CELLS
    return np.concatenate([(depths[:-1, None] + np.diff(depths)[:, None] * shares).ravel(), depths[-1:]])
