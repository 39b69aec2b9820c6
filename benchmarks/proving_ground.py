"""Whether `auto` is ever worse than linear: its bound, expectation and uncertainty on hundreds of thinned stacks.

Each case (proving_cases.py) is a stack whose every 2nd, 4th or 8th section is kept. What `auto` was told by known
sections goes into a file per case in a folder, beside the hidden sections; cases that are there are not made again, so
that it can be stopped at any time. The tables (proving_table.py) decide anew from these files, as the program does
today: after a change of the rule, `--table` is enough.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_depth_interp.method import Runtime
from napari_depth_interp.methods.auto import AutoConfig
from napari_depth_interp.methods.auto.blend import Evidence
from napari_depth_interp.methods.auto.method import Auto
from napari_depth_interp.methods.auto.trials import Answer, Known, Question, answers
from napari_depth_interp.progress import Report, silent
from napari_depth_interp.stack import Stack
from napari_depth_interp.stack.thinning import spread_over, thinned
from proving_cases import WHOLE, Case, all_cases, truth_of, whole_cases
from proving_table import each, judged, plot, tables

_IMAGES = 24
"""Hidden sections of a case that are kept as images; of all, the sums that their errors need."""


class Watched(Auto):
    """`auto` that keeps what it was told, and tells the same of sections that are hidden from it."""

    def __init__(self, config: AutoConfig) -> None:
        super().__init__(config, Runtime())
        self.known: Known | None = None

    def ask(self, blocks: Sequence[Stack], report: Report = silent) -> Known:
        self.known = super().ask(blocks, report)
        return self.known

    def told(self, question: Question) -> list[Answer]:
        """Return what linear interpolation and the candidates make of a question."""
        return list(answers(question, self._linear, self._candidates))


def collect(case: Case, folder: Path, steps: int) -> dict[str, NDArray[Any]]:
    """Return what known sections of one case tell, and the hidden ones, as images; values are 0 to about 1."""
    truth = truth_of(case, folder)
    made = thinned(truth, case.every)
    auto = Watched(AutoConfig() if case.variant == WHOLE else AutoConfig(effort="fast", training_steps=steps))
    auto.prepare(made.seen)
    known = auto.known
    assert known is not None
    hidden = auto.told(Question(made.seen, truth.depths[made.hidden].tolist(), truth.voxels[made.hidden]))
    few = [hidden[number] for number in spread_over(np.arange(len(hidden)), _IMAGES)]
    arrays = {"every": np.array(case.every), "group": np.array(case.group), "seen": made.seen.voxels.astype(np.float16)}
    sums = Evidence.of(hidden, 1.0)
    arrays |= {f"sums_{name}": getattr(sums, name) for name in ("gram", "gain", "error")}
    rows, rows_doubled = known.rows or ((), ())
    sets = {"hidden": few, "doubled": known.doubled, "wider": known.wider, "here": known.here}
    for name, some in (sets | {"rows": rows, "rows_doubled": rows_doubled}).items():
        arrays |= {f"{name}_{key}": value for key, value in _images(some).items()} if some else {}
    return arrays


def _images(known: Sequence[Answer]) -> dict[str, NDArray[Any]]:
    """Return linear interpolation, and what the candidates and the truth are beyond it, in little room."""
    width = min(each.truth.shape[1] for each in known)  # rows and columns of an image may differ in length
    linear = np.stack([each.linear[:, :width] for each in known]).astype(np.float32)
    return {
        "linear": linear,
        "truth": (np.stack([each.truth[:, :width] for each in known]) - linear).astype(np.float16),
        "others": np.stack([(each.others - each.linear)[..., :width] for each in known]).astype(np.float16),
        "change": np.stack([each.change[:, :width] for each in known]).astype(np.float16),
        "share": np.array([each.share for each in known]),
    }


def main() -> None:
    """Collect all cases that are not there yet and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of TIFF and NIfTI volumes")
    parser.add_argument("into", type=Path, help="folder of cases, about 5 MB each")
    parser.add_argument("--steps", type=int, default=90, help="training steps of section_sr")
    parser.add_argument("--most", type=int, default=1000, help="stop after so many cases")
    parser.add_argument("--whole", action="store_true", help="crops of 97 x 160 x 160 as they are, preset balanced")
    parser.add_argument("--table", action="store_true", help="only print the tables")
    parser.add_argument("--each", action="store_true", help="also print a row per case")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw expected beside true gains")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.into.mkdir(parents=True, exist_ok=True)
    cases = whole_cases(args.data) if args.whole else all_cases(args.data)
    for case in [] if args.table else cases[: args.most]:
        file = args.into / f"{case.name}.npz"
        if not file.exists():
            unfinished = file.with_suffix(".part")
            with unfinished.open("wb") as stream:
                np.savez(stream, **collect(case, args.data, args.steps))  # type: ignore[arg-type]
            unfinished.rename(file)
            print(case.name, file=sys.stderr, flush=True)
    rows = [judged(file) for file in sorted(args.into.glob("*.npz"))]
    print(tables(rows))
    if args.each:
        print(each(rows))
    if args.plot is not None:
        plot(rows, args.plot)


if __name__ == "__main__":
    main()
