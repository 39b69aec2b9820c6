"""Which sections are meant where somebody writes their numbers: ``12,40-41``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import RequestError

_WORD = re.compile(r"(\d{1,9})(?:\s*-\s*(\d{1,9}))?")
_SHOWN = 60
"""Characters of a long list that an error message shows."""


def parse_sections(text: str, count: int, option: str = "--exclude") -> tuple[int, ...]:
    """Read section numbers such as ``12,40-41``, counted from 0, both ends of a range included.

    Parameters
    ----------
    text : str
    count : int
        Number of sections that there are.
    option : str
        What the error message says is to be corrected.

    Returns
    -------
    tuple of int
        In increasing order, each once.

    Raises
    ------
    RequestError
        If the text cannot be read, or names a section that there is not.
    """
    ranges = [_range(word.strip()) for word in text.split(",")]
    if None in ranges:
        raise RequestError(
            f"the sections '{_short(text)}' cannot be read; give their numbers, counted from 0, as {option} 12,40-41 "
            "(both ends of a range included)"
        )
    found = sorted({i for each in ranges if each for i in (each.start, each.stop - 1)})
    if found[-1] >= count:
        raise RequestError(
            f"section {found[-1]} was named, but the stack has sections 0 to {count - 1}; correct {option} "
            f"{_short(text)}"
        )
    return tuple(sorted({i for each in ranges if each for i in each}))


def section_text(sections: Iterable[int]) -> str:
    """Write section numbers as :func:`parse_sections` reads them, neighbours as ranges: ``12,40-41``."""
    runs: list[list[int]] = []
    for section in sorted(set(sections)):
        if runs and section == runs[-1][1] + 1:
            runs[-1][1] = section
        else:
            runs.append([section, section])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)


def _range(word: str) -> range | None:
    match = _WORD.fullmatch(word)
    if match is None:
        return None
    first, last = int(match[1]), int(match[2] or match[1])
    return range(first, last + 1) if first <= last else None


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
