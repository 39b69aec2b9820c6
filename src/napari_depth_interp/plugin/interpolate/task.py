"""What a click on Run or Preview computes. No Qt here: it runs off the GUI thread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ... import io
from ...evaluation.evaluate import MethodScores, Scores, evaluate
from ...evaluation.holdout import Protocol, Trial
from ...methods import registry
from ...progress import Report, part
from ...report import BASELINE
from ...run.estimate import Estimate, estimate_run
from ...run.exclusion import excluded_sections, without_excluded
from ...run.execute import execute
from ...run.inputs import APPLIED, prepare_dataset, whole_image
from ...run.outputs import Target
from ...run.request import Request, resolve
from ...run.result import Result
from ...run.settings import Settings
from ...run.targets import match_observed, target_depths
from ...stack import Dataset, without_voxels
from ...stack.lazy import some_sections
from ..boxes import save_names
from ..boxes.compute_box import Scoring
from ..jobs import import_torch

_NEAR = 8
"""Sections on each side of a gap that a preview of a large stack looks at."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The scored side of a run: sections restored from the kept ones, beside their truth.

    Attributes
    ----------
    scores : Scores
        Of linear interpolation and of the method, in this order (once, if the method is linear).
    restored, truth, error : Dataset
        The same sections, restored from the kept ones, as recorded, and their absolute difference (float32).
    """

    scores: Scores
    restored: Dataset
    truth: Dataset
    error: Dataset

    @property
    def method(self) -> MethodScores:
        """Scores of the method that ran."""
        return self.scores.methods[-1]

    @property
    def gain(self) -> float | None:
        """PSNR above linear interpolation, all hidden sections together, in dB; 0 for linear itself."""
        return self.method.gain_over(self.scores.methods[0])


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run gives back to the window."""

    settings: Settings
    result: Result
    held_out: HeldOut | None = None
    target: Target | None = None

    def without_result(self) -> Outcome:
        """Return all but the result's voxels: its layer holds those, and frees them when the user removes it."""
        return replace(self, result=replace(self.result, dataset=without_voxels(self.result.dataset)))

    def without_voxels(self) -> Outcome:
        """Return what the outcome was, and nothing that takes memory."""
        held_out = self.held_out
        if held_out is not None:
            restored, truth, error = map(without_voxels, (held_out.restored, held_out.truth, held_out.error))
            held_out = HeldOut(held_out.scores, restored, truth, error)
        result = replace(self.result, dataset=without_voxels(self.result.dataset), uncertainty=None)
        return replace(self, result=result, held_out=held_out)


def run_task(
    dataset: Dataset, settings: Settings, scoring: Scoring | None, target: Target | None, report: Report
) -> Outcome:
    """Score the method on hidden sections if asked to, then run it on all sections.

    Parameters
    ----------
    dataset : Dataset
        As the layer shows it.
    settings : Settings
    scoring : Scoring or None
    target : Target or None
        File to stream the result to; its uncertainty, if there is one, goes beside it.
    report : callable

    Returns
    -------
    Outcome
    """
    if target is not None and target.spread is not None:  # what workers read, this process reads, too
        settings = target.spread.settings
        dataset = io.open_stack(target.spread.source, axis=settings.axis)
    dataset = io.loaded(dataset)
    request = resolve(dataset, settings)  # fails before the scoring is paid for
    if target is not None and request.spec.gives_uncertainty:
        target = replace(target, uncertainty=beside(target.path))
    if scoring is None:
        return _run(request, settings, report, target)
    _import_torch_for(request)
    held_out = _score(dataset, settings, scoring, part(report, 0.0, 0.5, "scoring"))
    scores = held_out.scores.as_record(settings.method)
    if target is not None:
        target = replace(target, history={"scores": scores})
    result = execute(request, part(report, 0.5, 1.0, settings.method), target)
    return Outcome(settings, result.with_scores(scores), held_out, target)


def beside(path: Path) -> Path:
    """Return where the uncertainty of a result goes that is written to ``path``."""
    return save_names.beside(path, "uncertainty")


def estimate_task(dataset: Dataset, settings: Settings, target: Target | None, report: Report) -> Estimate:
    """Measure on parts of a stack what a run will take."""
    request = resolve(io.loaded(dataset), settings)
    _import_torch_for(request)
    return estimate_run(request, target, report)


