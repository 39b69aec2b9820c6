"""Write the pages of its worth from what the benchmarks left in benchmarks/results; no figure is typed.

docs/explanation/what-it-is-worth.md is one screen; worth-tables.md beside it has all figures.

    python scripts/worth_page.py [--peers FILE] [--downstream FILE] [--simulated FILE] [--recipes FILE]

copies the summaries of ``peers.json``, ``downstream.json``, ``downstream-simulated.json`` and ``recipes.json`` into
benchmarks/results first, where they are given, and the figures beside ``downstream.json`` into docs/images.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worth_tables import (
    CLEAR,
    ENOUGH,
    LEAST,
    OURS,
    able_table,
    counted,
    default_times,
    f1_table,
    hurts,
    images_in_short,
    in_short,
    peer_table,
    questions_table,
    verdicts,
)

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "explanation" / "what-it-is-worth.md"
TABLES = PAGE.with_name("worth-tables.md")
IMAGES = ROOT / "docs" / "images"
FIGURES = {
    "f1": "F1 against the gap",
    "count_error": "Count error against the gap",
    "volume_bias": "Volume bias against the gap",
    "surface": "Surface distance against the gap",
    "splits": "Objects cut apart against the gap",
    "merges": "Objects stuck together against the gap",
    "false_objects": "Objects that nobody drew against the gap",
    "resolution_z": "Resolution along z against the gap",
}
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six")


def main() -> None:
    """Write both pages."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    files = {"peers": "peers", "downstream": "downstream", "simulated": "downstream-simulated", "recipes": "recipes"}
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
    TABLES.write_text(tables(), encoding="utf-8")


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
    """Return the page of one screen: the answers."""
    peers, downstream = results("peers"), results("downstream")
    count = max(each["volumes"] for each in peers["summary"])
    date, _, machine = str(downstream["machine"]).partition("; ")
    return f"""<div class="one-screen" markdown>

# What it is worth

*{date}, version {downstream["version"]} ({machine}); crops, preset fast. No figure was typed: `make worth` makes
this page anew ([how](worth-tables.md#reproduce-it)).*

<div class="beside" markdown>
<div markdown>

**Are hidden sections closer to what was recorded?** Change against linear interpolation, mean of {count} real
volume{"" if count == 1 else "s"} (or as many as in brackets), every {peers["every"]}th section kept; LPIPS: lower is
better ([all programs](worth-tables.md#all-programs)).

{images_in_short(peers["summary"])}

**Where it hurts**

{hurts(peers["summary"], downstream["summary"])}

</div>
<div markdown>

**Is the segmentation better?** Of {len(downstream["recorded"])} images with labels that people drew,
{_able(downstream)} can tell ([which](worth-tables.md#all-segmentations)); mean of {_segmenters(downstream)} segmenters.
*Sparse itself*: segmented without filling. Then what filling changes, with its 95 % interval
([words](worth-tables.md#so-fill-or-not)).

{in_short(downstream["summary"])}

**No clear gain means: do not fill**: it takes time and adds sections that nobody recorded.

</div>
</div>
</div>
"""


def tables() -> str:
    """Return the page with all figures, and how to make them anew."""
    peers, downstream = results("peers"), results("downstream")
    return f"""# What it is worth: all figures

The answers are on [one screen](what-it-is-worth.md).

## All programs

Programs that train were given the seconds named, on fewer volumes: far less than their default, so this says nothing of
what they reach with it. {default_times(peers["summary"])}LPIPS above 0 is worse than linear interpolation.

{peer_table(peers["summary"])}

## All segmentations

What segmenters find in the recorded stack, F1. Only what is bold ({LEAST} or more) counts: who cannot find objects
there can say nothing about filling.

{able_table(downstream["recorded"])}

*membranes* is asked of neurites alone: a network that learned membranes in a stack of another place. In a sparse stack
it sees the sections, in a dense one planes along all axes.

{_unable(downstream)}F1: objects whose overlap (IoU) with a drawn one is above 0.5. In brackets the difference
to the *sparse stack itself*: segmented without filling, its labels brought to all sections afterwards.
Images of one place (repository) are alike and count as one, their mean.

{f1_table(downstream["summary"])}

The other questions, mean of all segmenters. Counts, volumes: error as a share; splits, merges, false objects (that
nobody drew): per object; outlines and resolution along z (Fourier ring correlation of planes along z): pixels.

{questions_table(downstream["summary"])}

{_figures(downstream)}{_simulated()}## So: fill, or not?

`{OURS}` against the sparse stack itself, difference and 95 % interval over places; of counts and volumes that of the
sizes of the errors, of outlines in pixels, so that below 0 is better. *Fill* and *do not*: the interval does not hold
0 and the mean is beyond {CLEAR}; *leans*: so it is, of fewer than {ENOUGH} places, which prove nothing; nor does
*one place*.
{counted(downstream["summary"])}

{verdicts(downstream["summary"])}

With so few places an interval is wide, and other tissue may say otherwise. Ask your own labels:
`depth-interp evaluate stack.tif --labels labels.tif --keep-every 4`
([how](evaluation.md#what-comes-after-segmentations)); [recipes](../how-to/segment.md).

{_how(peers, downstream)}"""


