"""The tables of the benchmark of fusing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from _tools import markdown_table, verdict

CHOSEN_ON = ("mri_t1_studyforrest", "em_fibsem_fib25_train1", "lsfm_mesospim_cortex", "ct_abdomen_totalseg")
"""Volumes that constants were chosen on: of the solver on the first three, of the registration on all."""
_VOXELS, _DEGREES = 0.3, 0.3


class Row(NamedTuple):
    """One case: the volume, how its stacks were made and told of, and what was found."""

    volume: str
    setup: Any
    found: dict[str, Any]

    @property
    def worst(self) -> tuple[float, float]:
        """Voxels and degrees by which the worst of the stacks is off."""
        voxels, degrees = zip(*self.found["registration"], strict=True)
        return max(voxels), max(degrees)

    @property
    def singles(self) -> list[str]:
        """What was made of one stack alone."""
        return [name for name in self.found["scores"] if name.endswith("stack")]

    def over(self, method: str, others: Sequence[str]) -> float:
        """Return by how many dB a method is better than the best of others."""
        scores = self.found["scores"]
        return float(scores[method][0] - max(scores[other][0] for other in others))


def report(rows: Sequence[Row], methods: Sequence[str]) -> str:
    """Return the tables of fused volumes."""
    fused = [row for row in rows if "refused" not in row.found]
    refused = [f"- {row.volume}, {row.setup.words}: {row.found['refused']}" for row in rows if "refused" in row.found]
    return "\n\n".join(
        [
            _scores(rows),
            *(["Refused:\n\n" + "\n".join(refused)] if refused else []),
            _gains(fused, methods),
            *_registration(fused),
            *_fit(fused, methods[0]),
            _verdicts(fused, methods[0]),
        ]
    )


def report_places(rows: Sequence[Row]) -> str:
    """Return the tables of stacks that were only registered."""
    names = dict.fromkeys(row.volume for row in rows)
    body = []
    for name in names:
        some = [row for row in rows if row.volume == name]
        voxels, degrees = ([each[k] for row in some for each in row.found["registration"]] for k in (0, 1))
        off, told = ([each for row in some for each in row.found[key]] for key in ("distances", "told"))
        within = sum(v <= _VOXELS and d <= _DEGREES for v, d in zip(voxels, degrees, strict=True))
        notes = sum(len(row.found["notes"]) for row in rows if row.volume == name)
        figures = [f"{f(each):.2f}" for each in (voxels, degrees) for f in (np.mean, max)]
        known = f"{np.sqrt(np.mean(np.square(off))):.2f} / {np.sqrt(np.nanmean(np.square(told))):.2f}"
        body.append([_marked(name), len(voxels), *figures, f"{within} of {len(voxels)}", known, notes])
    head = [
        "volume", "moved stacks", "voxels, mean", "worst", "degrees, mean", "worst", "within 0.3 and 0.3",
        "distance, true / told", "doubted",
    ]  # fmt: skip
    return "\n\n".join([markdown_table(head, body), *_registration(rows)])


def _marked(name: str) -> str:
    return name + (" *" if name in CHOSEN_ON else "")


def _scores(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row.found["scores"]))
    wrong = any(row.setup.words for row in rows)
    head = ["volume", "stacks", "profile", *(["told"] if wrong else []), *names, "voxels", "degrees"]
    body = []
    for row in rows:
        scores = row.found["scores"]
        cells = ["{:.2f} / {:.3f}".format(*scores[each]) if each in scores else "" for each in names]
        words = [row.setup.words] if wrong else []
        errors = [f"{each:.2f}" for each in row.worst] if "registration" in row.found else ["refused", ""]
        body.append([_marked(row.volume), row.setup.count, row.setup.kind, *words, *cells, *errors])
    return markdown_table(head, body)


def _gains(rows: Sequence[Row], methods: Sequence[str]) -> str:
    groups = {
        "all": rows,
        "volumes that constants were chosen on (*)": [row for row in rows if row.volume in CHOSEN_ON],
        "other volumes": [row for row in rows if row.volume not in CHOSEN_ON],
    }
    body = []
    for method in methods:
        for title, some in groups.items():
            if some:
                over = [row.over(method, ["average"]) for row in some]
                beyond = [row.over(method, row.singles) for row in some]
                cells = [f"{f(each):+.2f}" for each in (over, beyond) for f in (np.mean, min)]
                body.append([method, title, len(some), *cells])
    head = ["method", "cases", "number", "over average, mean dB", "worst", "over best single, mean dB", "worst"]
    return markdown_table(head, body)


def _registration(rows: Sequence[Row]) -> list[str]:
    tried = [row for row in rows if row.setup.registration != "none"]
    if not tried:
        return []
    voxels, degrees = zip(*(row.worst for row in tried), strict=True)
    notes = [f"- {row.volume}: {note}" for row in tried for note in row.found["notes"]]
    return [
        f"Registration: worst {max(voxels):.2f} voxel, {max(degrees):.2f} degrees; mean of the worst stack of each "
        f"case {np.mean(voxels):.2f} voxel, {np.mean(degrees):.2f} degrees.",
        *(["\n".join(notes)] if notes else []),
    ]


def _fit(rows: Sequence[Row], method: str) -> list[str]:
    ratios = [ratio for row in rows for ratio in row.found.get("consistency", [])]
    right = [row.found["calibration"] for row in rows if "calibration" in row.found]
    if not ratios:
        return []
    averaged, alone = (sum(row.found[key][method] for row in rows) for key in ("averaged", "alone"))
    seconds = [sum(row.found["seconds"][key] for key in ("registration", method)) for row in rows]
    return [
        f"Difference between the stacks and what is seen of the result over the noise: mean {np.mean(ratios):.2f}, "
        f"largest {max(ratios):.2f}. Mean error over mean expected error: {min(right):.2f} to {max(right):.2f}. "
        f"The average was taken instead in {averaged} of {len(rows)}, the first stack in {alone}. Registering and "
        f"solving took {np.mean(seconds):.0f} s in the mean, {max(seconds):.0f} s at most; memory of the process up to "
        f"{max(row.found['peak_mb'] for row in rows):.0f} MB."
    ]


def _verdicts(rows: Sequence[Row], method: str) -> str:
    over = [row.over(method, ["average"]) for row in rows]
    beyond = [row.over(method, row.singles) for row in rows]
    lines = [
        verdict(float(np.mean(over)) >= 1.5, "1.5 dB above the average, in the mean"),
        verdict(float(np.mean(beyond)) >= 2, "2 dB above the best single stack, in the mean"),
        verdict(min(over) >= 0, "never worse than the average"),
    ]
    tried = [row.worst for row in rows if row.setup.registration != "none"]
    if tried:
        within = all(voxels <= _VOXELS and degrees <= _DEGREES for voxels, degrees in tried)
        lines.append(verdict(within, "registered within 0.3 voxel and 0.3 degree in each case"))
    return "\n".join(lines)
