"""Scores of a segmentation against labels that an expert drew: objects, counts, volumes, surfaces.

Identifiers of the two need not agree: objects are told to be the same by how much they overlap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Metric
from .identifiers import counted
from .surfaces import Surfaces, distances_to

OBJECT_METRICS: Mapping[str, Metric] = {
    "f1": Metric("F1", "", "higher", "Objects found: intersection over union (IoU) above 0.5, both ways."),
    "f1_70": Metric("F1 at 0.7", "", "higher", "The same with an IoU above 0.7."),
    "f1_mean": Metric("F1, mean", "", "higher", "Mean over the IoU thresholds 0.5, 0.55 ... 0.95."),
    "count_error": Metric("Count error", "", "zero", "Objects found over objects drawn, less 1."),
    "volume_bias": Metric("Volume bias", "", "zero", "Voxels of all objects found over those of all drawn, less 1."),
    "splits": Metric("Splits", "", "lower", "Pieces too many, per object drawn."),
    "merges": Metric("Merges", "", "lower", "Objects drawn that share an object with another, per object drawn."),
    "false_objects": Metric(
        "False objects", "", "lower", "Share of the objects found of which less than a tenth is in labels."
    ),
    "surface": Metric(
        "Surface distance", "length", "lower", "Mean distance between the outlines of all objects, both ways, in 3-D."
    ),
}

_PIECE = 0.1
"""Share of an object that another has to take up to count as a piece of it."""
_INSIDE = 0.5
"""Share of an object that has to lie in another for it to belong to it."""
_THRESHOLDS = tuple(np.arange(50, 100, 5) / 100)


@dataclass(frozen=True, eq=False)
class _Overlaps:
    """Voxels that objects share.

    ``drawn``, ``found``: voxels of each object; ``first``, ``second``: for each pair that overlaps its objects, from 0;
    ``shared``: the voxels of the pair.
    """

    drawn: NDArray[np.int64]
    found: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    shared: NDArray[np.int64]

    @classmethod
    def of(cls, truth: NDArray[Any], result: NDArray[Any]) -> _Overlaps:
        names, [ours] = counted(truth)
        others, [theirs] = counted(result)
        both = ours.astype(np.int64) * len(others) + theirs
        pairs, shared = np.unique(both, return_counts=True)
        first, second = np.divmod(pairs, len(others))
        inside = (first > 0) & (second > 0)
        drawn = np.bincount(ours.ravel(), minlength=len(names))[1:]
        found = np.bincount(theirs.ravel(), minlength=len(others))[1:]
        return cls(drawn, found, first[inside] - 1, second[inside] - 1, shared[inside])

    @cached_property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each pair."""
        return np.asarray(self.shared / (self.drawn[self.first] + self.found[self.second] - self.shared))

    def f1(self, threshold: float) -> float | None:
        """Return twice the pairs above a threshold of 0.5 or more over all objects, drawn and found."""
        objects = len(self.drawn) + len(self.found)
        return 2 * float(np.count_nonzero(self.iou > threshold)) / objects if objects else None

    def pieces(self) -> int:
        """Return how many objects found are pieces too many of an object drawn."""
        of_found, of_drawn = self.shared / self.found[self.second], self.shared / self.drawn[self.first]
        count = np.bincount(self.first[(of_found > _INSIDE) & (of_drawn > _PIECE)], minlength=len(self.drawn))
        return int(np.maximum(count - 1, 0).sum())

    def joined(self) -> int:
        """Return how many objects drawn are, beside another one, in the same object found."""
        inside = self.shared > _INSIDE * self.drawn[self.first]
        count = np.bincount(self.second[inside], minlength=len(self.found))
        return int(np.maximum(count - 1, 0).sum())

    def invented(self) -> int:
        """Return how many objects found lie, by nine tenths and more, where nothing was drawn."""
        covered = np.bincount(self.second, self.shared, minlength=len(self.found)) / np.maximum(self.found, 1)
        return int(np.count_nonzero(covered < _PIECE))


def object_scores(
    truth: NDArray[Any], result: NDArray[Any], depths: NDArray[np.float64], pixel: tuple[float, float]
) -> dict[str, float | int | None]:
    """Score a segmentation against labels on the same grid.

    Parameters
    ----------
    truth, result : (Z, Y, X) integer array
        An identifier per object; 0 is background.
    depths : (Z,) float64 array
        Of the sections.
    pixel : (y, x)
        Size of a pixel in the unit of the depths.

    Returns
    -------
    dict
        The scores of :data:`OBJECT_METRICS`, None where they are not defined, and the numbers of objects ``drawn`` and
        ``found``.
    """
    overlaps = _Overlaps.of(truth, result)
    drawn, found = len(overlaps.drawn), len(overlaps.found)
    at = [overlaps.f1(threshold) for threshold in _THRESHOLDS]
    return {
        "drawn": drawn,
        "found": found,
        "f1": at[0],
        "f1_70": overlaps.f1(0.7),
        "f1_mean": None if at[0] is None else float(np.mean([each for each in at if each is not None])),
        "count_error": found / drawn - 1 if drawn else None,
        "volume_bias": float(overlaps.found.sum() / overlaps.drawn.sum() - 1) if drawn else None,
        "splits": overlaps.pieces() / drawn if drawn else None,
        "merges": overlaps.joined() / drawn if drawn else None,
        "false_objects": overlaps.invented() / found if found else None,
        "surface": _surface(truth != 0, result != 0, depths, pixel),
    }


def _surface(
    truth: NDArray[np.bool_], result: NDArray[np.bool_], depths: NDArray[np.float64], pixel: tuple[float, float]
) -> float | None:
    """Return the mean distance between two surfaces, both ways; None where one of them is empty."""
    ours, theirs = Surfaces.of(truth.astype(np.uint8)), Surfaces.of(result.astype(np.uint8))
    if not len(ours.labels) or not len(theirs.labels):
        return None
    both = [distances_to(ours, theirs, depths, pixel), distances_to(theirs, ours, depths, pixel)]
    return float(np.concatenate(both).mean())
