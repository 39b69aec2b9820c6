"""Several stacks together: what a method gains on a collection, and whether that could be chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..metrics.statistics import mean_of, paired, std_of
from .scores import BASELINE, MethodScores, Scores

_SUMMED = (("psnr", "volume"), ("ssim", "mean"), ("mae", "volume"), ("lpips", "mean"))
"""Scores that are compared over stacks; the pooled ones where there are any. Errors count as shares of the range."""


def across(stacks: Sequence[Scores], baseline: str = BASELINE) -> dict[str, dict[str, dict[str, Any]]]:
    """Return mean, std and the paired test against linear interpolation over stacks.

    Parameters
    ----------
    stacks : sequence of Scores
        Of the same methods.
    baseline : str

    Returns
    -------
    dict
        method -> score -> ``mean``, ``std``, ``stacks``, and unless it is the baseline ``difference``, ``p_value``,
        ``n`` as :func:`napari_depth_interp.metrics.statistics.paired` gives them.
    """
    names = list(dict.fromkeys(each.method for scores in stacks for each in scores.methods))
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name in names:
        found[name] = {}
        for score, average in _SUMMED:
            own = [_value(scores, name, score, average) for scores in stacks]
            if all(value is None for value in own):
                continue
            entry = {"mean": mean_of(own), "std": std_of(own), "stacks": sum(value is not None for value in own)}
            if name != baseline and baseline in names:
                entry |= paired(own, [_value(scores, baseline, score, average) for scores in stacks])
            found[name][score] = entry
    return found


def _value(scores: Scores, method: str, score: str, average: str) -> float | None:
    each = scores.of(method)
    value = None if each is None else _averages(each, average).get(score)
    if value is None or score != "mae":
        return value
    if len(set(scores.data_range)) > 1:  # channels of different ranges: no share of one of them
        return None
    low, high = scores.data_range[0]
    return value / (high - low)


def _averages(scores: MethodScores, average: str) -> dict[str, float | None]:
    return scores.volume if average == "volume" else scores.mean


def as_json(scored: Sequence[tuple[str, Scores]]) -> dict[str, Any]:
    """Return what ``evaluate --json`` prints: one stack's scores, or those of all and what they say together."""
    if len(scored) == 1:
        return scored[0][1].as_json()
    stacks = [scores.as_json() for _, scores in scored]
    return {"stacks": stacks, "summary": across([scores for _, scores in scored])}
