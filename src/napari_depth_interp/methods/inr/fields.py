"""Fields with one interface: values (0 to 1) at depths of all pixels, and what training makes small."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ...nn.batches import at_once
from ...nn.chunks import Chunks
from ...system.transfer import sent

if TYPE_CHECKING:
    from . import InrConfig

_IMAGES = 4
"""Recorded images that the factorised field is compared with in one step."""
_COORDINATES = 2**18
"""Coordinates that the network looks at at once when it is read."""
_LOSS = 100.0
"""Images at 0 to 1 have small squared errors; gradients are clipped at a length of 1."""


class FieldModule(nn.Module):
    """A field over the pixels of a stack; depths run from -1 to 1."""

    def sections(self, z: Tensor) -> Tensor:
        """Return (K, Y, X) at depths z (K,); gradients flow."""
        raise NotImplementedError

    def loss(self, images: Tensor, fine: Tensor, rng: np.random.Generator) -> Tensor:
        """Return the mean squared error of means over ``fine`` (N, n) depths against some of the images (eq. 2)."""
        raise NotImplementedError


class Factorised(FieldModule):
    """``V(z, y, x) = sum over m of XY[y, x, m] YZ[z, y, m] ZX[z, x, m]``, linear between cells along z.

    The mean over depths needs one small matrix product and no more multiplications than a single section.

    Parameters
    ----------
    images : (N, Y, X) tensor
    depths : (N,) tensor
        Of the images, -1 to 1.
    cells : (C,) tensor
        Depths of the cells, ascending.
    config : InrConfig
    """

    cells: Tensor

    def __init__(self, images: Tensor, depths: Tensor, cells: Tensor, config: InrConfig) -> None:
        super().__init__()
        height, width = images.shape[1:]
        self.register_buffer("cells", cells)
        self._smoothness = config.smoothness
        weights, xy = _split(images, config.features)
        at = _lerp(depths, cells)
        profiles = at @ weights
        self.xy = nn.Parameter(xy)
        self.yz = nn.Parameter(profiles[:, None].repeat(1, height, 1))
        self.zx = nn.Parameter(torch.ones(len(cells), width, xy.shape[-1], device=images.device))

    def sections(self, z: Tensor) -> Tensor:
        """Return (K, Y, X) at depths z (K,)."""
        at = _lerp(self.cells, z)
        rows, columns = (torch.einsum("kc,c...->k...", at, plane) for plane in (self.yz, self.zx))
        height = len(self.xy)
        chunks, sections = Chunks(height), []
        for row, column in zip(rows, columns, strict=True):

            def some_rows(some: slice, row: Tensor = row, column: Tensor = column) -> Tensor:
                return _product(self.xy[some], row[None, some], column[None])

            sections.append(_joined([found for _, found in chunks.of(height, some_rows)]))
        return torch.stack(sections)

    def loss(self, images: Tensor, fine: Tensor, rng: np.random.Generator) -> Tensor:
        """Return the error over some images, and the roughness along z."""
        chosen = rng.permutation(len(images))[: at_once(_IMAGES)]
        [some] = sent(images.device, chosen)
        at = _lerp(self.cells, fine[some].flatten()).view(len(some), fine.shape[1], -1)
        error = images.new_zeros(())
        for number, image in enumerate(chosen.tolist()):
            rows, columns = (torch.einsum("kc,c...->k...", at[number], plane) for plane in (self.yz, self.zx))
            error = error + (_product(self.xy, rows, columns) / len(rows) - images[image]).square().mean()
        return _LOSS * (error / len(some) + self._smoothness * (_rough(self.yz) + _rough(self.zx)))


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _product(xy: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return (Y, X): the sum over sections k and features m of xy[y, x, m] rows[k, y, m] columns[k, x, m]."""
    inner = torch.matmul(rows.permute(2, 1, 0), columns.permute(2, 0, 1))  # (M, Y, X), summed over k
    return (xy.permute(2, 0, 1) * inner).sum(0)


def _rough(plane: Tensor) -> Tensor:
    if len(plane) < 3:
        return plane.new_zeros(())
    return (plane[2:] - 2 * plane[1:-1] + plane[:-2]).square().sum(-1).mean()


def _split(images: Tensor, features: int) -> tuple[Tensor, Tensor]:
    """Return (N, M) weights and (Y, X, M) features whose product is nearest to the images, equally large."""
    count, height, width = images.shape
    flat = images.flatten(1).double()
    squares, vectors = torch.linalg.eigh(flat @ flat.T)
    used = min(features, count)
    vectors, roots = vectors[:, -used:], squares[-used:].clamp_min(1e-12).pow(0.25)
    xy = (flat.T @ (vectors / roots)).view(height, width, used)
    return (vectors * roots).float(), xy.float()


