"""The tables of a report: cells with what is shown and, to the last digit, what it stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..evaluation.evaluate import BASELINE, MethodScores, Scores
from ..metrics import CATALOGUE, VOLUME_METRICS, metric_of
from .conclusions import chance
from .numbers import difference, exact, number, p_value, seconds_in_digits, signed, unit_of
from .ranking import best, is_worse
from .sheets import flat

HEADLINE = (
    "volume.psnr", "gain_over_linear_db", "mean.ssim", "volume.psnr_fg", "mean.ssim_fg", "mean.ms_ssim",
    "volume.ssim_3d", "volume.dice", "volume.volume_bias", "volume.gradient_z", "volume.flicker",
    "volume.inter_slice_noise", "volume.frc_xy", "volume.frc_xz", "volume.frc_yz", "mean.lpips", "seconds",
    "peak_memory_mb",
)  # fmt: skip
"""Scores of the first table, by their path in the JSON."""
_OWN_HEADINGS = {
    "gain_over_linear_db": "Gain over linear (dB) ↑",
    "seconds": "Time (s) ↓",
    "peak_memory_mb": "Memory (MB) ↓",
}
_BETTER = {"higher": "higher is better", "lower": "lower is better", "one": "1 is best", "zero": "0 is best"}
_ARROWS = {"higher": "↑", "lower": "↓", "one": "→1", "zero": "→0"}


@dataclass(frozen=True)
class Cell:
    """What is shown, the full value, and where it stands in the JSON; ``std`` is shown behind a ±."""

    text: str
    value: str = ""
    score: str = ""
    best: bool = False
    worse: bool = False
    std: Cell | None = None


@dataclass(frozen=True)
class Row:
    """A heading with a remark under it, and cells.

    ``key`` is the method, metric or stack that the row is about; ``span`` says how many rows the heading stands for (0:
    the heading of a row above).
    """

    heading: str
    cells: Sequence[Cell]
    key: str
    note: str = ""
    worse: bool = False
    span: int = 1


@dataclass(frozen=True)
class Table:
    """Columns are (heading, remark under it, method that it is about or nothing)."""

    columns: Sequence[tuple[str, str, str]]
    rows: Sequence[Row]


def headline(scores: Scores) -> Table:
    """Return the scores that matter most, a row per method."""
    paths = [path for path in HEADLINE if path != "mean.lpips" or scores.lpips is not None]
    values = [flat(each, scores) for each in scores.methods]
    columns = [("Method", "", ""), *((*_heading(path, scores), "") for path in paths)]
    cells = [_cells(path, values, std=path == "mean.ssim") for path in paths]
    rows = []
    for i, each in enumerate(scores.methods):
        worse = _is_worse_than_linear(each, scores)
        note = "worse than linear" if worse else "the baseline" if each.method == BASELINE else ""
        rows.append(Row(each.method, [column[i] for column in cells], each.method, note, worse))
    return Table(columns, rows)


def everything(scores: Scores) -> Table:
    """Return every metric, on all voxels and on the foreground; a column per method."""
    values = [flat(each, scores) for each in scores.methods]
    rows: list[Row] = []
    for name, metric in CATALOGUE.items():
        paths = _paths(name, scores)
        for path in paths:
            where = "foreground" if path.endswith("_fg") else "all voxels"
            average = "mean ± std" if path.startswith("mean") else "stack" if name in _WHOLE else "pooled"
            heading = f"{metric.heading}{_unit(name, scores)}"
            note = f"{metric.help} {_BETTER[metric.better].capitalize()}."
            cells = [Cell(f"{where}, {average}"), *_cells(path, values)]
            rows.append(Row(heading, cells, name, note, span=len(paths) if path is paths[0] else 0))
    methods = [(each.method, "", each.method) for each in scores.methods]
    return Table([("Score", "", ""), ("Of", "", ""), *methods], rows)


_WHOLE = {*VOLUME_METRICS, "lpips_planes"}
"""Scores that only a whole stack has."""


def _paths(name: str, scores: Scores) -> list[str]:
    """Return where the values of a metric stand, if any method has one."""
    candidates = [f"{average}.{name}{where}" for where in ("", "_fg") for average in ("volume", "mean")]
    keys = {key for each in scores.methods for key in flat(each, scores)}
    return [path for path in candidates if path in keys]


def _heading(path: str, scores: Scores) -> tuple[str, str]:
    if path in _OWN_HEADINGS:
        return _OWN_HEADINGS[path], ""
    average, name = path.split(".")
    metric = metric_of(name)
    where = "foreground, " if name.endswith("_fg") else ""
    kind = "mean" if average == "mean" else "stack" if name in VOLUME_METRICS else "pooled"
    kind += " ± std" if path == "mean.ssim" else ""
    return f"{metric.heading}{_unit(name, scores)} {_ARROWS[metric.better]}", f"{where}{kind}"


def _unit(name: str, scores: Scores) -> str:
    unit = metric_of(name).unit
    unit = unit_of(scores.stack.get("unit")) if unit == "length" else unit
    return f" ({unit})" if unit else ""


def _cells(path: str, values: Sequence[Mapping[str, Any]], *, std: bool = True) -> list[Cell]:
    """Return the cells of one score, a cell per method; with its std over sections if it has one."""
    name = "psnr" if path == "gain_over_linear_db" else path.split(".")[-1]
    known = [each.get(path) for each in values]
    if path in ("seconds", "peak_memory_mb"):
        return [Cell(seconds_in_digits(v) if path == "seconds" else f"{v:.0f}", exact(v), path) for v in known]
    top = best(known, name) if len({number(value) for value in known}) > 1 else None
    linear = next((each.get(path) for each in values if each["method"] == BASELINE), None)
    write = signed if path == "gain_over_linear_db" else number
    return [
        Cell(
            write(value),
            exact(value),
            path,
            best=top is not None and number(value) == number(top),
            worse=is_worse(value, linear, name),
            std=_std(path, each) if std else None,
        )
        for value, each in zip(known, values, strict=True)
    ]


def _std(path: str, values: Mapping[str, Any]) -> Cell | None:
    key = path.replace("mean.", "std.")
    value = values.get(key) if key != path else None
    return None if value is None else Cell(number(value), exact(value), key)


def _is_worse_than_linear(each: MethodScores, scores: Scores) -> bool:
    linear = scores.of(BASELINE)
    return linear is not None and is_worse(each.volume["psnr"], linear.volume["psnr"], "psnr")


def tests(scores: Scores) -> Table:
    """Return the paired tests against linear interpolation, a row per method and score."""
    rows = []
    for each in scores.methods:
        for name, test in each.against_linear.items():
            if not test["n"]:  # LPIPS without its network
                continue
            rows.append(Row(each.method, [Cell(_metric_title(name)), *_test_cells(name, test)], each.method))
    return Table([(each, "", "") for each in ("Method", "Score", "Mean difference", "n", "p", "In words")], rows)


def _test_cells(
    name: str, test: Mapping[str, Any], prefix: str = "against_linear", things: str = "sections"
) -> list[Cell]:
    path = f"{prefix}.{name}"
    change, p = test["difference"], test["p_value"]
    worse = is_worse(change, 0.0, name)
    direction = "worse, " if worse else "better, " if is_worse(0.0, change, name) else ""
    return [
        Cell(difference(change), exact(change), f"{path}.difference", worse=worse),
        Cell(str(test["n"]), exact(test["n"]), f"{path}.n"),
        Cell(p_value(p), exact(p), f"{path}.p_value"),
        Cell(direction + chance(p, test["n"], things)),
    ]


def _metric_title(name: str) -> str:
    metric = metric_of(name)
    return f"{metric.heading} ({metric.unit})" if metric.unit else metric.heading


def predicted(scores: Scores) -> Table | None:
    """Return how well methods predicted their errors and their gain; None if none tried."""
    paths = {
        "uncertainty.spearman": "Rank correlation with the true error",
        "uncertainty.coverage_90": "Share of voxels in the 90 % interval",
        "expected_gain_db": "Expected gain over linear (dB)",
        "gain_over_linear_db": "True gain (dB)",
    }
    rows = []
    for each in scores.methods:
        values = flat(each, scores)
        if each.uncertainty is not None or each.expected_gain_db is not None:
            rows.append(
                Row(each.method, [Cell(number(values.get(p)), exact(values.get(p)), p) for p in paths], each.method)
            )
    return Table([("Method", "", ""), *((title, "", "") for title in paths.values())], rows) if rows else None


def over_stacks(summary: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Table:
    """Return what all stacks say together, from :func:`napari_depth_interp.evaluation.summary.across`."""
    rows = []
    for method, found in summary.items():
        for name, entry in found.items():
            title = "MAE (share of the data range)" if name == "mae" else _metric_title(name)
            path = f"summary.{name}"
            mean = Cell(number(entry["mean"]), exact(entry["mean"]), f"{path}.mean")
            std = Cell(number(entry["std"]), exact(entry["std"]), f"{path}.std")
            count = Cell(str(entry["stacks"]), exact(entry["stacks"]), f"{path}.stacks")
            test = _test_cells(name, entry, "summary", "stacks") if "difference" in entry else [Cell("")] * 4
            rows.append(Row(method, [Cell(title), mean, std, count, *test], method))
    headings = ("Method", "Score", "Mean", "Spread", "Stacks", "Mean difference to linear", "n", "p", "In words")
    return Table([(each, "", "") for each in headings], rows)


def gains(stacks: Sequence[tuple[str, Scores]]) -> Table:
    """Return the gain of every method over linear interpolation on every stack, in dB of pooled PSNR."""
    named = dict.fromkeys(each.method for _, scores in stacks for each in scores.methods)
    methods = [method for method in named if method != BASELINE]
    rows = []
    for title, scores in stacks:
        found = [scores.of(method) for method in methods]
        values = [None if each is None else flat(each, scores)["gain_over_linear_db"] for each in found]
        cells = [Cell(signed(v), exact(v), "gain_over_linear_db", worse=is_worse(v, 0.0, "psnr")) for v in values]
        rows.append(Row(title, cells, title))
    return Table([("Stack", "", ""), *((method, "", method) for method in methods)], rows)
