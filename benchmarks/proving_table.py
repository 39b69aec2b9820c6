"""The tables and the picture of the proving ground, decided anew from what was collected of each case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_otsu

from _tools import markdown_table
from napari_depth_interp.methods.auto.blend import Evidence, Rows, Vector, fit, proven
from napari_depth_interp.methods.auto.decision import decide
from napari_depth_interp.methods.auto.trials import Answer, Known
from napari_depth_interp.methods.auto.uncertainty import ErrorModel, mixed, peaks_of
from napari_depth_interp.metrics.uncertainty import INTERVAL_90
from proving_cases import EVERY

NAMES = ("cubic", "flow", "section_sr")
CAUTION = 5.0
_EXACT = 1e-12
_NORMAL_90 = 1.645
_HELD = (0.85, 0.95)


@dataclass(frozen=True, eq=False)
class Case:
    """What is stored of a case: what is known of hidden sections (``true``), what `auto` was told, what it fitted."""

    name: str
    group: str
    every: int
    true: Evidence
    known: Known
    rows: Rows | None
    fitted: Vector
    hidden: Sequence[Answer]


def read_case(file: Path) -> Case:
    """Read a case that proving_ground.py has collected."""
    stored = dict(np.load(file))
    near, far = (_answers(stored, name, apart=True) for name in ("rows", "rows_doubled"))
    doubled, wider, here, hidden = (_answers(stored, name) for name in ("doubled", "wider", "here", "hidden"))
    known = Known(doubled, wider, (near, far) if near and far else None, here)
    rows = (Evidence.of(near, 1.0), Evidence.of(far, 1.0)) if near and far else None
    evidence = Evidence.of(doubled, 1.0)
    fitted = fit(evidence if rows is None else evidence.with_rows(rows[0]), proven(NAMES), CAUTION)
    true = Evidence(*(stored[f"sums_{name}"] for name in ("gram", "gain", "error")))
    return Case(file.stem, str(stored["group"]), int(stored["every"]), true, known, rows, fitted, hidden)


def judged(file: Path) -> dict[str, Any]:
    """Return gains of one case without and with the bound, what was expected, and what the intervals hold."""
    case = read_case(file)
    decided = decide(case.known, NAMES, CAUTION, 1.0, _EXACT)
    held, held_foreground = _held(case.hidden, decided.weights, decided.errors)
    return {
        "name": case.name,
        "group": case.group,
        "every": case.every,
        "unbounded": case.true.gain_db(case.fitted),
        "bounded": case.true.gain_db(decided.weights),
        "expected": decided.gain.gain_db,
        "std": decided.gain.std_db,
        "held": held,
        "held_foreground": held_foreground,
    }


def _answers(stored: dict[str, NDArray[Any]], name: str, *, apart: bool = False) -> list[Answer]:
    if f"{name}_share" not in stored:
        return []
    linear = stored[f"{name}_linear"]
    truth, change = (stored[f"{name}_{key}"].astype(np.float32) for key in ("truth", "change"))
    others = stored[f"{name}_others"].astype(np.float32) + linear[:, None]
    shares = stored[f"{name}_share"].tolist()
    parts = zip(linear + truth, linear, others, change, shares, strict=True)
    return [Answer(*each, apart) for each in parts]


def _held(hidden: Sequence[Answer], weights: Vector, errors: ErrorModel) -> tuple[float, float]:
    """Return which share of all voxels, and of those in the foreground, the 90 % interval holds."""
    level = threshold_otsu(np.stack([each.truth for each in hidden]))
    inside, bright = [], []
    for each in hidden:
        mixture, found = mixed(each.linear, each.others, each.change, each.share, weights)
        peaks = peaks_of(mixture, each.linear, each.change, each.share)
        inside.append(np.abs(each.truth - mixture) <= INTERVAL_90 * errors.expect(found, peaks))
        bright.append(each.truth > level)
    held, foreground = np.stack(inside), np.stack(bright)
    return float(held.mean()), float(held[foreground].mean())


def tables(rows: Sequence[dict[str, Any]]) -> str:
    """Return gains at each gap without and with the bound, how true expectations are, and what intervals hold."""
    gains, told = [], []
    for every in EVERY:
        some = [row for row in rows if row["every"] == every]
        for kind in ("unbounded", "bounded") if some else ():
            gains.append([f"every {every}, {kind} ({len(some)})", *_losses(_column(some, kind))])
        if some:
            told.append([f"every {every}", *_expected(some), *_coverage(some)])
    return "\n\n".join(
        (
            markdown_table(["case", "mean gain, dB", "worst", "below -0.02 dB, %", "below -0.1 dB, %"], gains),
            markdown_table(
                [
                    "case",
                    "expected off by",
                    "in its 90 % interval, %",
                    "voxels held: mean (range), %",
                    "cases at 85 to 95 %",
                    "in the foreground: mean (range), %",
                    "cases at 85 to 95 %",
                ],
                told,
            ),
        )
    )


def _column(rows: Sequence[dict[str, Any]], name: str) -> NDArray[np.float64]:
    return np.array([row[name] for row in rows])


def _losses(gains: NDArray[np.float64]) -> list[str]:
    shares = (100 * float(np.mean(gains < bound)) for bound in (-0.02, -0.1))
    return [f"{gains.mean():+.2f}", f"{gains.min():+.2f}", *(f"{share:.1f}" for share in shares)]


def _expected(rows: Sequence[dict[str, Any]]) -> list[str]:
    off = np.abs(_column(rows, "expected") - _column(rows, "bounded"))
    held = off <= _NORMAL_90 * _column(rows, "std")
    return [f"{off.mean():.2f} (median {np.median(off):.2f})", f"{100 * held.mean():.0f}"]


def _coverage(rows: Sequence[dict[str, Any]]) -> list[str]:
    cells = []
    for name in ("held", "held_foreground"):
        held = _column(rows, name)
        good = np.mean((held >= _HELD[0]) & (held <= _HELD[1]))
        cells += [
            f"{100 * held.mean():.0f} ({100 * held.min():.0f} to {100 * held.max():.0f})",
            f"{100 * good:.0f} %",
        ]
    return cells


def each(rows: Sequence[dict[str, Any]]) -> str:
    """Return a table with a row per case."""
    heads = ("case", "unbounded, dB", "bounded, dB", "expected, dB", "voxels held, %", "in the foreground, %")
    names = ("unbounded", "bounded", "expected")
    cells = [
        [row["name"], *(f"{row[name]:+.2f}" for name in names)]
        + [f"{100 * row[name]:.0f}" for name in ("held", "held_foreground")]
        for row in rows
    ]
    return markdown_table(heads, cells)


def plot(rows: Sequence[dict[str, Any]], file: Path) -> None:
    """Draw the expected gain and its interval beside the true one."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    for axes, every in zip(figure.subplots(1, len(EVERY)), EVERY, strict=True):
        some = [row for row in rows if row["every"] == every]
        true, told, std = (_column(some, name) for name in ("bounded", "expected", "std"))
        axes.errorbar(true, told, _NORMAL_90 * std, fmt="o", ms=3, lw=0.6)
        ends = [min(0.0, *true), max(1.0, *true)]
        axes.plot(ends, ends, color="black", lw=0.8)
        axes.set(title=f"every {every}", xlabel="gain (dB)", ylabel="expected, 90 % interval (dB)")
    figure.savefig(file)
