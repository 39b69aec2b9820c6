"""How well methods do on annotated sections that are hidden from them."""

from __future__ import annotations

from collections.abc import Sequence
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


def mean_dice(found: Sequence[tuple[NDArray[np.integer], HiddenSection]]) -> float:
    """Return the Dice of each label of each section, averaged over all: labels that only one of both has count 0."""
    scores: list[float] = []
    for labels, hidden in found:
        count = max(hidden.gap.count, int(labels.max(initial=0))) + 1
        truth = hidden.truth[hidden.truth >= 0]
        sizes = np.bincount(truth, minlength=count) + np.bincount(labels.ravel(), minlength=count)
        both = np.bincount(labels[labels == hidden.truth], minlength=count)
        there = np.flatnonzero(sizes[1:]) + 1
        scores += (2 * both[there] / sizes[there]).tolist()
    return float(np.mean(scores)) if scores else 0.0