def _lerp(knots: Tensor, z: Tensor) -> Tensor:
    """Return (K, C) weights of linear interpolation between ascending knots; the ends are held."""
    if len(knots) == 1:
        return torch.ones(len(z), 1, device=z.device)
    first = (torch.searchsorted(knots, z.contiguous(), right=True) - 1).clamp(0, len(knots) - 2)
    share = ((z - knots[first]) / (knots[first + 1] - knots[first])).clamp(0, 1)
    weights = torch.zeros(len(z), len(knots), device=z.device)
    weights.scatter_(1, first[:, None], (1 - share)[:, None])
    return weights.scatter_(1, first[:, None] + 1, share[:, None])


class PointField(FieldModule):
    """A field that is looked at coordinate by coordinate: :meth:`forward` gives values (...) at (..., 3) from -1 to 1.

    Parameters
    ----------
    shape : (Y, X)
    rays : int
        Recorded pixels per step.
    """

    def __init__(self, shape: tuple[int, int], rays: int) -> None:
        super().__init__()
        self._shape, self._rays = shape, rays
        self._axes: dict[str, tuple[Tensor, ...]] = {}

    def _across(self, device: torch.device) -> tuple[Tensor, ...]:
        """Return the places of the rows and of the columns, from -1 to 1; they are kept on the device."""
        if str(device) not in self._axes:
            self._axes[str(device)] = sent(device, *map(_places, self._shape))
        return self._axes[str(device)]

    def sections(self, z: Tensor) -> Tensor:
        """Return (K, Y, X) at depths z (K,)."""
        height, width = self._shape
        y, x = self._across(z.device)
        chunks, sections = Chunks(_COORDINATES // width), []
        for depth in z:

            def some_rows(some: slice, depth: Tensor = depth) -> Tensor:
                found: Tensor = self(torch.cartesian_prod(depth[None], y[some], x))
                return found

            sections.append(torch.cat([found for _, found in chunks.of(height, some_rows)]).view(height, width))
        return torch.stack(sections)

    def loss(self, images: Tensor, fine: Tensor, rng: np.random.Generator) -> Tensor:
        """Return the error over random pixels of the images."""
        count, height, width = images.shape
        rays = at_once(self._rays)
        i, y, x = sent(images.device, *(rng.integers(size, size=rays) for size in (count, height, width)))
        across = [along[at] for along, at in zip(self._across(images.device), (y, x), strict=True)]
        depths = fine[i]
        coordinates = torch.stack([depths, *(each[:, None].expand_as(depths) for each in across)], -1)
        return _LOSS * functional.mse_loss(self(coordinates).mean(1), images[i, y, x])


class FourierMlp(PointField):
    """The published field: Gaussian Fourier features (Tancik et al., NeurIPS 2020) of (z, y, x), then a network.

    Parameters
    ----------
    shape : (Y, X)
    mean : float
        Of the images: where the field begins.
    config : InrConfig
    rng : Generator
        Draws the frequencies.
    """

    frequencies: Tensor

    def __init__(self, shape: tuple[int, int], mean: float, config: InrConfig, rng: np.random.Generator) -> None:
        super().__init__(shape, config.rays)
        drawn = rng.normal(0, config.bandwidth, (3, config.frequencies))
        self.register_buffer("frequencies", torch.from_numpy(drawn).float())
        self.layers = relu_layers([2 * config.frequencies, *[config.width] * config.layers], mean)

    def forward(self, coordinates: Tensor) -> Tensor:
        """Return values (...) at coordinates (..., 3) from -1 to 1."""
        angles = np.pi * (coordinates @ self.frequencies)
        values: Tensor = self.layers(torch.cat([angles.sin(), angles.cos()], -1))[..., 0]
        return values


def relu_layers(sizes: Sequence[int], mean: float) -> nn.Sequential:
    """Return a network from ``sizes[0]`` inputs through hidden layers to one output, which begins at a mean."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    last = nn.Linear(sizes[-1], 1)
    nn.init.constant_(last.bias, mean)
    return nn.Sequential(*layers, last)


def _places(size: int) -> NDArray[np.float32]:
    """Return the pixels' places from -1 to 1."""
    return np.asarray((np.arange(size) + 0.5) / size * 2 - 1, np.float32)
