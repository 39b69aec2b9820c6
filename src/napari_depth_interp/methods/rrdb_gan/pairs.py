"""Pairs of coarse and fine patches from dense stacks (Nishioka 2026, sections 3.2 and 4.1.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import RequestError
from ...nn.batches import at_once
from ...nn.loop import Step
from ...nn.windows import Window, Windows, cut_together
from ...system.memory import free_memory
from ...system.transfer import on_its_way
from .lattice import Lattice

if TYPE_CHECKING:
    from . import GanConfig

_SMALLEST = 4
"""Coarse voxels along each axis under which nothing can be learned."""
_SHARE = 0.4
"""Of a GPU's free memory, that volumes may take: they are there twice while they are put one after the other."""


@dataclass(frozen=True, eq=False)
class Volume:
    """A coarse (z, y, x) and a fine volume on the same scale, and the number of their class."""

    coarse: Tensor
    fine: Tensor
    kind: int = 0


@dataclass(frozen=True, eq=False)
class Batch:
    """Coarse and fine patches (B, 1, Z, Y, X) and the classes (B,) of their volumes."""

    coarse: Tensor
    fine: Tensor
    kinds: Tensor


def limits(coarse: NDArray[Any] | Tensor, fine: NDArray[Any] | Tensor | None, scale: str) -> tuple[float, float]:
    """Return what becomes 0 and the scale to 1: of the input, or of the truth where it is known (eq. 3.3)."""
    high = float((fine if scale == "truth" and fine is not None else coarse).max())
    low = float(coarse.min()) if scale == "range" else 0.0
    return low, (high - low) or 1.0


def make_volume(
    fine: NDArray[Any], coarse: NDArray[Any] | None, lattice: Lattice, config: GanConfig, seed: int, kind: int = 0
) -> Volume:
    """Return a volume to learn from.

    Parameters
    ----------
    fine : (Z, Y, X) array
    coarse : array, optional
        As recorded. Not given: made from the fine one (eq. 3.1: blur, averaging, noise).

    Raises
    ------
    RequestError
        If the two do not fit each other.
    """
    real = torch.from_numpy(np.ascontiguousarray(fine, np.float32))[None, None]
    size = lattice.coarse_size(tuple(real.shape[2:]))
    if coarse is None:
        real = _corner(real, lattice.fine_size(size))
        seen = _degraded(real, lattice, config, seed)
    else:
        seen = torch.from_numpy(np.ascontiguousarray(coarse, np.float32))[None, None]
        if tuple(seen.shape[2:]) != size or lattice.fine_size(size) != tuple(real.shape[2:]):
            sizes = [" x ".join(map(str, each.shape[2:])) for each in (seen, real)]
            raise RequestError(
                f"a coarse volume of {sizes[0]} voxels and a fine one of {sizes[1]} do not fit the factors "
                f"{' x '.join(map(str, lattice.factors))}; both must show the same box"
            )
    offset, scale = limits(seen, real, config.scale)
    return Volume((seen[0, 0] - offset) / scale, (real[0, 0] - offset) / scale, kind)


def _corner(volume: Tensor, size: tuple[int, int, int]) -> Tensor:
    return volume[:, :, : size[0], : size[1], : size[2]]


def _degraded(real: Tensor, lattice: Lattice, config: GanConfig, seed: int) -> Tensor:
    sharp = real
    if config.blur > 0:
        from scipy.ndimage import gaussian_filter

        sharp = torch.from_numpy(gaussian_filter(real[0, 0].numpy(), config.blur))[None, None]
    seen = lattice.coarsen(sharp)
    if config.noise > 0:
        rng = np.random.default_rng((seed, seen.numel()))
        value_range = float(seen.max() - seen.min())
        seen = seen + config.noise * value_range * torch.from_numpy(rng.normal(size=seen.shape).astype(np.float32))
    return seen.contiguous()


def patch_of(volumes: Sequence[Volume], config: GanConfig) -> tuple[int, int, int]:
    """Return the coarse patch: as asked for, or as large as the smallest volume allows.

    Raises
    ------
    RequestError
        If a volume is too small to learn from.
    """
    smallest = [min(int(each.coarse.shape[axis]) for each in volumes) for axis in range(3)]
    if min(smallest) < _SMALLEST:
        raise RequestError(
            f"a stack becomes {' x '.join(map(str, smallest))} coarse voxels, and {_SMALLEST} are needed along each "
            "axis; leave small stacks out, or give larger ones"
        )
    z, y, x = (min(a, b) for a, b in zip((config.patch_z, config.patch, config.patch), smallest, strict=True))
    return z, y, x


