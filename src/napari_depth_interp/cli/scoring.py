"""What ``depth-interp evaluate`` does between its options and its output."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RequestError
from ..evaluation.evaluate import ExpertLabels, LpipsChoice, Scores, evaluate
from ..evaluation.holdout import Protocol
from ..progress import Report, part
from ..run.inputs import cut
from ..run.settings import Settings
from .output import print_json, print_scores, warn
from .signals import reporting


@dataclass(frozen=True)
class Question:
    """Which methods are scored, how, and where a report goes."""

    methods: Sequence[str]
    protocol: Protocol
    settings: Settings
    reference: Path | None = None
    data_range: tuple[float, float] | None = None
    lpips: LpipsChoice | None = None
    folder: Path | None = None
    overwrite: bool = False
    labels: Path | None = None
    segment: str | None = None


def lpips_choice(net: str | None, weights: Path | None) -> LpipsChoice | None:
    """Return what ``--lpips`` and ``--lpips-weights`` ask for."""
    if net is None and weights is not None:
        raise RequestError("--lpips-weights needs to know the network; add --lpips alex, vgg or squeeze")
    return None if net is None else LpipsChoice(net, weights)


def check_labels_file(labels: Path | None) -> None:
    """Refuse an option in the place of the file: ``--labels`` alone once said that the stacks hold labels."""
    if labels is not None and str(labels).startswith("--"):
        raise RequestError("--labels takes a file of labels; to score methods for labels, write --as-labels")


def evaluate_stacks(sources: Sequence[Path], question: Question, arguments: Sequence[str], *, as_json: bool) -> None:
    """Score stacks and print the scores."""
    from ..evaluation import summary

    with reporting("evaluate") as progress:
        scored = score_stacks(sources, question, arguments, progress)
    if as_json:
        print_json(summary.as_json(scored))
        return
    print_scores(scored)
    if question.folder is not None:
        print(f"The report is {question.folder / 'report.html'}; all scores are beside it as CSV and JSON")


def score_stacks(
    sources: Sequence[Path], question: Question, arguments: Sequence[str], report: Report
) -> list[tuple[str, Scores]]:
    """Score every stack; write the report if one is asked for."""
    if question.reference is not None and len(sources) > 1:
        raise RequestError(f"--reference is the truth of one stack, got {len(sources)}; evaluate them one by one")
    if question.labels is not None and len(sources) > 1:
        raise RequestError(f"--labels are of one stack, got {len(sources)}; evaluate them one by one")
    if question.segment is not None and question.labels is None:
        raise RequestError("--segment needs labels to judge by; add --labels FILE")
    if question.folder is not None:
        from ..report.page import FILES, SEGMENTATIONS, check_folder

        names = FILES if question.labels is None else (*FILES, SEGMENTATIONS)
        check_folder(question.folder, overwrite=question.overwrite, names=names)
    announce_lpips(question.lpips)
    done = []
    for number, source in enumerate(sources):
        inner = part(
            report, number / len(sources), (number + 1) / len(sources), source.name if len(sources) > 1 else ""
        )
        done.append((source.name, *_score(source, question, inner)))
    if question.folder is not None:
        from ..report.page import Chapter, write_report

        chapters = [Chapter(*each) for each in done]
        command = shlex.join(["depth-interp", *arguments])
        write_report(question.folder, chapters, command, overwrite=question.overwrite)
    scored = [(title, scores) for title, scores, _ in done]
    warn_without_lpips([scores for _, scores in scored])
    return scored


def _score(source: Path, question: Question, report: Report) -> tuple[Scores, Any]:
    """Return the scores of one stack, and the pictures for the report if one is asked for."""
    from .. import io

    dataset = io.read(source, axis=question.settings.axis)
    truth = None if question.reference is None else io.read(question.reference, axis=question.settings.axis)
    expert = None
    if question.labels is not None:
        drawn = io.read(question.labels, axis=question.settings.axis, labels=True)
        expert = ExpertLabels(drawn, question.segment)
    kept = None
    if question.folder is not None:
        from ..report.pictures import Pictures

        kept = Pictures(cut(dataset, question.settings) if truth is None else truth, question.settings)
    scores = evaluate(
        dataset,
        question.methods,
        question.protocol,
        question.settings,
        reference=truth,
        data_range=question.data_range,
        lpips=question.lpips,
        labels=expert,
        report=report,
        on_result=None if kept is None else kept.keep,
    )
    return scores, kept


def warn_without_lpips(found: Sequence[Scores]) -> None:
    """Say why LPIPS was asked for and is not there."""
    problems = [scores.lpips["problem"] for scores in found if scores.lpips is not None]
    warn(f"LPIPS is n/a: {problem}" for problem in dict.fromkeys(problems) if problem is not None)


def announce_lpips(choice: LpipsChoice | None) -> None:
    """Say before the long wait what will be loaded."""
    from ..models.weights import BACKBONES

    download = None if choice is None or choice.weights is not None else BACKBONES.get(choice.net)
    if download is not None and not download.stored.is_file():
        warn([download.announce()])
