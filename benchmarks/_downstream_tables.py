"""What segmentations of filled and sparse stacks come to over images: means, paired differences, tables, figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
LEAST = 0.2
"""F1 that a segmenter has to reach on the recorded stack: one that cannot find objects there can tell nothing."""
_DRAWS = 2000


def summary(rows: Sequence[Mapping[str, Any]], places: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Return mean scores of each contender, and their differences to the sparse stack, paired over places.

    Crops of an image count as one: their mean. So do images of one place, which are alike, and for ``TOGETHER`` the
    segmenters. Intervals: 95 %, of the places drawn anew 2000 times. Segmenters that find less than ``LEAST`` on a
    crop as it was recorded do not count there.

    Parameters
    ----------
    rows : sequence of dict
        A row per crop, segmenter and contender.
    places : dict, optional
        Where each image comes from; one that is not named is a place of its own.
    """
    key = itemgetter("source", "volume", "segmenter")
    able = {key(row) for row in rows if row["contender"] == RECORDED and row["f1"] >= LEAST}
    rows = [row for row in rows if key(row) in able]
    found = []
    apart = [(row["real"], row["every"], row["segmenter"], row["contender"]) for row in rows]
    together = [(real, every, TOGETHER, contender) for real, every, _, contender in apart]
    for real, every, segmenter, contender in dict.fromkeys(apart + together):
        same = [row for row in rows if (row["real"], row["every"]) == (real, every)]
        same = [row for row in same if segmenter in (TOGETHER, row["segmenter"])]
        about = {"real": real, "every": every, "segmenter": segmenter, "contender": contender}
        for score_name in QUESTIONS:
            own, sparse = (_by_image(same, name, score_name) for name in (contender, SPARSE))
            if own:
                found.append(about | {"score": score_name} | _compared(own, sparse, score_name, places or {}))
    return found


def recorded_f1(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], float]:
    """Return what each segmenter finds on each image as it was recorded, by image and segmenter."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row["contender"] == RECORDED:
            found.setdefault((row["source"], row["segmenter"]), []).append(row["f1"])
    return {pair: float(np.mean(each)) for pair, each in found.items()}


def _by_image(rows: Sequence[Mapping[str, Any]], contender: str, name: str) -> dict[tuple[str, str], float]:
    """Return the mean over crops by image and segmenter."""
    values: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row["contender"] == contender and row[name] is not None:
            values.setdefault((row["source"], row["segmenter"]), []).append(row[name])
    return {key: float(np.mean(each)) for key, each in values.items()}


def _compared(
    own: Mapping[tuple[str, str], float],
    sparse: Mapping[tuple[str, str], float],
    name: str,
    places: Mapping[str, str],
) -> dict[str, Any]:
    better = OBJECT_METRICS[name].better if name in OBJECT_METRICS else "lower"
    size = abs if better == "zero" else float
    images = _means({key: np.array([value]) for key, value in own.items()})
    both = {key: np.array([size(value), size(sparse[key])]) for key, value in own.items() if key in sparse}
    of_places = _means({(places.get(image, image), image): each for image, each in _means(both).items()})
    values = _means({(places.get(image, image), image): each for image, each in images.items()})
    result: dict[str, Any] = {
        "mean": float(np.mean(list(values.values()))), "images": len(images), "places": len(values),
    }  # fmt: skip
    if both:
        a, b = np.array(list(of_places.values())).T
        drawn = np.random.default_rng(0).choice(a - b, (_DRAWS, len(a))).mean(1)
        low, high = np.percentile(drawn, [2.5, 97.5])
        test = paired(a.tolist(), b.tolist())
        single = [float(each[0] - each[1]) for each in _means(both).values()]
        result |= {"difference": test["difference"], "low": float(low), "high": float(high), "p": test["p_value"]}
        result["worst"] = min(single) if better == "higher" else max(single)
    return result


def _means(values: Mapping[tuple[str, str], NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Return the mean of each first key over its second ones."""
    groups: dict[str, list[NDArray[np.float64]]] = {}
    for (first, _), value in values.items():
        groups.setdefault(first, []).append(value)
    return {first: np.mean(each, axis=0) for first, each in groups.items()}


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
