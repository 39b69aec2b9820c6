"""What segmentations of filled and sparse stacks come to over images: means, paired differences, tables, figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from _tools import markdown_table
from napari_depth_interp.metrics.objects import OBJECT_METRICS
from napari_depth_interp.metrics.statistics import paired

QUESTIONS = {
    "f1": "Are objects found? (F1)",
    "count_error": "Are counts right? (count error)",
    "volume_bias": "Are volumes right? (volume bias)",
    "splits": "Are objects cut apart? (splits)",
    "merges": "Are objects stuck together? (merges)",
    "false_objects": "Are objects invented? (false objects)",
    "surface": "Are outlines right? (surface distance, pixels)",
    "resolution_z": "How fine is it along z? (Fourier ring correlation, pixels)",
}
TOGETHER = "all segmenters"
"""Beside each segmenter, their mean."""
SPARSE, RECORDED = "sparse", "recorded"
_DRAWS = 2000


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return mean scores of each contender, and their differences to the sparse stack, paired over images.

    Crops of an image count as one: their mean. Intervals: 95 %, of the images drawn anew 2000 times. Of ``TOGETHER``
    each image counts with its mean over the segmenters.
    """
    found = []
    apart = [(row["real"], row["every"], row["segmenter"], row["contender"]) for row in rows]
    together = [(real, every, TOGETHER, contender) for real, every, _, contender in apart]
    for real, every, segmenter, contender in dict.fromkeys(apart + together):
        same = [row for row in rows if (row["real"], row["every"]) == (real, every)]
        same = [row for row in same if segmenter in (TOGETHER, row["segmenter"])]
        about = {"real": real, "every": every, "segmenter": segmenter, "contender": contender}
        for score_name in QUESTIONS:
            own, sparse = (_by_source(same, name, score_name) for name in (contender, "sparse"))
            if own:
                found.append(about | {"score": score_name} | _compared(own, sparse, score_name))
    return found


def _by_source(rows: Sequence[Mapping[str, Any]], contender: str, name: str) -> dict[tuple[str, str], float]:
    """Return the mean over crops by image and segmenter."""
    values: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row["contender"] == contender and row[name] is not None:
            values.setdefault((row["source"], row["segmenter"]), []).append(row[name])
    return {key: float(np.mean(each)) for key, each in values.items()}


def _compared(
    own: Mapping[tuple[str, str], float], sparse: Mapping[tuple[str, str], float], name: str
) -> dict[str, Any]:
    size = abs if name in OBJECT_METRICS and OBJECT_METRICS[name].better == "zero" else float
    pairs: dict[str, list[tuple[float, float]]] = {}
    for (source, segmenter), value in own.items():
        if (source, segmenter) in sparse:
            pairs.setdefault(source, []).append((size(value), size(sparse[source, segmenter])))
    both = np.array([np.mean(each, axis=0) for each in pairs.values()])
    images = len({source for source, _ in own})
    result: dict[str, Any] = {"mean": float(np.mean(list(own.values()))), "images": images}
    if len(both):
        random = np.random.default_rng(0)
        differences = both[:, 0] - both[:, 1]
        drawn = random.choice(differences, (_DRAWS, len(both))).mean(1)
        low, high = np.percentile(drawn, [2.5, 97.5])
        test = paired(both[:, 0].tolist(), both[:, 1].tolist())
        worst = (np.min if name in OBJECT_METRICS and OBJECT_METRICS[name].better == "higher" else np.max)(differences)
        result |= {"difference": test["difference"], "low": float(low), "high": float(high), "p": test["p_value"]}
        result["worst"] = float(worst)
    return result


def table(found: Sequence[Mapping[str, Any]], real: bool, every: int, segmenter: str) -> str:
    """Return one table: a contender per row, a question per column, F1 with its difference to the sparse stack."""
    rows = [row for row in found if (row["real"], row["every"], row["segmenter"]) == (real, every, segmenter)]
    names = list(dict.fromkeys(row["contender"] for row in rows))
    header = ["segmented", "F1", "F1 less sparse", *(name for name in QUESTIONS if name != "f1")]
    lines = []
    for name in names:
        cells = {row["score"]: row for row in rows if row["contender"] == name}
        f1 = cells["f1"]
        change = f"{f1['difference']:+.3f} ({f1['low']:+.3f} to {f1['high']:+.3f})" if "low" in f1 else ""
        rest = [f"{cells[key]['mean']:.2f}" if key in cells else "n/a" for key in QUESTIONS if key != "f1"]
        lines.append([name, f"{f1['mean']:.3f}", change, *rest])
    return markdown_table(header, lines)


def figures(found: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Draw a figure per question: segmenters beside each other, the score against k."""
    from matplotlib.figure import Figure

    segmenters = [each for each in dict.fromkeys(row["segmenter"] for row in found) if each != TOGETHER]
    for name, title in QUESTIONS.items():
        figure = Figure(figsize=(4.2 * len(segmenters), 3.6), layout="constrained")
        axes = figure.subplots(1, len(segmenters), squeeze=False)[0]
        for axis, segmenter in zip(axes, segmenters, strict=True):
            own = [row for row in found if row["score"] == name and row["segmenter"] == segmenter and row["real"]]
            own = own or [row for row in found if row["score"] == name and row["segmenter"] == segmenter]
            for contender in dict.fromkeys(row["contender"] for row in own):
                points = [(row["every"], row["mean"]) for row in own if row["contender"] == contender]
                style = "--" if contender.startswith((SPARSE, RECORDED)) else "-"
                axis.plot(*zip(*sorted(points), strict=True), style, marker="o", markersize=4, label=contender)
            axis.set_title(segmenter, fontsize=10)
            axis.set_xlabel("every k-th section kept")
            axis.set_xticks(sorted({row["every"] for row in own}))
        axes[-1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
        figure.suptitle(title, fontsize=11)
        figure.savefig(folder / f"{name}.png", dpi=110)
