"""What a comparison computes, and what is kept of it. No Qt here: it runs off the GUI thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import io
from ...evaluation.evaluate import LpipsChoice, MethodScores, Scores, evaluate, plan_of
from ...evaluation.holdout import Protocol, Trial, make_trials
from ...methods import registry
from ...progress import Progress, Report
from ...run.exclusion import used_sections
from ...run.inputs import prepare_dataset
from ...run.result import Result
from ...run.settings import Settings
from ...stack import Dataset, without_voxels
from ..jobs import import_torch
from .columns import label


def _in_words(report: Report, methods: Sequence[str]) -> Report:
    """Return a report that names presets as people do: ``auto (fast)``, not ``auto:fast``."""
    spelled = [name for name in methods if ":" in name]

    def inner(progress: Progress) -> None:
        message = progress.message
        for name in spelled:
            if message == name or message.startswith(f"{name}: "):
                message = label(name) + message[len(name) :]
        report(replace(progress, message=message))

    return inner


@dataclass(frozen=True, eq=False)
class Question:
    """Which methods are compared on which stack, and how.

    Attributes
    ----------
    dataset : Dataset
        As the layer shows it.
    methods : tuple of str
        As :func:`napari_depth_interp.evaluation.evaluate.plan_of` reads them.
    reference : Dataset or None
        The dense truth, for the protocol ``reference``.
    """

    dataset: Dataset
    methods: tuple[str, ...]
    protocol: Protocol
    settings: Settings
    reference: Dataset | None = None
    data_range: tuple[float, float] | None = None
    lpips: LpipsChoice | None = None

    @property
    def truth(self) -> Dataset:
        """What the restored sections are compared with."""
        return prepare_dataset(self.dataset, self.settings) if self.reference is None else self.reference

    def loaded(self) -> Question:
        """Return the question with small stacks read into memory."""
        reference = None if self.reference is None else io.loaded(self.reference)
        return replace(self, dataset=io.loaded(self.dataset), reference=reference)

    def needs_torch(self) -> bool:
        """Whether torch will be imported."""
        specs = [registry.get(plan_of(name, self.settings).method) for name in self.methods]
        return self.lpips is not None or any("cuda" in spec.devices for spec in specs)


@dataclass(frozen=True, eq=False)
class Restored:
    """What one method made, and where its truth is.

    Attributes
    ----------
    dataset : Dataset
        Voxels (t, c, z, y, x) of the result, in its own type.
    uncertainty : (T, C, Z, Y, X) float32 array or None
    truth_at : (Z,) int array
        For each section the index of its true section.
    trial : Trial
        Without voxels: tells how the pixels lie on those of the truth.
    """

    dataset: Dataset
    uncertainty: NDArray[np.float32] | None
    truth_at: NDArray[np.intp]
    trial: Trial

    def on_truth_grid(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """Return voxels (t, c, z, y, x) of the result with the pixels of the truth."""
        section = self.trial.on_reference_grid(voxels[0, 0, 0])
        if section.shape == voxels.shape[3:]:
            return voxels
        whole = np.empty((*voxels.shape[:3], *section.shape), section.dtype)
        for index in np.ndindex(voxels.shape[:3]):
            whole[index] = self.trial.on_reference_grid(voxels[index])
        return whole


@dataclass(frozen=True, eq=False)
class Scored:
    """One method of a comparison, as soon as it is done."""

    scores: MethodScores
    restored: Restored


class Keeper:
    """Keeps each method's results as they come, one volume per method and no copy more than needed."""

    def __init__(self, question: Question) -> None:
        alone = question.protocol.kind == "leave_one_out"
        self._inner = used_sections(question.truth, question.settings)[1:-1] if alone else None
        self._kept: dict[str, Restored] = {}

    def keep(self, name: str, trial: Trial, result: Result) -> None:
        """Take in one result; of a protocol with many trials each brings one section."""
        if self._inner is not None:
            self._keep_section(name, trial, result)
            return
        self._kept[name] = Restored(result.dataset, result.uncertainty, trial.truth_at, _light(trial))

    def take(self, name: str) -> Restored:
        """Hand out what one method made."""
        return self._kept.pop(name)

    def _keep_section(self, name: str, trial: Trial, result: Result) -> None:
        assert self._inner is not None
        if name not in self._kept:
            self._kept[name] = _room_for(trial, result, self._inner)
        whole, place = self._kept[name], int(np.searchsorted(self._inner, trial.truth_at[0]))
        whole.dataset.voxels[:, :, place] = result.dataset.voxels[:, :, 0]
        if whole.uncertainty is not None and result.uncertainty is not None:
            whole.uncertainty[:, :, place] = result.uncertainty[:, :, 0]


