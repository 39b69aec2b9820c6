"""The columns of the table of scores: heading, what it tells, number, and which number is the best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...evaluation.evaluate import BASELINE, MethodScores
from ...methods import registry
from ...metrics import best_of, metric_of
from ...report.numbers import NOTHING, number, unit_of

_AVERAGES = {
    "pooled": "From the errors of all hidden sections together.",
    "mean": "Mean over the hidden sections.",
    "whole": "Of the whole stack.",
}
_NOTICED = 0.005
"""dB that two decimals show."""


@dataclass(frozen=True)
class Row:
    """A method's scores, and those of linear interpolation if they are known."""

    scores: MethodScores
    linear: MethodScores | None

    @property
    def gain(self) -> float | None:
        """PSNR above linear interpolation, all hidden sections together, in dB."""
        return None if self.linear is None else self.scores.gain_over(self.linear)

    @property
    def is_worse(self) -> bool:
        """Whether linear interpolation does better, also where it is exact."""
        gain = self.gain
        if gain is not None:
            return gain < -_NOTICED
        exact = self.linear is not None and self.linear.volume["psnr"] is None
        return exact and self.scores.volume["psnr"] is not None


@dataclass(frozen=True)
class Column:
    """One column: ``value`` sorts, ``text`` is shown; ``best`` chooses among the values of all rows."""

    heading: str
    tip: str
    value: Callable[[Row], float | str | None]
    text: Callable[[Row], str]
    best: Callable[[list[float]], float] | None = None


def columns_for(unit: str | None, *, lpips: bool) -> list[Column]:
    """Return the columns of a comparison on a stack with this unit of length."""
    scores = [
        _score("psnr", "pooled", "PSNR\n(dB)"),
        Column("Over linear\n(dB)", "PSNR above linear interpolation's, pooled.", lambda row: row.gain, _gain, max),
        _score("ssim", "mean", "SSIM"),
        _score("psnr_fg", "pooled", "PSNR fg\n(dB)"),
        _score("ms_ssim", "mean", "MS-SSIM"),
        _score("dice", "mean", "Dice"),
        _score("gradient_z", "whole", "Gradient\nalong z"),
        _score("flicker", "whole", "Flicker"),
        _score("frc_xz", "whole", f"FRC XZ\n({unit_of(unit) or 'voxels'})"),
        *([_score("lpips", "mean", "LPIPS")] if lpips else []),
    ]
    return [
        Column("Method", "The method's name on the command line.", _method, _method),
        Column("Preset", "Time against quality.", _preset, _preset),
        *scores,
        Column("Time\n(s)", "Computing time, without the scoring.", lambda row: row.scores.seconds, _seconds, min),
        Column(
            "Memory\n(MB)",
            "Largest memory of this program during the run.",
            lambda row: row.scores.peak_memory_mb,
            lambda row: f"{row.scores.peak_memory_mb:.0f}",
        ),
    ]


def best_in(column: Column, rows: Sequence[Row]) -> float | None:
    """Return the best number of a column; None where a number is missing or there is nothing to compare.

    A method without a PSNR may be exact: no other one is the best then.
    """
    values = [column.value(row) for row in rows]
    numbers = [value for value in values if isinstance(value, int | float)]
    if column.best is None or len(numbers) < max(2, len(values)):
        return None
    return column.best(numbers)


def _score(name: str, average: str, heading: str) -> Column:
    metric = metric_of(name)
    where = " On the foreground, where the truth exceeds its Otsu threshold." if name.endswith("_fg") else ""
    best = {"higher": "Higher is better.", "lower": "Lower is better.", "one": "1 is best.", "zero": "0 is best."}
    tip = f"{metric.help}{where} {_AVERAGES[average]} {best[metric.better]}"

    def value(row: Row) -> float | None:
        return (row.scores.mean if average == "mean" else row.scores.volume).get(name)

    return Column(heading, tip, value, lambda row: _shown(value(row), metric.unit), lambda found: best_of(found, name))


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return NOTHING
    return f"{value:.2f}" if unit == "dB" else f"{value:.3f}" if abs(value) < 10 else number(value)


def _method(row: Row) -> str:
    return registry.method_and_preset(row.scores.method)[0]


def _preset(row: Row) -> str:
    return registry.method_and_preset(row.scores.method)[1]


def _gain(row: Row) -> str:
    if row.scores.method == BASELINE:
        return "baseline"
    gain = row.gain
    if gain is None:
        return "worse" if row.is_worse else NOTHING
    return f"{gain:+.2f}" + (" worse" if row.is_worse else "")


def _seconds(row: Row) -> str:
    seconds = row.scores.seconds
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.2f}"


def title_of(name: str) -> str:
    """Return what a contender is called in lists of methods."""
    method, preset = registry.method_and_preset(name)
    return registry.get(method).title + (f", preset {preset}" if preset else "")


def label(name: str) -> str:
    """Return a contender's name for people: ``auto (fast)`` for ``auto:fast``."""
    method, preset = registry.method_and_preset(name)
    return f"{method} ({preset})" if preset else method
