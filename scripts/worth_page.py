"""Write docs/explanation/what-it-is-worth.md from what the benchmarks left in benchmarks/results; no figure is typed.

    python scripts/worth_page.py [--peers FILE] [--downstream FILE] [--simulated FILE]

copies the summaries of ``peers.json``, ``downstream.json`` and ``downstream-simulated.json`` into benchmarks/results
first, where they are given, and the figures beside ``downstream.json`` into docs/images.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "explanation" / "what-it-is-worth.md"
IMAGES = ROOT / "docs" / "images"
FIGURES = {
    "f1": "F1 against the gap",
    "count_error": "Count error against the gap",
    "volume_bias": "Volume bias against the gap",
    "surface": "Surface distance against the gap",
}
sys.path.insert(0, str(ROOT / "benchmarks"))

Rows = Sequence[Mapping[str, Any]]

OURS, SPARSE, RECORDED, BASELINE = "auto:fast", "sparse", "recorded", "linear"
_CLEAR = 0.02
"""F1, or share of a count or volume, by which two contenders differ at least to be told apart."""
_ENOUGH = 6
"""Images under which no signed-rank test can reach p < 0.05, however they differ."""
_QUESTIONS = {"f1": "find objects", "count_error": "count", "volume_bias": "measure volumes", "surface": "outline"}
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


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    files = {"peers": "peers", "downstream": "downstream", "simulated": "downstream-simulated"}
    for option, name in files.items():
        parser.add_argument(f"--{option}", type=Path, metavar="FILE", help=f"{name}.json of a benchmark")
    args = parser.parse_args()
    for option, name in files.items():
        given = getattr(args, option)
        if given is not None:
            found = json.loads(given.read_text(encoding="utf-8"))
            found.pop("rows")
            (RESULTS / f"{name}.json").write_text(json.dumps(_rounded(found), indent=1) + "\n", encoding="utf-8")
            for figure in FIGURES if option == "downstream" else ():
                shutil.copyfile(given.with_name(f"{figure}.png"), IMAGES / f"worth-{figure}.png")
    PAGE.write_text(page(), encoding="utf-8")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value


def results(name: str) -> dict[str, Any]:
    """Return the summary of a benchmark."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def page() -> str:
    """Return the whole page."""
    peers, downstream = results("peers"), results("downstream")
    return f"{_benefit(peers, downstream)}\n{_how(peers, downstream)}"


def _benefit(peers: Mapping[str, Any], downstream: Mapping[str, Any]) -> str:
    count = max(each["volumes"] for each in peers["summary"])
    return f"""# What it is worth

*Written by `scripts/worth_page.py` from `benchmarks/results`; no figure was typed. Both benchmarks run on crops and one
core, this program with the preset fast.*

## Is the image better?

Every {peers["every"]}th section kept, the others hidden; {count} real volume{"" if count == 1 else "s"}; mean change
against linear interpolation. Programs that train were given the seconds named, on one volume: far less than their
default, so this says nothing of what they reach with it.

{peer_table(peers["summary"])}

## Is the segmentation better?

{images(downstream["summary"])} images with labels that experts drew. F1: objects whose overlap (IoU) with a drawn one
is above 0.5. In brackets the difference to the *sparse stack itself*: segmented without filling, its labels brought to
all sections afterwards.

{f1_table(downstream["summary"])}

{_figures(downstream)}{_simulated()}## So: fill, or not?

`{OURS}` against the sparse stack itself, difference and 95 % interval over images; of counts and volumes that of the
sizes of the errors, of outlines in pixels, so that below 0 is better. *Fill* and *do not*: the interval does not hold
0 and the mean is beyond {_CLEAR}; *leans*: so it is, of fewer than {_ENOUGH} images, which prove nothing.
**No clear gain means: do not**, as filling takes time and adds sections that nobody recorded.
{_counted(downstream["summary"])}

{verdicts(downstream["summary"])}

With so few images an interval is wide, and other tissue may say otherwise. Ask your own labels:
`depth-interp evaluate stack.tif --labels labels.tif --keep-every 4`
([how](evaluation.md#what-comes-after-segmentations)); [recipes](../how-to/segment.md).
"""


def _how(peers: Mapping[str, Any], downstream: Mapping[str, Any]) -> str:
    return f"""## Reproduce it

```
python benchmarks/make_peers.py
python benchmarks/peer_table.py --data FOLDER --lpips-weights FILE --out results
python benchmarks/downstream.py --pairs pairs.json --out results
python benchmarks/downstream.py --out results-simulated
python scripts/worth_page.py --peers results/peers.json --downstream results/downstream.json
```

Peers: {peers["machine"]}; version {peers["version"]}; {_versions(peers)}; crops of {_sizes(peers)}.
Segmentations: {downstream["machine"]}; version {downstream["version"]}; crops of {_sizes(downstream)}.
All scores: `benchmarks/results`.
"""


