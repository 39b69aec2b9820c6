"""What ``depth-interp evaluate`` does where the files hold labels."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RequestError
from ..evaluation.holdout import Protocol
from ..evaluation.label_scores import LabelScores
from ..labels.settings import LabelSettings, make_label_settings
from ..progress import Report, part
from ..run.settings import Settings, StackSettings, option_of
from .output import print_json, warn
from .signals import reporting

if TYPE_CHECKING:
    from ..stack import Dataset

_SHARED = ("axis", "z_spacing", "depths", "threads", "seed")
"""Settings of grey images that mean the same for labels."""


@dataclass(frozen=True)
class LabelQuestion:
    """Which methods for labels are scored, how, and where a report goes."""

    methods: Sequence[str]
    protocol: Protocol
    settings: LabelSettings
    image: Path | None = None
    folder: Path | None = None
    overwrite: bool = False


def label_settings(settings: Settings, given: Mapping[str, Any], refused: Mapping[str, Any]) -> LabelSettings:
    """Return the settings for labels from those of the command.

    Parameters
    ----------
    settings : Settings
    given : mapping
        Settings for labels alone, by name; None: not given.
    refused : mapping of option -> value
        Options that only grey images have.

    Raises
    ------
    RequestError
        If an option of grey images was given.
    """
    wrong = [option for option, value in refused.items() if value is not None]
    wrong += [option_of(name).flags[0] for name in settings.model_fields_set if name not in _SHARED]
    if wrong:
        raise RequestError(f"{', '.join(sorted(wrong))} goes with grey images, not with labels; leave it out")
    shared = {name: getattr(settings, name) for name in _SHARED if name in settings.model_fields_set}
    return make_label_settings(**shared, **{name: value for name, value in given.items() if value is not None})


def labels_are_meant(
    said: bool | None,
    sources: Sequence[Path],
    settings: StackSettings,
    methods: Sequence[str],
    of_labels: Mapping[str, Any],
    of_images: Mapping[str, Any],
) -> bool:
    """Return whether files are evaluated as labels.

    Where nobody says so they are if options for labels were given; or if all of them say that they hold labels or look
    so, and no method and no option was named that only images have. Then a note says it.

    Raises
    ------
    RequestError
        If an option for labels was given and these are none.
    """
    given = [name for name, value in of_labels.items() if value is not None]
    if said is False and given:
        flag = "--image" if given[0] == "image" else option_of(given[0], LabelSettings).flags[0]
        raise RequestError(f"{flag} goes with labels; leave it or --no-labels out")
    if said is not None or given:
        return bool(said or given)
    if any(value is not None for value in of_images.values()) or not _all_hold_labels(sources, settings, methods):
        return False
    which = f"'{sources[0].name}' holds" if len(sources) == 1 else "the files hold"
    warn([f"{which} labels, so methods for labels are scored; add --no-labels to score grey values"], "note")
    return True


def _all_hold_labels(sources: Sequence[Path], settings: StackSettings, methods: Sequence[str]) -> bool:
    from .. import io
    from ..labels.methods.registry import SPECS
    from ..stack.label_images import looks_like_labels

    if any(name.split(":")[0] not in SPECS for name in methods):
        return False
    found = (io.open_stack(source, axis=settings.axis) for source in sources)
    return all(not each.rgb and (each.holds_labels or looks_like_labels(each.voxels)) for each in found)


def evaluate_label_files(
    sources: Sequence[Path], question: LabelQuestion, arguments: Sequence[str], *, as_json: bool
) -> None:
    """Score labels and print the scores."""
    from ..evaluation import label_scores

    with reporting("evaluate") as progress:
        scored = score_labels(sources, question, arguments, progress)
    if as_json:
        print_json(label_scores.as_json(scored))
        return
    print_label_scores(scored)
    if question.folder is not None:
        print(f"The report is {question.folder / 'report.html'}; all scores are beside it as CSV and JSON")


def score_labels(
    sources: Sequence[Path], question: LabelQuestion, arguments: Sequence[str], report: Report
) -> list[tuple[str, LabelScores]]:
    """Score the labels of every file; write the report if one is asked for."""
    if question.image is not None and len(sources) > 1:
        raise RequestError(f"--image belongs to one file of labels, got {len(sources)}; evaluate them one by one")
    if question.folder is not None:
        from ..report.labels.page import check_label_folder

        check_label_folder(question.folder, overwrite=question.overwrite)
    done = []
    for number, source in enumerate(sources):
        name = source.name if len(sources) > 1 else ""
        inner = part(report, number / len(sources), (number + 1) / len(sources), name)
        done.append((source.name, *_score(source, question, inner)))
    if question.folder is not None:
        from ..report.labels.page import LabelChapter, write_label_report

        command = shlex.join(["depth-interp", *arguments])
        chapters = [LabelChapter(*each) for each in done]
        write_label_report(question.folder, chapters, command, overwrite=question.overwrite)
    return [(title, scores) for title, scores, _ in done]


def _score(source: Path, question: LabelQuestion, report: Report) -> tuple[LabelScores, Any]:
    """Return the scores of one file, and the pictures for the report if one is asked for."""
    from .. import io
    from ..evaluation.labels import default_methods, evaluate_labels, label_trials
    from ..labels.reading import opened_together

    def opened(path: Path, axis: io.SectionAxis, are_labels: bool) -> Dataset:
        return io.read(path, axis=axis, labels=are_labels)

    dataset, image, _ = opened_together(source, question.image, None, question.settings.axis, opened)
    kept = None
    if question.folder is not None:
        from ..report.labels.pictures import LabelPictures

        kept = LabelPictures(*label_trials(dataset, question.protocol, question.settings, image))
    scores = evaluate_labels(
        dataset,
        question.methods or default_methods(image=image is not None),
        question.protocol,
        question.settings,
        image=image,
        report=report,
        on_result=None if kept is None else kept.keep,
    )
    return scores, kept


def print_label_scores(groups: Sequence[tuple[str, LabelScores]]) -> None:
    """Print tables per file: the scores of all methods, and the labels that are restored worst."""
    from rich.console import Console
    from rich.markup import escape

    from ..report.labels import conclusions, label_table, score_table

    console = Console(width=None if sys.stdout.isatty() else 140)
    for title, scores in groups:
        console.print(f"[bold]{escape(title)}[/bold]: {scores.describe()}", highlight=False)
        console.print(score_table(scores))
        labels = label_table(scores)
        if labels is not None:
            console.print(labels)
        for sentence in conclusions(scores):
            console.print(escape(sentence.text), highlight=False)
    console.print(
        "Hidden sections only. Mean over labels; of all: objects and voxels of all labels together.", highlight=False
    )
