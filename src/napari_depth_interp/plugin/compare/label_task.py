"""What a comparison of methods for labels computes, and what is kept of it. No Qt here: it runs off the GUI thread."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ... import io
from ...evaluation.holdout import Protocol
from ...evaluation.label_scores import LabelScores
from ...evaluation.label_trials import LabelTrial
from ...evaluation.labels import evaluate_labels, label_trials
from ...labels.result import LabelResult
from ...labels.settings import LabelSettings
from ...progress import Progress, Report
from ...run.settings import Settings, to_arguments
from ...stack import Dataset
from ..layers.command_input import CommandInput

if TYPE_CHECKING:
    from ...report.labels.pictures import LabelPictures


@dataclass(frozen=True, eq=False)
class LabelQuestion:
    """Which methods for labels are compared on which labels, and how."""

    dataset: Dataset
    methods: tuple[str, ...]
    protocol: Protocol
    settings: LabelSettings
    image: Dataset | None = None


@dataclass(frozen=True, eq=False)
class LabelOutcome:
    """The scores, what each method made of the hidden sections, and pictures for a report."""

    question: LabelQuestion
    scores: LabelScores
    restored: Mapping[str, Dataset]
    pictures: LabelPictures


class _Keeper:
    """Keeps each method's labels: the result of a run, with the hidden sections of later runs put into it."""

    def __init__(self, pictures: LabelPictures) -> None:
        self.restored: dict[str, Dataset] = {}
        self.pictures = pictures

    def keep(self, name: str, trial: LabelTrial, result: LabelResult) -> None:
        self.pictures.keep(name, trial, result)
        if name not in self.restored:
            self.restored[name] = result.dataset
            return
        hidden = list(trial.hidden)
        self.restored[name] = replace(self.restored[name], record={})  # no longer that of one run
        self.restored[name].voxels[:, :, hidden] = result.dataset.voxels[:, :, hidden]


def compare_labels_task(question: LabelQuestion, report: Report) -> LabelOutcome:
    """Run and score the methods one after the other."""
    from ...report.labels.pictures import LabelPictures

    image = None if question.image is None else io.loaded(question.image)
    question = replace(question, dataset=io.loaded(question.dataset), image=image)
    keeper = _Keeper(
        LabelPictures(*label_trials(question.dataset, question.protocol, question.settings, question.image))
    )
    scores = evaluate_labels(
        question.dataset,
        question.methods,
        question.protocol,
        question.settings,
        image=question.image,
        report=report,
        on_result=keeper.keep,
    )
    return LabelOutcome(question, scores, keeper.restored, keeper.pictures)


def label_report_task(outcome: LabelOutcome, title: str, folder: Path, command: str, report: Report) -> Path:
    """Write the report of a comparison into a folder; return the page.

    Raises
    ------
    OutputError
        If there is a report in the folder already, or it cannot be written.
    """
    from ...report.labels.page import LabelChapter, write_label_report

    report(Progress(0.0, "writing the report"))
    return write_label_report(folder, [LabelChapter(title, outcome.scores, outcome.pictures)], command)


def label_command_of(
    question: LabelQuestion, source: CommandInput, image: str | None, report: str | None = None
) -> str:
    """Return ``depth-interp evaluate ... --as-labels ...``; ``image`` is the file of the image layer, if it has one."""
    settings = source.complete(Settings(z_spacing=question.settings.z_spacing, depths=question.settings.depths))
    protocol = question.protocol
    words = ["depth-interp", "evaluate", source.path or "LABELS.tif", "--as-labels"]
    words += ["--methods", ",".join(question.methods)]
    words += {
        "keep_every": ["--keep-every", str(protocol.every)],
        "hold_out": ["--hold-out", ",".join(map(str, protocol.sections))],
    }.get(protocol.kind, ["--leave-one-out"])
    annotated = question.settings.annotated
    words += [] if annotated == "auto" else ["--annotated", annotated]
    words += [] if question.image is None else ["--image", image or "IMAGE.tif"]
    words += to_arguments(settings.model_copy(update={"channel": None}))
    words += [] if report is None else ["--report", report]
    return shlex.join(words)
