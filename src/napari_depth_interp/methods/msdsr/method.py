"""Train on the stack or load a model, draw the rows between sections, give sections at any depths."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...method import Findings, Runtime, Sections, working_dtype
from ...method.preparation import State
from ...models import folder as model_folder
from ...nn.contract import OnePass, TrainingData
from ...nn.kept import arrays_of, filled
from ...nn.runtime import torch_on
from ...numerics.interpolation import at_places
from ...progress import Progress, Report, fractions, part, silent
from ...stack import Stack
from ...stack.scaling import Scaling
from ...system.transfer import fetched, on_its_way
from .fit import fit
from .network import PlaneNet
from .one_pass import one_pass_of
from .planes import FromImages
from .sample import draw
from .start import untrained
from .train import LEARNED, learned_of, train_on

if TYPE_CHECKING:
    from . import MsdsrConfig

_MOST_ROWS = 8
"""Rows drawn per gap: more would be finer than the network has learned, and slower."""
_SMALLEST_IMAGE = 16
"""Pixels of the shorter image side under which nothing can be learned."""


class Msdsr:
    """MSDSR on one stack."""

    def __init__(self, config: MsdsrConfig, runtime: Runtime) -> None:
        self._config = config
        self._runtime = runtime
        self._network: PlaneNet | None = None
        self._scaling = Scaling(0.0, 1.0)
        self._bounds = -math.inf, math.inf
        self._rows = 1
        self._drawn: tuple[Stack, NDArray[np.float32], NDArray[np.float32]] | None = None

    def prepare(self, stack: Stack, *, report: Report = silent) -> None:
        """Load the model, or train one on the XY images of the stack."""
        self._drawn = None
        self._rows = self._config.rows or int(np.clip(round(max(_gaps(stack))), 2, _MOST_ROWS))
        self._scaling = Scaling.of(stack.voxels)
        self._bounds = float(stack.voxels.min()), float(stack.voxels.max())
        with torch_on(self._runtime) as device:
            if self._config.model is not None:
                model = self._load(self._config.model)
                self._rows = int(model.config["rows"])
                self._config = self._config.model_copy(update=learned_of(model.config))
                self._network = PlaneNet.from_model(model.config, model.tensors).to(device)
            elif min(stack.voxels.shape[1:]) >= _SMALLEST_IMAGE:
                network = untrained(self._config).to(device)
                y, x = (gap / self._rows for gap in _gaps(stack))
                size = self._config.batch, self._config.columns, self._config.piece_rows
                source = FromImages(self._scaled(stack, device), (y, x), *size)
                inner = part(report, 0.0, 1.0, "training on the sections of this stack")
                self._network = fit(network, source, self._config, self._rows, self._runtime.seed, inner).network
        report(Progress(1.0))

    def state(self) -> State:
        """Return the network and what the images were like."""
        values = {"rows": self._rows, "scaling": self._scaling.as_json(), "bounds": list(self._bounds)}
        return State(values, {} if self._network is None else arrays_of(self._network))

    def restore(self, state: State, stack: Stack) -> None:
        """Know the network again."""
        self._drawn, self._rows = None, int(state.values["rows"])
        low, high = state.values["bounds"]
        self._scaling, self._bounds = Scaling.from_json(state.values["scaling"]), (float(low), float(high))
        self._network = None
        if self._config.model is not None:
            model = self._load(self._config.model)
            self._config = self._config.model_copy(update=learned_of(model.config))
            self._network = PlaneNet.from_model(model.config, model.tensors).to(torch.device(self._runtime.device))
        elif state.arrays:
            network = PlaneNet(self._config.channels, self._config.levels, self._config.guide)
            self._network = filled(network, state.arrays, torch.device(self._runtime.device))

    def train(self, data: TrainingData, folder: Path, *, resume: bool, report: Report = silent) -> None:
        """Train on the XZ and YZ planes of dense stacks (Ohashi 2025, eq. 6) and write a model folder."""
        train_on(data, self._config, self._runtime, folder, resume=resume, report=report)

    def drawing(self, **sampling: Any) -> Msdsr:
        """Return the same trained network with other parameters of sampling (``steps``, ``eta``, ``samples``)."""
        other = copy.copy(self)
        other._config, other._drawn = self._config.model_copy(update=sampling), None
        return other

    def one_pass(self, model: Path) -> OnePass:
        """Return the network of a model as one function of a plane."""
        found = self._load(model)
        return one_pass_of(found, self._config.model_copy(update=learned_of(found.config)))

    def _load(self, model: Path) -> model_folder.Model:
        return model_folder.load(model, "msdsr", type(self._config), needs=(*LEARNED, "rows"))

    def findings(self) -> Findings:
        """Say so where nothing could be learned."""
        if self._network is not None:
            return Findings()
        return Findings(warnings=("msdsr is linear interpolation here: the images are too small to learn from",))

    def sections_at(self, stack: Stack, z: Sequence[float], *, report: Report = silent) -> Sections:
        """Return sections between the rows that were drawn; the mean of the samples and their standard deviation."""
        rows, std = self._volume(stack, report)
        depths = stack.depths
        wanted = np.clip(np.asarray(z, float), depths[0], depths[-1])
        places = np.interp(wanted, depths, np.arange(len(depths), dtype=float) * self._rows)
        values = np.clip(at_places(rows, places), *self._bounds).astype(working_dtype(stack.voxels.dtype))
        report(Progress(1.0))
        return Sections(values, at_places(std, places))

    def _volume(self, stack: Stack, report: Report) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the drawn rows (R, Y, X) in the units of the input and their standard deviation; the last are kept."""
        if self._drawn is not None and stack.equals(self._drawn[0]):
            return self._drawn[1:]
        with torch_on(self._runtime) as device:
            known, mask = self._known(stack, device)
            if self._network is None or len(stack.depths) < 2:
                samples = [_linear(known, self._rows)]
            else:
                samples = self._samples(known, mask, report)
        found = torch.stack(samples)
        alone = len(samples) == 1
        std = torch.full_like(found[0], torch.nan) if alone else found.std(0) / 2
        (_, mean), (_, spread) = fetched([("mean", (found.mean(0) + 1) / 2), ("std", std)])
        values = np.asarray(self._scaling.undo(mean), np.float32)
        self._drawn = stack, values, spread * np.float32(self._scaling.scale)
        return self._drawn[1:]

    def _samples(self, known: Tensor, mask: Tensor, report: Report) -> list[Tensor]:
        assert self._network is not None
        axes = tuple(axis for axis in (1, 2) if known.shape[3 - axis] >= _SMALLEST_IMAGE // 2) or (1,)
        count = self._config.samples
        return [
            draw(
                self._network, self._config, known, mask, axes,
                fractions(part(report, number / count, (number + 1) / count, "drawing the missing rows")),
            )
            for number in range(count)
        ]  # fmt: skip

    def _known(self, stack: Stack, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the volume of rows with observed ones in their places, and the mask of those."""
        sections = self._scaled(stack, device)
        count = (len(sections) - 1) * self._rows + 1
        known = sections.new_zeros(count, *sections.shape[1:])
        known[:: self._rows] = sections
        mask = torch.zeros(count, device=device)
        mask[:: self._rows] = 1
        return known, mask

    def _scaled(self, stack: Stack, device: torch.device) -> Tensor:
        return 2 * on_its_way(torch.from_numpy(self._scaling.apply(stack.voxels)), device) - 1


def _gaps(stack: Stack) -> tuple[float, float]:
    """Return how many pixels along y, and along x, sections are apart, 2 at least."""
    y, x = stack.grid.pixel_size or (stack.pixel, stack.pixel)
    spacing = stack.grid.spacing or 0.0
    return max(2.0, spacing / y), max(2.0, spacing / x)


def _linear(known: Tensor, rows: int) -> Tensor:
    sections = known[::rows]
    places = torch.arange(len(known), device=known.device) / rows
    first = places.long().clamp_max(max(0, len(sections) - 2))
    share = (places - first).view(-1, 1, 1)
    return sections[first] * (1 - share) + sections[(first + 1).clamp_max(len(sections) - 1)] * share
