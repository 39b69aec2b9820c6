"""One colour per method, the same in all plots."""

from __future__ import annotations

from ...evaluation.evaluate import BASELINE
from ..plots import BASELINE_COLOUR, COLOURS
from .results import Comparison


def colour_of(comparison: Comparison, name: str) -> str:
    """Return the colour of a method: grey for linear interpolation."""
    others = [method for method in comparison.question.methods if method != BASELINE]
    return BASELINE_COLOUR if name == BASELINE else COLOURS[others.index(name) % len(COLOURS)]
