"""Times and sizes as people read them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it: s, min or h."""
    if seconds < 90:
        return f"{max(seconds, 0.1):.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size_in_words(count: float) -> str:
    """Return a number of bytes in the unit that suits it: kB, MB or GB."""
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    if count >= 1e5:
        return f"{count / 1e6:.0f} MB" if count >= 1e7 else f"{count / 1e6:.1f} MB"
    return f"{count / 1e3:.0f} kB"
