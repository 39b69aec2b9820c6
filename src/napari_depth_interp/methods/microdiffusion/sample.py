"""Drawing the sections of a whole stack together, matched to the recorded images after every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...nn.chunks import Chunks, chunk_bytes
from ...nn.noise_schedule import STEPS, sampler
from ...nn.runtime import half_precision
from ...numerics.back_projection import Floor, spreading
from ...system.transfer import fetched, on_its_way, sent
from .fit import blended, sections_of, seen_by, state_of
from .network import SectionNet

if TYPE_CHECKING:
    from . import MicroDiffusionConfig

_PIXELS = 2**17
"""Pixels of sections that go through the network at once; on a GPU as many as its memory allows."""
_TILE = 512
"""Pixels per side above which a section is cut into tiles."""


@dataclass(frozen=True, eq=False)
class _Tables:
    """What a scene needs on its device: the closest image, the sections that make up an image, how errors spread."""

    closest: Tensor
    members: Tensor
    spread: Sequence[tuple[slice, slice, Tensor]]


@dataclass(frozen=True, eq=False)
class Scene:
    """Sections to draw and what was recorded, at about -1 to 1.

    Attributes
    ----------
    images : (N, Y, X) tensor
    members : (N, n) int array
        The sections whose mean each image is.
    closest : (K,) int array
        The closest image of each section.
    prior : (K, Y, X) tensor or None
    place : (K, 2) tensor
    depths : (N,) array
    z : (K,) array
    floor : Floor
    """

    images: Tensor
    members: NDArray[np.intp]
    closest: NDArray[np.intp]
    prior: Tensor | None
    place: Tensor
    depths: NDArray[np.float64]
    z: NDArray[np.float64]
    floor: Floor = field(default_factory=Floor)

    def matched(self, sections: Tensor) -> Tensor:
        """Return sections whose means are the recorded images, changed smoothly."""
        errors = self.images - torch.stack([sections[each].mean(0) for each in self._tables.members])
        found, flat = sections.clone(), errors.flatten(1)
        for some, part, weights in self._tables.spread:
            added = weights @ flat[part]
            found[some] += added.view(found[some].shape)
        return found

    def noise(self) -> Tensor:
        """Return noise of the size of the sections; those of one image share theirs."""
        return torch.randn_like(self.images)[self._tables.closest]

    def seen(self, some: slice) -> Tensor:
        """Return the closest images of some sections."""
        return self.images[self._tables.closest[some]]

    @cached_property
    def _tables(self) -> _Tables:
        device = self.images.device
        spread = list(spreading(self.depths, self.z[self.members], self.z))
        weights = [np.asarray(each, np.float32) for _, _, each in spread]
        closest, members, *there = sent(device, self.closest, self.members, *weights)
        places = [(some, part, each) for (some, part, _), each in zip(spread, there, strict=True)]
        return _Tables(closest, members, places)

    def finished(self, sections: Tensor) -> Tensor:
        """Return matched sections that are not below the floor."""
        found = self.matched(sections)
        values, images = (each for _, each in fetched([("sections", found), ("images", self.images)]))
        return on_its_way(torch.from_numpy(self.floor.lift(values, images)), found.device)


@torch.no_grad()
def draw(
    network: SectionNet, config: MicroDiffusionConfig, scene: Scene, each: Callable[[float], None], steps: int = 0
) -> Tensor:
    """Return one sample of all sections (K, Y, X).

    Parameters
    ----------
    each : callable
        Gets the share done after every chunk of sections, and may raise.
    steps : int
        Sampling steps; 0: those of the config.
    """
    schedule = sampler(schedule=config.schedule, zero_snr=config.zero_snr)
    schedule.set_timesteps(steps or config.steps)
    prior, state = scene.prior, scene.noise()
    chunks = Chunks(_at_once(network, state))
    times = schedule.timesteps.tolist()
    for number, step in enumerate(times):
        clean = predicted(network, config, scene, state, step, chunks, _part(each, number, len(times)))
        if config.correct:
            sections = scene.matched(sections_of(clean, prior, network, config.draws))
            clean = state_of(sections, prior, network, config.draws)
        noise = scene.noise() if config.eta > 0 else None
        state = schedule.step(clean, step, state, eta=config.eta, variance_noise=noise).prev_sample
    sections = sections_of(state, prior, network, config.draws)
    return scene.finished(sections) if config.correct else sections


def predicted(
    network: SectionNet,
    config: MicroDiffusionConfig,
    scene: Scene,
    state: Tensor,
    step: int,
    chunks: Chunks,
    each: Callable[[float], None],
) -> Tensor:
    """Return the clean state of all sections that the network sees behind the noise, with guidance (eq. 7)."""
    found = torch.empty_like(state)
    height, width = state.shape[1:]
    tiles = [(y, x) for y in _tiles(height, network) for x in _tiles(width, network)]

    def sections(some: slice) -> None:
        for (rows, upper), (columns, left) in tiles:
            tile = (..., slice(upper.start, upper.stop), slice(left.start, left.stop))
            values = _guided(network, config, scene, state, step, some, tile)
            inner_y, inner_x = rows.start - upper.start, columns.start - left.start
            found[some, rows, columns] = values[
                :, inner_y : inner_y + rows.stop - rows.start, inner_x : inner_x + columns.stop - columns.start
            ]

    for some, _ in chunks.of(len(state), sections):
        each(some.stop / len(state))
    return found


def _at_once(network: SectionNet, state: Tensor) -> int:
    """Return how many sections go through the network at once."""
    pixels = min(state.shape[1] * state.shape[2], _TILE**2)
    per_pixel = 4 * network.entry.out_channels
    return chunk_bytes(state.device, per_pixel * _PIXELS) // (per_pixel * pixels)


def _guided(
    network: SectionNet,
    config: MicroDiffusionConfig,
    scene: Scene,
    state: Tensor,
    step: int,
    some: slice,
    tile: tuple[object, ...],
) -> Tensor:
    prior = None if scene.prior is None else scene.prior[some][tile]  # type: ignore[index]
    seen = scene.seen(some)[tile]  # type: ignore[index]
    noisy = state[some][tile]  # type: ignore[index]
    share = torch.full((len(noisy),), step / STEPS, device=noisy.device)

    def ask(known: float) -> Tensor:
        told = torch.full_like(share, known)
        with half_precision(noisy.device):
            found: Tensor = network(
                blended(noisy, prior, config), share, seen_by(seen, prior, config), scene.place[some], told
            )
        return found

    found = ask(1.0)
    return found if config.guidance == 0 else (1 + config.guidance) * found - config.guidance * ask(0.0)


def _tiles(size: int, network: SectionNet) -> list[tuple[slice, slice]]:
    """Return what is kept and what is looked at along one axis; both begin at whole cells of the coarsest level."""
    if size <= _TILE:
        return [(slice(0, size), slice(0, size))]
    halo = network.halo
    return [
        (slice(start, min(size, start + _TILE)), slice(max(0, start - halo), min(size, start + _TILE + halo)))
        for start in range(0, size, _TILE)
    ]


def _part(each: Callable[[float], None], number: int, count: int) -> Callable[[float], None]:
    return lambda done: each((number + done) / count)
