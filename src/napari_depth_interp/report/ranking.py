"""Which value is the best, and which is worse than another."""

from __future__ import annotations

from collections.abc import Sequence

from ..metrics import best_of
from .numbers import number


def best(values: Sequence[float | None], name: str) -> float | None:
    """Return the best of a score's values; None for a single one, or where one is not defined.

    Without a PSNR stands also what is exact, so then nothing is called the best.
    """
    known = [value for value in values if value is not None]
    if len(known) < max(2, len(values)):
        return None
    return best_of(known, name)


def is_worse(value: float | None, other: float | None, name: str) -> bool:
    """Return whether a score is worse than another one, by what is printed of both."""
    if value is None or other is None or number(value) == number(other):
        return False
    return best_of([value, other], name) != value
