"""Whether the constants of the bound of `auto` hold for volumes and kinds that they were not chosen on.

Each volume (with all its crops, axes and scales) and each kind of simulated tissue is left out in turn; on the others
the most cautious constants are chosen of those that cost at most `--cost` dB on average at each gap. Works on the
folder that proving_ground.py has filled.
"""

from __future__ import annotations

import argparse
from collections import Counter
from itertools import product
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from _tools import markdown_table
from napari_depth_interp.methods.auto import blend
from napari_depth_interp.methods.auto.blend import Evidence, Vector
from proving_cases import EVERY
from proving_table import Case, read_case

GRID = {
    "_LITTLE": (0.2, 0.3, 0.4, 0.5),
    "_MOST": (0.6, 0.8, 0.9, 1.0, 1.2),
    "_LEAST": (0.1, 0.15),
    "_ADDED_LITTLE": (0.15, 0.25, 0.3),
    "_ADDED_MOST": (0.4, 0.5, 0.6),
}
"""Constants of napari_depth_interp.methods.auto.blend that are tried; those in use are among them."""


def outcomes(cases: list[Case], rules: list[dict[str, float]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the gains (R, N) with each rule on each case, and the share of the mixture that is added."""
    gains, shares = np.zeros((2, len(rules), len(cases)))
    told = [(case, *_told(case)) for case in cases]
    for number, rule in enumerate(rules):
        with patch.dict(vars(blend), rule):
            for place, (case, doubled, wider, fitted, added) in enumerate(told):
                weights = blend.bounded(fitted, doubled, case.rows, 1e-12, wider=wider, added=added)
                gains[number, place] = case.true.gain_db(weights)
                shares[number, place] = weights.sum() / max(fitted.sum(), 1e-9)
    return gains, shares


def _told(case: Case) -> tuple[Evidence, Evidence | None, Vector, float]:
    doubled = Evidence.of(case.known.doubled, 1.0)
    wider = Evidence.of(case.known.wider, 1.0) if case.known.wider else None
    added = blend.added_along_z(case.fitted, doubled, case.rows, Evidence.of(case.known.here, 1.0))
    return doubled, wider, case.fitted, added


def main() -> None:
    """Print gains without a bound and with one that was chosen on other volumes and kinds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of cases")
    parser.add_argument("--cost", type=float, default=0.02, help="dB that a rule may cost on average at each gap")
    args = parser.parse_args()
    cases = [read_case(file) for file in sorted(args.folder.glob("*.npz"))]
    every, groups = np.array([case.every for case in cases]), np.array([case.group for case in cases])
    rules = [dict(zip(GRID, values, strict=True)) for values in product(*GRID.values())]
    gains, shares = outcomes(cases, rules)
    without = np.array([case.true.gain_db(case.fitted) for case in cases])
    left_out, chosen = np.zeros(len(cases)), Counter[str]()
    for group in np.unique(groups):
        others = groups != group
        at = [others & (every == gap) for gap in EVERY]
        cheap = np.all([gains[:, some].mean(1) >= without[some].mean() - args.cost for some in at], axis=0)
        if not cheap.any():
            parser.error(f"without {group} no rule costs at most {args.cost} dB at each gap; give a higher --cost")
        best = np.flatnonzero(cheap)[shares[cheap][:, others].mean(1).argmin()]
        left_out[~others] = gains[best, ~others]
        chosen[str(rules[best])] += 1
    lines = []
    for gap in EVERY:
        for name, values in (("unbounded", without), ("bounded, chosen on others", left_out)):
            some = values[every == gap]
            losses = (f"{100 * float(np.mean(some < bound)):.1f}" for bound in (-0.02, -0.1))
            lines.append([f"every {gap}, {name} ({len(some)})", f"{some.mean():+.2f}", f"{some.min():+.2f}", *losses])
    print(markdown_table(["case", "mean gain, dB", "worst", "below -0.02 dB, %", "below -0.1 dB, %"], lines))
    for rule, times in chosen.most_common():
        print(f"chosen {times} times: {rule}")


if __name__ == "__main__":
    main()
