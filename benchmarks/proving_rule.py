"""Whether the constants of the bound of `auto` hold for volumes and kinds that they were not chosen on.

Each volume (with all its crops, axes and scales) and each kind of simulated tissue is left out in turn; on the others
those constants are chosen under which the fewest lose, and of these the ones that gain most; of nearly equal ones the
most cautious. Works on the folders that proving_ground.py has filled.
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
    "_LITTLE": (0.2, 0.25, 0.3, 0.4, 0.5),
    "_MOST": (0.6, 0.8, 0.9, 0.95, 1.0, 1.2),
    "_ADDED_LITTLE": (0.1, 0.15, 0.2, 0.25, 0.3),
    "_ADDED_MOST": (0.25, 0.3, 0.4, 0.5),
}
"""Constants of napari_depth_interp.methods.auto.blend that are tried; those in use are among them."""
_LOSS, _NEARLY = -0.02, 0.001
"""dB under linear that count as a loss; difference of mean gains that counts as none."""


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
    parser.add_argument("folders", type=Path, nargs="+", help="folders of cases")
    args = parser.parse_args()
    cases = [read_case(file) for folder in args.folders for file in sorted(folder.glob("*.npz"))]
    every, groups = np.array([case.every for case in cases]), np.array([case.group for case in cases])
    rules = [dict(zip(GRID, values, strict=True)) for values in product(*GRID.values())]
    rules = [rule for rule in rules if rule["_ADDED_LITTLE"] < rule["_ADDED_MOST"]]
    gains, shares = outcomes(cases, rules)
    without = np.array([case.true.gain_db(case.fitted) for case in cases])
    left_out, chosen = np.zeros(len(cases)), Counter[str]()
    for group in np.unique(groups):
        others = groups != group
        losses, mean = (gains[:, others] < _LOSS).sum(1), gains[:, others].mean(1)
        good = losses == losses.min()
        equal = np.flatnonzero(good & (mean >= mean[good].max() - _NEARLY))
        best = equal[shares[equal][:, others].mean(1).argmin()]
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
