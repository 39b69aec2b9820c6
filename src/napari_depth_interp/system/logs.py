"""Where the log goes. Nothing is logged anywhere until somebody asks for it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import OutputError, RequestError

LEVELS = ("debug", "info", "warning", "error")
_PACKAGE = logging.getLogger(__package__.partition(".")[0])
_FORMAT = "%(asctime)s %(levelname)-7s %(message)s"


class _Lines(logging.Formatter):
    """One record, one line: a file name may hold a line break, and what cannot be shown."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record).encode("utf-8", "backslashreplace").decode()
        head, *trace = text.split("\nTraceback (most recent call last):", 1)
        return "\nTraceback (most recent call last):".join([head.replace("\n", "\\n"), *trace])


class _QuietFile(logging.FileHandler):
    """A log that the disk has no room for ends no run."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


@contextmanager
def logging_to(level: str | None = None, file: Path | None = None) -> Iterator[None]:
    """Write this package's log to a file, or to standard error if there is none.

    Parameters
    ----------
    level : {"debug", "info", "warning", "error"}, optional
        The least important records that are written. Default: ``info`` with a file, else no log at all.
    file : path, optional
        Appended to.

    Raises
    ------
    RequestError
        For an unknown level.
    OutputError
        If the file cannot be opened.
    """
    if level is not None and level.lower() not in LEVELS:
        raise RequestError(f"the log level '{level}' is not known; use one of {', '.join(LEVELS)}")
    if level is None and file is None:
        yield
        return
    with attached(_handler(file), (level or "info").upper()):
        yield


@contextmanager
def attached(handler: logging.Handler, level: str = "INFO") -> Iterator[None]:
    """Send this package's records of a level and above to a handler, then close it."""
    before = _PACKAGE.level
    handler.setLevel(level)
    handler.setFormatter(_Lines(_FORMAT))
    _PACKAGE.addHandler(handler)
    _PACKAGE.setLevel(min(before or logging.CRITICAL, handler.level))
    try:
        yield
    finally:
        _PACKAGE.removeHandler(handler)
        _PACKAGE.setLevel(before)
        with suppress(OSError):  # the rest of the log does not fit on the disk
            handler.close()


def is_on() -> bool:
    """Return whether the log goes anywhere; Python itself prints warnings and errors that nobody takes."""
    return bool(_PACKAGE.handlers)


def log_file(path: Path, mode: str = "a") -> logging.Handler:
    """Return a handler that writes UTF-8 lines to a file."""
    return _QuietFile(path, mode=mode, encoding="utf-8")


def _handler(file: Path | None) -> logging.Handler:
    if file is None:
        return logging.StreamHandler(sys.stderr)
    try:
        return log_file(file)
    except OSError as error:
        raise OutputError(f"the log '{file}' cannot be written: {error.strerror or error}") from error
