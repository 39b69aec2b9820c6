"""A continuous field that the stacks are seen in: tables of features at several resolutions and a small network.

No lattice is needed to fit it: each voxel of a stack is the mean of the field along the profile of its section, so
stacks of any resolution and direction teach the same field. What it learns is what the average of the stacks lacks.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..method import Runtime
from ..methods.inr import InrConfig
from ..methods.inr.hash_grid import HashGrid
from ..nn.loop import Plan, train
from ..nn.runtime import torch_on
from ..progress import Report, part
from .configs import FieldConfig
from .problem import Problem, simulated
from .views import Lattice, Volume

_READ = 2**17
"""Places of the field that are read at once."""


def fit_field(problem: Problem, config: FieldConfig, plain: Volume, runtime: Runtime, report: Report) -> Volume:
    """Return the average and the field of what it lacks, fitted to the stacks and read at the voxels of the volume.

    Parameters
    ----------
    problem : Problem
    config : FieldConfig
    plain : (Z, Y, X) float32 array
        The average: a field that begins with nothing needs many steps only to show what it shows.
    runtime : Runtime
    report : callable
    """
    with torch_on(runtime) as device:
        rays = _Rays(problem, plain, device)
        torch.manual_seed(runtime.seed)
        finest = max(4, round(config.cells * max(problem.lattice.shape)))
        shape = InrConfig(levels=config.levels, table=config.table, finest=finest, rays=config.rays)
        field = HashGrid((1, 1), 0.0, shape).to(device)
        optimiser = torch.optim.Adam(field.parameters(), lr=config.learning_rate, fused=True)

        def loss(moving: nn.Module, rng: np.random.Generator) -> Tensor:
            return rays.loss(moving, rng, config.rays)

        plan = Plan(config.training_steps, seed=runtime.seed)
        trained = train(field, [optimiser], loss, plan, report=part(report, 0.0, 0.9, "fitting the field")).network
        return np.asarray(plain + _read(trained, problem.lattice, device), np.float32)


class _Rays:
    """Voxels of all stacks that count, and where their profiles lie in the volume."""

    def __init__(self, problem: Problem, plain: Volume, device: torch.device) -> None:
        self._device = device
        self._stacks = []
        for k, (view, noise, count) in enumerate(zip(problem.views, problem.noise, problem.counts, strict=True)):
            seen = simulated(problem, k, plain)
            index = np.flatnonzero(np.isfinite(seen) & (count > 0))
            to_lattice = np.linalg.inv(problem.lattice.affine) @ view.to_world
            scale = 2 / np.array(problem.lattice.shape)
            unit = np.diag([*scale, 1.0])
            unit[:3, 3] = scale * 0.5 - 1
            offsets, weights = view.offsets
            lacking = view.voxels - seen
            self._stacks.append((index, lacking, unit @ to_lattice, offsets, weights, count, 1 / noise**2))
        self._sizes = np.array([len(each[0]) for each in self._stacks], float)
        shares = np.array([each[-1] for each in self._stacks])
        self._shares = shares / shares.mean()

    def loss(self, field: nn.Module, rng: np.random.Generator, rays: int) -> Tensor:
        """Return the weighted mean squared error of some voxels of each stack."""
        total = torch.zeros((), device=self._device)
        for stack, size, share in zip(self._stacks, self._sizes, self._shares, strict=True):
            index, voxels, affine, offsets, weights, count, _ = stack
            some = index[rng.integers(len(index), size=max(1, round(rays * size / self._sizes.sum())))]
            centres = np.stack(np.unravel_index(some, voxels.shape)).astype(float)
            places = (affine[:3, :3] @ centres + affine[:3, 3:])[:, :, None] + affine[:3, :1, None] * offsets
            at = torch.from_numpy(places.transpose(1, 2, 0).astype(np.float32)).to(self._device)
            seen = (field(at.clamp(-1, 1)) * torch.from_numpy(weights).float().to(self._device)).sum(-1)
            wanted, how_far = (torch.from_numpy(each.reshape(-1)[some]).to(self._device) for each in (voxels, count))
            total = total + float(share) * (how_far * (seen - wanted).square()).mean()
        return 100 * total


def _read(field: nn.Module, lattice: Lattice, device: torch.device) -> Volume:
    axes = [torch.from_numpy(((np.arange(n) + 0.5) / n * 2 - 1).astype(np.float32)).to(device) for n in lattice.shape]
    found = np.empty(lattice.shape, np.float32)
    rows = max(1, _READ // lattice.shape[2])
    with torch.no_grad():
        for z, depth in enumerate(axes[0]):
            parts = [field(torch.cartesian_prod(depth[None], some, axes[2])) for some in torch.split(axes[1], rows)]
            found[z] = torch.cat(parts).view(lattice.shape[1:]).cpu().numpy()
    return found
