"""The report of an evaluation of labels: one HTML page, with all scores beside it as CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...evaluation.label_scores import LabelScores, as_json
from ...labels.annotated import listed_sections
from ...metrics.labels import LABEL_METRICS, TOTAL_METRICS
from ...metrics.statistics import mean_of
from ..numbers import exact, number
from ..page import (
    EVERYTHING,
    PAGE,
    SECTIONS,
    SUMMARY,
    check_folder,
    in_words,
    rendered,
    told_apart,
    voxel_size,
    write_texts,
)
from ..tables import Cell, Row, Table
from . import tables
from .conclusions import conclusions
from .pictures import LabelPictures
from .plots import plots
from .sheets import labels_csv, sections_csv, summary_csv

LABELS = "labels.csv"
FILES = (PAGE, LABELS, SECTIONS, SUMMARY, EVERYTHING)
_FEW = 3
"""Files of which all pictures are shown."""


@dataclass(frozen=True, eq=False)
class LabelChapter:
    """One file of labels: how it is called, its scores, and pictures of it if any were kept."""

    title: str
    scores: LabelScores
    pictures: LabelPictures | None


def check_label_folder(folder: Path, *, overwrite: bool) -> None:
    """Raise an :class:`OutputError` if a report cannot be written there, before any work is done."""
    check_folder(folder, overwrite=overwrite, names=FILES)


def write_label_report(
    folder: Path, chapters: Sequence[LabelChapter], command: str, *, overwrite: bool = False
) -> Path:
    """Write ``report.html``, ``labels.csv``, ``scores.csv``, ``summary.csv`` and ``scores.json``.

    Parameters as for :func:`napari_depth_interp.report.page.write_report`.
    """
    check_label_folder(folder, overwrite=overwrite)
    scored = _named(chapters)
    texts = {
        LABELS: labels_csv(scored),
        SECTIONS: sections_csv(scored),
        SUMMARY: summary_csv(scored),
        EVERYTHING: json.dumps(as_json(scored), allow_nan=False, indent=1) + "\n",
        PAGE: render(chapters, command),
    }
    return write_texts(folder, texts, overwrite=overwrite)


def render(chapters: Sequence[LabelChapter], command: str) -> str:
    """Return the page as one self-contained HTML text."""
    scored = _named(chapters)
    several = len(chapters) > 1
    return rendered(
        "labels.html.j2",
        title=f"Evaluation of labels in {len(chapters)} files" if several else f"Evaluation of labels: {scored[0][0]}",
        command=command,
        summary=_summary(scored) if several else None,
        help=[(each.heading, each.help) for each in {**LABEL_METRICS, **_own_totals()}.values()],
        chapters=[
            _chapter(name, chapter, None if len(chapters) <= _FEW else 1)
            for (name, _), chapter in zip(scored, chapters, strict=True)
        ],
    )


def _own_totals() -> dict[str, Any]:
    return {f"total.{name}": metric for name, metric in TOTAL_METRICS.items()}


def _named(chapters: Sequence[LabelChapter]) -> list[tuple[str, LabelScores]]:
    return list(zip(told_apart([each.title for each in chapters]), (each.scores for each in chapters), strict=True))


def _summary(scored: Sequence[tuple[str, LabelScores]]) -> Table:
    """Return the mean Dice of each method on each file, and over all files."""
    methods = list(dict.fromkeys(each.method for _, scores in scored for each in scores.methods))
    rows, columns = [], [[(scores.of(method)) for _, scores in scored] for method in methods]
    for place, (title, _) in enumerate(scored):
        values = [None if column[place] is None else column[place].mean["dice"] for column in columns]  # type: ignore[union-attr]
        rows.append(Row(title, [Cell(number(v), exact(v), "mean.dice") for v in values], title))
    means = [mean_of([each.mean["dice"] for each in column if each is not None]) for column in columns]
    rows.append(Row("mean", [Cell(number(v), exact(v), "summary.dice") for v in means], "mean"))
    return Table([("File", "", ""), *((method, "", method) for method in methods)], rows)


def _chapter(name: str, chapter: LabelChapter, most: int | None) -> dict[str, Any]:
    scores = chapter.scores
    shown = tables.per_label(scores)
    count = len({row.heading for row in shown.rows})
    total = scores.stack["labels"]
    return {
        "name": name,
        "conclusions": conclusions(scores),
        "facts": dict(_facts(scores)),
        "configs": [(each.method, in_words(each.config)) for each in scores.methods],
        "headline": tables.headline(scores),
        "labels": shown,
        "which": f"The {count} of {total} labels that are restored worst" if count < total else "All labels",
        "plots": plots(scores),
        "sheets": [] if chapter.pictures is None else chapter.pictures.sheets(scores, most=most),
    }


def _facts(scores: LabelScores) -> Iterator[tuple[str, str]]:
    stack = scores.stack
    yield "Labels", scores.input or "not from a file"
    yield "Image", scores.image or "none"
    yield "Protocol", scores.describe()
    times, channels, *sizes = stack["shape"]
    several = [f"{n} {word}" for n, word in ((times, "time points"), (channels, "channels")) if n > 1]
    yield "Size", ", ".join([f"{' × '.join(map(str, sizes))} voxels (z, y, x)", *several])
    yield "Voxel size", voxel_size(stack)
    yield "Data type", stack["dtype"]
    yield "Annotated sections", f"{len(stack['annotated'])}: {listed_sections(stack['annotated'])}"
    yield "Hidden sections", f"{len(stack['hidden'])}: {listed_sections(stack['hidden'])}"
    yield "Labels on hidden sections", str(stack["labels"])
    yield "Settings", in_words(scores.settings)
