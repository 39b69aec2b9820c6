"""Scores of segmentations: tables for page, terminal and programs, and what they say in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..evaluation.downstream import DENSE_GRID, KEPT_SECTIONS, RECORDED, SPARSE, Downstream
from ..evaluation.evaluate import BASELINE, Scores
from ..metrics import best_among
from ..metrics.objects import OBJECT_METRICS
from .conclusions import Sentence
from .numbers import exact, number, unit_of
from .sheets import Group, csv_of
from .tables import Cell, Row, Table

if TYPE_CHECKING:
    from rich.table import Table as TerminalTable

_ARROWS = {"higher": "↑", "lower": "↓", "one": "→1", "zero": "→0"}
_NOTES = {
    BASELINE: "the baseline",
    SPARSE: "segmented without filling",
    RECORDED: "what the segmenter could reach",
}
_GRIDS = {DENSE_GRID: "on all sections", KEPT_SECTIONS: "on the kept sections"}
_HOPELESS = 0.1
"""F1 on the recorded stack under which a segmenter does not suit these objects at all."""
_SAME = 0.01
"""F1 by which segmentations differ at least to be called better or worse."""


def segmentation_tables(scores: Scores) -> list[tuple[str, Table]]:
    """Return (title, table) for each segmenter and grid; the best of a column is marked, without the recorded stack."""
    found = scores.downstream
    if found is None:
        return []
    return [
        (f"{segmenter}, {words}", _table(found, segmenter, grid, scores))
        for segmenter in found.segmenters()
        for grid, words in _GRIDS.items()
    ]


def _table(found: Downstream, segmenter: str, grid: str, scores: Scores) -> Table:
    rows = found.of(segmenter, grid)
    linear = next(row for row in rows if row["method"] == BASELINE)
    columns = [("Segmented", "", ""), ("Objects", f"of {found_objects(rows)}", "")]
    columns += [(heading, "", "") for heading in _headings(scores)]
    tops = {name: _best(rows, name) for name in OBJECT_METRICS}
    made = []
    for row in rows:
        path = f"downstream.{segmenter}.{grid}"
        cells = [Cell(str(row["found"]), exact(row["found"]), f"{path}.found")]
        for name in OBJECT_METRICS:
            text = number(row[name])
            best = row["method"] != RECORDED and text == tops[name]
            worse = row["method"] != RECORDED and _is_worse(row[name], linear[name], name)
            cells.append(Cell(text, exact(row[name]), f"{path}.{name}", best=best, worse=worse))
        made.append(Row(row["method"], cells, row["method"], _NOTES.get(row["method"], "")))
    return Table(columns, made)


def found_objects(rows: Sequence[dict[str, Any]]) -> int:
    """Return how many objects were drawn where these rows were scored."""
    return int(rows[0]["drawn"])


def _headings(scores: Scores) -> list[str]:
    unit = unit_of(scores.stack.get("unit"))
    return [
        f"{metric.heading}{f' ({unit})' if metric.unit == 'length' and unit else ''} {_ARROWS[metric.better]}"
        for metric in OBJECT_METRICS.values()
    ]


def _best(rows: Sequence[dict[str, Any]], name: str) -> str | None:
    """Return the best value of a score as it is written; None where all are alike."""
    known = [row[name] for row in rows if row["method"] != RECORDED and row[name] is not None]
    if len({number(value) for value in known}) < 2:
        return None
    return number(best_among(known, OBJECT_METRICS[name].better))


def _is_worse(value: float | None, other: float | None, name: str) -> bool:
    if value is None or other is None or number(value) == number(other):
        return False
    return best_among([value, other], OBJECT_METRICS[name].better) != value


def segmentation_words(scores: Scores) -> Iterator[Sentence]:
    """Say of each segmenter whether filling helped it."""
    found = scores.downstream
    for segmenter in [] if found is None else found.segmenters():
        assert found is not None
        rows = [row for row in found.of(segmenter) if row["f1"] is not None and row["method"] != RECORDED]
        sparse = next((row for row in rows if row["method"] == SPARSE), None)
        filled = [row for row in rows if row["method"] != SPARSE]
        if sparse is None or not filled:
            continue
        reached = next((row["f1"] for row in found.of(segmenter) if row["method"] == RECORDED), None)
        if reached is None or reached < _HOPELESS:
            yield Sentence(
                "note",
                f"Segmenting ({segmenter}): it finds hardly any object on the recorded dense stack either "
                f"(F1 {number(reached)}), so it says nothing about filling. Give your own with --segment.",
            )
            continue
        top = max(filled, key=lambda row: float(row["f1"]))
        gain = top["f1"] - sparse["f1"]
        figures = f"F1 {top['f1']:.2f} after {top['method']}, {sparse['f1']:.2f} on the sparse stack itself"
        if gain > _SAME:
            yield Sentence("good", f"Segmenting ({segmenter}): filling helps: {figures}.")
        else:
            why = "hurts" if gain < -_SAME else "changes nothing"
            yield Sentence("bad", f"Segmenting ({segmenter}): filling {why}: {figures}. Do not fill for this step.")


def segmentation_csv(scores: Group) -> str:
    """Return one row per stack, segmenter, grid and contender."""
    return csv_of(
        [
            {"stack": name, **row}
            for name, group in scores
            if group.downstream is not None
            for row in group.downstream.rows
        ]
    )


def segmentation_terminal(scores: Scores) -> list[TerminalTable]:
    """Return a table per segmenter for the terminal, of all sections."""
    from rich.table import Table as Terminal

    tables = []
    for title, table in segmentation_tables(scores):
        if _GRIDS[DENSE_GRID] not in title:
            continue
        shown = Terminal(title=title, title_justify="left")
        for place, (heading, remark, _) in enumerate(table.columns):
            shown.add_column(f"{heading} {remark}".strip(), justify="right" if place else "left")
        for row in table.rows:
            cells = [f"[bold]{cell.text}[/bold]" if cell.best else cell.text for cell in row.cells]
            shown.add_row(row.heading, *cells)
        tables.append(shown)
    return tables
