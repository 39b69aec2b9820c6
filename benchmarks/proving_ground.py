"""Whether `auto` is ever worse than linear: its bound and its expectation on hundreds of thinned stacks.

Each case (proving_cases.py) is a stack whose every 2nd, 4th or 8th section is kept. One line of JSON per case is
added to a file; cases that are there are not made again, so that it can be stopped at any time. `--table` only prints
what is there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from _tools import markdown_table
from napari_depth_interp.method import Method, Runtime, StretchesZ
from napari_depth_interp.methods import registry
from napari_depth_interp.methods.auto.blend import Evidence, bounded, fit, proven
from napari_depth_interp.methods.auto.expectation import expect
from napari_depth_interp.methods.auto.trials import Answer, Question, answers, hidden_rows, left_out
from napari_depth_interp.numerics.axial import FWHM, matching_blur
from napari_depth_interp.progress import silent
from napari_depth_interp.stack import Stack
from napari_depth_interp.stack.thinning import thinned
from proving_cases import EVERY, Case, all_cases, truth_of

NAMES = ("cubic", "flow", "section_sr")
CAUTION = 5.0
_NORMAL_90 = 1.645


def prepared(seen: Stack, steps: int) -> tuple[Method, dict[str, Method]]:
    """Return linear interpolation and the candidates, prepared on a stack."""
    made = {}
    for name in ("linear", *NAMES):
        spec = registry.get(name)
        own = {"training_steps": steps, "flips": False} if name == "section_sr" else {}
        made[name] = spec.create(spec.config.model_validate(own), Runtime())
        made[name].prepare(seen, report=silent)
    return made.pop("linear"), made


def collect(case: Case, folder: Path, steps: int) -> dict[str, Any]:
    """Return what one case would gain with and without the bound, and what was expected."""
    truth = truth_of(case, folder)
    made = thinned(truth, case.every)
    seen = made.seen
    linear, methods = prepared(seen, steps)
    in_plane = {name: m.in_plane() if isinstance(m, StretchesZ) else m for name, m in methods.items()}
    gap = float(np.median(np.diff(seen.depths))) / seen.pixel
    blur = matching_blur(seen.voxels, gap)

    def told(questions: Sequence[Question], asked: dict[str, Method]) -> Iterator[Answer]:
        for question in questions:
            yield from answers(question, linear, asked)

    def rows(factor: int) -> Evidence | None:
        wide = max(2 * factor, round(factor * gap))
        known = list(told(hidden_rows(seen, wide, seen.pixel, blur * gap / FWHM), in_plane))
        return Evidence.of(known, 1.0) if known else None

    hidden = Question(seen, truth.depths[made.hidden].tolist(), truth.voxels[made.hidden])
    found = Evidence.of(told([hidden], methods), 1.0), Evidence.of(told(left_out(seen), methods), 1.0)
    return {
        "name": case.name,
        "group": case.group,
        "every": case.every,
        "blur": blur,
        **judged(*found, rows(1), rows(2)),
    }


def judged(true: Evidence, known: Evidence, real: Evidence | None, double: Evidence | None) -> dict[str, Any]:
    """Return gains of the mixture without and with the bound, and the expected one."""
    weights = fit(known if real is None else known.with_rows(real), proven(NAMES), CAUTION)
    shorter = bounded(weights, known, real, 1e-12)
    told = expect(known, None if real is None or double is None else (real, double), shorter)
    total = float(weights.sum())
    return {
        "unbounded": true.gain_db(weights),
        "bounded": true.gain_db(shorter),
        "share": float(shorter.sum()) / total if total > 0 else 0.0,
        "expected": told.gain_db,
        "std": told.std_db,
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return mean, worst, shares of losses and coverage at each gap, without and with the bound."""
    lines = []
    for every in EVERY:
        some = [row for row in rows if row["every"] == every]
        for kind in ("unbounded", "bounded") if some else ():
            gains = np.array([row[kind] for row in some])
            lines.append(
                [
                    f"every {every}, {kind} ({len(some)})",
                    *_losses(gains),
                    *(_told(some) if kind == "bounded" else ("", "")),
                ]
            )
    header = [
        "case",
        "mean gain, dB",
        "worst",
        "below -0.02 dB, %",
        "below -0.1 dB, %",
        "expected off by",
        "in 90 % interval, %",
    ]
    return markdown_table(header, lines)


def _losses(gains: NDArray[np.float64]) -> list[str]:
    shares = (100 * float(np.mean(gains < bound)) for bound in (-0.02, -0.1))
    return [f"{gains.mean():+.2f}", f"{gains.min():+.2f}", *(f"{share:.1f}" for share in shares)]


def _told(rows: Sequence[dict[str, Any]]) -> tuple[str, str]:
    off = np.array([abs(row["expected"] - row["bounded"]) for row in rows])
    held = off <= _NORMAL_90 * np.array([row["std"] for row in rows])
    return f"{off.mean():.2f} (median {np.median(off):.2f})", f"{100 * held.mean():.0f}"


def plot(rows: Sequence[dict[str, Any]], file: Path) -> None:
    """Draw the expected gain and its interval beside the true one."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    for axes, every in zip(figure.subplots(1, len(EVERY)), EVERY, strict=True):
        some = [row for row in rows if row["every"] == every]
        true, told, std = (np.array([row[name] for row in some]) for name in ("bounded", "expected", "std"))
        axes.errorbar(true, told, _NORMAL_90 * std, fmt="o", ms=3, lw=0.6)
        ends = [min(0.0, *true), max(1.0, *true)]
        axes.plot(ends, ends, color="black", lw=0.8)
        axes.set(title=f"every {every}", xlabel="gain (dB)", ylabel="expected, 90 % interval (dB)")
    figure.savefig(file)


def main() -> None:
    """Collect all cases that are not there yet and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of TIFF and NIfTI volumes")
    parser.add_argument("into", type=Path, help="file of cases, JSON lines")
    parser.add_argument("--steps", type=int, default=90, help="training steps of section_sr")
    parser.add_argument("--most", type=int, default=1000, help="stop after so many cases")
    parser.add_argument("--table", action="store_true", help="only print the table")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw expected beside true gains")
    args = parser.parse_args()
    torch.set_num_threads(1)
    lines = args.into.read_text(encoding="utf-8").splitlines() if args.into.exists() else []
    rows = [json.loads(line) for line in lines]
    known = {row["name"] for row in rows}
    for case in [] if args.table else all_cases(args.data)[: args.most]:
        if case.name not in known:
            rows.append(collect(case, args.data, args.steps))
            with args.into.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            print(f"{case.name}: {rows[-1]['bounded']:+.2f} dB", file=sys.stderr, flush=True)
    print(table(rows))
    if args.plot is not None:
        plot(rows, args.plot)


if __name__ == "__main__":
    main()
