"""Scores of labels as tables for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...evaluation.label_scores import LabelScores
from ..numbers import number
from .sheets import flat
from .tables import best_at, heading, worst_labels

if TYPE_CHECKING:
    from rich.table import Table

_COLUMNS = (
    "mean.dice", "mean.surface", "mean.surface_95", "mean.object_f1", "mean.count_error", "mean.volume_error",
    "total.object_f1", "total.accuracy",
)  # fmt: skip
_SHORT = {
    "mean.surface": "surface", "mean.surface_95": "95 %", "mean.object_f1": "F1", "mean.count_error": "count error",
    "mean.volume_error": "volume error", "total.object_f1": "F1 of all", "total.accuracy": "voxels right",
}  # fmt: skip
MOST = 8
"""Labels that fit below the table."""


def score_table(scores: LabelScores) -> Table:
    """Return the mean scores of all methods as a terminal table; the best of each column is bold."""
    from rich.table import Table

    table = Table()
    table.add_column("method")
    values = [flat(each) for each in scores.methods]
    for path in _COLUMNS:
        full = heading(path, scores.stack.get("unit"))
        unit = full[full.index(" (") :] if "surface" in path else ""
        table.add_column(f"{_SHORT.get(path, full)}{unit}", justify="right")
    table.add_column("time (s)", justify="right")
    tops = {path: best_at(path, [each[path] for each in values]) for path in _COLUMNS}
    for each, row in zip(scores.methods, values, strict=True):
        cells = [_bold(number(row[path]), row[path] is not None and row[path] == tops[path]) for path in _COLUMNS]
        table.add_row(each.method, *cells, f"{each.seconds:.2f}")
    return table


def _bold(text: str, on: bool) -> str:
    return f"[bold]{text}[/bold]" if on else text


def label_table(scores: LabelScores) -> Table | None:
    """Return the Dice of the labels that are restored worst, a column per method; None for a single label."""
    from rich.table import Table

    chosen = worst_labels(scores, MOST)
    if len(chosen) < 2:
        return None
    count = scores.stack["labels"]
    table = Table(title=f"Dice of the {len(chosen)} worst of {count} labels" if count > MOST else "Dice of each label")
    table.add_column("label", justify="right")
    table.add_column("voxels", justify="right")
    for each in scores.methods:
        table.add_column(each.method, justify="right")
    rows = [{row["label"]: row for row in each.labels} for each in scores.methods]
    for label in chosen:
        dice = [number(held[label]["dice"]) if label in held else "-" for held in rows]
        name = f"{label} *" if label in scores.unseen else str(label)
        table.add_row(name, str(rows[0][label]["voxels"]), *dice)
    if scores.unseen:
        table.caption = "* on hidden sections only: no method can know it"
    return table
