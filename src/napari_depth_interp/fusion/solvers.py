"""The ways to make a volume of several stacks, by name; each has its parameters in a config of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ..errors import RequestError
from ..method import MethodConfig, Runtime
from ..progress import Report, part
from ..run.settings import explain_validation
from .configs import CONFIGS, InPlaneConfig, LeastSquaresConfig
from .least_squares import Prior, solve
from .problem import Problem
from .views import Volume

_LEARNING = 0.7
"""Share of the time that learning from the stacks takes."""

Solution = Callable[[Problem, Volume, Report], tuple[Volume, Problem]]
"""From a problem and the average of its stacks to the volume, and what each voxel counted."""


@dataclass(frozen=True)
class Solver:
    """One way to make a volume.

    Attributes
    ----------
    name, title, summary : str
    candidates : callable (config, runtime) -> list of Solution
        What is compared on held-out sections; the first is as the parameters say.
    """

    name: str
    title: str
    summary: str
    candidates: Callable[[Any, Runtime], list[Solution]]


def _average(_config: MethodConfig, _runtime: Runtime) -> list[Solution]:
    return [lambda problem, plain, _report: (plain, problem)]


def _least_squares(config: LeastSquaresConfig, _runtime: Runtime) -> list[Solution]:
    def of(chosen: LeastSquaresConfig) -> Solution:
        return lambda problem, plain, report: solve(problem, chosen, plain, report=report)

    return [of(each) for each in _smoother_and_sharper(config)]


_TRIED = ((1.0, 1.0), (0.4, 1.0), (2.5, 2.0))
"""Factors of smoothness and edges that are tried on held-out sections; the first is what was asked for."""


def _smoother_and_sharper(config: LeastSquaresConfig) -> list[Any]:
    given = config.smoothness, config.edges
    tried = (zip(("smoothness", "edges"), given, factors, strict=True) for factors in _TRIED)
    return [config.model_copy(update={name: value * factor for name, value, factor in each}) for each in tried]


def _in_plane(config: InPlaneConfig, runtime: Runtime) -> list[Solution]:
    parameters = {"training_steps": config.training_steps, "flips": False}
    made: list[tuple[Problem, Volume]] = []

    def of(chosen: InPlaneConfig) -> Solution:
        def run(problem: Problem, _plain: Volume, report: Report) -> tuple[Volume, Problem]:
            from .in_plane import dense_mean

            if not made or made[0][0] is not problem:
                made[:] = [(problem, dense_mean(problem, parameters, runtime, part(report, 0.0, _LEARNING)))]
            volume = made[0][1]
            prior = Prior(volume, chosen.weight)
            return solve(problem, chosen, volume, prior=prior, report=part(report, _LEARNING, 1.0))

        return run

    return [of(each) for each in _smoother_and_sharper(config)]


def _field(config: Any, runtime: Runtime) -> list[Solution]:
    def run(problem: Problem, plain: Volume, report: Report) -> tuple[Volume, Problem]:
        from .field import fit_field

        return fit_field(problem, config, plain, runtime, report), problem

    return [run]


SOLVERS: Mapping[str, Solver] = {
    each.name: each
    for each in (
        Solver(
            "least_squares",
            "Least squares",
            "The volume that explains all stacks best, robust against outliers.",
            _least_squares,
        ),
        Solver(
            "in_plane",
            "Least squares with in-plane prior",
            "The same, near to what a network learns from the sharp sections of the stacks.",
            _in_plane,
        ),
        Solver(
            "field",
            "Continuous field",
            "A field of features and a small network (INR) that is seen by all stacks.",
            _field,
        ),
        Solver(
            "average",
            "Average",
            "The mean of the stacks, each interpolated by itself.",
            _average,
        ),
    )
}


def resolve_solver(name: str, parameters: Mapping[str, Any]) -> tuple[Solver, MethodConfig]:
    """Return a way to make a volume, and its parameters.

    Raises
    ------
    RequestError
        For an unknown name or parameter, or a value that does not fit.
    """
    if name not in SOLVERS:
        raise RequestError(f"the method '{name}' does not fuse stacks; choose one of {', '.join(CONFIGS)}")
    kind = CONFIGS[name]
    try:
        return SOLVERS[name], kind(**parameters)
    except ValidationError as error:
        known = ", ".join(kind.model_fields) or "none"
        raise RequestError(f"{name}: {explain_validation(error)}; its parameters are: {known}") from error
