"""How well methods do on annotated sections that are hidden from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..stack.thinning import spread_over
from .gap import Gap
from .series import Series


@dataclass(frozen=True, eq=False)
class HiddenSection:
    """A gap with one wanted section, which is annotated in truth.

    Attributes
    ----------
    gap : Gap
        Twice as wide as those around it.
    truth : (Y, X) int array
        What is annotated there; -1 for labels that are on no section of the gap.
    """

    gap: Gap
    truth: NDArray[np.int64]


def hide_sections(series: Series, most: int) -> tuple[Series, list[HiddenSection]]:
    """Return the series without every second annotated section, and at most so many of those hidden, spread over it."""
    kept = np.arange(0, len(series), 2)
    visible = series.subset(kept.tolist())
    hidden = spread_over(np.arange(1, len(series) - 1, 2), most)
    return visible, [_hidden(series, visible, int(i)) for i in hidden]


def _hidden(series: Series, visible: Series, index: int) -> HiddenSection:
    gap, names = visible.gap(index // 2, index // 2 + 1, series.depths[[index]])
    section = series.section(index)
    order = np.argsort(names)
    places = np.clip(np.searchsorted(names[order], section), 0, len(names) - 1)
    number = order[places]
    return HiddenSection(gap, np.where(names[number] == section, number, -1))


Key = tuple[int, int]


def dice_of(found: Sequence[tuple[NDArray[np.integer], HiddenSection]]) -> dict[Key, float]:
    """Return the Dice of each label of each section, by (section, label); 0 where only one of both has it."""
    scores: dict[Key, float] = {}
    for number, (labels, hidden) in enumerate(found):
        count = max(hidden.gap.count, int(labels.max(initial=0))) + 1
        truth = hidden.truth[hidden.truth >= 0]
        sizes = np.bincount(truth, minlength=count) + np.bincount(labels.ravel(), minlength=count)
        both = np.bincount(labels[labels == hidden.truth], minlength=count)
        there = np.flatnonzero(sizes[1:]) + 1
        scores |= {(number, int(label)): float(2 * both[label] / sizes[label]) for label in there}
    return scores


def mean_dice(scores: Mapping[Key, float]) -> float:
    """Return the mean of Dice over all labels and sections; 0 where there are none."""
    return float(np.mean(list(scores.values()))) if scores else 0.0


def ahead(one: Mapping[Key, float], other: Mapping[Key, float]) -> tuple[float, float]:
    """Return by how much one method is ahead of another in Dice, and the standard error of that; one label tells none.

    Parameters
    ----------
    one, other : mapping
        From :func:`dice_of`. A label that one of them rightly leaves out has a Dice of 1.
    """
    keys = sorted(one.keys() | other.keys())
    if len(keys) < 2:
        return 0.0, np.inf
    leads = np.array([one.get(key, 1.0) - other.get(key, 1.0) for key in keys])
    return float(leads.mean()), float(leads.std(ddof=1) / np.sqrt(len(keys)))
