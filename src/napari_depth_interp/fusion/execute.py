"""The only door to a fusion: command line, library and window come through here."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..progress import Report, part, silent
from ..run.history import input_record, versions
from ..run.result import RECORD_KEY
from ..system.devices import limited_threads
from ..system.memory import PeakMemory
from .configs import LeastSquaresConfig
from .groupwise import Known
from .least_squares import solve
from .motion import displacement
from .placing import Placed, place_stacks
from .problem import Problem, alone, average, simulated, upsampled
from .request import FusionRequest, as_world
from .result import WITHIN, FusionResult
from .solvers import Solution
from .trial import Solve, Taken, Trial, better_without, expected_error, predict_stack, run_trial
from .views import View, Volume

_SHARES = {
    "register": (0.0, 0.35),
    "lost": (0.35, 0.4),
    "trial": (0.4, 0.65),
    "solve": (0.65, 0.9),
    "score": (0.9, 1.0),
}


def execute_fusion(request: FusionRequest, report: Report = silent, *, score: bool = False) -> FusionResult:
    """Run a request.

    Parameters
    ----------
    request : FusionRequest
        From :func:`napari_depth_interp.fusion.request.resolve_fusion`.
    report : callable
        Gets a :class:`Progress` now and then; cancels by raising ``Cancelled``.
    score : bool
        Also leave each stack out as a whole and predict it.

    Raises
    ------
    RequestError
        If stacks do not overlap, or do not show the same thing in the same contrast.
    """
    start = time.perf_counter()
    with PeakMemory() as memory, limited_threads(request.runtime.threads):
        placed = place_stacks(request, part(report, *_SHARES["register"]))
        found = solve_placed(request, placed, report, score=score)
    return replace(found, seconds=time.perf_counter() - start, peak_memory_mb=memory.peak_mb)


def solve_placed(
    request: FusionRequest, placed: Placed, report: Report = silent, *, score: bool = False
) -> FusionResult:
    """Make the volume of stacks that :func:`place_stacks` has brought onto each other, as :func:`execute_fusion` does.

    The method of the request may be another one than it was there.
    """
    candidates = request.solver.candidates(request.config, request.runtime)
    trial = None
    unchecked, given = request.settings.unchecked, placed
    placed = _with_believed(given, part(report, *_SHARES["lost"]), unchecked=unchecked)
    if not unchecked and request.solver.name != "average":
        volumes = [_volume_of(each) for each in candidates]
        trial = run_trial(placed.problem, volumes, part(report, *_SHARES["trial"]))
    chosen = candidates[trial.chosen if trial else 0]
    taken: Taken = trial.taken if trial else "volume"
    if taken == "first stack":  # stacks that lie elsewhere do not tell which of its sections are lost either
        placed = _all_count(given)
    problem = placed.problem
    plain = average(problem)
    if taken == "volume":
        volume, weighted = chosen(problem, plain, part(report, *_SHARES["solve"]))
    else:
        volume, weighted = (plain if taken == "average" else alone(problem, 0)), problem
    left = _left_out(problem, chosen, part(report, *_SHARES["score"])) if score else {}
    stacks = [
        _stack_record(request, placed, weighted, trial, k, volume, left.get(k)) for k in range(len(problem.views))
    ]
    return _result(request, placed, volume, plain, trial, stacks, taken)


def _with_believed(placed: Placed, report: Report, *, unchecked: bool) -> Placed:
    """Return the stacks with those sections that are told to be lost after all, if held-out sections speak for them."""
    if not any(each.any() for each in placed.lost):
        return placed
    if unchecked or better_without(placed.whole, placed.lost, _quick, report):
        return replace(placed, notes=(*placed.notes, *_lost_words(placed)))
    return _all_count(placed)


def _all_count(placed: Placed) -> Placed:
    return replace(placed, problem=placed.whole, lost=tuple(np.zeros_like(each) for each in placed.lost))


def _lost_words(placed: Placed) -> list[str]:
    words = []
    for view, gone in zip(placed.problem.views, placed.lost, strict=True):
        numbers = np.flatnonzero(gone).tolist()
        if numbers:
            words.append(
                f"'{view.name}': sections {', '.join(map(str, numbers))} of {len(gone)} (counted from 0) do not show "
                "what the other stacks show there, and do not count"
            )
    return words


def _quick(problem: Problem, plain: Volume, report: Report) -> Volume:
    return solve(problem, LeastSquaresConfig(), plain, report=report)[0]


def _volume_of(solution: Solution) -> Solve:
    return lambda problem, plain, report: solution(problem, plain, report)[0]


def _left_out(problem: Problem, chosen: Solution, report: Report) -> dict[int, tuple[float, float]]:
    count = len(problem.views)
    return {
        k: predict_stack(problem, k, _volume_of(chosen), part(report, k / count, (k + 1) / count, "leaving stacks out"))
        for k in range(count)
    }


def _stack_record(
    request: FusionRequest, placed: Placed, weighted: Problem, trial: Trial | None, number: int, volume: Volume,
    left: tuple[float, float] | None,
) -> dict[str, Any]:  # fmt: skip
    """Return all that is told about one stack, in the grey values of the first one."""
    view, scale = placed.problem.views[number], placed.scaling.scale
    match = placed.matches[number]
    record: dict[str, Any] = {
        "name": view.name,
        "input": input_record(request.datasets[number]),
        "affine": view.affine.tolist(),
        "motion": view.motion.tolist(),
        "registration": _registration(view, placed.known[number]) if number else None,
        "profile": view.profile.kind,
        "thickness": view.profile.thickness,
        "correlation_before": placed.before[number],
        "correlation": placed.after[number],
        "gains": [round(float(each), 5) for each in match.gains],
        "offsets": [float(each) * scale for each in match.offsets],
        "zero": placed.scaling.offset,
        "consistency": _consistency(weighted, number, volume, scale),
        "section_weights": [round(float(each), 3) for each in _section_weights(weighted, number)],
    }
    held = next((each for each in trial.scores if each.number == number), None) if trial else None
    if held:
        record["held_out"] = {
            "sections": held.sections, "rmse": held.rmse * scale, "average_rmse": held.average_rmse * scale,
            "gain_db": held.gain_db,
        }  # fmt: skip
    if left and all(math.isfinite(each) for each in left):
        gain = 20 * math.log10(left[1] / left[0])
        record["left_out"] = {"rmse": left[0] * scale, "average_rmse": left[1] * scale, "gain_db": gain}
    return record


def _registration(view: View, known: Known) -> dict[str, float | None]:
    centre = (view.affine @ [*((np.array(view.voxels.shape) - 1) / 2), 1])[:3]
    found = displacement(view.motion, centre)
    distance, angle = (each if math.isfinite(each) else None for each in known)
    return {
        "shift": found.shift, "angle": found.angle, "stretch": found.stretch, "uncertainty": distance,
        "angle_uncertainty": angle,
    }  # fmt: skip


def _consistency(problem: Problem, number: int, volume: Volume, scale: float) -> dict[str, float]:
    """Return how far what is seen of the volume differs from the sections, over voxels as they counted."""
    seen, count = simulated(problem, number, volume), problem.counts[number]
    used = np.isfinite(seen) & (count > 0)
    squares = np.square(problem.views[number].voxels - np.nan_to_num(seen))[used] * count[used]
    difference = math.sqrt(float(squares.sum()) / max(float(count[used].sum()), 1e-9))
    noise = problem.noise[number]
    return {"difference": difference * scale, "noise": noise * scale, "ratio": difference / noise}


def _section_weights(problem: Problem, number: int) -> NDArray[np.float32]:
    """Return (Z,) how far the sections counted: 1, less for outliers."""
    found: NDArray[np.float32] = problem.counts[number].mean(axis=(1, 2))
    return found


def _result(
    request: FusionRequest, placed: Placed, volume: Volume, plain: Volume, trial: Trial | None,
    stacks: list[dict[str, Any]], taken: Taken,
) -> FusionResult:  # fmt: skip
    coverage = np.zeros(volume.shape, np.uint8)
    for number, view in enumerate(placed.problem.views):
        counts = (placed.problem.counts[number] > 0).astype(np.float32)
        values, reached = upsampled(view.with_voxels(counts), request.lattice)
        coverage |= (reached & (values >= 0.5)).astype(np.uint8) << number
    title = "fused"
    dataset = as_world(_stored(placed.scaling.undo(volume), request.dtype), request.lattice, request.unit, title)
    uncertainty = None
    if trial is not None:
        expected = expected_error(volume, plain, trial.errors) * np.float32(placed.scaling.scale)
        expected = np.where(coverage > 0, expected, np.nan).astype(np.float32)
        uncertainty = as_world(expected, request.lattice, request.unit, title).voxels
    warnings = [*request.notes, *placed.notes, *_warnings(stacks, taken)]
    record = {
        "versions": versions(),
        "method": request.solver.name,
        "config": request.config.model_dump(mode="json"),
        "settings": request.settings.model_dump(mode="json", exclude_defaults=True),
        "dtype": "float32" if request.dtype.kind == "f" else "keep",
        "seed": request.runtime.seed,
        "depths": dataset.stack().grid.mirrored(dataset.stack().depths).tolist(),
        "unit": dataset.grid.unit,
        "observed": [],
        "averaged": taken == "average",
        "first_alone": taken == "first stack",
        "smoother": None if trial is None else trial.chosen,
        "stacks": stacks,
        "warnings": warnings,
    }
    covered = as_world(coverage, request.lattice, request.unit, title).voxels
    motions = tuple(view.motion for view in placed.problem.views)
    return FusionResult(
        replace(dataset, record={RECORD_KEY: record}, notes=()), uncertainty, tuple(warnings), coverage=covered,
        motions=motions,
    )  # fmt: skip


def _stored(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "f":
        return values.astype(np.float32)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values.astype(np.float64)), limits.min, limits.max).astype(dtype)


_INSTEAD = {
    "volume": [],
    "average": [
        "the plain average predicts held-out sections best, and so the result is the average: the stacks may be of "
        "different specimens, or badly registered, or their thickness or profile is not as was told"
    ],
    "first stack": [
        "the stacks tell less of each other than their own next sections do, and so the result is the first one alone, "
        "interpolated: they do not lie over each other, or are of different specimens; look at the overlays, or give "
        "--transforms"
    ],
}
"""What is said where something else is taken than the volume of all stacks."""


def _warnings(stacks: Sequence[dict[str, Any]], taken: Taken) -> list[str]:
    found = list(_INSTEAD[taken])
    for stack in stacks:
        if stack["consistency"]["ratio"] > WITHIN:
            found.append(
                f"'{stack['name']}' differs from what is seen of the result by {stack['consistency']['ratio']:.1f} "
                "times its noise; its registration or its slice profile may be wrong, or there is more detail than "
                "voxels"
            )
    return found