def _room_for(trial: Trial, result: Result, inner: NDArray[np.intp]) -> Restored:
    """Return an empty volume for the inner sections of a stack."""
    times, channels, _, *plane = result.dataset.voxels.shape
    shape = (times, channels, len(inner), *plane)
    assert trial.visible.grid.depths is not None
    depths = np.sort(np.append(trial.visible.grid.depths, trial.depths[0]))[1:-1]
    voxels = np.zeros(shape, result.dataset.voxels.dtype)
    dataset = replace(result.dataset, voxels=voxels, grid=replace(result.dataset.grid, depths=depths), record={})
    uncertainty = None if result.uncertainty is None else np.zeros(shape, np.float32)
    return Restored(dataset, uncertainty, inner, _light(trial))


def _light(trial: Trial) -> Trial:
    return replace(trial, visible=without_voxels(trial.visible))


def compare_task(question: Question, on_scored: Callable[[Scored], None], report: Report) -> Scores:
    """Run and score the methods one after the other.

    Parameters
    ----------
    question : Question
    on_scored : callable
        Called in this thread with each method as soon as it is done.
    report : callable

    Returns
    -------
    Scores
    """
    if question.needs_torch():
        import_torch()
    question = question.loaded()
    keeper = Keeper(question)
    return evaluate(
        question.dataset,
        question.methods,
        question.protocol,
        question.settings,
        reference=question.reference,
        data_range=question.data_range,
        lpips=question.lpips,
        report=_in_words(report, question.methods),
        on_result=keeper.keep,
        on_scores=lambda scores: on_scored(Scored(scores, keeper.take(scores.method))),
    )


@dataclass(frozen=True, eq=False)
class ReportOrder:
    """A report to write: of which comparison, under which title, into which folder."""

    question: Question
    scored: Sequence[Scored]
    scores: Scores
    title: str
    folder: Path
    command: str


def report_task(order: ReportOrder, report: Report) -> Path:
    """Write the report of a comparison from what is kept of it; return the page.

    Raises
    ------
    OutputError
        If there is a report in the folder already, or it cannot be written.
    """
    from ...report.page import Chapter, check_folder, write_report
    from ...report.pictures import Pictures

    check_folder(order.folder, overwrite=False)
    report(Progress(0.0, "writing the report"))
    question = order.question.loaded()
    pictures = Pictures(question.truth, question.settings)
    for name, trial, result in _again(question, order.scored):
        pictures.keep(name, trial, result)
        report(Progress(0.1, "writing the report"))
    write_report(order.folder, [Chapter(order.title, order.scores, pictures)], order.command, overwrite=False)
    return order.folder / "report.html"


def _again(question: Question, scored: Sequence[Scored]) -> Iterator[tuple[str, Trial, Result]]:
    """Yield (method, trial, result) as :func:`evaluate` had them."""
    dataset = prepare_dataset(question.dataset, question.settings)
    used = used_sections(dataset, question.settings)
    trials = make_trials(dataset, question.protocol, question.reference, used)
    for trial in trials:
        for each in scored:
            whole = each.restored
            part = np.isin(whole.truth_at, trial.truth_at)
            dataset = whole.dataset
            if not part.all():
                grid = replace(dataset.grid, depths=trial.depths)
                dataset = replace(dataset, voxels=dataset.voxels[:, :, part], grid=grid)
            uncertainty = None if whole.uncertainty is None else whole.uncertainty[:, :, part]
            yield each.scores.method, trial, Result(dataset, uncertainty)
