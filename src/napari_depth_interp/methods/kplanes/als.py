"""Alternating least squares: with two planes held, the field is linear in the third."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...nn.chunks import Chunks, chunk_bytes, in_chunks
from .field import Planes, Sampling

_CHUNK = 2**24
"""Features that are multiplied at once: 64 MB."""
_STEPS = 12
"""Conjugate-gradient steps for a plane, from its last values."""
_EXACT, _TINY = 1e-20, 1e-37
"""Share of the squared right side that is no error any more; what nothing is divided by less than."""
_STAY = 1e-6
"""Pull towards the last values, as a share of the mean curvature: what the data do not fix stays."""
_RIDGE = 1e-5
"""The same pull where every pixel is solved for by itself."""


@dataclass(frozen=True, eq=False)
class Observed:
    """Images (K, Y, X), standardised, and where their pixels lie on the planes."""

    images: Tensor
    at: Sampling


@dataclass(frozen=True)
class Penalties:
    """Weights of the squared differences of neighbours (``tv``) and of second differences along z.

    Both are relative to the curvature of the equations of each plane; with ``tv_published`` total variation counts as
    in Ohashi 2025, eq. 19 and 20, beside the mean squared error over all observed pixels.
    """

    tv: float
    smoothness: float
    tv_published: bool = False

    def on_differences(self, plane: Tensor, curvature: Tensor, observed: Sequence[Observed]) -> Tensor:
        """Return what a squared difference of neighbours on a plane counts, beside the sum of squared errors."""
        if not self.tv_published:
            return self.tv * curvature
        pixels = sum(one.images.numel() for one in observed)
        return curvature.new_tensor(self.tv * pixels / (plane.shape[0] * plane.shape[1]))


def split_sections(images: Tensor, features: int) -> Planes:
    """Return planes whose field is near the sections: their singular vectors, the same along x and y.

    Parameters
    ----------
    images : (N, Y', X') tensor on the cells of the planes.
    features : int
        At most N are used: more would fit nothing, and put something of their own between sections.
    """
    depth, height, width = images.shape
    flat, used = images.reshape(depth, -1), min(features, depth)
    squares, weights = torch.linalg.eigh((flat @ flat.T).double())
    roots = squares[-used:].clamp_min(1e-12).sqrt().sqrt().float()  # of the singular values
    weights = weights[:, -used:].float()
    xy = (flat.T @ (weights / roots)).reshape(height, width, used)
    yz = (weights * roots)[:, None].repeat(1, height, 1)
    return Planes(xy, yz, torch.ones(depth, width, used, device=images.device))


def sweep(planes: Planes, observed: Sequence[Observed], penalties: Penalties, each: Callable[[], None]) -> None:
    """Solve for each plane once; ``each`` is called after every plane and may raise."""
    planes.yz = _along_z(planes.yz, [_for_yz(planes, one) for one in observed], penalties, observed)
    each()
    planes.zx = _along_z(planes.zx, [_for_zx(planes, one) for one in observed], penalties, observed)
    each()
    alone = observed[0]
    if len(observed) == 1 and penalties.tv == 0 and alone.at.y.identity and alone.at.x.identity:
        planes.xy = _pixel_by_pixel(planes, alone)
    else:
        planes.xy = _image_plane(planes, observed, penalties)
    each()


@dataclass(frozen=True, eq=False)
class _Equations:
    """Normal equations of a plane along z: (K, L, M, M) and (K, L, M) at positions that two interpolations give."""

    curvature: Tensor
    pull: Tensor
    z: Callable[[Tensor], Tensor]
    back: Callable[[Tensor], Tensor]


def _for_yz(planes: Planes, one: Observed) -> _Equations:
    at = one.at
    curvature, pull = _normal(at.images(planes), at.columns(planes), one.images)
    return _Equations(curvature, pull, lambda p: at.y(at.z(p, 0), 1), lambda v: at.z.back(at.y.back(v, 1), 0))


def _for_zx(planes: Planes, one: Observed) -> _Equations:
    at = one.at
    curvature, pull = _normal(at.images(planes).transpose(0, 1), at.rows(planes), one.images.transpose(1, 2))
    return _Equations(curvature, pull, lambda p: at.x(at.z(p, 0), 1), lambda v: at.z.back(at.x.back(v, 1), 0))


def _normal(image: Tensor, lines: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Return sums over b of f f' and f v, with f = image[a, b] * lines[k, b] and v = values[k, a, b]."""
    count, (height, width, features) = len(lines), image.shape
    curvature = image.new_empty(count, height, features, features)
    pull = image.new_empty(count, height, features)
    chunks = Chunks(chunk_bytes(image.device, 4 * _CHUNK) // (4 * width * features))
    for k in range(count):

        def sums(some: slice, k: int = k) -> tuple[Tensor, Tensor]:
            part = image[some] * lines[k]
            return part.transpose(1, 2) @ part, (part.transpose(1, 2) @ values[k, some, :, None])[..., 0]

        for some, (squares, products) in chunks.of(height, sums):
            curvature[k, some], pull[k, some] = squares, products
    return curvature, pull


def _along_z(
    plane: Tensor, equations: Sequence[_Equations], penalties: Penalties, observed: Sequence[Observed]
) -> Tensor:
    size = torch.stack([one.curvature.diagonal(dim1=-2, dim2=-1).mean() for one in equations]).mean()
    on_differences = penalties.on_differences(plane, size, observed)

    def product(cells: Tensor) -> Tensor:
        found = _STAY * size * cells + penalties.smoothness * size * _bent(cells)
        if penalties.tv:
            found = found + on_differences * (_uneven(cells, 0) + _uneven(cells, 1))
        for one in equations:
            found = found + one.back((one.curvature @ one.z(cells)[..., None])[..., 0])
        return found

    wanted = _STAY * size * plane + sum(one.back(one.pull) for one in equations)
    return conjugate_gradients(product, wanted, plane)


def _pixel_by_pixel(planes: Planes, one: Observed) -> Tensor:
    """Solve for the XY plane where every pixel stands alone; the change from the last values is kept small."""
    rows, columns = one.at.rows(planes), one.at.columns(planes)
    count, features = len(rows), planes.xy.shape[-1]
    solved = torch.empty_like(planes.xy)
    identity = torch.eye(count, device=rows.device)

    def solution(some: slice) -> Tensor:
        part = (rows[:, some, None] * columns[:, None]).permute(1, 2, 0, 3)
        last = planes.xy[some]
        residual = one.images[:, some].permute(1, 2, 0)[..., None] - part @ last[..., None]
        squares = part @ part.transpose(-1, -2)
        ridge = _RIDGE * squares.diagonal(dim1=-2, dim2=-1).mean().clamp_min(1e-12)
        dual: Tensor = torch.linalg.solve_ex(squares + ridge * identity, residual)[0]  # which is not singular
        return last + (part.transpose(-1, -2) @ dual)[..., 0]

    for some, found in in_chunks(len(solved), _CHUNK // (count * planes.xy.shape[1] * features), solution):
        solved[some] = found
    return solved


def _image_plane(planes: Planes, observed: Sequence[Observed], penalties: Penalties) -> Tensor:
    """Solve for the XY plane where its cells depend on each other."""
    lines = [(one, one.at.rows(planes), one.at.columns(planes)) for one in observed]
    size = torch.stack(
        [(rows.square().mean() * columns.square().mean() * len(rows)) for _, rows, columns in lines]
    ).mean()
    on_differences = penalties.on_differences(planes.xy, size, observed)

    def back(one: Observed, values: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        image = torch.zeros((*values.shape[1:], rows.shape[-1]), device=values.device)
        for k in range(len(values)):
            image += values[k, :, :, None] * rows[k, :, None] * columns[k, None]
        return one.at.x.back(one.at.y.back(image, 0), 1)

    def product(cells: Tensor) -> Tensor:
        found = _STAY * size * cells
        if penalties.tv:
            found = found + on_differences * (_uneven(cells, 0) + _uneven(cells, 1))
        for one, rows, columns in lines:
            image = one.at.x(one.at.y(cells, 0), 1)
            values = torch.stack([((image * columns[k, None]) @ rows[k, :, :, None])[..., 0] for k in range(len(rows))])
            found = found + back(one, values, rows, columns)
        return found

    wanted = _STAY * size * planes.xy + sum(back(one, one.images, rows, columns) for one, rows, columns in lines)
    return conjugate_gradients(product, wanted, planes.xy)


def conjugate_gradients(product: Callable[[Tensor], Tensor], wanted: Tensor, start: Tensor) -> Tensor:
    """Return nearly the x for which ``product(x)`` is ``wanted`` (symmetric, positive), a few steps from ``start``."""
    found = start.clone()
    rest = wanted - product(found)
    direction = rest.clone()
    size = rest.square().sum()
    on_cpu = wanted.device.type == "cpu"  # a GPU would be waited for; it takes all steps, which change nothing more
    for _ in range(_STEPS):
        if on_cpu and float(size) <= _EXACT * float(wanted.square().sum()):
            break
        mapped = product(direction)
        length = size / (direction * mapped).sum().clamp_min(_TINY)
        found = found + length * direction
        rest = rest - length * mapped
        size, last = rest.square().sum(), size
        direction = rest + size / last.clamp_min(_TINY) * direction
    return found


def _bent(cells: Tensor) -> Tensor:
    """Return half the slope of the sum of squared second differences along the first axis."""
    slope = torch.zeros_like(cells)
    if len(cells) > 2:
        second = cells[:-2] - 2 * cells[1:-1] + cells[2:]
        slope[:-2] += second
        slope[1:-1] -= 2 * second
        slope[2:] += second
    return slope


def _uneven(cells: Tensor, dim: int) -> Tensor:
    """Return half the slope of the sum of squared differences of neighbours along one axis."""
    slope = torch.zeros_like(cells)
    count = cells.shape[dim]
    if count > 1:
        step = cells.narrow(dim, 1, count - 1) - cells.narrow(dim, 0, count - 1)
        slope.narrow(dim, 1, count - 1).add_(step)
        slope.narrow(dim, 0, count - 1).sub_(step)
    return slope
