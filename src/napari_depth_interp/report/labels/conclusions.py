"""What scores of labels say, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from ...evaluation.label_scores import SIMPLE, LabelMethodScores, LabelScores
from ..conclusions import Sentence
from ..numbers import number

_NOTICED = 0.0005
"""Dice that three decimals show."""


def conclusions(scores: LabelScores) -> list[Sentence]:
    """Return everything that a reader must know before the numbers, the most important first."""
    found = [*_best(scores), *_worse(scores), *(Sentence("bad", f"{each}.") for each in scores.warnings)]
    return [*found, *_expected(scores), *_warnings(scores)]


def _dice(each: LabelMethodScores) -> float:
    return each.mean["dice"] or 0.0


def _best(scores: LabelScores) -> Iterator[Sentence]:
    top, plain = scores.best(), scores.of(SIMPLE)
    if top is None:
        yield Sentence("note", "No label is on a hidden section, so there is no Dice.")
        return
    if plain is None or len(scores.methods) == 1:
        yield Sentence("note", f"Best: {top.method}, mean Dice {_dice(top):.3f}.")
    elif top is plain:
        yield Sentence("bad", f"No method beats repeating the {SIMPLE} section here: mean Dice {_dice(top):.3f}.")
    else:
        gain = _dice(top) - _dice(plain)
        yield Sentence(
            "good" if gain > _NOTICED else "note",
            f"Best: {top.method}, mean Dice {_dice(top):.3f}, {gain:+.3f} against repeating the {SIMPLE} section.",
        )
    yield from _best_otherwise(scores, top)


def _best_otherwise(scores: LabelScores, top: LabelMethodScores) -> Iterator[Sentence]:
    """Say where another method than the one with the highest Dice finds more objects."""
    known = {each.method: each.total["object_f1"] for each in scores.methods}
    values = {method: value for method, value in known.items() if value is not None}
    if top.method not in values:
        return
    best = max(values, key=values.__getitem__)
    if values[best] - values[top.method] > _NOTICED:
        others = f"{top.method}: {number(values[top.method])}"
        yield Sentence("note", f"By the objects found {best} is the best: F1 {number(values[best])} ({others}).")


def _worse(scores: LabelScores) -> Iterator[Sentence]:
    plain = scores.of(SIMPLE)
    if plain is None:
        return
    for each in scores.methods:
        loss = _dice(plain) - _dice(each)
        if loss > _NOTICED:
            yield Sentence("bad", f"{each.method} is worse than repeating the {SIMPLE} section, by {loss:.3f} of Dice.")


def _expected(scores: LabelScores) -> Iterator[Sentence]:
    for each in scores.methods:
        if each.expected_dice is not None:
            yield Sentence(
                "note", f"{each.method} had expected a Dice of {each.expected_dice:.3f}; it was {_dice(each):.3f}."
            )


def _warnings(scores: LabelScores) -> Iterator[Sentence]:
    by_text: dict[str, list[str]] = {}
    for each in scores.methods:
        for text in each.warnings:
            by_text.setdefault(text, []).append(each.method)
    for text, methods in by_text.items():
        yield Sentence("bad", f"Warning ({', '.join(methods)}): {text.rstrip('.')}.")
