"""Scores as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..evaluation.evaluate import Scores
from ..metrics import VOLUME_METRICS, metric_of
from .numbers import number
from .ranking import best

if TYPE_CHECKING:
    from rich.table import Table

_COLUMNS = (
    ("volume", "psnr"), ("mean", "psnr"), ("mean", "psnr_fg"), ("mean", "ssim"), ("mean", "ssim_fg"), ("mean", "rmse"),
    ("mean", "dice"), ("volume", "gradient_z"), ("volume", "flicker"),
    ("volume", "inter_slice_noise"), ("mean", "lpips"),
)  # fmt: skip
"""Scores that fit into a terminal; the report, CSV and JSON have all."""


def score_table(scores: Scores) -> Table:
    """Return the mean scores of all methods as a terminal table; the best of each column is bold."""
    from rich.table import Table

    table = Table()
    table.add_column("method")
    columns = [(average, name) for average, name in _COLUMNS if name != "lpips" or scores.lpips is not None]
    for average, name in columns:
        table.add_column(_heading(name, pooled=average == "volume"), justify="right")
    for heading in ("time\n(s)", "memory\n(MB)"):
        table.add_column(heading, justify="right")
    values = [[getattr(each, average).get(name) for average, name in columns] for each in scores.methods]
    tops = [best(list(column), name) for column, (_, name) in zip(zip(*values, strict=True), columns, strict=True)]
    for each, row in zip(scores.methods, values, strict=True):
        table.add_row(each.method, *_cells(row, tops), f"{each.seconds:.2f}", f"{each.peak_memory_mb:.0f}")
    return table


def _heading(name: str, *, pooled: bool) -> str:
    metric = metric_of(name)
    unit = " (dB)" if metric.unit == "dB" else ""
    whole = "whole" if name in VOLUME_METRICS else "pooled"
    return f"{metric.heading}{unit}\n" + (whole if pooled else "fg" if name.endswith("_fg") else "mean")


def _cells(row: Sequence[float | None], tops: Sequence[float | None]) -> list[str]:
    return [
        "-" if value is None else f"[bold]{number(value)}[/bold]" if value == top else number(value)
        for value, top in zip(row, tops, strict=True)
    ]
