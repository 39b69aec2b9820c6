"""The tables of the page "What it is worth", of the summaries that the benchmarks write."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from _downstream_tables import LEAST, QUESTIONS, RECORDED, SPARSE, TOGETHER
from _recipe_tables import table as recipe_table
from peers import NAMES, adapter

__all__ = [
    "CLEAR",
    "ENOUGH",
    "LEAST",
    "OURS",
    "SPARSE",
    "able_table",
    "counted",
    "default_times",
    "f1_table",
    "hurts",
    "images",
    "images_in_short",
    "in_short",
    "peer_table",
    "questions_table",
    "recipe_table",
    "verdict",
    "verdicts",
]  # fmt: skip

Rows = Sequence[Mapping[str, Any]]

OURS, BASELINE = "auto:fast", "linear"
CLEAR = 0.02
"""F1, or share of a count or volume, by which two contenders differ at least to be told apart."""
ENOUGH = 6
"""Places under which no signed-rank test can reach p < 0.05, however they differ."""
_QUESTIONS = {"f1": "find objects", "count_error": "count", "volume_bias": "measure volumes", "surface": "outline"}
_ASKED_FOR = {
    OURS: "`auto`", "flow": "`flow`", "demons": "demons", "rife": "RIFE", "cubic": "`cubic`", "care": "CARE",
    "eclare": "ECLARE",
}  # fmt: skip
_SHOWN = (
    SPARSE,
    "sparse, nearest",
    "sparse, ITK contours",
    BASELINE,
    "cubic",
    "demons",
    "rife",
    "flow",
    OURS,
    RECORDED,
)


def counted(rows: Rows) -> str:
    """Return how often the table says what."""
    said = Counter(verdict(row).partition(":")[0].replace("*", "") for row in _asked(rows))
    words = ", ".join(f"{count} x *{words}*" for words, count in said.most_common())
    chance = max(round(0.05 * (said.total() - said["one place"])), 1)
    return f"Of {said.total()} fields: {words}. About {chance} of so many intervals would miss 0 by chance alone."


def in_short(rows: Rows) -> str:
    """Return a column per gap: F1 of the sparse, filled and recorded stack, and what filling does to each question.

    Over all segmenters, each image counts with their mean.
    """
    own = [row for row in _real(rows) if row["segmenter"] == TOGETHER]
    gaps = sorted({row["every"] for row in own})
    cells = {(row["every"], row["contender"], row["score"]): row for row in own}
    ours = [cells[every, OURS, "f1"] for every in gaps]
    f1 = [[f"{cells[every, name, 'f1']['mean']:.2f}" for name in (SPARSE, OURS, RECORDED)] for every in gaps]
    lines = {
        "images (places)": [f"{row['images']} ({row['places']})" for row in ours],
        "F1: sparse itself, **filled**, recorded": [f"{a}, **{b}**, {c}" for a, b, c in f1],
        "worst image": [_change(row["worst"], 2) for row in ours],
    }
    for score, words in _QUESTIONS.items():
        lines[f"to {words}"] = [verdict(cells[every, OURS, score]) for every in gaps]
    head = f"| every k-th section kept | {' | '.join(f'k = {every}' for every in gaps)} |"
    return "\n".join(
        [head, "|---" * (len(gaps) + 1) + "|"] + [f"| {title} | {' | '.join(row)} |" for title, row in lines.items()]
    )


def hurts(peers: Rows, rows: Rows) -> str:
    """Return what speaks against filling, as a list: fields without gain, volumes, looks and time."""
    asked = [row for row in _asked(rows) if row["places"] > 1]
    none = sum(verdict(row).startswith("no clear gain") for row in asked)
    volumes = sorted((row for row in _real(rows) if (row["segmenter"], row["contender"], row["score"]) ==
                      (TOGETHER, OURS, "volume_bias")), key=lambda row: row["every"])  # fmt: skip
    changes = ", ".join(_change(row["difference"], 2) for row in volumes)
    gaps = ", ".join(str(row["every"]) for row in volumes)
    own, linear = (next(row for row in peers if row["contender"] == name) for name in (OURS, BASELINE))
    lines = [
        f"Mostly nothing is gained: *no clear gain* in {none} of {len(asked)} fields (segmenter, gap, question).",
        f"Volumes: their error changes by {changes} (k = {gaps}); above 0 is worse.",
        f"Looks: LPIPS {_change(own['lpips_change'], 3)}; gradient along z {own['gradient_z']:.2f} of the recorded one "
        f"(linear {linear['gradient_z']:.2f}): sections look smooth.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def default_times(rows: Rows) -> str:
    """Return how long programs that train would train by default, by the pace that was seen."""
    told = [
        f"{row['default_seconds'] / 3600:.0f} hours ({adapter(row['contender']).TITLE})"
        for row in rows
        if row.get("default_seconds")
    ]
    return f"By the pace seen here, that would take {' and '.join(told)}. " if told else ""


def questions_table(rows: Rows) -> str:
    """Return a row per question, a column per gap: sparse, filled, recorded, and the change with its interval."""
    own = [row for row in _real(rows) if row["segmenter"] == TOGETHER]
    cells = {(row["every"], row["contender"], row["score"]): row for row in own}
    gaps = sorted({row["every"] for row in own})
    head = f"| sparse itself, **filled**, recorded | {' | '.join(f'k = {every}' for every in gaps)} |"
    lines = [head, "|---" * (len(gaps) + 1) + "|"]
    for score, title in QUESTIONS.items():
        shown = [_three(cells, every, score) for every in gaps]
        lines.append(f"| {title} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _three(cells: Mapping[tuple[int, str, str], Mapping[str, Any]], every: int, score: str) -> str:
    means = []
    for name in (SPARSE, OURS, RECORDED):
        row = cells.get((every, name, score))
        means.append(("**{:.2f}**" if name == OURS else "{:.2f}").format(row["mean"]) if row else "n/a")
    ours = cells.get((every, OURS, score), {})
    change = f" ({ours['difference']:+.2f}; {ours['low']:+.2f} to {ours['high']:+.2f})" if "low" in ours else ""
    return ", ".join(means) + change


def images_in_short(rows: Rows) -> str:
    """Return the few contenders that most would ask for: mean gain over linear, and the worst one."""
    lines = ["| | PSNR, dB | worst | SSIM | LPIPS | CPU s |", "|---|---|---|---|---|---|"]
    for row in rows:
        if row["contender"] in _ASKED_FOR:
            changes = [_change(row[key], 3) for key in ("ssim_change", "lpips_change")]
            gains = [_change(row[key], 2) for key in ("gain", "worst")]
            title = _ASKED_FOR[row["contender"]]
            title += f" ({row['volumes']})" if row["seconds_given"] else ""
            cells = [title, *gains, *changes, f"{row['cpu_seconds']:.0f}"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def peer_table(rows: Rows) -> str:
    """Return contenders by mean gain, as Markdown."""
    lines = [
        "| | volumes | PSNR, dB | `auto` on the same | worst, dB | SSIM | LPIPS (lower is better) "
        "| gradient along z (1 is best) | CPU s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        name = row["contender"]
        title = adapter(name).TITLE if name in NAMES else f"`{name}` (ours)"
        given = f", trained {row['seconds_given']:.0f} s" if row["seconds_given"] else ""
        changes = [_change(row[key], 3) for key in ("ssim_change", "lpips_change")]
        cells = [
            title + given, row["volumes"], *(_change(row[key], 2) for key in ("gain", "ours_there", "worst")), *changes,
            f"{row['gradient_z']:.2f}", f"{row['cpu_seconds']:.1f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _change(value: float | None, digits: int) -> str:
    return "n/a" if value is None else f"{value:+.{digits}f}"


def images(rows: Rows) -> int:
    """Return how many images the summary is of."""
    return max(int(row["images"]) for row in rows if row["real"])


def _real(rows: Rows) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["real"]]


def _asked(rows: Rows) -> list[Mapping[str, Any]]:
    own = [row for row in _real(rows) if row["contender"] == OURS and row["score"] in _QUESTIONS]
    return [row for row in own if row["segmenter"] != TOGETHER]


def able_table(recorded: Mapping[str, Mapping[str, float]]) -> str:
    """Return F1 of each segmenter on each image as it was recorded; in bold what counts."""
    segmenters = list(dict.fromkeys(name for each in recorded.values() for name in each))
    lines = [f"| recorded | {' | '.join(segmenters)} |", "|---" * (len(segmenters) + 1) + "|"]
    for image, each in recorded.items():
        cells = [_able_cell(each.get(name)) for name in segmenters]
        lines.append(f"| {image} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _able_cell(f1: float | None) -> str:
    if f1 is None:
        return "not asked"
    return f"**{f1:.2f}**" if f1 >= LEAST else f"{f1:.2f}"


def f1_table(rows: Rows, *, real: bool = True) -> str:
    """Return F1 of each contender for each segmenter and gap, as Markdown."""
    own = [row for row in rows if row["score"] == "f1" and row["real"] == real and row["segmenter"] != TOGETHER]
    columns = _columns(own)
    lines = ["| segmented | " + " | ".join(f"{name}, every {every}" for name, every in columns) + " |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    names = [name for name in _SHOWN if any(row["contender"] == name for row in own)]
    for name in names:  # one that failed on an image has no mean to compare
        cells = []
        for segmenter, every in columns:
            found = [
                row for row in own if (row["contender"], row["segmenter"], row["every"]) == (name, segmenter, every)
            ]
            cells.append(_f1_cell(found[0], name) if found else "")
        lines.append(f"| {_titled(name)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _columns(rows: Rows) -> list[tuple[str, int]]:
    """Return segmenters and gaps, all segmenters of a gap beside each other."""
    segmenters = list(dict.fromkeys(row["segmenter"] for row in rows))
    columns = {(row["segmenter"], row["every"]) for row in rows}
    return sorted(columns, key=lambda each: (each[1], segmenters.index(each[0])))


def _titled(name: str) -> str:
    words = {SPARSE: "sparse stack itself", RECORDED: "*recorded dense stack*", OURS: f"**`{OURS}`**"}
    return words.get(name, name)


def _f1_cell(row: Mapping[str, Any], name: str) -> str:
    return f"{row['mean']:.2f}" + ("" if name == SPARSE else f" ({row['difference']:+.2f})")


def verdicts(rows: Rows) -> str:
    """Return for each question, segmenter and gap whether to fill, as a table."""
    own = _asked(rows)
    columns = _columns(own)
    lines = ["| to | " + " | ".join(f"{name}, every {every}" for name, every in columns) + " |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for name, words in _QUESTIONS.items():
        cells = []
        for segmenter, every in columns:
            found = [
                row for row in own if (row["score"], row["segmenter"], row["every"]) == (name, segmenter, every)
            ]  # fmt: skip
            cells.append(verdict(found[0]) if found else "")
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return "\n".join(lines)


def verdict(row: Mapping[str, Any]) -> str:
    """Return fill, do not, or no clear gain, with the difference and its interval; of one place the difference."""
    if "difference" not in row:
        return "n/a"
    if row["places"] < 2:  # an interval over places says nothing of one
        return f"one place: {row['difference']:+.2f}"
    sign = 1 if row["score"] == "f1" else -1
    low, high = sorted((sign * row["low"], sign * row["high"]))
    mean = sign * row["difference"]
    figures = f"{row['difference']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})"
    leans = "" if row["places"] >= ENOUGH else "leans to "
    if mean > CLEAR and low > 0:
        return f"{leans}fill: {figures}"
    if mean < -CLEAR and high < 0:
        return f"{leans}**do not**: {figures}"
    return f"no clear gain: {figures}"
