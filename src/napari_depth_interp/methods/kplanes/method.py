"""Fit K-Planes on a stack and render sections at any depths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...method import Runtime, Sections, working_dtype
from ...method.preparation import State, check_same_stack
from ...nn.kept import arrays_of, filled
from ...nn.runtime import torch_on
from ...progress import Progress, Report, part, silent
from ...stack import Stack
from ...stack.lazy import signature
from ...system.transfer import fetched
from .adam import Steps, polish, random_planes
from .als import Observed, Penalties, split_sections, sweep
from .field import Decoder, Lerp, Mlp, Planes, Sampling, add_up, render

if TYPE_CHECKING:
    from . import KPlanesConfig

_PLANES, _KNOTS = ("xy", "yz", "zx"), ("knots_z", "knots_y", "knots_x")
_AT_ONCE = 8
"""Sections that are rendered between two reports."""


@dataclass(frozen=True, eq=False)
class Images:
    """Images (N, Y', X') at ``depths``, of which one pixel is ``coarser`` pixels of the finest images wide."""

    voxels: NDArray[Any]
    depths: NDArray[np.float64]
    coarser: float = 1.0


@dataclass(frozen=True, eq=False)
class Field:
    """A fitted stack: values are ``offset + scale * decoder(product of the planes)``."""

    planes: Planes
    decoder: Decoder
    knots: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
    offset: float
    scale: float

    def at(self, z: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float32]:
        """Return sections (K, Y, X) at depths z on the finest pixels."""
        sampling = _sampling(self.knots, (z, *map(np.arange, shape)), self.planes.xy.device)
        values = render(self.planes, sampling, self.decoder).mul_(self.scale).add_(self.offset)
        [(_, found)] = fetched([(None, values)])
        return np.asarray(found, np.float32)


class KPlanes:
    """K-Planes on one stack."""

    def __init__(self, config: KPlanesConfig, runtime: Runtime) -> None:
        self._config = config
        self._runtime = runtime
        self._stack: Stack | None = None
        self._field: Field | None = None

    def prepare(self, stack: Stack, *, report: Report = silent) -> None:
        """Fit the planes on all sections."""
        self._field = self._fitted(stack, report)
        self._stack = stack
        report(Progress(1.0))

    def prepare_fused(self, stack: Stack, coarse: Stack, coarser: float, *, report: Report = silent) -> None:
        """Fit the planes on all sections and on coarse sections between them (Ohashi 2025, eq. 17 and 18)."""
        images = [Images(stack.voxels, stack.depths), Images(coarse.voxels, coarse.depths, coarser)]
        self._field = fit(images, self._config, self._runtime, report)
        self._stack = stack
        report(Progress(1.0))

    def state(self) -> State:
        """Return the planes, which hold one stack."""
        assert self._field is not None
        assert self._stack is not None
        field = self._field
        planes = {name: getattr(field.planes, name).detach().cpu().numpy() for name in _PLANES}
        knots = dict(zip(_KNOTS, field.knots, strict=True))
        decoder = {"decoder": State(arrays=arrays_of(field.decoder))} if isinstance(field.decoder, Mlp) else {}
        values = {"offset": field.offset, "scale": field.scale, "stack": signature(self._stack.voxels)}
        found = State.of_parts(decoder, values)
        return State(found.values, {**found.arrays, **planes, **knots})

    def restore(self, state: State, stack: Stack) -> None:
        """Know the planes of this stack again."""
        check_same_stack(state, stack, "kplanes")
        with torch_on(self._runtime) as device:
            planes = Planes(*(torch.tensor(state.arrays[name], device=device) for name in _PLANES))
            decoder: Decoder = add_up
            if self._config.decoder == "mlp":
                network = Mlp(planes.xy.shape[-1], self._config.hidden, over_sum=self._config.fit == "als")
                decoder = filled(network, state.part("decoder").arrays, device)
        z, y, x = (state.arrays[name] for name in _KNOTS)
        self._field = Field(planes, decoder, (z, y, x), float(state.values["offset"]), float(state.values["scale"]))
        self._stack = stack

    def sections_at(self, stack: Stack, z: Sequence[float], *, report: Report = silent) -> Sections:
        """Return the field at depths z, corrected at the sections if so configured.

        The planes hold what they were fitted on: for sections with others left out between them they are fitted anew.
        """
        field = self._field if self._knows(stack) else self._fitted(stack, part(report, 0.0, 0.8))
        assert field is not None
        wanted = np.clip(np.asarray(z, float), stack.depths[0], stack.depths[-1])
        values = np.empty((len(wanted), *stack.voxels.shape[1:]), working_dtype(stack.voxels.dtype))
        residual = _Residual(field, stack)
        with torch_on(self._runtime):
            for start in range(0, len(wanted), _AT_ONCE):
                some = slice(start, start + _AT_ONCE)
                values[some] = field.at(wanted[some], stack.voxels.shape[1:])
                if self._config.correct:
                    residual.look_at(wanted[some])
                    for k in range(start, min(start + _AT_ONCE, len(wanted))):
                        values[k] += residual.at(float(wanted[k]))
                report(Progress(0.8 + 0.2 * min(1.0, (start + _AT_ONCE) / len(wanted))))
        bounds = (self._stack if field is self._field and self._stack is not None else stack).voxels
        np.clip(values, bounds.min(), bounds.max(), out=values)
        report(Progress(1.0))
        return Sections(values)

    def _knows(self, stack: Stack) -> bool:
        """Return whether these are neighbouring sections of the stack that the planes were fitted on."""
        if self._stack is None or stack.voxels.shape[1:] != self._stack.voxels.shape[1:]:
            return False
        first = int(np.searchsorted(self._stack.depths, stack.depths[0]))
        known = self._stack.depths[first : first + len(stack.depths)]
        return np.array_equal(known, stack.depths) and bool(np.array_equal(self._stack.voxels[first], stack.voxels[0]))

    def _fitted(self, stack: Stack, report: Report) -> Field:
        return fit([Images(stack.voxels, stack.depths)], self._config, self._runtime, report)


class _Residual:
    """What the field misses at the sections, linearly interpolated; those around the last depths are kept."""

    def __init__(self, field: Field, stack: Stack) -> None:
        self._field, self._stack = field, stack
        self._kept: dict[int, NDArray[Any]] = {}

    def look_at(self, z: NDArray[np.float64]) -> None:
        """Find out what is missing around depths: at all sections at once, by one copy from the device."""
        needed = sorted({number for each in z for number in self._around(float(each))})
        self._kept = {number: each for number, each in self._kept.items() if number in needed}
        new = [number for number in needed if number not in self._kept]
        if not new:
            return
        found = self._field.at(self._stack.depths[new], self._stack.voxels.shape[1:])
        for number, each in zip(new, found, strict=True):
            self._kept[number] = self._stack.voxels[number].astype(working_dtype(self._stack.voxels.dtype)) - each

    def at(self, z: float) -> NDArray[Any]:
        """Return (Y, X) at a depth that was looked at."""
        depths = self._stack.depths
        below, above = self._around(z)
        if below == above:
            return self._kept[below]
        share = (z - depths[below]) / (depths[above] - depths[below])
        return np.asarray((1 - share) * self._kept[below] + share * self._kept[above])

    def _around(self, z: float) -> tuple[int, int]:
        """Return the numbers of the sections below and above a depth."""
        depths = self._stack.depths
        if len(depths) == 1:
            return 0, 0
        below = int(np.clip(np.searchsorted(depths, z, side="right") - 1, 0, len(depths) - 2))
        return below, below + 1


def fit(images: Sequence[Images], config: KPlanesConfig, runtime: Runtime, report: Report = silent) -> Field:
    """Fit planes on images of one scene, the finest first; coarser ones count at their pixel centres.

    Parameters
    ----------
    images : sequence of Images
        ``images[0]`` has one pixel per pixel of the field; a pixel (u, v) of images s times coarser lies at
        (s (u + 0.5) - 0.5, s (v + 0.5) - 0.5) (Ohashi 2025, section 3.5, with pixel centres), or with ``coarse`` of
        "every" counts at all fine pixels.
    config : KPlanesConfig
    runtime : Runtime
    report : callable

    Returns
    -------
    Field
    """
    finest = images[0]
    offset, scale = _scaling(finest.voxels, config.scaling)
    knots = _knots(images, config)
    with torch_on(runtime) as device:
        size = finest.voxels.shape[1:]
        fine = [one if config.coarse == "mapped" else _at_every_pixel(one, size) for one in images]
        observed = [_observed(one, knots, offset, scale, device) for one in fine]
        shape = (len(knots[0]), len(knots[1]), len(knots[2]))
        rng = np.random.default_rng(runtime.seed)
        training_steps = config.gradient_steps()
        if config.fit == "adam":
            planes = random_planes(shape, config.features, device)
        else:
            planes = _start(observed[0], finest.depths, knots, config.features)
            _sweeps(planes, observed, config, part(report, 0.0, 0.5 if training_steps else 1.0, "fitting the planes"))
        decoder: Decoder = add_up
        if config.decoder == "mlp":
            decoder = Mlp(planes.xy.shape[-1], config.hidden, over_sum=config.fit == "als").to(device)
        if training_steps:
            inner = part(report, 0.5 if config.fit == "als" else 0.0, 1.0, "training the planes")
            polish(planes, decoder, observed, _steps(config), rng, lambda done: inner(Progress(done)))
        if isinstance(decoder, Mlp):
            decoder.requires_grad_(False)
        return Field(planes, decoder, knots, offset, scale)


def _sweeps(planes: Planes, observed: Sequence[Observed], config: KPlanesConfig, report: Report) -> None:
    done = 0
    penalties = Penalties(config.tv, config.smoothness, config.tv_weighting == "published")

    def each() -> None:
        nonlocal done
        done += 1
        report(Progress(done / (3 * config.sweeps)))

    for _ in range(config.sweeps):
        sweep(planes, observed, penalties, each)


def _steps(config: KPlanesConfig) -> Steps:
    return Steps(
        config.gradient_steps(),
        config.learning_rate,
        config.tv,
        config.smoothness,
        tv_published=config.tv_weighting == "published",
        batch=config.batch,
    )


def _scaling(voxels: NDArray[Any], kind: str) -> tuple[float, float]:
    """Return what is taken from the grey values, and what they are then divided by."""
    if kind == "unit":
        low = float(voxels.min())
        return low, (float(voxels.max()) - low) or 1.0
    return float(voxels.mean(dtype=np.float64)), float(voxels.std(dtype=np.float64)) or 1.0


def _knots(
    images: Sequence[Images], config: KPlanesConfig
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the positions of the planes' cells: depths, rows and columns (pixels)."""
    depths = np.unique(np.concatenate([one.depths for one in images]))
    between = np.arange(config.cells_per_gap) / config.cells_per_gap
    z = np.concatenate([(depths[:-1, None] + np.diff(depths)[:, None] * between).ravel(), depths[-1:]])
    sizes = images[0].voxels.shape[1:]
    y, x = (np.arange(int(np.ceil((size - 1) / config.cell)) + 1) * config.cell for size in sizes)
    return z, y.astype(float), x.astype(float)


