"""Scores of restored labels against the true ones: overlap, surfaces, objects, volumes.

Only hidden sections count. Sections that were seen are still looked at for what goes on in them: a surface of the truth
may be nearest to one of the result on the section beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Metric
from .identifiers import counted
from .surfaces import Surfaces, by_label, distances_to

LABEL_METRICS: Mapping[str, Metric] = {
    "dice": Metric("Dice", "", "higher", "Overlap with the true label: 2 |A and B| / (|A| + |B|), in voxels."),
    "surface": Metric(
        "Surface distance", "length", "lower", "Mean distance between the surfaces of result and truth, both ways, 3-D."
    ),
    "surface_95": Metric(
        "Surface distance 95 %", "length", "lower", "What 95 % of those distances are below; the worse of both ways."
    ),
    "object_f1": Metric(
        "Object F1", "", "higher", "Objects found, whatever their identifier: intersection over union above 0.5."
    ),
    "count_error": Metric("Count error", "objects", "zero", "Objects in the result less objects in the truth."),
    "volume_error": Metric(
        "Volume error", "", "zero", "Volume of the result over the truth's, seen sections included, less 1."
    ),
}
"""Scores of each label. Over labels the mean is taken, of count and volume errors that of their sizes."""
TOTAL_METRICS: Mapping[str, Metric] = {
    "accuracy": Metric("Voxels right", "", "higher", "Share of voxels with the right label, background included."),
    "dice": Metric("Dice of all", "", "higher", "Dice of all labels together: large ones count more."),
    "object_f1": Metric("Object F1 of all", "", "higher", "Object F1 of all labels together: each object counts once."),
    "recall": Metric("Objects found", "", "higher", "Share of true objects that are found."),
    "precision": Metric("Objects true", "", "higher", "Share of objects in the result that are true ones."),
    "count_error": Metric("Objects too many", "objects", "zero", "Objects in the result less objects in the truth."),
    "volume_error": Metric("Volume error of all", "", "zero", "Volume of all labels over the truth's, less 1."),
}
"""Scores of all labels together."""

_OVERLAP = 0.5
"""Intersection over union above which two objects are the same one: no other can overlap as much with either."""
_PERCENTILE = 0.95

Count = NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class LabelPair:
    """Restored labels and the true ones of one channel at one time point.

    Attributes
    ----------
    truth, result : (Z, Y, X) integer array
        0 is background.
    hidden : (Z,) bool array
        Sections that count.
    depths : (Z,) float64 array
    pixel : (y, x)
        Size of a pixel in the unit of the depths.
    """

    truth: NDArray[Any]
    result: NDArray[Any]
    hidden: NDArray[np.bool_]
    depths: NDArray[np.float64]
    pixel: tuple[float, float] = (1.0, 1.0)


@dataclass
class LabelTally:
    """What is counted of each label, over all pairs that are added; sums and numbers, so that pairs can be pooled."""

    voxels: dict[Any, Count] = field(default_factory=dict)
    """Label -> voxels of the truth, of the result, and of both; those of the truth on seen sections, too."""
    objects: dict[Any, Count] = field(default_factory=dict)
    """Label -> objects of the truth, of the result, and how many of either are matched."""
    surface: dict[Any, NDArray[np.float64]] = field(default_factory=dict)
    """Label -> sum and number of its surface distances, and the largest of their 95 % quantiles."""
    right: int = 0
    size: int = 0

    def add(self, pair: LabelPair) -> None:
        """Count the hidden sections of one pair."""
        names, (truth, result) = counted(pair.truth, pair.result.astype(pair.truth.dtype, copy=False))
        seen, made = truth[pair.hidden], result[pair.hidden]
        self.right += int(np.count_nonzero(seen == made))
        self.size += seen.size
        counts = [np.bincount(each.ravel(), minlength=len(names)) for each in (seen, made, seen[seen == made], truth)]
        _put(self.voxels, names, np.stack(counts, axis=1))
        for run in runs(pair.hidden):
            _put(self.objects, names, matched_objects(truth[run], result[run], len(names)))
        self._add_surfaces(pair, names, Surfaces.of(truth), Surfaces.of(result))

    def _add_surfaces(self, pair: LabelPair, names: NDArray[Any], truth: Surfaces, result: Surfaces) -> None:
        for here, there in ((truth, result), (result, truth)):
            asked = here.on(pair.hidden)
            found = distances_to(asked, there, pair.depths, pair.pixel)
            known = np.isfinite(found)
            labels, sums, count, quantile = by_label(asked.labels[known], found[known], _PERCENTILE)
            for label, *values in zip(names[labels].tolist(), sums, count, quantile, strict=True):
                before = self.surface.get(label, np.zeros(3))
                self.surface[label] = np.array(
                    [before[0] + values[0], before[1] + values[1], max(before[2], values[2])]
                )

    def labels(self) -> list[Any]:
        """Return the labels on hidden sections of the truth or of the result, in order."""
        return sorted(label for label, counts in self.voxels.items() if counts[:2].any())

    def row(self, label: Any) -> dict[str, Any]:
        """Return the scores of one label: those of :data:`LABEL_METRICS`, ``voxels`` and ``objects`` of the truth.

        A label that is on no hidden section of the truth has no Dice and no volume error.
        """
        truth, result, both, whole = self.voxels[label].tolist()
        ours, theirs, *matched = self.objects.get(label, np.zeros(4, int)).tolist()
        sums = self.surface.get(label)
        return {
            "voxels": truth,
            "objects": ours,
            "dice": 2 * both / (truth + result) if truth else None,
            "surface": None if sums is None or not truth else float(sums[0] / sums[1]),
            "surface_95": None if sums is None or not truth else float(sums[2]),
            "object_f1": sum(matched) / (ours + theirs) if truth else None,
            "count_error": theirs - ours,
            "volume_error": (result - truth) / whole if truth else None,
        }

    def total(self) -> dict[str, Any]:
        """Return the scores of all labels together, and the share of voxels that are right, background too."""
        labels = self.labels()
        counts = np.sum([self.voxels[label] for label in labels], axis=0) if labels else np.zeros(4, int)
        objects = np.sum(list(self.objects.values()), axis=0) if self.objects else np.zeros(4, int)
        truth, result, both, whole = counts.tolist()
        ours, theirs, found, true = objects.tolist()
        return {
            "accuracy": self.right / self.size if self.size else None,
            "dice": 2 * both / (truth + result) if truth + result else None,
            "objects": ours,
            "object_f1": (found + true) / (ours + theirs) if ours + theirs else None,
            "recall": found / ours if ours else None,
            "precision": true / theirs if theirs else None,
            "count_error": theirs - ours,
            "volume_error": (result - truth) / whole if truth else None,
        }


def runs(hidden: NDArray[np.bool_]) -> list[slice]:
    """Return where hidden sections follow each other without a seen one between them."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], hidden.astype(int), [0]])))
    return [slice(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def matched_objects(truth: Count, result: Count, labels: int) -> Count:
    """Return for each label its objects in truth and result, and how many of either are matched.

    An object is a connected part (26 neighbours) of one label. Two are matched if their intersection over union is
    above 0.5, whatever their labels are (Kirillov 2019).

    Parameters
    ----------
    truth, result : (Z, Y, X) int array
        Labels from 0 to ``labels`` - 1, of hidden sections that follow each other.

    Returns
    -------
    (labels, 4) int array
    """
    from scipy.sparse import coo_array

    ours, own = _parts(truth)
    theirs, other = _parts(result)
    both = (ours > 0) & (theirs > 0)
    voxels = np.ones(np.count_nonzero(both), np.int64)
    common = coo_array((voxels, (ours[both], theirs[both])), (len(own), len(other))).tocsr().tocoo()  # adds them up
    first, second = common.coords
    sizes = np.bincount(ours.ravel(), minlength=len(own)), np.bincount(theirs.ravel(), minlength=len(other))
    union = sizes[0][first] + sizes[1][second] - common.data
    same = common.data > _OVERLAP * union
    found = [own[1:], other[1:], own[first[same]], other[second[same]]]
    return np.stack([np.bincount(each, minlength=labels) for each in found], axis=1)


def _parts(volume: Count) -> tuple[Count, Count]:
    """Return the numbers of the connected parts of the labels, and the label of each number."""
    from skimage.measure import label as connected

    parts = connected(volume, background=0, connectivity=3)
    labels = np.zeros(int(parts.max(initial=0)) + 1, np.int64)
    labels[parts.ravel()] = volume.ravel()
    return parts, labels


def section_scores(truth: NDArray[Any], result: NDArray[Any]) -> dict[str, float | None]:
    """Return the Dice of one section (Y, X), averaged over its true labels, and the share of voxels that are right."""
    names, (ours, theirs) = counted(truth, result.astype(truth.dtype, copy=False))
    counts = [np.bincount(each.ravel(), minlength=len(names))[1:] for each in (ours, theirs, ours[ours == theirs])]
    there = counts[0] > 0
    dice = 2 * counts[2][there] / (counts[0] + counts[1])[there]
    return {"dice": float(dice.mean()) if there.any() else None, "accuracy": float((ours == theirs).mean())}


def mean_row(rows: list[dict[str, Any]]) -> dict[str, float | None]:
    """Return the means of the scores of labels that are on hidden sections of the truth; of errors that of sizes."""
    known = [row for row in rows if row["dice"] is not None]
    sizes = {name for name, metric in LABEL_METRICS.items() if metric.better == "zero"}
    return {name: _mean([row[name] for row in known], sizes=name in sizes) for name in LABEL_METRICS}


def _mean(values: list[float | None], *, sizes: bool) -> float | None:
    known = [abs(value) if sizes else value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _put(tally: dict[Any, Count], names: NDArray[Any], counts: Count) -> None:
    """Add the counts of each label but the background; labels without any are left out."""
    for label, each in zip(names.tolist(), counts, strict=True):
        if label != 0 and each.any():
            tally[label] = tally[label] + each if label in tally else each