def _figures(downstream: Mapping[str, Any]) -> str:
    """Return a figure for each question, which are of use where several gaps were tried."""
    several = len({row["every"] for row in downstream["summary"]}) > 1
    return "".join(f"![{title}](../images/worth-{name}.png)\n\n" for name, title in FIGURES.items() if several)


def _simulated() -> str:
    """Return the same table of simulated nuclei, where it was made: nothing of real tissue follows from it."""
    if not (RESULTS / "downstream-simulated.json").exists():
        return ""
    found = results("downstream-simulated")
    count = max(int(row["images"]) for row in found["summary"])
    return f"""### The same with simulated nuclei

{count} simulated images ({found["machine"]}): the truth is known without doubt, and the
tissue is simpler than any real one.

{f1_table(found["summary"], real=False)}

"""


def _counted(rows: Rows) -> str:
    """Return how often the table says what."""
    said = Counter(_verdict(row).partition(":")[0].replace("*", "") for row in _asked(rows))
    words = ", ".join(f"{count} x *{verdict}*" for verdict, count in said.most_common())
    return f"Of the {said.total()} fields of this table: {words}."


def _versions(peers: Mapping[str, Any]) -> str:
    found = dict.fromkeys(row["version"] for row in peers["summary"])
    return ", ".join(each for each in found if each != "this program")


def _sizes(found: Mapping[str, Any]) -> str:
    return " x ".join(map(str, found["crop"]))


def peer_table(rows: Rows) -> str:
    """Return contenders by mean gain, as Markdown."""
    from peers import NAMES, adapter

    lines = [
        "| | volumes | PSNR, dB | worst, dB | SSIM | LPIPS (lower is better) | gradient along z (1 is best) | CPU s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        name = row["contender"]
        title = adapter(name).TITLE if name in NAMES else f"`{name}` (ours)"
        given = f", trained {row['seconds_given']:.0f} s" if row["seconds_given"] else ""
        changes = [_change(row[key], 3) for key in ("ssim_change", "lpips_change")]
        cells = [
            title + given, row["volumes"], _change(row["gain"], 2), _change(row["worst"], 2), *changes,
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
    return [row for row in _real(rows) if row["contender"] == OURS and row["score"] in _QUESTIONS]


def f1_table(rows: Rows, *, real: bool = True) -> str:
    """Return F1 of each contender for each segmenter and gap, as Markdown."""
    own = [row for row in rows if row["score"] == "f1" and row["real"] == real]
    columns = list(dict.fromkeys((row["segmenter"], row["every"]) for row in own))
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


def _titled(name: str) -> str:
    words = {SPARSE: "sparse stack itself", RECORDED: "*recorded dense stack*", OURS: f"**`{OURS}`**"}
    return words.get(name, name)


def _f1_cell(row: Mapping[str, Any], name: str) -> str:
    return f"{row['mean']:.2f}" + ("" if name == SPARSE else f" ({row['difference']:+.2f})")


def verdicts(rows: Rows) -> str:
    """Return for each question, segmenter and gap whether to fill, as a table."""
    own = _asked(rows)
    columns = list(dict.fromkeys((row["segmenter"], row["every"]) for row in own))
    lines = ["| to | " + " | ".join(f"{name}, every {every}" for name, every in columns) + " |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for name, words in _QUESTIONS.items():
        cells = []
        for segmenter, every in columns:
            found = [
                row for row in own if (row["score"], row["segmenter"], row["every"]) == (name, segmenter, every)
            ]  # fmt: skip
            cells.append(_verdict(found[0]) if found else "")
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _verdict(row: Mapping[str, Any]) -> str:
    """Return fill, do not, or no clear gain, with the difference and its interval."""
    if "difference" not in row:
        return "n/a"
    sign = 1 if row["score"] == "f1" else -1
    low, high = sorted((sign * row["low"], sign * row["high"]))
    mean = sign * row["difference"]
    figures = f"{row['difference']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})"
    leans = "" if row["images"] >= _ENOUGH else "leans to "
    if mean > _CLEAR and low > 0:
        return f"{leans}fill: {figures}"
    if mean < -_CLEAR and high < 0:
        return f"{leans}**do not**: {figures}"
    return f"no clear gain: {figures}"


if __name__ == "__main__":
    main()