class Patches:
    """Batches of patches; each step's are the same whenever it is taken.

    Parameters
    ----------
    volumes : sequence of Volume
    config : GanConfig
    seed : int
    device : torch.device
        Volumes are kept there if they fit into half of its free memory.
    processes : int
        That train together; each takes its part of an epoch.
    """

    def __init__(
        self, volumes: Sequence[Volume], lattice: Lattice, config: GanConfig, seed: int, device: torch.device,
        processes: int = 1,
    ) -> None:  # fmt: skip
        self.patch = patch_of(volumes, config)
        self._lattice, self._config, self._seed, self._device = lattice, config, seed, device
        self._volumes = volumes
        there = device if _fits(volumes, device) else torch.device("cpu")
        self._coarse, self._fine = (
            Windows([each.to(there) for each in kind])
            for kind in ([volume.coarse for volume in volumes], [volume.fine for volume in volumes])
        )
        rng = np.random.default_rng((seed, 1))
        count = len(volumes) * config.patches_per_volume
        self._cut = [self._position(rng, i % len(volumes)) for i in range(count)]
        self.steps = max(1, count // (config.batch * processes))

    def _position(self, rng: np.random.Generator, volume: int) -> tuple[int, ...]:
        shape = self._volumes[volume].coarse.shape
        return volume, *(int(rng.integers(size - part + 1)) for size, part in zip(shape, self.patch, strict=True))

    def draw(self, step: Step) -> Batch:
        """Return the batch of a step, on the device."""
        places = self._fresh(step) if self._config.fresh_patches else self._of_epoch(step)
        fine_size = self._lattice.fine_size(self.patch)
        at_fine = [self._finer(each) for each in places]
        of_kinds = np.array([self._volumes[place[0]].kind for place in places])
        (coarse, fine), (kinds,) = cut_together(
            [(self._coarse, _windows_at(places), self.patch), (self._fine, _windows_at(at_fine), fine_size)], of_kinds
        )
        coarse, fine = coarse[:, None], fine[:, None]
        if self._config.augment:
            coarse, fine = _turned(coarse, fine, step.rng)
        if self._coarse.device.type == "cpu":
            coarse, fine, kinds = (on_its_way(each, self._device) for each in (coarse, fine, kinds))
        return Batch(coarse, fine, kinds)

    def _of_epoch(self, step: Step) -> list[tuple[int, ...]]:
        """Return the next patches in the order of this epoch; the first ones again where there are too few."""
        epoch, inside = divmod(step.number, self.steps)
        order = np.random.default_rng((self._seed, 2, epoch)).permutation(len(self._cut))
        first = (inside * step.processes + step.process) * self._config.batch
        return [self._cut[order[i % len(order)]] for i in range(first, first + at_once(self._config.batch))]

    def _fresh(self, step: Step) -> list[tuple[int, ...]]:
        chosen = step.rng.integers(len(self._volumes), size=at_once(self._config.batch))
        return [self._position(step.rng, int(each)) for each in chosen]

    def _finer(self, place: tuple[int, ...]) -> tuple[int, ...]:
        volume, *corner = place
        return volume, *(a * factor for a, factor in zip(corner, self._lattice.factors, strict=True))


def _windows_at(places: Sequence[tuple[int, ...]]) -> list[Window]:
    return [Window(volume, tuple(corner), (0, 1, 2)) for volume, *corner in places]


def _turned(coarse: Tensor, fine: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Turn a whole batch round: mirrored along each axis or not, rows and columns exchanged or not."""
    axes = [axis for axis in (2, 3, 4) if rng.integers(2)]
    coarse, fine = coarse.flip(axes), fine.flip(axes)
    if coarse.shape[3] == coarse.shape[4] and rng.integers(2):
        coarse, fine = coarse.transpose(3, 4), fine.transpose(3, 4)
    return coarse.contiguous(), fine.contiguous()


def _fits(volumes: Sequence[Volume], device: torch.device) -> bool:
    if device.type == "cpu":
        return True
    size = sum(each.numel() * each.element_size() for volume in volumes for each in (volume.coarse, volume.fine))
    return size < _SHARE * free_memory(str(device))
