"""Scores of labels as tables for programs: every label, every hidden section, and every method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...evaluation.label_scores import LabelMethodScores, LabelScores
from ..sheets import csv_of

Group = Sequence[tuple[str, LabelScores]]
"""(name of the file, its scores) for each file."""


def labels_csv(scores: Group) -> str:
    """Return one row per file, method and label with every score."""
    return csv_of(
        [
            {"stack": name, "method": each.method, **row}
            for name, group in scores
            for each in group.methods
            for row in each.labels
        ]
    )


def sections_csv(scores: Group) -> str:
    """Return one row per file, method and hidden section."""
    return csv_of(
        [
            {"stack": name, "method": each.method, **row}
            for name, group in scores
            for each in group.methods
            for row in each.sections
        ]
    )


def summary_csv(scores: Group) -> str:
    """Return one row per file and method; columns such as ``mean.dice`` are paths in the JSON."""
    return csv_of([{"stack": name, **flat(each)} for name, group in scores for each in group.methods])


def flat(each: LabelMethodScores) -> dict[str, Any]:
    """Return all that is known of a method but its labels and sections, by path (``mean.dice``)."""
    values: dict[str, Any] = {
        "method": each.method,
        "expected_dice": each.expected_dice,
        "seconds": each.seconds,
        "peak_memory_mb": each.peak_memory_mb,
    }
    groups = {"mean": each.mean, "total": each.total}
    return values | {f"{group}.{key}": value for group, held in groups.items() for key, value in held.items()}
