"""Scores as a table for the terminal, a CSV file and a figure."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .evaluate import Scores
from .io.files import replacing
from .metrics import METRICS

if TYPE_CHECKING:
    from rich.table import Table

BASELINE = "linear"


def describe_range(scores: Scores) -> str:
    """Return the data range in words, one per channel."""
    return ", ".join(f"{low:g} to {high:g}" for low, high in scores.data_range)


def score_table(scores: Scores) -> Table:
    """Return the mean scores of all methods as a terminal table; the best of each column is bold."""
    from rich.table import Table

    table = Table()
    table.add_column("method")
    columns = [("volume", "psnr")]
    columns += [("mean", name) for metric in METRICS for name in (metric, f"{metric}_fg")]
    for average, name in columns:
        table.add_column(_heading(name, pooled=average == "volume"), justify="right")
    for heading in ("time\n(s)", "memory\n(MB)"):
        table.add_column(heading, justify="right")
    values = [[getattr(each, average)[name] for average, name in columns] for each in scores.methods]
    best = [_best(list(column), name) for column, (_, name) in zip(zip(*values, strict=True), columns, strict=True)]
    for each, row in zip(scores.methods, values, strict=True):
        cells = [_cell(value, bold=value == top) for value, top in zip(row, best, strict=True)]
        table.add_row(each.method, *cells, f"{each.seconds:.2f}", f"{each.peak_memory_mb:.0f}")
    return table


def verdicts(scores: Scores) -> list[str]:
    """Say in plain words which methods are worse than linear interpolation on this stack."""
    linear = next((each for each in scores.methods if each.method == BASELINE), None)
    if linear is None:
        return []
    lines = []
    for each in scores.methods:
        gain = each.gain_over(linear)
        if gain is None and linear.volume["psnr"] is None and each.volume["psnr"] is not None:
            lines.append(f"{each.method} is worse than linear interpolation, which is exact on this stack")
        elif gain is not None and gain < -0.005:
            lines.append(f"{each.method} is worse than linear interpolation on this stack, by {-gain:.2f} dB")
    return lines


def describe_uncertainty(scores: Scores) -> list[str]:
    """Say how well each method foretold its own errors and its own gain."""
    lines = []
    for each in scores.methods:
        if each.uncertainty is not None and each.uncertainty["coverage_90"] is not None:
            rank = each.uncertainty["spearman"]
            words = "no correlation" if rank is None else f"rank correlation {rank:.2f}"
            lines.append(
                f"{each.method}: uncertainty against true error: {words}; "
                f"the 90 % interval holds {100 * each.uncertainty['coverage_90']:.0f} % of the voxels"
            )
        if each.expected_gain_db is not None:
            lines.append(f"{each.method} had expected {each.expected_gain_db:+.2f} dB over linear")
    return lines


def describe_finding(finding: Mapping[str, Any]) -> str:
    """Return in words what a method found out about one channel and time point of a stack."""
    parts = []
    if finding["expected_gain_db"] is not None:
        spread = finding["gain_spread_db"]
        give_or_take = "" if spread is None else f" (give or take {spread:.1f})"
        parts.append(f"expected gain over linear {finding['expected_gain_db']:+.1f} dB{give_or_take}")
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in finding["shares"].items() if share > 0.005)
    return "; ".join([*parts, *([f"mixed from {shares}"] if shares else [])])


def write_csv(path: Path, scores: Sequence[tuple[str, Scores]], *, overwrite: bool = False) -> None:
    """Write one row per stack, method and hidden section."""
    rows = [
        {"stack": name, "method": each.method, **row}
        for name, group in scores
        for each in group.methods
        for row in each.sections
    ]
    fields = list(dict.fromkeys(field for row in rows for field in row))
    with replacing(path, overwrite=overwrite) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fields)
        writer.writeheader()
        writer.writerows(rows)


@dataclass(frozen=True, eq=False)
class Montage:
    """One hidden section, its observed neighbours, its truth and what each method made of it.

    Attributes
    ----------
    below, truth, above : (label, (Y, X) array)
    methods : mapping of label -> (Y, X) array
    data_range : (low, high)
    pixel_aspect : float
        Height over width of a pixel.
    """

    title: str
    below: tuple[str, NDArray[Any]]
    truth: tuple[str, NDArray[Any]]
    above: tuple[str, NDArray[Any]]
    methods: dict[str, NDArray[Any]]
    data_range: tuple[float, float]
    pixel_aspect: float = 1.0


def save_montages(path: Path, montages: Sequence[Montage], *, overwrite: bool = False) -> None:
    """Draw each montage as two rows: neighbours, truth and methods; below each method its absolute error."""
    from matplotlib.figure import Figure

    columns = 2 + max(len(montage.methods) for montage in montages)
    figure = Figure(figsize=(2.4 * columns + 0.8, 5.2 * len(montages)), layout="constrained")
    for part, montage in zip(figure.subfigures(len(montages), 1, squeeze=False)[:, 0], montages, strict=True):
        _draw(part, montage, columns)
    with replacing(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=110, format=path.suffix[1:].lower() or "png")


def _draw(figure: Any, montage: Montage, columns: int) -> None:
    figure.suptitle(montage.title, fontsize=11, x=0.01, ha="left")
    axes = figure.subplots(2, columns)
    for axis in axes.flat:
        axis.set_axis_off()
    low, high = montage.data_range
    below, truth, above = montage.below[1].astype(float), montage.truth[1].astype(float), montage.above[1].astype(float)
    images = [(axes[0, 0], *montage.below), (axes[1, 0], *montage.above), (axes[0, 1], *montage.truth)]
    images += [(axis, *item) for axis, item in zip(axes[0, 2:], montage.methods.items(), strict=False)]
    for axis, label, image in images:
        axis.imshow(image, cmap="gray", vmin=low, vmax=high, aspect=montage.pixel_aspect)
        axis.set_title(label, fontsize=9)
    errors = {"change between the neighbours": np.abs(above - below)}
    errors |= {f"{name}: absolute error": np.abs(image - truth) for name, image in montage.methods.items()}
    limit = max(float(np.percentile(error, 99.5)) for error in errors.values()) or 1.0
    for axis, (label, error) in zip(axes[1, 1:], errors.items(), strict=False):
        drawn = axis.imshow(error, cmap="inferno", vmin=0, vmax=limit, aspect=montage.pixel_aspect)
        axis.set_title(label, fontsize=9)
    figure.colorbar(drawn, ax=axes[1, :].tolist(), fraction=0.02, pad=0.01, label="input units")


def _heading(name: str, *, pooled: bool) -> str:
    metric = METRICS[name.removesuffix("_fg")]
    unit = " (dB)" if metric.unit == "dB" else ""
    return f"{metric.heading}{unit}\n" + ("pooled" if pooled else "fg" if name.endswith("_fg") else "mean")


def _best(values: Sequence[float | None], name: str) -> float | None:
    known = [value for value in values if value is not None]
    if len(known) < max(2, len(values)):  # without a PSNR stands also what is exact: no best then
        return None
    return max(known) if METRICS[name.removesuffix("_fg")].higher_is_better else min(known)


def _cell(value: float | None, *, bold: bool) -> str:
    if value is None:
        return "-"
    text = f"{value:.4g}" if abs(value) >= 1000 else f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"
    return f"[bold]{text}[/bold]" if bold else text
