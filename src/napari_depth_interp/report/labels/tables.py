"""The tables of a report on labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...evaluation.label_scores import SIMPLE, LabelMethodScores, LabelScores
from ...metrics import Metric, best_among
from ...metrics.labels import LABEL_METRICS, TOTAL_METRICS
from ..numbers import exact, number, seconds_in_digits, unit_of
from ..tables import Cell, Row, Table
from .sheets import flat

HEADLINE = (
    "mean.dice", "mean.surface", "mean.surface_95", "mean.object_f1", "mean.count_error", "mean.volume_error",
    "total.dice", "total.accuracy", "total.object_f1", "total.recall", "total.precision", "total.count_error",
    "total.volume_error",
)  # fmt: skip
"""Scores of the first table, by their path in the JSON."""
MOST = 60
"""Labels of which the scores are shown; the files beside the page have all."""
_ARROWS = {"higher": "↑", "lower": "↓", "one": "→1", "zero": "→0"}


def metric_at(path: str) -> Metric:
    """Return the metric of a score such as ``mean.dice``."""
    average, name = path.split(".")
    return TOTAL_METRICS[name] if average == "total" else LABEL_METRICS[name]


def heading(path: str, unit: str | None) -> str:
    """Return what stands above a column: the metric, and its unit."""
    metric = metric_at(path)
    own = unit_of(unit) or "pixels" if metric.unit == "length" else metric.unit
    return f"{metric.heading} ({own})" if own else metric.heading


def best_at(path: str, values: Sequence[float | None]) -> float | None:
    """Return the best of a score's values; None for a single one, where one is missing or all are printed alike."""
    known = [value for value in values if value is not None]
    if len(known) < max(2, len(values)) or len({number(value) for value in known}) == 1:
        return None
    return best_among(known, metric_at(path).better)


def headline(scores: LabelScores) -> Table:
    """Return the scores over all labels, a row per method."""
    values = [flat(each) for each in scores.methods]
    unit = scores.stack.get("unit")
    columns = [("Method", "", "")]
    for path in HEADLINE:
        average = "mean over labels" if path.startswith("mean") else "all labels together"
        columns.append((f"{heading(path, unit)} {_ARROWS[metric_at(path).better]}", average, ""))
    columns += [("Time (s) ↓", "", ""), ("Memory (MB) ↓", "", "")]
    cells = [_cells(path, values) for path in HEADLINE]
    rows = []
    for i, each in enumerate(scores.methods):
        measured = [
            Cell(seconds_in_digits(each.seconds), exact(each.seconds), "seconds"),
            Cell(f"{each.peak_memory_mb:.0f}", exact(each.peak_memory_mb), "peak_memory_mb"),
        ]
        note = "the baseline" if each.method == SIMPLE else "worse than nearest" if _loses(each, scores) else ""
        rows.append(
            Row(each.method, [*(column[i] for column in cells), *measured], each.method, note, _loses(each, scores))
        )
    return Table(columns, rows)


def _loses(each: LabelMethodScores, scores: LabelScores) -> bool:
    return any(cell.worse for cell in _cells("mean.dice", [flat(each)], scores.of(SIMPLE)))


def _cells(path: str, values: Sequence[Mapping[str, Any]], plain: LabelMethodScores | None = None) -> list[Cell]:
    """Return the cells of one score, a cell per method."""
    known = [each.get(path) for each in values]
    top = best_at(path, known)
    baseline = flat(plain) if plain else next((each for each in values if each["method"] == SIMPLE), {})
    return [
        Cell(
            number(value),
            exact(value),
            path,
            best=top is not None and number(value) == number(top),
            worse=_is_worse(path, value, baseline.get(path)),
        )
        for value in known
    ]


def _is_worse(path: str, value: float | None, other: float | None) -> bool:
    if value is None or other is None or number(value) == number(other):
        return False
    return best_among([value, other], metric_at(path).better) != value


def per_label(scores: LabelScores) -> Table:
    """Return the scores of each label, a row per method; those that the best method restores worst come first."""
    chosen = worst_labels(scores, MOST)
    by_method = [(each.method, {row["label"]: row for row in each.labels}) for each in scores.methods]
    unit = scores.stack.get("unit")
    paths = [f"mean.{name}" for name in LABEL_METRICS]
    rows = []
    for label in chosen:
        found = [(method, held[label]) for method, held in by_method if label in held]
        voxels = found[0][1]["voxels"]
        note = f"{voxels} voxels" + (", on hidden sections only" if found[0][1]["unseen"] else "")
        for place, (method, row) in enumerate(found):
            cells = [
                Cell(number(row[name]) if name != "count_error" else f"{row[name]:+d}".replace("+0", "0"),
                     exact(row[name]), f"labels.{label}.{name}")
                for name in LABEL_METRICS
            ]  # fmt: skip
            span = len(found) if place == 0 else 0
            rows.append(Row(str(label), [Cell(method), *cells], method, note, found[0][1]["unseen"], span))
    return Table([("Label", "", ""), ("Method", "", ""), *((heading(path, unit), "", "") for path in paths)], rows)


def worst_labels(scores: LabelScores, most: int) -> list[Any]:
    """Return so many labels of the truth, by the Dice of the best method, the lowest first."""
    top = scores.best()
    if top is None:
        return []
    known = [(row["dice"], -row["voxels"], row["label"]) for row in top.labels if row["dice"] is not None]
    return [label for *_, label in sorted(known)[:most]]
