"""How numbers are written for people, and in full for programs."""

from __future__ import annotations

import math

NOTHING = "–"
"""Stands where a score is not defined."""


def number(value: float | None) -> str:
    """Return about four digits."""
    if value is None:
        return NOTHING
    size = abs(value)
    if size >= 1e6 or (0 < size < 1e-4):
        return f"{value:.3g}"
    if size >= 1000:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.2f}"
    return f"{value:.4f}" if size >= 0.01 or size == 0 else f"{value:.6f}"


def signed(value: float | None) -> str:
    """Return a difference in dB with its sign: two decimals, or two digits of small ones."""
    if value is None:
        return NOTHING
    return "0" if value == 0 else f"{value:+.2f}" if abs(value) >= 0.1 else f"{value:+.2g}"


def difference(value: float | None) -> str:
    """Return a difference with its sign and three digits."""
    return NOTHING if value is None else "0" if value == 0 else f"{value:+.3g}"


def seconds_in_digits(seconds: float | None) -> str:
    """Return seconds: two decimals, or one digit of very short ones."""
    return NOTHING if seconds is None else f"{seconds:.2f}" if seconds >= 0.01 else f"{seconds:.1g}"


def exact(value: float | int | str | None) -> str:
    """Return the number to its last digit, as CSV and JSON have it; empty where there is none."""
    return "" if value is None else value if isinstance(value, str) else repr(value)


def p_value(value: float | None) -> str:
    """Return a p-value with two digits."""
    if value is None:
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.2g}"


def length(value: float | None, unit: str | None) -> str:
    """Return a length with its unit."""
    if value is None or not math.isfinite(value):
        return "not known"
    return f"{value:.4g} {unit_of(unit)}".rstrip()


def unit_of(unit: str | None) -> str:
    """Return how a unit is printed."""
    return {"um": "µm", "angstrom": "Å", None: ""}.get(unit, unit or "")
