"""Which part of an image is taken: rows, columns and time points, as they are written."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import RequestError

_SPAN = re.compile(r"(\d{0,9})\s*:\s*(\d{0,9})")

Span = tuple[int | None, int | None]
"""First and end (excluded); None: to the edge."""

_ALL: Span = (None, None)


def parse_crop(text: str) -> tuple[Span, Span]:
    """Read rows and columns such as ``100:400,50:300``, counted from 0, their ends excluded.

    Raises
    ------
    RequestError
        If the text is none.
    """
    words = text.split(",")
    if len(words) == 2:
        rows, columns = map(_span, words)
        if rows is not None and columns is not None:
            return rows, columns
    raise RequestError(
        f"the crop '{text}' is not known; give rows and columns, counted from 0, their ends excluded, as "
        "--crop 100:400,50:300 (nothing before or after a colon: to the edge)"
    )


def parse_times(text: str) -> Span:
    """Read time points such as ``0:3`` or ``2``, counted from 0, the end excluded.

    Raises
    ------
    RequestError
        If the text is none.
    """
    word = text.strip()
    span = (int(word), int(word) + 1) if re.fullmatch(r"\d{1,9}", word) else _span(word)
    if span is None:
        raise RequestError(
            f"the time points '{text}' are not known; count them from 0, the end excluded, as --times 0:3, or give one"
        )
    return span


def part_of(shape: Sequence[int], crop: str | None, times: str | None) -> tuple[slice, slice, slice]:
    """Return the time points, rows and columns that are asked for of (t, c, z, y, x) voxels; None: all.

    Raises
    ------
    RequestError
        If a text cannot be read, or asks for what the image does not have.
    """
    rows, columns = (_ALL, _ALL) if crop is None else parse_crop(crop)
    span = _ALL if times is None else parse_times(times)
    return (
        _within(span, shape[0], "time points", "--times"),
        _within(rows, shape[3], "rows", "--crop"),
        _within(columns, shape[4], "columns", "--crop"),
    )


def crop_text(rows: slice, columns: slice) -> str:
    """Write rows and columns as :func:`parse_crop` reads them."""
    return f"{rows.start}:{rows.stop},{columns.start}:{columns.stop}"


def _span(word: str) -> Span | None:
    match = _SPAN.fullmatch(word.strip())
    if match is None:
        return None
    start, stop = (int(number) if number else None for number in match.groups())
    return start, stop


def _within(span: Span, size: int, what: str, option: str) -> slice:
    start, stop = span[0] or 0, size if span[1] is None else span[1]
    if start >= stop or stop > size:
        has = f"the image has {what} 0 to {size}"
        raise RequestError(f"{what} {start} to {stop} (excluded) were asked for, but {has}; correct {option}")
    return slice(start, stop)
