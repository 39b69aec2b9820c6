"""What the sharp sections of each stack teach: section super-resolution of every stack, and the mean of what it gives.

It is a prior: least squares stays near to it where no stack sees enough.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..method import Runtime
from ..methods import registry
from ..progress import Report, part, silent
from ..stack import Acquisition, Grid, Stack
from .problem import Problem, upsampled
from .views import View, Volume

_METHOD = "section_sr"
_FEWEST = 3
"""Sections that a stack must have to be made denser."""
_FILLS = 0.2
"""Thickness and distance of the sections differ by less than this share: their images are means without gaps."""


def dense_mean(problem: Problem, parameters: dict[str, Any], runtime: Runtime, report: Report = silent) -> Volume:
    """Return the mean of all stacks, each made as dense as its pixels by section super-resolution.

    Parameters
    ----------
    problem : Problem
    parameters : dict
        Of section super-resolution.
    runtime : Runtime
    report : callable
    """
    count = len(problem.views)
    total, weight = np.zeros(problem.lattice.shape, np.float32), np.zeros(problem.lattice.shape, np.float32)
    nearest = np.zeros(problem.lattice.shape, np.float32)
    for number, view in enumerate(problem.views):
        inner = part(report, number / count, (number + 1) / count, f"learning from {view.name}")
        used = problem.counts[number].max(axis=(1, 2)) > 0
        values, reached = upsampled(_dense(view, used, parameters, runtime, inner), problem.lattice, 3)
        total += np.where(reached, values, 0)
        weight += reached
        nearest += values / count
    return np.where(weight > 0, total / np.maximum(weight, 1), nearest)


def _dense(view: View, used: Any, parameters: dict[str, Any], runtime: Runtime, report: Report) -> View:
    """Return a stack with sections as close together as its pixels, made from those that are used."""
    spacing, *pixel = view.sizes
    factor = max(1, round(spacing / min(pixel)))
    if factor == 1 or used.sum() < _FEWEST:
        return view
    depths = np.flatnonzero(used) * spacing
    grid = Grid(depths, (float(pixel[0]), float(pixel[1])))
    gapless = abs(view.profile.thickness / spacing - 1) < _FILLS and used.all()
    seen = Acquisition(factor) if gapless else Acquisition()
    spec = registry.get(_METHOD)
    method = spec.create(spec.config.model_validate(parameters), runtime)
    stack = Stack(np.ascontiguousarray(view.voxels[used]), grid, seen)
    method.prepare(stack, report=report)
    first = -(factor - 1) / 2 / factor
    wanted = (first + np.arange(len(view.voxels) * factor) / factor) * spacing
    values = method.sections_at(stack, wanted.tolist(), report=silent).values
    finer = np.diag([1 / factor, 1.0, 1.0, 1.0])
    finer[0, 3] = first
    return replace(view, voxels=np.asarray(values, np.float32), affine=view.affine @ finer)