def _how(peers: Mapping[str, Any], downstream: Mapping[str, Any]) -> str:
    return f"""## Reproduce it

```
make worth CLONES=FOLDER VOLUMES=FOLDER LPIPS=FILE
```

`CLONES` holds clones of the repositories that `benchmarks/public_labels.json` names, with licences and checksums;
`VOLUMES` any volumes (TIFF, NIfTI), of which `TRAIN_ON="NAME NAME"` are those for programs that train (the first three
by default); `LPIPS` the weights of AlexNet. What is not given keeps the figures that are here.
Without clones simulated tissue alone is segmented. It takes hours of one core and goes on where it was stopped.
Images with labels:

{_source_table(downstream)}

Peers: {peers["machine"]}; version {peers["version"]}; {_versions(peers)}; crops of {_sizes(peers)}.
Segmentations: {downstream["machine"]}; version {downstream["version"]}; crops of {_sizes(downstream)}.
All scores: `benchmarks/results`.
"""


def _able(downstream: Mapping[str, Any]) -> int:
    """Return how many images some segmenter can be used on."""
    return sum(max(each.values()) >= LEAST for each in downstream["recorded"].values())


def _unable(downstream: Mapping[str, Any]) -> str:
    """Return a sentence about the images that no segmenter can be used on; nothing if there is none."""
    lost = [image for image, each in downstream["recorded"].items() if max(each.values()) < LEAST]
    names = " and of ".join(f"*{each}*" for each in lost)
    return f"Of {names} nothing is said: no segmenter here finds them in the recorded stack.\n\n" if lost else ""


def _segmenters(downstream: Mapping[str, Any]) -> str:
    """Return the number of segmenters in words."""
    counts = {len(each) for each in downstream["recorded"].values()}
    return ("up to " if len(counts) > 1 else "") + _NUMBERS[max(counts)]


def _sources(downstream: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the public images with labels that were segmented, and what a segmenter among them learned from."""
    found: list[dict[str, Any]] = json.loads((ROOT / "benchmarks" / "public_labels.json").read_text(encoding="utf-8"))
    taught = any("membranes" in each for each in downstream["recorded"].values())
    return [each for each in found if each["name"] in downstream["recorded"] or (taught and each.get("teaches"))]


def _source_table(downstream: Mapping[str, Any]) -> str:
    lines = ["| image | what | from | licence |", "|---|---|---|---|"]
    return "\n".join(
        lines
        + [
            f"| {each['name']} | {each['what']} | {each['repository']} | {each['licence']} |"
            for each in _sources(downstream)
        ]
    )


def _figures(downstream: Mapping[str, Any]) -> str:
    """Return a figure for each question, which are of use where several gaps were tried."""
    several = len({row["every"] for row in downstream["summary"]}) > 1
    return "".join(f"![{title}](../images/worth-{name}.png)\n\n" for name, title in FIGURES.items() if several)


def _simulated() -> str:
    """Return the same table of simulated tissue, where it was made: nothing of real tissue follows from it."""
    if not (RESULTS / "downstream-simulated.json").exists():
        return ""
    found = results("downstream-simulated")
    return f"""### The same with simulated tissue

{len(found["recorded"])} simulated images, of nuclei apart and of cells with stained walls between them
({found["machine"]}): the truth is known without doubt, and the tissue is simpler than any real one.
A segmenter counts on the images where it can find objects in the recorded stack: {_able_on(found["recorded"])}.

{f1_table(found["summary"], real=False)}

"""


def _able_on(recorded: Mapping[str, Mapping[str, float]]) -> str:
    """Return on how many images of which tissue each segmenter counts."""
    found: dict[str, dict[str, int]] = {}
    for image, each in recorded.items():
        for segmenter, f1 in each.items():
            tissues = found.setdefault(segmenter, {})
            tissue = image.split()[0]
            tissues[tissue] = tissues.get(tissue, 0) + (f1 >= LEAST)
    words = {name: " and ".join(f"{n} of {tissue}" for tissue, n in each.items() if n) for name, each in found.items()}
    return ", ".join(f"{name} on {each or 'none'}" for name, each in words.items())


def _versions(peers: Mapping[str, Any]) -> str:
    found = dict.fromkeys(row["version"] for row in peers["summary"])
    return ", ".join(each for each in found if each != "this program")


def _sizes(found: Mapping[str, Any]) -> str:
    return " x ".join(map(str, found["crop"]))


if __name__ == "__main__":
    main()
