"""Times and sizes as people read them."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*([kmgt]i?b)", re.IGNORECASE)
_UNITS = {
    **{unit: 1000**power for power, unit in enumerate(("kb", "mb", "gb", "tb"), 1)},
    **{unit: 1024**power for power, unit in enumerate(("kib", "mib", "gib", "tib"), 1)},
}
_SMALLEST_SIZE = 2 * 10**6


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


def parse_size(text: str) -> int:
    """Read a number of bytes such as ``8GB``, ``500 MB`` or ``4GiB``; of 2 MB at least.

    Raises
    ------
    ValueError
        If the text is none.
    """
    match = _SIZE.fullmatch(text.strip())
    size = int(float(match[1]) * _UNITS[match[2].lower()]) if match else 0
    if size < _SMALLEST_SIZE:
        raise ValueError(f"'{text}' is no size of memory; write a number with its unit, such as 8GB or 500MB")
    return size


def size_in_words(count: float) -> str:
    """Return a number of bytes in the unit that suits it: kB, MB, GB or TB."""
    if count >= 1e12:
        return f"{count / 1e12:,.1f} TB"
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    if count >= 1e5:
        return f"{count / 1e6:.0f} MB" if count >= 1e7 else f"{count / 1e6:.1f} MB"
    return f"{count / 1e3:.0f} kB"