def _sampling(
    knots: tuple[NDArray[np.float64], ...], positions: tuple[NDArray[Any], ...], device: torch.device
) -> Sampling:
    axes = [(np.asarray(where, float), cells) for where, cells in zip(positions, knots, strict=True)]
    return Sampling(*Lerp.all_of(axes, device))


def _at_every_pixel(one: Images, size: tuple[int, ...]) -> Images:
    """Return coarse images with the pixels of the finest, by linear interpolation."""
    if one.coarser == 1:
        return one
    axes = [(np.arange(count, dtype=np.float64) + 0.5) / one.coarser - 0.5 for count in size]
    cells = [np.arange(count, dtype=np.float64) for count in one.voxels.shape[1:]]
    y, x = (Lerp.of(np.asarray(at, float), knots, torch.device("cpu")) for at, knots in zip(axes, cells, strict=True))
    return Images(x(y(torch.from_numpy(one.voxels.astype(np.float32)), 1), 2).numpy(), one.depths)


def _observed(
    one: Images, knots: tuple[NDArray[np.float64], ...], offset: float, scale: float, device: torch.device
) -> Observed:
    rows, columns = ((np.arange(size) + 0.5) * one.coarser - 0.5 for size in one.voxels.shape[1:])
    scaled = torch.from_numpy((one.voxels.astype(np.float32) - np.float32(offset)) / np.float32(scale))
    return Observed(scaled.to(device), _sampling(knots, (one.depths, rows, columns), device))


def _start(
    finest: Observed, depths: NDArray[np.float64], knots: tuple[NDArray[np.float64], ...], features: int
) -> Planes:
    """Split the finest images into features, and put those on the cells."""
    device = finest.images.device
    pixels = tuple(np.arange(size, dtype=float) for size in finest.images.shape[1:])
    y, x = (Lerp.of(cells, where, device) for cells, where in zip(knots[1:], pixels, strict=True))
    on_cells: Tensor = x(y(finest.images, 1), 2)
    planes = split_sections(on_cells, features)
    z = Lerp.of(knots[0], depths, device)
    return Planes(planes.xy, z(planes.yz, 0).contiguous(), z(planes.zx, 0).contiguous())
