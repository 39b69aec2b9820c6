"""Scores as tables for programs: every hidden section, and every method."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from ..evaluation.evaluate import BASELINE, MethodScores, Scores
from ..io.files import replacing

Group = Sequence[tuple[str, Scores]]
"""(name of the stack, its scores) for each stack."""


def sections_csv(scores: Group) -> str:
    """Return one row per stack, method and hidden section with every score."""
    return csv_of(
        [
            {"stack": name, "method": each.method, **row}
            for name, group in scores
            for each in group.methods
            for row in each.sections
        ]
    )


def summary_csv(scores: Group) -> str:
    """Return one row per stack and method; columns such as ``mean.psnr`` are paths in the JSON."""
    return csv_of([{"stack": name, **flat(each, group)} for name, group in scores for each in group.methods])


def flat(each: MethodScores, scores: Scores) -> dict[str, Any]:
    """Return all that is known of a method on a stack but its sections, by path (``volume.psnr``).

    ``gain_over_linear_db`` is the difference of the pooled PSNR.
    """
    linear = scores.of(BASELINE)
    values: dict[str, Any] = {
        "method": each.method,
        "gain_over_linear_db": None if linear is None else each.gain_over(linear),
        "expected_gain_db": each.expected_gain_db,
        "seconds": each.seconds,
        "peak_memory_mb": each.peak_memory_mb,
    }
    groups: dict[str, Mapping[str, Any]] = {
        "volume": each.volume,
        "mean": each.mean,
        "std": each.std,
        "uncertainty": each.uncertainty or {},
    }
    groups |= {f"against_linear.{name}": test for name, test in each.against_linear.items()}
    return values | {f"{group}.{key}": value for group, held in groups.items() for key, value in held.items()}


def write_csv(path: Path, scores: Group, *, overwrite: bool = False) -> None:
    """Write one row per stack, method and hidden section."""
    with replacing(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(sections_csv(scores).encode())


def csv_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV; the columns are the keys of all of them."""
    fields = list(dict.fromkeys(field for row in rows for field in row))
    text = StringIO(newline="")
    writer = csv.DictWriter(text, fields)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
