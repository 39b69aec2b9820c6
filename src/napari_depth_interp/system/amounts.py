"""Times and sizes as people read them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return an estimated time in the one unit that suits it: s, min or h."""
    if seconds < 90:
        return f"{max(seconds, 0.1):.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def elapsed(seconds: float) -> str:
    """Return a measured time: ``0.3 s``, ``42 s``, ``5 min 31 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return duration(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size_in_words(count: float) -> str:
    """Return a number of bytes in the unit that suits it: kB, MB or GB."""
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    if count >= 1e5:
        return f"{count / 1e6:.0f} MB" if count >= 1e7 else f"{count / 1e6:.1f} MB"
    return f"{count / 1e3:.0f} kB"
