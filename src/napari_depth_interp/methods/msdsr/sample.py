"""Drawing the missing rows of a volume: all XZ and YZ planes together, observed rows put back at every step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...nn.chunks import Chunks, chunk_bytes
from ...nn.runtime import half_precision
from .diffusion import Diffusion
from .network import PlaneNet, between

if TYPE_CHECKING:
    from . import MsdsrConfig

_PIXELS = 2**17
"""Pixels of the planes that go through the network at once; on a GPU as many as its memory allows."""


@torch.no_grad()
def draw(
    network: PlaneNet,
    config: MsdsrConfig,
    known: Tensor,
    mask: Tensor,
    axes: tuple[int, ...],
    each: Callable[[float], None],
) -> Tensor:
    """Return one sample of the volume (R, Y, X).

    Parameters
    ----------
    known : (R, Y, X) tensor
        Observed rows, about -1 to 1; the others are ignored.
    mask : (R,) tensor
        1 where a row is observed.
    axes : tuple of int
        1: XZ planes, 2: YZ planes.
    each : callable
        Gets the share done after every chunk of planes, and may raise.
    """
    diffusion = Diffusion(config)
    diffusion.sampler.set_timesteps(config.steps)
    observed = mask.view(-1, 1, 1) > 0
    linear = between(known.movedim(0, 1), mask.expand(known.shape[1], -1)).movedim(1, 0)
    known = network.scaled(known, linear)
    first = int(diffusion.sampler.timesteps[0])
    chunks = {axis: Chunks(_at_once(network, known, axis)) for axis in axes}
    states = {axis: _noise(diffusion, known, axis, first, shared=config.shared_noise) for axis in axes}
    for number, step in enumerate(diffusion.sampler.timesteps.tolist()):
        clean = {}
        for place, axis in enumerate(axes):
            states[axis] = torch.where(observed, known, states[axis])
            inner = _part(each, (number + place / len(axes)) / config.steps, 1 / config.steps / len(axes))
            clean[axis] = _predicted(network, diffusion, states[axis], mask, linear, step, axis, chunks[axis], inner)
        if config.coupled:
            mean = torch.stack(list(clean.values())).mean(0)
            clean = dict.fromkeys(axes, mean)
        for axis in axes:
            states[axis] = diffusion.sampler.step(clean[axis], step, states[axis], eta=config.eta).prev_sample
    return network.restored(torch.where(observed, known, torch.stack(list(states.values())).mean(0)), linear)


def _at_once(network: PlaneNet, known: Tensor, axis: int) -> int:
    """Return how many planes across an axis go through the network at once."""
    pixels = known.numel() // known.shape[axis]
    per_pixel = 4 * network.channels
    return chunk_bytes(known.device, per_pixel * _PIXELS) // (per_pixel * pixels)


def _noise(diffusion: Diffusion, like: Tensor, axis: int, step: int, *, shared: bool) -> Tensor:
    """Return what the planes across an axis begin as: noise, and an offset for each where training had one."""
    shape = [1 if other == axis and shared else size for other, size in enumerate(like.shape)]
    noise = torch.randn(shape, device=like.device)
    offset = diffusion.offset(torch.full((shape[axis],), step, device=like.device))
    one_per_plane = [-1 if other == axis else 1 for other in range(like.ndim)]
    return (noise + offset.view(one_per_plane)).expand_as(like).clone()


def _predicted(
    network: PlaneNet,
    diffusion: Diffusion,
    volume: Tensor,
    mask: Tensor,
    linear: Tensor,
    step: int,
    axis: int,
    chunks: Chunks,
    each: Callable[[float], None],
) -> Tensor:
    """Return the clean volume that the network sees behind the noise in the planes across one axis."""
    planes, lines = volume.movedim(axis, 0), linear.movedim(axis, 0)
    found = torch.empty_like(planes)

    def seen_behind(some: slice) -> Tensor:
        noisy = planes[some]
        steps = torch.full((len(noisy),), step, device=volume.device)
        with half_precision(volume.device):
            predicted = network(noisy, mask.expand(len(noisy), -1), lines[some], steps)
        return diffusion.clean(noisy, predicted, steps)

    for some, clean in chunks.of(len(planes), seen_behind):
        found[some] = clean
        each(some.stop / len(planes))
    return found.movedim(0, axis)


def _part(each: Callable[[float], None], start: float, length: float) -> Callable[[float], None]:
    return lambda done: each(start + length * done)