def _score(dataset: Dataset, settings: Settings, scoring: Scoring, report: Report) -> HeldOut:
    kept: dict[str, tuple[Trial, Result]] = {}
    name = f"{settings.method}:enhance={settings.enhance}" if settings.enhance else settings.method
    methods = list(dict.fromkeys([BASELINE, name]))
    scores = evaluate(
        dataset,
        methods,
        Protocol("keep_every", every=scoring.keep_every),
        settings,
        data_range=scoring.data_range,
        report=report,
        on_result=lambda name, trial, result: kept.update({name: (trial, result)}),
    )
    trial, result = kept[name]
    whole = prepare_dataset(dataset, settings)
    grid = replace(whole.grid, depths=trial.depths)  # from the first to the last kept section
    truth = replace(whole, voxels=some_sections(whole.voxels, trial.truth_at), grid=grid)
    error = np.abs(result.dataset.voxels.astype(np.float32) - truth.voxels.astype(np.float32))
    return HeldOut(scores, result.dataset, truth, replace(truth, voxels=error))


@dataclass(frozen=True)
class View:
    """What of a stack is in view: a section (an index that may lie between two), rows, columns, a time point."""

    section: float
    rows: slice
    columns: slice
    time: int = 0


def preview_task(dataset: Dataset, settings: Settings, view: View, report: Report) -> Outcome:
    """Run the method on the gap and the part of the image in view, at the time point in view.

    Parameters
    ----------
    dataset : Dataset
    settings : Settings
    view : View
        The gap around its section is filled.
    report : callable

    Returns
    -------
    Outcome
        Its dataset begins and ends with the observed sections around the gap.
    """
    no_target = {"factor": None, "spacing": None, "isotropic": False}
    plain = settings.model_copy(update={**APPLIED, **no_target, "align": "none"})  # two sections tell nothing of jitter
    dataset = prepare_dataset(dataset, whole_image(settings))  # the part is what is in view
    spec = registry.get(settings.method)
    excluded = excluded_sections(dataset, settings, spec)
    if spec.enhances:
        return _run(resolve(_cropped(dataset, view), plain), settings, report)
    targets, _ = target_depths(dataset, settings)
    whole, dataset = dataset.stack().depths, without_excluded(dataset, settings)
    observed = dataset.stack().depths
    looked_at = np.interp(view.section + 1e-6, np.arange(len(whole)), whole)
    gap = int(np.clip(np.searchsorted(observed, looked_at, side="right") - 1, 0, len(observed) - 2))
    low, high = observed[gap], observed[gap + 1]
    edges = targets[(targets >= low) & (targets <= high)]
    if spec.enlarges == 1 and match_observed(dataset, edges).max(initial=-1) < 0:
        edges = np.unique(np.concatenate([[low], edges, [high]]))
    if spec.training_cost is None and dataset.voxels.nbytes > io.LARGE_BYTES:
        dataset = _near(dataset, gap)
    cropped = _cropped(dataset, view)
    return _run(replace(resolve(cropped, plain, depths=edges.tolist()), excluded=excluded), settings, report)


def _run(request: Request, settings: Settings, report: Report, target: Target | None = None) -> Outcome:
    _import_torch_for(request)
    return Outcome(settings, execute(request, report, target), target=target)


def _import_torch_for(request: Request) -> None:
    if any("cuda" in each.spec.devices for each in (request, request.enhance) if each is not None):
        import_torch()


def _near(dataset: Dataset, gap: int) -> Dataset:
    """Return the sections around a gap, where all would take long to be read."""
    near = np.arange(max(0, gap - _NEAR), min(dataset.voxels.shape[2], gap + 2 + _NEAR))
    depths = None if dataset.grid.depths is None else dataset.grid.depths[near]
    return replace(dataset, voxels=some_sections(dataset.voxels, near), grid=replace(dataset.grid, depths=depths))


def _cropped(dataset: Dataset, view: View) -> Dataset:
    part = dataset.part(slice(view.time, view.time + 1), view.rows, view.columns)
    return replace(part, voxels=np.ascontiguousarray(part.voxels), source=None)
